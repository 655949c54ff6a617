//! The durable record, as the core sees it.

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId, MessageId};
use thiserror::Error;

use crate::clock::RelayId;
use crate::source::SourceKey;
use crate::state::{InboundState, OutboundState};

/// A message that may be new.
#[derive(Debug, Clone)]
pub struct NewOutbound {
    /// Its id, if it is new.
    pub relay_id: RelayId,
    /// How it is recognised.
    pub source: SourceKey,
    /// The sending mailbox.
    pub mailbox: MailboxId,
    /// What operators search by; absent for a message that could not be read.
    pub details: Option<OutboundDetails>,
    /// Now.
    pub at: Timestamp,
    /// The state it starts in.
    pub state: OutboundState,
}

/// What the journal keeps of an outbound message besides its states, for searching and for probes. Readable by
/// the journal's owner alone.
#[derive(Debug, Clone)]
pub struct OutboundDetails {
    /// Recipient in a form that identifies no patient.
    pub recipient: String,
    /// Agreed kind of traffic.
    pub workflow: String,
    /// Sender's reference.
    pub local_id: Option<LocalId>,
    /// Name of the data file.
    pub file_name: Option<String>,
    /// Length in bytes.
    pub length: u64,
}

/// An outbound message as the journal has it.
#[derive(Debug, Clone)]
pub struct OutboundRecord {
    /// Its id.
    pub relay_id: RelayId,
    /// How it is recognised.
    pub source: SourceKey,
    /// When it was first seen.
    pub received_at: Timestamp,
    /// Where it is.
    pub state: OutboundState,
    /// Counts the transitions; a write must name the version it saw.
    pub version: u64,
}

/// An inbound message that may be new.
#[derive(Debug, Clone)]
pub struct NewInbound {
    /// Its id, if it is new.
    pub relay_id: RelayId,
    /// The receiving mailbox.
    pub mailbox: MailboxId,
    /// The id that MESH gave it.
    pub message_id: MessageId,
    /// Now.
    pub at: Timestamp,
}

/// An inbound message as the journal has it.
#[derive(Debug, Clone)]
pub struct InboundRecord {
    /// Its id.
    pub relay_id: RelayId,
    /// The id that MESH gave it.
    pub message_id: MessageId,
    /// Where it is.
    pub state: InboundState,
    /// Counts the transitions; a write must name the version it saw.
    pub version: u64,
}

/// What `begin` found.
#[derive(Debug, Clone)]
pub enum Begin<R> {
    /// Not seen before; it is recorded now.
    New(R),
    /// Seen before, and not settled since.
    Known(R),
}

impl<R> Begin<R> {
    /// The record, whichever it is.
    pub fn into_record(self) -> R {
        match self {
            Self::New(record) | Self::Known(record) => record,
        }
    }
}

/// How many messages are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// `outbound` or `inbound`.
    pub direction: String,
    /// Name of the state.
    pub state: String,
    /// How many.
    pub messages: u64,
}

/// The durable record. Every method returns only when what it says is on disk; calls made at the same time share
/// one commit.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Finds the unsettled message with this source key, or records a new one.
    async fn begin_outbound(&self, new: NewOutbound) -> Result<Begin<OutboundRecord>, JournalError>;

    /// Finds the unsettled message with this source key.
    async fn find_outbound(&self, source: &SourceKey) -> Result<Option<OutboundRecord>, JournalError>;

    /// Records that the message went from the record's version to `state`.
    async fn commit_outbound(
        &self,
        record: &OutboundRecord,
        state: &OutboundState,
        at: Timestamp,
    ) -> Result<(), JournalError>;

    /// Records that the source has let go of its copy. The key may be used again.
    async fn settle(&self, relay_id: RelayId, at: Timestamp) -> Result<(), JournalError>;

    /// The messages of an adapter whose source has not let go, ended or not, oldest first.
    async fn unsettled(&self, adapter: &str) -> Result<Vec<OutboundRecord>, JournalError>;

    /// How many outbound messages of the mailbox carry this local id.
    async fn local_id_uses(&self, mailbox: &MailboxId, local_id: &LocalId) -> Result<u64, JournalError>;

    /// Finds the message with this MESH id, or records a new one as [`InboundState::Delivering`], attempt 1.
    async fn begin_inbound(&self, new: NewInbound) -> Result<Begin<InboundRecord>, JournalError>;

    /// Records that the message went from the record's version to `state`.
    async fn commit_inbound(
        &self,
        record: &InboundRecord,
        state: &InboundState,
        at: Timestamp,
    ) -> Result<(), JournalError>;

    /// How many messages are in each state.
    async fn counts(&self) -> Result<Vec<StateCount>, JournalError>;
}

/// The journal could not do what was asked. Nothing that needs it on disk may happen.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// Reading or writing failed: disk full, permission, corruption.
    #[error("journal {journal}: {what}; nothing is sent or settled until it works again")]
    Storage {
        /// Which journal.
        journal: String,
        /// What the store said.
        what: String,
    },
    /// The record was changed by someone else since it was read.
    #[error(
        "INV-2: the journal's record of message {relay_id} was changed by another writer; it is left alone"
    )]
    Conflict {
        /// The message.
        relay_id: RelayId,
    },
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
}
