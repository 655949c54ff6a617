//! One message: what its sender said, what came since, and how a test sees it (`mesh-api.md` 7.1).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};

use crate::gzip;
use crate::text::Text;

/// State of a message (`mesh-api.md` 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Uploading,
    Accepted,
    Acknowledged,
}

impl Status {
    /// The state as version 2 writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Accepted => "accepted",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// The state as version 1 writes it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Uploading => "Uploading",
            Self::Accepted => "Accepted",
            Self::Acknowledged => "Acknowledged",
        }
    }
}

/// What the first request of a send says about a message.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) sender: MailboxId,
    pub(crate) recipient: MailboxId,
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
    /// Number of chunks announced, at least 1.
    pub(crate) chunks: u32,
}

/// A change of state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    status: Status,
    at: Timestamp,
}

/// A message as it is at one moment. Its payload does not print.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) sent: Arc<Sent>,
    pub(crate) created: Timestamp,
    /// Bytes as stored, 0 while uploading.
    pub(crate) size: u64,
    /// Oldest first, never empty.
    pub(super) events: Vec<Event>,
    /// As received, by number from 1. A sender may leave gaps (`mesh-api.md` 5.2).
    pub(super) chunks: BTreeMap<u32, Bytes>,
    /// Place in the recipient's inbox, in order of acceptance.
    pub(super) place: u64,
}

impl Message {
    pub(crate) fn status(&self) -> Status {
        self.events.last().map_or(Status::Uploading, |event| event.status)
    }

    /// When the message last came to be in this state.
    pub(crate) fn since(&self, status: Status) -> Option<Timestamp> {
        self.events.iter().rev().find(|event| event.status == status).map(|event| event.at)
    }

    pub(crate) fn last_changed(&self) -> Timestamp {
        self.events.last().map_or(self.created, |event| event.at)
    }

    pub(crate) fn chunk(&self, index: u32) -> Option<&Bytes> {
        self.chunks.get(&index)
    }

    pub(crate) fn file_name(&self) -> Text {
        self.sent.file_name.clone().or_else(|| Text::new(format!("{}.dat", self.id)))
    }

    pub(super) fn enter(&mut self, status: Status, at: Timestamp) {
        self.events.push(Event { status, at });
    }
}

/// A message as a test sees it from outside the protocol. What may be private does not print.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredMessage {
    /// The id that the server gave.
    pub message_id: MessageId,
    /// Who sent it.
    pub sender: MailboxId,
    /// As sent, trimmed; may be empty (`mesh-api.md` 4.8).
    pub workflow_id: String,
    /// As sent; empty when none was.
    pub local_id: String,
    /// `uploading`, `accepted` or `acknowledged` (`mesh-api.md` 7.1), at the time of asking.
    pub status: &'static str,
    /// How many chunks the sender announced, at least 1.
    pub chunk_count: u32,
    gzip: bool,
    chunks: Vec<Bytes>,
}

impl StoredMessage {
    pub(super) fn of(message: &Message) -> Self {
        Self {
            message_id: message.id.clone(),
            sender: message.sent.sender.clone(),
            workflow_id: message.sent.workflow.owned(),
            local_id: message.sent.local_id.owned(),
            status: message.status().as_str(),
            chunk_count: message.sent.chunks,
            gzip: message.sent.gzip,
            chunks: message.chunks.values().cloned().collect(),
        }
    }

    /// The payload: the chunks received so far in order, each decompressed when it came with gzip, and joined.
    /// A chunk that claims gzip but is none, or is too large for [`INFLATED_BYTES_MAX`](crate::INFLATED_BYTES_MAX),
    /// stands as it came.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for chunk in &self.chunks {
            match self.gzip.then(|| gzip::inflate(chunk)) {
                Some(Ok(plain)) => body.extend_from_slice(&plain),
                _ => body.extend_from_slice(chunk),
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
            .field("chunk_count", &self.chunk_count)
            .finish_non_exhaustive()
    }
}
