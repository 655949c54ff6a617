//! A message for MESH: who sends it, to whom, and how.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use dts_control::{ControlFile, DataFile, SIZE_MAX, file_name};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use relay_carrier::{Given as Carried, Submission};
use relay_core::{Envelope, MailboxId, OpenPayload, Payload, PayloadStream, SourceKey, SourceMessage, Trace};
use serde::Serialize;

use super::headers::Given;
use super::{Explained, Step, Way};
use crate::adapters::AdapterConfig;
use crate::config_tests::word;
use crate::settings::Plan;

/// How a message would be sent.
#[derive(Debug, Serialize)]
pub(super) struct Sending {
    /// Who it is for, in a form that identifies no patient.
    to: String,
    workflow: String,
    /// What is done when nobody knows whether MESH has it.
    in_doubt: &'static str,
    /// Whether it is gzipped on the way.
    compressed: bool,
    /// Into how many requests it is cut. Absent: its length is not known.
    chunks: Option<u32>,
}

/// A length without its bytes: nothing is sent here.
struct NoBytes;

impl OpenPayload for NoBytes {
    fn open(&self, _: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        async { Err(io::ErrorKind::Unsupported.into()) }.boxed()
    }
}

fn refused(
    mailbox: Option<&MailboxId>,
    adapter: Option<&str>,
    steps: Vec<Step>,
    result: String,
) -> Explained {
    let (mailbox, adapter) = (mailbox.map(ToString::to_string), adapter.map(str::to_owned));
    Explained { way: Way::Out, mailbox, taken: false, adapter, steps, result, sending: None }
}

