//! `mesh-relay get` and `mesh-relay ack`: messages to files, and the word to MESH that they are safe.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::TryStreamExt;
use mesh_api::{Download, MessageId, MessageKind, PayloadStream};
use mesh_client::{CallError, Mailbox};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::failure::{End, Failure};
use super::place::{Landing, Place, names};
use super::progress::Meter;
use super::show;
use super::source::DASH;

/// What `get` takes.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The message
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    id: Option<MessageId>,
    /// Where to put it: a new file, or a folder; `-` writes its bytes alone to stdout [default: ID.dat here]
    #[arg(long, value_name = "FILE|DIR|-")]
    out: Option<PathBuf>,
    /// In a folder, use the sender's file name where it is safe and free
    #[arg(long)]
    name_from_message: bool,
    /// Acknowledge it once its file is safe; a report is then kept as ID.report.json
    #[arg(long)]
    ack: bool,
    /// Get everything in the inbox, into the folder that --out names
    #[arg(long, requires = "out")]
    all: bool,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// What `ack` takes.
#[derive(Debug, Args)]
pub struct AckArgs {
    /// The messages
    #[arg(value_name = "ID", required = true)]
    ids: Vec<MessageId>,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// Runs `get`.
pub(super) async fn get(args: &GetArgs) -> Result<(), Failure> {
    let place = Place::of(args.out.as_deref());
    match (&place, args.all) {
        (Place::Stdout, _) if args.ack => {
            return Err(Failure::usage(format!(
                "--ack does not go with --out {DASH}, because nothing tells that stdout is safe; get it, then \
                 mesh-relay ack ID"
            )));
        }
        (Place::Stdout, _) if args.connect.json => {
            return Err(Failure::usage(format!("--json and --out {DASH} both want stdout; leave one out")));
        }
        (Place::Folder(_), _) | (_, false) => {}
        (_, true) => return Err(Failure::usage("--all wants a folder; make one and name it with --out")),
    }
    let getting = Getting { mailbox: args.connect.open()?.mailbox, place, args };
    match &args.id {
        Some(id) => getting.one(id).await,
        None => getting.all().await,
    }
}

struct Getting<'a> {
    mailbox: Mailbox,
    place: Place,
    args: &'a GetArgs,
}

/// A message that is safe here.
struct Got {
    download: Download,
    bytes: u64,
    saved: Option<PathBuf>,
    acknowledged: bool,
}

impl Got {
    fn to_json(&self) -> Value {
        let mut document = show::metadata_json(&self.download);
        document["bytes"] = self.bytes.into();
        document["saved"] = self.saved.as_ref().map(|path| path.to_string_lossy()).into();
        document["acknowledged"] = self.acknowledged.into();
        document
    }

    fn to_words(&self) -> String {
        let saved = self.saved.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let bytes = match self.download.kind {
            MessageKind::Data => self.bytes.to_string(),
            MessageKind::Report => String::new(),
        };
        let mut facts = show::metadata(&self.download);
        facts.extend([("bytes", bytes.as_str()), ("saved", &saved)]);
        facts.push(("acknowledged", if self.acknowledged { "yes" } else { "no" }));
        show::facts(&facts)
    }
}

