//! The durable record, as the core sees it: what it keeps, who may write, and what can be asked of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId, MessageId};
use thiserror::Error;

use crate::audit::{AuditReport, Pruned};
use crate::clock::RelayId;
use crate::deed::{Deed, DeedQuery, NewDeed};
use crate::event::{DeliveryEvent, EventId};
use crate::incident::OpenIncident;
use crate::pause::{Pausable, Pause};
use crate::search::{
    Change, ChangeCursor, HistoryEntry, MessageQuery, MessageSummary, Oldest, Partner, StateCount, Traffic,
};
use crate::source::SourceKey;
use crate::state::{InboundState, OutboundState};

/// The right to write about what one lease covers. Every write names it, and the journal refuses one that is no longer
/// in force, so that an instance which lost its lease can change nothing (`queue-bridging.md` 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The lease's name, such as `mailbox:X26ABC1`.
    pub lease: Arc<str>,
    /// Counts the holders of the lease, from 1.
    pub epoch: u64,
}

/// Whether a source may use a key again for another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyReuse {
    /// Once the message before is settled: a folder, where a file of the same name may come again.
    OnceSettled,
    /// Never: a queue may deliver again what was settled, and a caller may repeat its idempotency key.
    Never,
}

/// A message that may be new.
#[derive(Debug, Clone)]
pub struct NewOutbound {
    /// Its id, if it is new.
    pub relay_id: RelayId,
    /// How it is recognised.
    pub source: SourceKey,
    /// Whether its key may come again.
    pub reuse: KeyReuse,
    /// Hash of its content, where the key does not stand for that.
    pub fingerprint: Option<String>,
    /// The sending mailbox.
    pub mailbox: MailboxId,
    /// What operators search by; absent for a message that could not be read.
    pub details: Option<OutboundDetails>,
    /// Whether its changes are told to its source's system.
    pub tell: bool,
    /// What its adapter needs to tell them: [`SourceMessage::reply`](crate::SourceMessage::reply).
    pub reply: Option<String>,
    /// The state it starts in.
    pub state: OutboundState,
    /// Now.
    pub at: Timestamp,
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
    /// Hash of its content, if it was given.
    pub fingerprint: Option<String>,
    /// The sending mailbox.
    pub mailbox: MailboxId,
    /// The recipient, if the message could be read.
    pub recipient: Option<String>,
    /// When it was first seen.
    pub received_at: Timestamp,
    /// Where it is.
    pub state: OutboundState,
    /// Counts the changes, from 1; a write must name the version it saw.
    pub version: u64,
}

/// What happened to an outbound message.
#[derive(Debug, Clone)]
pub struct OutboundChange {
    /// Where it is now.
    pub state: OutboundState,
    /// What shows it or led to it, in words for people. Holds nothing of the message.
    pub note: Option<String>,
    /// When it is to be looked after again, if nothing happens before.
    pub due: Option<Timestamp>,
    /// Now.
    pub at: Timestamp,
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

/// What the journal keeps of an inbound message besides its states, for searching. Known once it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboundDetails {
    /// Sending mailbox; empty on a report.
    pub sender: String,
    /// Agreed kind of traffic.
    pub workflow: String,
    /// Sender's reference.
    pub local_id: Option<LocalId>,
    /// File name.
    pub file_name: Option<String>,
    /// Whether it is a report.
    pub report: bool,
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
    /// Counts the changes, from 1; a write must name the version it saw.
    pub version: u64,
}

/// What happened to an inbound message.
#[derive(Debug, Clone)]
pub struct InboundChange {
    /// Where it is now.
    pub state: InboundState,
    /// What shows it or led to it, in words for people. Holds nothing of the message.
    pub note: Option<String>,
    /// What is known of it now. Absent: what was known before stays.
    pub details: Option<InboundDetails>,
    /// Now.
    pub at: Timestamp,
}

/// When MESH was last called about a mailbox, by any instance: MESH asks for at most one look at an inbox in five
/// minutes and for a handshake a day (`mesh-api.md` 7.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailboxTimes {
    /// When its inbox was last listed.
    pub polled_at: Option<Timestamp>,
    /// When the last handshake went well.
    pub handshake_at: Option<Timestamp>,
}

