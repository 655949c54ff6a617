//! What people ask the journal: which messages, what happened to one, how much of what, with whom.

use std::time::Duration;

use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};

use crate::clock::RelayId;

/// Which way a message goes, seen from the organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// To MESH.
    Outbound,
    /// From MESH.
    Inbound,
}

impl Direction {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

/// Most messages that one answer to a search holds.
pub const SEARCH_LIMIT_MAX: u32 = 500;

/// Most changes that one answer holds.
pub const CHANGES_LIMIT_MAX: u32 = 1_000;

/// Most stretches, each way, that one answer about traffic holds: a week of minutes.
pub const TRAFFIC_STRETCHES_MAX: u32 = 10_080;

/// Shortest stretch in which traffic is counted; a shorter one counts as that.
pub const TRAFFIC_STRETCH_MIN: Duration = Duration::from_secs(1);

/// Until then after its acceptance, a message that was collected soon is known to be: the first look is after an hour, and
/// made as soon as it can be.
pub const COLLECTED_SOON: Duration = Duration::from_secs(2 * 3_600);

/// Until then after its acceptance, a message that was collected within a day is known to be: a look is after 24 hours.
pub const COLLECTED_IN_A_DAY: Duration = Duration::from_secs(25 * 3_600);

/// Which messages. What is left out restricts nothing.
#[derive(Debug, Clone, Default)]
pub struct MessageQuery {
    /// Which way.
    pub direction: Option<Direction>,
    /// The organisation's own mailbox.
    pub mailbox: Option<MailboxId>,
    /// The other side: recipient of an outbound message, sender of an inbound one.
    pub partner: Option<String>,
    /// Workflow id.
    pub workflow: Option<String>,
    /// Name of a state.
    pub state: Option<String>,
    /// Seen first at this time or later.
    pub from: Option<Timestamp>,
    /// Seen first before this time.
    pub until: Option<Timestamp>,
    /// Words that all stand in the message's ids, local id, file name, mailboxes or workflow, case aside. Each may be
    /// the beginning of one, unless the words as they stand match very many messages already.
    pub words: Vec<String>,
    /// Only those behind this one: where the page before ended.
    pub after: Option<Cursor>,
    /// How many at most; more than [`SEARCH_LIMIT_MAX`] counts as that.
    pub limit: u32,
}

/// A place in a search's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the message there was first seen.
    pub received_at: Timestamp,
    /// Which it is.
    pub relay_id: RelayId,
}

/// A message as a search shows it. Only a person who asked for it may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSummary {
    /// Which way.
    pub direction: Direction,
    /// The relay's id.
    pub relay_id: RelayId,
    /// The id that MESH gave, where one is known.
    pub message_id: Option<MessageId>,
    /// The organisation's own mailbox.
    pub mailbox: MailboxId,
    /// The other side, where it is known.
    pub partner: Option<String>,
    /// Workflow id, where it is known.
    pub workflow: Option<String>,
    /// Sender's reference.
    pub local_id: Option<String>,
    /// File name.
    pub file_name: Option<String>,
    /// Length in bytes, where it is known.
    pub length: Option<u64>,
    /// The adapter that offered it; none for an inbound one.
    pub adapter: Option<String>,
    /// Name of its state.
    pub state: String,
    /// When it was first seen.
    pub received_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its source let go of it.
    pub settled_at: Option<Timestamp>,
}

/// One change in a message's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Counts the message's changes, from 1.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Name of the state.
    pub state: String,
    /// The state with its evidence, as JSON.
    pub evidence: String,
    /// In words for people.
    pub note: Option<String>,
}

/// How many messages are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// Which way.
    pub direction: Direction,
    /// Name of the state.
    pub state: String,
    /// How many.
    pub messages: u64,
}

/// The oldest message of a mailbox that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oldest {
    /// Which way.
    pub direction: Direction,
    /// The organisation's own mailbox.
    pub mailbox: MailboxId,
    /// Which message.
    pub relay_id: RelayId,
    /// When it was first seen.
    pub received_at: Timestamp,
}

/// Traffic with one partner on one workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Which way.
    pub direction: Direction,
    /// The organisation's own mailbox.
    pub mailbox: MailboxId,
    /// The other side.
    pub partner: String,
    /// Workflow id.
    pub workflow: String,
    /// How many messages.
    pub messages: u64,
    /// How many of them are accepted by MESH and not known to be collected.
    pub uncollected: u64,
    /// When the oldest of those was first seen.
    pub uncollected_since: Option<Timestamp>,
    /// How many were not delivered, refused, expired or parked.
    pub failed: u64,
    /// How long it took until they were collected.
    pub collected: Collected,
    /// When the last message was first seen.
    pub last: Timestamp,
}

/// How long it took from MESH's acceptance until messages were known to be collected. As exact as MESH is asked: an hour,
/// six hours, then daily after it took one ([`follow::LOOKS`](crate::follow::LOOKS)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many are known to be collected, and how long that took.
    pub messages: u64,
    /// How long it took on average, in seconds; zero when there are none.
    pub average_seconds: u64,
    /// How long the slowest took, in seconds.
    pub longest_seconds: u64,
    /// How many of them were known to be collected within some two hours, by the first look: [`COLLECTED_SOON`].
    pub within_two_hours: u64,
    /// How many within some 25 hours, by the look after a day: [`COLLECTED_IN_A_DAY`].
    pub within_a_day: u64,
}

/// How many messages were first seen within a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Which way.
    pub direction: Direction,
    /// When the stretch begins: a multiple of its length since 1970.
    pub from: Timestamp,
    /// How many.
    pub messages: u64,
}

/// A place in each chain of changes: what was seen up to there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeCursor(pub std::collections::BTreeMap<String, u64>);

/// A change of a message, as those hear of it who watch. Names nothing of the message but its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The chain that it stands in.
    pub chain: String,
    /// Its number there.
    pub number: u64,
    /// Which message.
    pub relay_id: RelayId,
    /// Which way it goes.
    pub direction: Direction,
    /// Which of its changes, from 1.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Name of the state.
    pub state: String,
}
