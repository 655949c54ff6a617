//! `mesh-relay send`: one message up, and on from where it broke off.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use clap::Args;
use mesh_api::chunk::REQUEST_BYTES_MAX;
use mesh_api::envelope::HeaderText;
use mesh_api::routing::{NhsNumber, routing_address};
use mesh_api::{ChunkPlan, Classify, Effect, Envelope, IdError, MessageId, Payload, Recipient, WorkflowId};
use mesh_client::{CallError, ErrorKind, Mailbox, SendFailure, SendOptions, Upload};
use relay_config::Size;
use relay_core::Chance;
use serde_json::json;
use thiserror::Error;

use super::connect::ConnectArgs;
use super::failure::{End, Failure};
use super::source::{DASH, Opened};
use super::{show, source};
use crate::stop;
use crate::system::{self, SystemChance};

/// What the command takes. What may identify a patient is taken as it is and checked here, because the command
/// line's own checks repeat a value that they refuse.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The recipient's mailbox; left out where a patient's practice is to be found
    #[arg(value_name = "TO")]
    first: String,
    /// The file to send; `-` sends stdin, which is kept in a temporary file meanwhile
    #[arg(value_name = "FILE|-")]
    second: Option<String>,
    /// The agreed kind of traffic
    #[arg(long, value_name = "WORKFLOW", required_unless_present = "resume")]
    workflow: Option<WorkflowId>,
    /// Free text for the recipient
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Your own reference, by which a message can be found again [default: a new UUID]
    #[arg(long, value_name = "ID")]
    local_id: Option<String>,
    /// Name of the file, for the recipient
    #[arg(long, value_name = "NAME")]
    file_name: Option<String>,
    /// Type of the content, for the recipient
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Compress each chunk on the way
    #[arg(long)]
    gzip: bool,
    /// Largest chunk, such as 20MB [default: 20MB, or what the configuration says]
    #[arg(long, value_name = "SIZE")]
    chunk_size: Option<Size>,
    /// Cut even a small file in two, so that a lost answer leaves no doubt; the recipient must take chunks
    #[arg(long)]
    two_step: bool,
    /// NHS number of the patient to whose practice it goes, in place of TO; while the command runs, other users of
    /// this machine can see it
    #[arg(long, value_name = "NUMBER", requires_all = ["born", "surname"])]
    nhs_number: Option<String>,
    /// The patient's date of birth, YYYY-MM-DD
    #[arg(long, value_name = "DATE", requires = "nhs_number")]
    born: Option<String>,
    /// The patient's surname
    #[arg(long, value_name = "NAME", requires = "nhs_number")]
    surname: Option<String>,
    /// Go on with an upload that broke off: the same command and file, and this as the error said it
    #[arg(long, value_name = "ID:NEXT/…")]
    resume: Option<Resume>,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// How far an upload got, as `ID:NEXT/LENGTH/CHUNK/gzip|plain/CHANGED`: what must be as it was, because MESH would join
/// chunks that do not fit each other and deliver them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resume {
    upload: Upload,
    /// When the file was last changed, in nanoseconds since 1970; written `-` of stdin, whose bytes nothing vouches for.
    changed: Option<u128>,
}

/// A text is not what [`Resume`] writes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum ResumeError {
    /// A part is missing or no number, or there is no such chunk after the first.
    #[error("give it as the error said it, such as 20260329234512345_0A1B2C:2/45000000/20000000/plain/-")]
    Form,
    /// The id cannot be one.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl FromStr for Resume {
    type Err = ResumeError;

    fn from_str(text: &str) -> Result<Self, ResumeError> {
        fn number<T: FromStr>(text: &str) -> Result<T, ResumeError> {
            text.parse().map_err(|_| ResumeError::Form)
        }

        let (id, place) = text.split_once(':').ok_or(ResumeError::Form)?;
        let &[next, length, chunk_bytes, coding, changed] = &place.split('/').collect::<Vec<_>>()[..] else {
            return Err(ResumeError::Form);
        };
        let (next, length, chunk_bytes) = (number(next)?, number(length)?, number(chunk_bytes)?);
        if !ChunkPlan::chunked(length, chunk_bytes).is_ok_and(|plan| (2..=plan.of()).contains(&next)) {
            return Err(ResumeError::Form);
        }
        let gzip = match coding {
            "gzip" => true,
            "plain" => false,
            _ => return Err(ResumeError::Form),
        };
        let changed = if changed == "-" { None } else { Some(number(changed)?) };
        Ok(Self { upload: Upload { message_id: id.parse()?, next, length, chunk_bytes, gzip }, changed })
    }
}

impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Upload { message_id, next, length, chunk_bytes, gzip } = &self.upload;
        let coding = if *gzip { "gzip" } else { "plain" };
        write!(f, "{message_id}:{next}/{length}/{chunk_bytes}/{coding}/")?;
        match self.changed {
            Some(changed) => write!(f, "{changed}"),
            None => f.write_str("-"),
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: &SendArgs) -> Result<(), Failure> {
    let connection = args.connect.open()?;
    let options = args.options(connection.chunk_bytes)?;
    let (to, file) = args.ends()?;
    let mailbox = connection.mailbox;
    let sending = match &args.resume {
        Some(resume) => Sending::On(resume.upload.clone()),
        None => Sending::New(Box::new(args.envelope(&mailbox, to)?)),
    };
    let Opened { payload, meter, changed } = source::open(Path::new(file), args.connect.json)?;
    let plan = options.plan(payload.length()).map_err(|error| {
        Failure::new(End::Refused, format!("{file}: {error}")).next("MESH takes no such message.")
    })?;
    if args.resume.as_ref().is_some_and(|resume| resume.changed != changed) {
        return Err(Failure::usage(format!(
            "{file} was changed since the upload began, or is not what it began with; send it from its beginning, \
             without --resume"
        )));
    }
    let story = Story {
        of: plan.of(),
        local_id: match &sending {
            Sending::New(envelope) if args.local_id.is_none() => {
                envelope.local_id.as_ref().map(|id| id.as_str().to_owned())
            }
            _ => None,
        },
        from_stdin: file == DASH,
        changed,
    };
    let outcome = tokio::select! {
        outcome = transfer(&mailbox, &sending, &payload, &options) => outcome,
        heard = stop::asked() => {
            meter.clear();
            let what = match heard {
                Ok(()) => "stopped before MESH answered".to_owned(),
                Err(error) => format!("signals cannot be heard: {error}"),
            };
            return Err(match &sending {
                Sending::New(_) => story.in_doubt(&what),
                Sending::On(upload) => {
                    let place = story.place(upload);
                    Failure::new(End::Unknown, what)
                        .next(format!("Going on again does no harm: mesh-relay send … --resume {place}"))
                        .fact("resume", place)
                }
            });
        }
    };
    meter.clear();
    let message_id = outcome.map_err(|ended| match ended {
        Ended::Before(error) => error.into(),
        Ended::Sending(failure) => story.tell(failure),
    })?;
    let local_id = match &sending {
        Sending::New(envelope) => envelope.local_id.as_ref().map(|id| id.as_str()),
        Sending::On(_) => None,
    };
    let document = json!({
        "message_id": message_id, "local_id": local_id, "bytes": payload.length(), "chunks": plan.of(),
    });
    let answer = if args.connect.json { document.to_string() } else { message_id.to_string() };
    // An answer that nobody could read must not pass for a message that was not sent.
    if let Err(failure) = show::line(&answer) {
        let sent = format!("The message is sent: {message_id}");
        failure.next(sent).fact("message_id", message_id.as_str()).tell(args.connect.json);
    }
    Ok(())
}

/// A message from its beginning, or the rest of one.
enum Sending {
    New(Box<Envelope>),
    On(Upload),
}

/// Where it failed.
enum Ended {
    Before(CallError),
    Sending(SendFailure),
}