/// By a control file: whose OUT it is in, or which folder's mailbox it names as its sender.
pub(super) fn of_control_file(plan: &Plan, path: &Path) -> Result<Explained, String> {
    let unread =
        |error: io::Error| format!("{} cannot be read: {error}; give a control file", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(unread)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folders: Vec<(&str, &dts_folder::Config)> = plan
        .adapters
        .iter()
        .filter_map(|(name, config)| Some((name.as_str(), config.dts_folder()?)))
        .collect();
    let mut steps = Vec::new();
    let parent = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    let in_out = |config: &dts_folder::Config| {
        parent.is_some() && fs::canonicalize(config.root.join("OUT")).ok() == parent
    };
    let read = ControlFile::read(&bytes);
    let sender = read.as_ref().map(|control| control.from_dts.trim().to_owned()).unwrap_or_default();
    let mut taker = None;
    for (adapter, config) in &folders {
        let (here, named) = (in_out(config), sender.eq_ignore_ascii_case(config.mailbox.as_str()));
        let why = match (here, named) {
            (true, _) => "the file is in its OUT".to_owned(),
            (false, true) => format!("From_DTS is its mailbox, {}", config.mailbox),
            (false, false) => {
                format!("the file is not in its OUT, and From_DTS is not its mailbox, {}", config.mailbox)
            }
        };
        let holds = here || (named && !folders.iter().any(|(_, other)| in_out(other)));
        steps.push(Step::new(format!("adapter {adapter}"), holds, why));
        if holds {
            taker = Some((*adapter, *config));
            break;
        }
    }
    let Some((adapter, config)) = taker else {
        let result = "nobody: it is in no folder's OUT, and From_DTS is no folder's mailbox".to_owned();
        return Ok(refused(None, None, steps, result));
    };
    let mailbox = &config.mailbox;
    let data = file_name::data_name_candidates(name).into_iter().find_map(|name| {
        let length = fs::metadata(path.with_file_name(&name)).ok().filter(fs::Metadata::is_file)?.len();
        Some((name, length))
    });
    let beside = match &data {
        Some((name, length)) => DataFile::Here { name, length: *length },
        None => DataFile::NotLookedAt,
    };
    let judged = ControlFile::judge(&bytes, name, mailbox.as_str(), beside);
    let control = match judged {
        Ok(control) => control,
        Err(fault) => {
            let result = format!("it goes to FAILED, with code {}: {}", fault.code, fault.description);
            return Ok(refused(Some(mailbox), Some(adapter), steps, result));
        }
    };
    let workflow = control.workflow_id.clone().unwrap_or_default();
    let envelope = control.to_dts.parse().ok().zip(workflow.parse().ok());
    let Some((to, workflow)) = envelope else {
        let result = "it goes to FAILED: To_DTS or WorkflowId is nothing that MESH takes".to_owned();
        return Ok(refused(Some(mailbox), Some(adapter), steps, result));
    };
    let message = message(
        Envelope::new(mailbox.clone(), to, workflow),
        data.map(|(_, length)| length),
        control.compress.unwrap_or(false),
        control.allow_chunking.unwrap_or(false),
    );
    Ok(sent(plan, Some(adapter), steps, &message))
}

/// By headers: what a queue, a topic or a caller says of a message.
pub(super) fn of_headers(plan: &Plan, given: &Given) -> Explained {
    let mailbox = &given.mailbox;
    let mut steps = Vec::new();
    let mut takers = Vec::new();
    for (name, config) in plan.adapters.iter().filter(|(_, config)| config.mailbox() == mailbox) {
        let (holds, why) = match config {
            AdapterConfig::DtsFolder(_) => (false, "it takes pairs of files; ask with --ctl"),
            AdapterConfig::Amqp(queues) if queues.config.outbound.is_some() => {
                (true, "it takes what is in its queues")
            }
            AdapterConfig::Kafka(topics) if topics.config.outbound.is_some() => {
                (true, "it takes what is in its topic")
            }
            AdapterConfig::Http(hooks) if hooks.config.submit => {
                (true, "it takes what is handed in over HTTP")
            }
            _ => (false, "it takes nothing for MESH"),
        };
        steps.push(Step::new(format!("adapter {name}"), holds, why));
        if holds {
            takers.push(name.as_str());
        }
    }
    let adapter = match takers[..] {
        [only] => Some(only),
        _ => None,
    };
    let known = plan.has(mailbox);
    if takers.is_empty() {
        let result = match known {
            true => format!("nobody: no adapter takes messages with headers for mailbox {mailbox}"),
            false => format!("nobody: mailbox {mailbox} is not configured"),
        };
        return refused(Some(mailbox), None, steps, result);
    }
    let carried = Carried { headers: given.headers.clone(), ..Carried::default() };
    let submission = match Submission::read(&carried, mailbox) {
        Ok(submission) => submission,
        Err(unfit) => {
            return refused(Some(mailbox), adapter, steps, format!("it is parked: {}", unfit.sentence));
        }
    };
    let message = message(submission.envelope, given.length, submission.gzip, true);
    sent(plan, adapter, steps, &message)
}

fn message(
    envelope: Envelope,
    length: Option<u64>,
    gzip: bool,
    allow_chunking: bool,
) -> (SourceMessage, bool) {
    let message = SourceMessage {
        key: SourceKey { adapter: String::new(), message: String::new() },
        fingerprint: None,
        reply: None,
        trace: Trace::default(),
        not_after: None,
        order_key: None,
        envelope,
        payload: Payload::new(length.unwrap_or(1), Arc::new(NoBytes)),
        gzip,
        allow_chunking,
    };
    (message, length.is_some())
}

/// The end of a message that can be sent.
fn sent(
    plan: &Plan,
    adapter: Option<&str>,
    mut steps: Vec<Step>,
    (message, length_known): &(SourceMessage, bool),
) -> Explained {
    let envelope = &message.envelope;
    let chosen = plan.send.route(envelope);
    for (index, route) in plan.send.routes.iter().enumerate() {
        let rule = format!("[[send.route]] {}", index + 1);
        match route.misfit(envelope) {
            None => {
                steps.push(Step::new(rule, true, format!("in doubt: {}", word(route.in_doubt))));
                break;
            }
            Some(part) => steps.push(Step::new(rule, false, format!("its `{part}` is another"))),
        }
    }
    let in_doubt = word(plan.send.in_doubt(envelope));
    if chosen.is_none() {
        steps.push(Step::new("[send]", true, format!("in doubt: {in_doubt}")));
    }
    let mailbox = &envelope.from;
    let cut = match message.plan(&plan.send, None) {
        Ok(cut) => cut,
        Err(rejection) => {
            let result = format!("it can never be sent: {}", rejection.description);
            return refused(Some(mailbox), adapter, steps, result);
        }
    };
    let sending = Sending {
        to: envelope.to.to_string(),
        workflow: envelope.workflow.to_string(),
        in_doubt,
        compressed: message.gzips(&cut),
        chunks: length_known.then(|| cut.of()),
    };
    let by = adapter.map_or_else(String::new, |adapter| format!("{adapter} sends it "));
    let pieces = match sending.chunks {
        None => String::new(),
        Some(1) => ", in one request".to_owned(),
        Some(chunks) => format!(", in {chunks} chunks"),
    };
    let gzip = if sending.compressed { ", compressed" } else { "" };
    let result = format!(
        "{by}from {mailbox} to {} as {}{gzip}{pieces}; in doubt: {in_doubt}",
        sending.to, sending.workflow
    );
    Explained {
        way: Way::Out,
        mailbox: Some(mailbox.to_string()),
        taken: true,
        adapter: adapter.map(str::to_owned),
        steps,
        result,
        sending: Some(sending),
    }
}
