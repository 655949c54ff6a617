//! Messages, partners and deeds as JSON: what the API answers and what the command line prints with `--json`.

use jiff::Timestamp;
use relay_core::{Change, Deed, Direction, HistoryEntry, MessageSummary, Partner};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::words;

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    /// `outbound` (to MESH) or `inbound` (from MESH).
    pub direction: String,
    /// The relay's id of it.
    pub relay_id: String,
    /// The id that MESH gave, where one is known.
    pub message_id: Option<String>,
    /// The organisation's own mailbox.
    pub mailbox: String,
    /// The other side, where it is known.
    pub partner: Option<String>,
    /// Workflow id, where it is known.
    pub workflow: Option<String>,
    /// The sender's reference.
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
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When its source let go of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
}

impl From<&MessageSummary> for MessageView {
    fn from(message: &MessageSummary) -> Self {
        Self {
            direction: message.direction.as_str().to_owned(),
            relay_id: message.relay_id.to_string(),
            message_id: message.message_id.as_ref().map(ToString::to_string),
            mailbox: message.mailbox.to_string(),
            partner: message.partner.clone(),
            workflow: message.workflow.clone(),
            local_id: message.local_id.clone(),
            file_name: message.file_name.clone(),
            length: message.length,
            adapter: message.adapter.clone(),
            state: message.state.clone(),
            received_at: message.received_at,
            updated_at: message.updated_at,
            settled_at: message.settled_at,
        }
    }
}

/// One change in a message's history.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HistoryView {
    /// Counts the message's changes, from 1.
    pub sequence: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Name of the state.
    pub state: String,
    /// The state with its evidence, as the journal has it.
    pub evidence: Value,
    /// In words, as it was noted.
    pub note: Option<String>,
    /// What shows it, in words.
    pub words: String,
}

impl HistoryView {
    /// An entry of the history of a message that goes this way.
    pub fn new(entry: &HistoryEntry, direction: Direction) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at,
            state: entry.state.clone(),
            // What is stored as JSON is shown as JSON.
            evidence: serde_json::from_str(&entry.evidence).unwrap_or(Value::Null),
            note: entry.note.clone(),
            words: words::evidence(entry, direction == Direction::Outbound),
        }
    }
}

/// Traffic with one partner on one workflow.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartnerView {
    /// `outbound` (to it) or `inbound` (from it).
    pub direction: String,
    /// The organisation's own mailbox.
    pub mailbox: String,
    /// The other side.
    pub partner: String,
    /// Workflow id.
    pub workflow: String,
    /// How many messages.
    pub messages: u64,
    /// How many of them MESH has and nobody is known to have collected.
    pub uncollected: u64,
    /// When the oldest of those was first seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub uncollected_since: Option<Timestamp>,
    /// How many were not delivered, refused, expired or parked.
    pub failed: u64,
    /// How many are known to be collected.
    pub collected: u64,
    /// Seconds until they were known to be collected, on average. Absent when there are none.
    pub collected_seconds_average: Option<u64>,
    /// Seconds for the slowest of them.
    pub collected_seconds_longest: Option<u64>,
    /// How many of them by the first look, some two hours at most.
    pub collected_within_two_hours: u64,
    /// How many by the look after a day.
    pub collected_within_a_day: u64,
    /// When the last message was first seen.
    #[schema(value_type = String, format = DateTime)]
    pub last: Timestamp,
}

impl From<&Partner> for PartnerView {
    fn from(partner: &Partner) -> Self {
        let collected = partner.collected;
        let known = |seconds| (collected.messages > 0).then_some(seconds);
        Self {
            direction: partner.direction.as_str().to_owned(),
            mailbox: partner.mailbox.to_string(),
            partner: partner.partner.clone(),
            workflow: partner.workflow.clone(),
            messages: partner.messages,
            uncollected: partner.uncollected,
            uncollected_since: partner.uncollected_since,
            failed: partner.failed,
            collected: collected.messages,
            collected_seconds_average: known(collected.average_seconds),
            collected_seconds_longest: known(collected.longest_seconds),
            collected_within_two_hours: collected.within_two_hours,
            collected_within_a_day: collected.within_a_day,
            last: partner.last,
        }
    }
}

/// Something that a person did.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeedView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What, a word of a closed set.
    pub kind: String,
    /// About which message.
    pub relay_id: Option<String>,
    /// About which mailbox.
    pub mailbox: Option<String>,
    /// About which message at MESH.
    pub message_id: Option<String>,
    /// Why, or about what else.
    pub note: Option<String>,
}

impl From<&Deed> for DeedView {
    fn from(Deed { deed, .. }: &Deed) -> Self {
        Self {
            at: deed.at,
            who: deed.who.clone(),
            kind: deed.kind.as_str().to_owned(),
            relay_id: deed.relay_id.map(|id| id.to_string()),
            mailbox: deed.mailbox.as_ref().map(ToString::to_string),
            message_id: deed.message_id.as_ref().map(ToString::to_string),
            note: deed.note.clone(),
        }
    }
}

/// A change of a message, as it is told to those who watch.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    /// The message.
    pub relay_id: String,
    /// `outbound` or `inbound`.
    pub direction: String,
    /// Which of its changes, from 1.
    pub sequence: u64,
    /// Name of the state.
    pub state: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<&Change> for ChangeView {
    fn from(change: &Change) -> Self {
        Self {
            relay_id: change.relay_id.to_string(),
            direction: change.direction.as_str().to_owned(),
            sequence: change.sequence,
            state: change.state.clone(),
            at: change.at,
        }
    }
}