async fn transfer(
    mailbox: &Mailbox,
    sending: &Sending,
    payload: &Payload,
    options: &SendOptions,
) -> Result<MessageId, Ended> {
    match sending {
        Sending::New(envelope) => {
            // Refused credentials and a server that is away show here, where they leave no doubt.
            mailbox.handshake().await.map_err(Ended::Before)?;
            mailbox.send_message(envelope, payload, options).await.map_err(Ended::Sending)
        }
        Sending::On(upload) => mailbox.resume(upload.clone(), payload, options).await.map_err(Ended::Sending),
    }
}

impl SendArgs {
    /// Recipient, if one is named, and file.
    fn ends(&self) -> Result<(Option<&str>, &str), Failure> {
        match (&self.second, &self.nhs_number, &self.resume) {
            (None, Some(_), _) | (None, _, Some(_)) => Ok((None, &self.first)),
            (Some(_), Some(_), _) => Err(Failure::usage(
                "both TO and --nhs-number are given; leave one out, for a message has one recipient",
            )),
            (Some(file), None, _) => Ok((Some(&self.first), file)),
            (None, None, None) => {
                Err(Failure::usage("the file to send is missing; give the recipient, then the file"))
            }
        }
    }

    fn options(&self, usual: u64) -> Result<SendOptions, Failure> {
        let chunk_bytes = self.chunk_size.map_or(usual, Size::bytes);
        if chunk_bytes == 0 || chunk_bytes > REQUEST_BYTES_MAX {
            return Err(Failure::usage("--chunk-size must be more than nothing and at most 100MB"));
        }
        Ok(SendOptions { chunk_bytes, gzip: self.gzip, two_step: self.two_step })
    }

    fn envelope(&self, mailbox: &Mailbox, to: Option<&str>) -> Result<Envelope, Failure> {
        let Some(workflow) = &self.workflow else {
            return Err(Failure::usage("the workflow is missing; give --workflow"));
        };
        let to = match to {
            Some(to) => to.parse().map_err(usage)?,
            None => self.practice()?,
        };
        let mut envelope = Envelope::new(mailbox.id().clone(), to, workflow.clone());
        let local_id = match &self.local_id {
            Some(given) => given.clone(),
            None => SystemChance.relay_id(system::now()).0.to_string(),
        };
        envelope.local_id = Some(local_id.parse().map_err(usage)?);
        envelope.subject = text("--subject", self.subject.as_deref())?;
        envelope.file_name = text("--file-name", self.file_name.as_deref())?;
        envelope.content_type = text("--content-type", self.content_type.as_deref())?;
        Ok(envelope)
    }

    /// The address that MESH turns into a patient's practice.
    fn practice(&self) -> Result<Recipient, Failure> {
        let (Some(number), Some(born), Some(surname)) = (&self.nhs_number, &self.born, &self.surname) else {
            return Err(Failure::usage("--nhs-number, --born and --surname go together; give all three"));
        };
        let number: NhsNumber = number.parse().map_err(usage)?;
        // The parser's own words would repeat the date.
        let born = born.parse().map_err(|_| {
            Failure::usage("--born is no date; write year, month and day, such as 1955-01-09")
        })?;
        routing_address(&number, born, surname).map_err(usage)
    }
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::usage(error.to_string())
}

fn text<const CHARS_MAX: usize>(
    kind: &'static str,
    given: Option<&str>,
) -> Result<Option<HeaderText<CHARS_MAX>>, Failure> {
    HeaderText::optional(kind, given.unwrap_or_default()).map_err(usage)
}

/// What a failed send means, and how to go on.
struct Story {
    /// How many chunks the message has.
    of: u32,
    /// The local id, where it is one of our making: one that was given may be private.
    local_id: Option<String>,
    from_stdin: bool,
    /// When the file was last changed, in nanoseconds since 1970.
    changed: Option<u128>,
}