/// What `begin` found.
#[derive(Debug, Clone)]
pub enum Begin<R> {
    /// Not seen before; it is recorded now.
    New(R),
    /// Seen before, and its key is still taken.
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

/// What people ask of the durable record, while a relay writes it or after. A question that takes too long is given up
/// ([`JournalError::TooBroad`]); only [`verify`](Self::verify) takes what it takes.
#[async_trait]
pub trait Records: Send + Sync {
    /// How many messages are in each state. The sum is the number of messages.
    async fn counts(&self) -> Result<Vec<StateCount>, JournalError>;

    /// How many messages are in doubt and how many are parked, as [`counts`](Self::counts) has them; states without any
    /// are left out. Reads those alone, however many others there are.
    async fn waiting_counts(&self) -> Result<Vec<StateCount>, JournalError>;

    /// The messages that have not ended, with the oldest of them, for each direction, mailbox and adapter.
    async fn oldest_unended(&self) -> Result<Vec<Oldest>, JournalError>;

    /// Messages, newest first.
    async fn search(&self, query: &MessageQuery) -> Result<Vec<MessageSummary>, JournalError>;

    /// Everything that happened to a message, oldest first. Empty when there is none.
    async fn history(&self, relay_id: RelayId) -> Result<Vec<HistoryEntry>, JournalError>;

    /// Who was sent to and received from since a time, with counts.
    async fn partners(&self, since: Timestamp) -> Result<Vec<Partner>, JournalError>;

    /// One message.
    async fn message(&self, relay_id: RelayId) -> Result<Option<MessageSummary>, JournalError>;

    /// How many messages were first seen in each stretch of this length since a time, oldest first; stretches without any
    /// are left out. A stretch is no shorter than [`TRAFFIC_STRETCH_MIN`](crate::search::TRAFFIC_STRETCH_MIN).
    ///
    /// # Errors
    /// [`JournalError::TooBroad`], also where there are more stretches than
    /// [`TRAFFIC_STRETCHES_MAX`](crate::search::TRAFFIC_STRETCHES_MAX).
    async fn traffic(&self, since: Timestamp, stretch: Duration) -> Result<Vec<Traffic>, JournalError>;

    /// Where every chain of changes ends now.
    async fn change_cursor(&self) -> Result<ChangeCursor, JournalError>;

    /// Changes behind a cursor, in the order of each chain, at most `limit`; more than
    /// [`CHANGES_LIMIT_MAX`](crate::search::CHANGES_LIMIT_MAX) counts as that. A chain that the cursor does not name is
    /// read from its first kept link, and so is one whose links behind the cursor are not all kept.
    async fn changes(&self, behind: &ChangeCursor, limit: u32) -> Result<Vec<Change>, JournalError>;

    /// What people did, newest first.
    async fn deeds(&self, query: &DeedQuery) -> Result<Vec<Deed>, JournalError>;