impl Getting<'_> {
    async fn one(&self, id: &MessageId) -> Result<(), Failure> {
        let mut got = self.fetch(id).await?;
        let acknowledged = self.acknowledge(&mut got).await;
        match (&self.place, self.args.connect.json) {
            (Place::Stdout, _) => {}
            (_, true) => show::line(&got.to_json().to_string())?,
            (_, false) => show::line(&got.to_words())?,
        }
        acknowledged
    }

    /// Everything that is listed now. A message that cannot be had is passed over, so that it does not stand in
    /// the way of the others; what would fail for the others too ends it.
    async fn all(&self) -> Result<(), Failure> {
        let json = self.args.connect.json;
        let (mut messages, mut failed) = (Vec::new(), Vec::new());
        let mut broken = None;
        for id in self.mailbox.list().await? {
            let outcome = match self.fetch(&id).await {
                Ok(mut got) => {
                    let acknowledged = self.acknowledge(&mut got).await;
                    match json {
                        true => messages.push(got.to_json()),
                        false => show::line(&format!("{}\n", got.to_words()))?,
                    }
                    acknowledged
                }
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(()) => {}
                Err(failure) if failure.is_of_one_message() => {
                    if !json {
                        failure.tell(json);
                    }
                    failed.push((id, failure));
                }
                Err(failure) => {
                    broken = Some(failure);
                    break;
                }
            }
        }
        if json {
            let failures: Vec<Value> = failed.iter().map(of_message).collect();
            show::line(&json!({ "messages": messages, "failed": failures }).to_string())?;
        }
        match (broken, failed.first()) {
            (Some(failure), _) => Err(failure),
            (None, Some((_, first))) => Err(some_failed(failed.len(), first)),
            (None, None) => Ok(()),
        }
    }

    /// Downloads one message to its place.
    async fn fetch(&self, id: &MessageId) -> Result<Got, Failure> {
        let message = self.mailbox.open(id).await?;
        let download = message.download;
        let (bytes, saved) = match download.kind {
            MessageKind::Data => self.save(&download, message.body).await?,
            MessageKind::Report => (0, self.save_report(&download)?),
        };
        Ok(Got { download, bytes, saved, acknowledged: false })
    }

    /// Acknowledges a message that is safe here, if that is asked for.
    async fn acknowledge(&self, got: &mut Got) -> Result<(), Failure> {
        if !self.args.ack || got.saved.is_none() {
            return Ok(());
        }
        let id = &got.download.message_id;
        self.mailbox.acknowledge(id).await.map_err(|error| {
            Failure::from(error).next(format!("It is saved. Acknowledge it later: mesh-relay ack {id}"))
        })?;
        got.acknowledged = true;
        Ok(())
    }

    async fn save(
        &self,
        download: &Download,
        mut body: PayloadStream,
    ) -> Result<(u64, Option<PathBuf>), Failure> {
        let meter = Meter::new(None, self.args.connect.json);
        let mut landing = self.landing()?;
        let mut bytes = 0;
        while let Some(piece) = body.try_next().await.map_err(stream_failed)? {
            match &mut landing {
                Some(landing) => landing.write(&piece)?,
                None => io::stdout().lock().write_all(&piece).map_err(|error| show::stdout_failed(&error))?,
            }
            bytes += piece.len() as u64;
            meter.at(bytes);
        }
        meter.clear();
        let senders = self.args.name_from_message.then_some(download.file_name.as_str());
        match landing {
            Some(landing) => Ok((
                bytes,
                Some(landing.settle(&self.names(download, senders, "dat"), download.message_id.as_str())?),
            )),
            None => {
                io::stdout().lock().flush().map_err(|error| show::stdout_failed(&error))?;
                Ok((bytes, None))
            }
        }
    }

    /// A report is its metadata. It is shown; where it is acknowledged, it is kept first, because MESH forgets it.
    fn save_report(&self, download: &Download) -> Result<Option<PathBuf>, Failure> {
        if matches!(self.place, Place::Stdout) {
            let what =
                format!("{} is a report and has no bytes; get it without --out {DASH}", download.message_id);
            return Err(Failure::new(End::Failed, what));
        }
        let landing = if self.args.ack { self.landing()? } else { None };
        let Some(mut landing) = landing else {
            return Ok(None);
        };
        landing.write(format!("{:#}\n", show::metadata_json(download)).as_bytes())?;
        landing.settle(&self.names(download, None, "report.json"), download.message_id.as_str()).map(Some)
    }

    /// A file to be written, or `None` for stdout.
    fn landing(&self) -> Result<Option<Landing>, Failure> {
        let folder = match &self.place {
            Place::Stdout => return Ok(None),
            Place::Folder(folder) => folder,
            Place::File(file) => match file.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            },
        };
        Landing::begin(folder).map(Some)
    }

    fn names(&self, download: &Download, senders: Option<&str>, extension: &str) -> Vec<PathBuf> {
        match &self.place {
            Place::Folder(folder) => names(folder, senders, &download.message_id, extension),
            Place::File(file) => vec![file.clone()],
            Place::Stdout => Vec::new(),
        }
    }
}

/// An error of a body holds that of the call.
fn stream_failed(error: io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<CallError>()) {
        Some(call) => Failure::from(call.clone()),
        None => Failure::new(End::Failed, format!("the download broke off: {error}")),
    }
}

/// Runs `ack`.
pub(super) async fn ack(args: &AckArgs) -> Result<(), Failure> {
    let mailbox = args.connect.open()?.mailbox;
    let json = args.connect.json;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let mut broken = None;
    for id in &args.ids {
        match mailbox.acknowledge(id).await.map_err(Failure::from) {
            Ok(()) => done.push(id.as_str()),
            Err(failure) if failure.is_of_one_message() => {
                if !json {
                    failure.tell(json);
                }
                failed.push((id.clone(), failure));
            }
            Err(failure) => {
                broken = Some(failure.next("Acknowledging again does no harm."));
                break;
            }
        }
    }
    if json {
        let failures: Vec<Value> = failed.iter().map(of_message).collect();
        show::line(&json!({ "acknowledged": done, "failed": failures }).to_string())?;
    } else if !done.is_empty() {
        show::line(&done.join("\n"))?;
    }
    match (broken, failed.first()) {
        (Some(failure), _) => Err(failure),
        (None, Some((_, first))) => Err(some_failed(failed.len(), first)),
        (None, None) => Ok(()),
    }
}

fn of_message((id, failure): &(MessageId, Failure)) -> Value {
    let mut document = failure.to_json();
    document["message_id"] = id.as_str().into();
    document
}

/// The end of a command of which single messages failed: as the first of them.
fn some_failed(count: usize, first: &Failure) -> Failure {
    Failure::new(first.end(), format!("{count} message(s) failed; the first: {first}"))
}