impl Story {
    fn tell(&self, failure: SendFailure) -> Failure {
        match failure {
            SendFailure::Call(error) if error.effect() != Effect::Unknown => error.into(),
            // MESH delivers nothing before the last chunk (`mesh-api.md` 5.2).
            SendFailure::Call(error) if self.of > 1 => Failure::from(error)
                .ending(End::Failed)
                .next("Nothing is delivered: MESH had the first chunk at most. Send it again."),
            SendFailure::Call(error) => self.in_doubt(&error.to_string()),
            SendFailure::Interrupted { upload, error } => self.interrupted(&upload, error),
            SendFailure::Plan(error) => Failure::new(End::Refused, error.to_string()),
            SendFailure::Other(error) => {
                Failure::usage(format!("--resume: {error}; give the same file and options as before"))
            }
        }
    }

    /// What `--resume` takes.
    fn place(&self, upload: &Upload) -> String {
        Resume { upload: upload.clone(), changed: self.changed }.to_string()
    }

    fn in_doubt(&self, what: &str) -> Failure {
        let local_id = self.local_id.as_deref();
        let failure = Failure::new(End::Unknown, format!("{what}; MESH may have taken the message or not"))
            .next(format!(
                "Do not send it again before you know. Wait a minute, then ask: mesh-relay track --local-id {}",
                local_id.unwrap_or("…, with the one that you gave")
            ));
        match local_id {
            Some(local_id) => failure.fact("local_id", local_id),
            None => failure,
        }
    }

    fn interrupted(&self, upload: &Upload, error: CallError) -> Failure {
        if *error.kind() == ErrorKind::AlreadyComplete {
            let Upload { message_id, next, .. } = upload;
            let what = format!("chunk {next} of {}: {error}", self.of);
            return Failure::new(End::Unknown, what)
                .next(format!(
                    "MESH takes no more of {message_id}, and does not say that it was accepted. Before you send it \
                     again, ask: mesh-relay track {message_id}"
                ))
                .fact("message_id", message_id.as_str());
        }
        let last = upload.next == self.of;
        let doubtful = error.effect() == Effect::Unknown;
        let Upload { message_id, next, .. } = upload;
        let what = format!("the upload of {message_id} stopped at chunk {next} of {}: {error}", self.of);
        let end = match Failure::from(error).end() {
            End::Unknown if !last => End::Failed,
            end => end,
        };
        let failure = Failure::new(end, what).fact("message_id", message_id.as_str());
        if end == End::Refused {
            return failure;
        }
        let source = if self.from_stdin { "the same bytes on stdin" } else { "the same file and options" };
        let state = match last && doubtful {
            true => "It may be delivered. Going on does no harm",
            false => "Nothing is delivered yet. Go on",
        };
        let place = self.place(upload);
        failure
            .next(format!("{state}, with {source}: mesh-relay send … --resume {place}"))
            .fact("resume", place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_go_on_is_read() {
        for (text, gzip, changed) in [
            ("20260329234512345_0A1B2C:3/40/10/plain/-", false, None),
            (
                "20260329234512345_0A1B2C:3/40/10/gzip/1774828800123456789",
                true,
                Some(1_774_828_800_123_456_789),
            ),
        ] {
            let place: Resume = text.parse().expect("a place");
            let message_id = "20260329234512345_0A1B2C".parse().expect("an id");
            let upload = Upload { message_id, next: 3, length: 40, chunk_bytes: 10, gzip };
            assert_eq!(place, Resume { upload, changed });
            assert_eq!(place.to_string(), text);
        }
        for bad in [
            "",
            "ID",
            "ID:",
            "ID:2",
            "ID:2/3",
            "ID:1/40/10/plain/-",
            "ID:0/40/10/plain/-",
            "ID:-2/40/10/plain/-",
            "ID:5/40/10/plain/-",
            "ID:2:40/10/plain/-",
            "ID:2/40/10/br/-",
            "ID:2/40/10/plain/",
            "ID:2/40/10/plain/-/-",
            "ID:4294967296/40/10/plain/-",
            "ID:2/40/0/plain/-",
        ] {
            assert_eq!(bad.parse::<Resume>().err(), Some(ResumeError::Form), "{bad}");
        }
        assert!(matches!("../x:2/40/10/plain/-".parse::<Resume>(), Err(ResumeError::Id(_))));
    }
}