    /// Checks the audit chains, those of messages and those of deeds, from their first kept link to their head. Reads
    /// everything.
    async fn verify(&self) -> Result<AuditReport, JournalError>;
}

/// The durable record.
///
/// Every method that writes returns only when what it says is on disk; calls made at the same time share commits.
/// Each change of a message adds, in the same commit, an entry to its history, which is also the event that is told
/// and a link in the audit chain. A write may be made again after an error that leaves its outcome open: one that was
/// done before is found done.
#[async_trait]
pub trait Journal: Records {
    /// Finds the message that holds this source key, or records a new one.
    async fn begin_outbound(
        &self,
        new: NewOutbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<OutboundRecord>, JournalError>;

    /// Records a change from the record's version.
    async fn commit_outbound(
        &self,
        record: &OutboundRecord,
        change: OutboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError>;

    /// Records that the source has let go of its copy. A key that may be used again is free then.
    async fn settle(
        &self,
        relay_id: RelayId,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError>;

    /// Finds the message, or records a new one as [`InboundState::Delivering`], attempt 1.
    async fn begin_inbound(
        &self,
        new: NewInbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<InboundRecord>, JournalError>;

    /// Records a change from the record's version.
    async fn commit_inbound(
        &self,
        record: &InboundRecord,
        change: InboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError>;

    /// The messages of this mailbox that were seen and have not ended, oldest first, at most `limit`.
    async fn unended_inbound(&self, mailbox: &MailboxId, limit: u32) -> Result<Vec<MessageId>, JournalError>;

    /// Finds the message that holds this source key.
    async fn find_outbound(&self, source: &SourceKey) -> Result<Option<OutboundRecord>, JournalError>;

    /// The message of this mailbox to which MESH gave this id.
    async fn find_sent(
        &self,
        mailbox: &MailboxId,
        message_id: &MessageId,
    ) -> Result<Option<OutboundRecord>, JournalError>;

    /// The messages of this mailbox with this local id, newest first, at most `limit`.
    async fn find_local_id(
        &self,
        mailbox: &MailboxId,
        local_id: &LocalId,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError>;

    /// The messages of an adapter whose source has not let go, ended or not, oldest first.
    async fn unsettled(&self, adapter: &str) -> Result<Vec<OutboundRecord>, JournalError>;

    /// The messages of a mailbox that are due to be looked after, longest due first, at most `limit`.
    async fn due(
        &self,
        mailbox: &MailboxId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError>;

    /// Events that the system behind an adapter was not told, in the order of their recording, at most `limit`; none of
    /// the messages `except`.
    async fn untold(
        &self,
        adapter: &str,
        except: &[RelayId],
        limit: u32,
    ) -> Result<Vec<DeliveryEvent>, JournalError>;

    /// Records that these events were told.
    async fn told(&self, events: &[EventId], fence: Option<&Fence>) -> Result<(), JournalError>;

    /// An outbound message.
    async fn outbound(&self, relay_id: RelayId) -> Result<Option<OutboundRecord>, JournalError>;

    /// An inbound message.
    async fn inbound(&self, relay_id: RelayId) -> Result<Option<InboundRecord>, JournalError>;

    /// Records what a person is about to do. The same deed of the same microsecond is recorded once.
    async fn record_deed(&self, deed: NewDeed) -> Result<(), JournalError>;

    /// What is paused.
    async fn pauses(&self) -> Result<Vec<Pause>, JournalError>;

    /// Pauses something, or changes by whom and why it is paused.
    async fn pause(&self, pause: Pause) -> Result<(), JournalError>;

    /// Ends a pause. `false`: there was none, or none any more when a lost answer made the journal try again.
    async fn resume(&self, what: &Pausable) -> Result<bool, JournalError>;

    /// The incidents of an owner whose end was not told yet.
    async fn incidents(&self, owner: &str) -> Result<Vec<OpenIncident>, JournalError>;

    /// Keeps an incident, or what has changed of it.
    async fn put_incident(&self, incident: OpenIncident) -> Result<(), JournalError>;

    /// Forgets an owner's incident by its id. One that is not there is forgotten already.
    async fn remove_incident(&self, owner: &str, id: &str) -> Result<(), JournalError>;

    /// When MESH was last called about a mailbox.
    async fn mailbox_times(&self, mailbox: &MailboxId) -> Result<MailboxTimes, JournalError>;

    /// Records when MESH was last called about a mailbox. What is absent stays as it was.
    async fn commit_mailbox_times(
        &self,
        mailbox: &MailboxId,
        times: MailboxTimes,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError>;

    /// Takes a lease that is free, that has run out or that this owner held before, for `ttl` by the journal's own
    /// clock. `None`: another owner has it.
    async fn take_lease(&self, name: &str, owner: &str, ttl: Duration)
    -> Result<Option<Fence>, JournalError>;

    /// Makes a lease last `ttl` from now. `false`: it was lost.
    async fn renew_lease(&self, fence: &Fence, ttl: Duration) -> Result<bool, JournalError>;

    /// Gives a lease back. One that was lost is left alone.
    async fn release_lease(&self, fence: &Fence) -> Result<(), JournalError>;

    /// Forgets what ended before `before`, and the chain's links up to there, and what people did before it; the chains
    /// stay verifiable. What has not ended is kept, however old.
    async fn prune(&self, before: Timestamp) -> Result<Pruned, JournalError>;
}

/// The journal could not do what was asked. Nothing that needs it on disk may happen.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// Reading or writing failed: disk full, permission, corruption, no connection.
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
    /// Another instance holds the lease by now.
    #[error("lease {lease} is held by another instance; this one writes nothing about it any more")]
    Fenced {
        /// Which lease.
        lease: Arc<str>,
    },
    /// What was asked took too long, or has too long an answer.
    #[error("the question was given up after {after}: narrow it, by dates for instance")]
    TooBroad {
        /// How much of time, or of an answer, there may be.
        after: String,
    },
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
}
