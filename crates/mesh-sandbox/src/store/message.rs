//! One message: what its sender said, what came since, and how a test sees it (`mesh-api.md` 7.1).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};

use crate::bodies::Payload;
use crate::directory::Party;
use crate::gzip;
use crate::routing::RoutingError;
use crate::text::Text;

/// State of a message (`mesh-api.md` 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    Uploading,
    Accepted,
    Acknowledged,
    Undeliverable,
    Error,
    /// Whatever an admin call put there: the official emulator takes any text.
    Other(Arc<str>),
}

impl Status {
    /// The state as version 2 writes it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Uploading => "uploading",
            Self::Accepted => "accepted",
            Self::Acknowledged => "acknowledged",
            Self::Undeliverable => "undeliverable",
            Self::Error => "error",
            Self::Other(text) => text,
        }
    }

    pub(crate) fn read(text: &str) -> Self {
        match text {
            "uploading" => Self::Uploading,
            "accepted" => Self::Accepted,
            "acknowledged" => Self::Acknowledged,
            "undeliverable" => Self::Undeliverable,
            "error" => Self::Error,
            other => Self::Other(other.into()),
        }
    }

    /// The state as version 1 writes it: each word with a capital.
    pub(crate) fn title(&self) -> String {
        let mut inside = false;
        let capital = |c: char| {
            let first = c.is_alphabetic() && !inside;
            inside = c.is_alphabetic();
            if first { c.to_uppercase().to_string() } else { c.to_lowercase().to_string() }
        };
        self.as_str().chars().map(capital).collect()
    }
}

/// What sort of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    /// Written by the server itself; it has no chunks.
    Report,
}

/// What the first request of a send says about a message.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) kind: Kind,
    /// Without an id for a report.
    pub(crate) sender: Arc<Party>,
    /// Without an id for a message that could not be routed.
    pub(crate) recipient: Arc<Party>,
    /// Why there is no recipient. Such a message is not written to disk, and ends with the server.
    pub(crate) unroutable: Option<RoutingError>,
    pub(crate) workflow: Text,
    pub(crate) local_id: Text,
    pub(crate) subject: Text,
    /// Empty for the default, `<message id>.dat`.
    pub(crate) file_name: Text,
    pub(crate) content_type: Text,
    pub(crate) partner_id: Text,
    pub(crate) checksum: Text,
    pub(crate) encrypted: bool,
    pub(crate) compressed: bool,
    /// Whether the chunks came with `Content-Encoding: gzip`.
    pub(crate) gzip: bool,
    /// Number of chunks announced, at least 1; 0 for a report.
    pub(crate) chunks: u32,
}

impl Sent {
    /// A message of one chunk of which nothing more is said.
    pub(crate) fn new(kind: Kind, sender: Arc<Party>, recipient: Arc<Party>, workflow: Text) -> Self {
        Self {
            kind,
            sender,
            recipient,
            unroutable: None,
            workflow,
            local_id: Text::default(),
            subject: Text::default(),
            file_name: Text::default(),
            content_type: Text::default(),
            partner_id: Text::default(),
            checksum: Text::default(),
            encrypted: false,
            compressed: false,
            gzip: false,
            chunks: 1,
        }
    }
}

/// A change of state.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) status: Status,
    pub(crate) at: Timestamp,
    pub(crate) code: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) description: Option<String>,
    /// The message that a report is about.
    pub(crate) linked: Option<String>,
}

impl Event {
    pub(crate) fn plain(status: Status, at: Timestamp) -> Self {
        Self { status, at, code: None, event: None, description: None, linked: None }
    }

    /// A failure at MESH's own stage, `SEND`, with a code of `mesh-api.md` section 8.
    pub(crate) fn failure(code: &str, description: &str, at: Timestamp) -> Self {
        Self {
            code: Some(code.to_owned()),
            event: Some("SEND".to_owned()),
            description: Some(description.to_owned()),
            ..Self::plain(Status::Error, at)
        }
    }
}

/// A message as it is at one moment. Its payload does not print.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) sent: Arc<Sent>,
    pub(crate) created: Timestamp,
    /// When it leaves the inbox if nobody acknowledges it.
    pub(crate) expires: Timestamp,
    /// Bytes as stored, 0 while uploading.
    pub(crate) size: u64,
    /// Oldest first, never empty.
    pub(crate) events: Vec<Event>,
    /// As received, by number from 1. A sender may leave gaps (`mesh-api.md` 5.2).
    pub(crate) chunks: BTreeMap<u32, Payload>,
    /// Place in the recipient's inbox, in order of acceptance; 0 before that.
    pub(crate) place: u64,
}

impl Message {
    pub(crate) fn status(&self) -> &Status {
        self.events.last().map_or(&Status::Uploading, |event| &event.status)
    }

    /// When the message last came to be in this state.
    pub(crate) fn since(&self, status: &Status) -> Option<Timestamp> {
        self.events.iter().rev().find(|event| event.status == *status).map(|event| event.at)
    }

    /// The last error in its history, whatever came after.
    pub(crate) fn error(&self) -> Option<&Event> {
        self.events.iter().rev().find(|event| event.status == Status::Error)
    }

    /// What status headers are dated with: the last acceptance or error.
    pub(crate) fn settled(&self) -> Option<Timestamp> {
        let settles = |event: &&Event| matches!(event.status, Status::Accepted | Status::Error);
        self.events.iter().rev().find(settles).map(|event| event.at)
    }

    pub(crate) fn last_changed(&self) -> Timestamp {
        self.events.last().map_or(self.created, |event| event.at)
    }

    pub(crate) fn chunk(&self, index: u32) -> Option<&Payload> {
        self.chunks.get(&index)
    }

    /// Whether a chunk before the last is missing.
    pub(crate) fn has_gaps(&self) -> bool {
        self.chunks.len() < self.sent.chunks as usize
    }

    pub(crate) fn is_report(&self) -> bool {
        self.sent.kind == Kind::Report
    }

    pub(crate) fn recipient(&self) -> Option<&MailboxId> {
        self.sent.recipient.id.as_ref()
    }

    pub(crate) fn sender(&self) -> Option<&MailboxId> {
        self.sent.sender.id.as_ref()
    }

    pub(crate) fn file_name(&self) -> Text {
        self.sent.file_name.clone().or_else(|| Text::new(format!("{}.dat", self.id)))
    }
}

/// A message as a test sees it from outside the protocol. What may be private does not print.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredMessage {
    /// The id that the server gave.
    pub message_id: MessageId,
    /// Who sent it; `None` for a report, which comes from the server itself.
    pub sender: Option<MailboxId>,
    /// As sent, trimmed; may be empty (`mesh-api.md` 4.8).
    pub workflow_id: String,
    /// As sent; empty when none was.
    pub local_id: String,
    /// `uploading`, `accepted`, `acknowledged`, `undeliverable` or `error` (`mesh-api.md` 7.1), at the time of
    /// asking.
    pub status: String,
    /// For a report, the code of what it reports (`mesh-api.md` section 8); empty otherwise.
    pub status_code: String,
    /// For a report, the message it is about.
    pub linked_message_id: Option<String>,
    /// How many chunks the sender announced; 0 for a report.
    pub chunk_count: u32,
    gzip: bool,
    chunks: Vec<Payload>,
}

impl StoredMessage {
    pub(super) fn of(message: &Message) -> Self {
        let error = message.error().filter(|_| message.is_report());
        Self {
            message_id: message.id.clone(),
            sender: message.sender().cloned(),
            workflow_id: message.sent.workflow.owned(),
            local_id: message.sent.local_id.owned(),
            status: message.status().as_str().to_owned(),
            status_code: error.and_then(|error| error.code.clone()).unwrap_or_default(),
            linked_message_id: error.and_then(|error| error.linked.clone()),
            chunk_count: message.sent.chunks,
            gzip: message.sent.gzip,
            chunks: message.chunks.values().cloned().collect(),
        }
    }

    /// The payload: the chunks received so far in order, each decompressed when it came with gzip, and joined. All
    /// of it is read into memory. A chunk that claims gzip but is none, or is too large for
    /// [`INFLATED_BYTES_MAX`](crate::INFLATED_BYTES_MAX), stands as it came; one whose file is gone is left out.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for chunk in self.chunks.iter().filter_map(|chunk| chunk.read().ok()) {
            match self.gzip.then(|| gzip::inflate(&chunk)) {
                Some(Ok(plain)) => body.extend_from_slice(&plain),
                _ => body.extend_from_slice(&chunk),
            }
        }
        body
    }
}

impl fmt::Debug for StoredMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMessage")
            .field("message_id", &self.message_id)
            .field("sender", &self.sender)
            .field("workflow_id", &self.workflow_id)
            .field("status", &self.status)
            .field("status_code", &self.status_code)
            .field("chunk_count", &self.chunk_count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_written_as_each_version_writes_them() {
        assert_eq!(Status::read("undeliverable"), Status::Undeliverable);
        assert_eq!(Status::Undeliverable.title(), "Undeliverable");
        assert_eq!(Status::read("in MY-own words").title(), "In My-Own Words");
    }
}
