//! Where a message can be. Each state carries the evidence for it (`queue-bridging.md` 4.1 and 4.5, without
//! `spooled`).

use jiff::Timestamp;
use mesh_api::MessageId;
use serde::{Deserialize, Serialize};

use crate::policy::DoubtStrategy;

/// Whether a message was sent again although an earlier attempt of it may have reached MESH. If it was, its recipient
/// may have it twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resent {
    /// It was not.
    #[default]
    No,
    /// It was, after MESH had said as often as is asked that it knows nothing of it.
    Probed,
    /// It was, and MESH could not be asked before.
    Blindly,
}

/// What shows that MESH has a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// It answered so.
    #[default]
    Answer,
    /// It said that the upload is complete already.
    AlreadyComplete,
    /// It was asked about the message's local id.
    Probe,
    /// It reported what became of the message.
    Report,
    /// A person found out and said so.
    Person,
}

/// Why MESH, or a check that needs no MESH, will never take a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Stage, such as `SEND`.
    pub event: String,
    /// Code, such as `12`.
    pub code: String,
    /// For people; holds nothing of the message.
    pub description: String,
    /// The id that MESH gave the refused message, when it did.
    pub message_id: Option<MessageId>,
}

/// By whom a message is cancelled that its source took back.
pub(crate) const BY_SOURCE: &str = "source";
/// By whom one is that an operator cancelled. Which one stands with the deed.
pub(crate) const BY_PERSON: &str = "operator";

/// Where a message on its way to MESH is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboundState {
    /// Seen; nothing of it is at MESH that could be delivered. The source holds it.
    Received {
        /// Attempts so far.
        attempts: u32,
        /// Whether an earlier attempt was doubtful.
        #[serde(default)]
        resent: Resent,
    },
    /// The first request may be on the wire (INV-2).
    Sending {
        /// Which attempt, from 1.
        attempt: u32,
        /// How many chunks the message is sent in.
        of: u32,
        /// Whether an earlier attempt was doubtful.
        #[serde(default)]
        resent: Resent,
    },
    /// MESH holds the first chunks of an upload that is not deliverable yet.
    Uploading {
        /// Which attempt, from 1.
        attempt: u32,
        /// The id that MESH gave.
        id: MessageId,
        /// How many chunks MESH has taken.
        taken: u32,
        /// How many there are.
        of: u32,
        /// Size of a chunk in bytes, before compression.
        chunk_bytes: u64,
        /// Whether an earlier attempt was doubtful.
        #[serde(default)]
        resent: Resent,
    },
    /// MESH may have the message; no usable answer came (INV-4).
    InDoubt {
        /// The doubtful attempt.
        attempt: u32,
        /// Since when.
        since: Timestamp,
        /// How often MESH said that it knows nothing of it.
        probes: u32,
        /// What is done about it.
        #[serde(default)]
        strategy: DoubtStrategy,
        /// Whether an attempt before this one was doubtful too.
        #[serde(default)]
        resent: Resent,
    },
    /// MESH has it. End of the source's part.
    Accepted {
        /// The id that MESH gave.
        id: MessageId,
        /// When that was recorded.
        at: Timestamp,
        /// What shows it.
        #[serde(default)]
        by: Evidence,
        /// Whether an earlier attempt was doubtful.
        #[serde(default)]
        resent: Resent,
        /// How often it was looked after since.
        #[serde(default)]
        followed: u32,
    },
    /// Its recipient collected it.
    Acknowledged {
        /// The id that MESH gave.
        id: MessageId,
        /// When that was recorded.
        at: Timestamp,
    },
    /// MESH had it and could not deliver it, or nobody collected it in time.
    Undelivered {
        /// The id that MESH gave.
        id: MessageId,
        /// Why; its message id is the report's, if it came by a report.
        report: Rejection,
    },
    /// MESH had it, and neither a collection nor a report became known within its time. A late report may still come.
    UnknownOutcome {
        /// The id that MESH gave.
        id: MessageId,
        /// When it was given up.
        at: Timestamp,
    },
    /// It will never be taken.
    Rejected(Rejection),
    /// A person must decide.
    Parked {
        /// Why, in words for that person.
        reason: String,
    },
    /// Not accepted in time.
    Expired {
        /// When it was given up.
        at: Timestamp,
    },
    /// Withdrawn before anything of it was sent that could be delivered.
    Cancelled {
        /// By whom: `operator` or `source`.
        by: String,
    },
}

impl OutboundState {
    /// Whether the source's part is over. MESH's may go on.
    pub fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Accepted { .. }
                | Self::Acknowledged { .. }
                | Self::Undelivered { .. }
                | Self::UnknownOutcome { .. }
                | Self::Rejected(_)
                | Self::Parked { .. }
                | Self::Expired { .. }
                | Self::Cancelled { .. }
        )
    }

    /// The state's name, as it is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Received { .. } => "received",
            Self::Sending { .. } => "sending",
            Self::Uploading { .. } => "uploading",
            Self::InDoubt { .. } => "in_doubt",
            Self::Accepted { .. } => "accepted",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Undelivered { .. } => "undelivered",
            Self::UnknownOutcome { .. } => "unknown_outcome",
            Self::Rejected(_) => "rejected",
            Self::Parked { .. } => "parked",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// The id that MESH gave, where one is known.
    pub fn message_id(&self) -> Option<&MessageId> {
        match self {
            Self::Uploading { id, .. }
            | Self::Accepted { id, .. }
            | Self::Acknowledged { id, .. }
            | Self::Undelivered { id, .. }
            | Self::UnknownOutcome { id, .. } => Some(id),
            Self::Rejected(rejection) => rejection.message_id.as_ref(),
            _ => None,
        }
    }
}

/// Where a message on its way from MESH is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundState {
    /// It waits at MESH, because its workflow is none that is taken here.
    Listed {
        /// Its workflow.
        workflow: String,
    },
    /// The sink may have it, wholly or in part.
    Delivering {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// The sink made it durable. Only now may MESH be told (INV-3).
    Delivered {
        /// What the sink said.
        receipt: String,
    },
    /// MESH was told. End.
    Acknowledged,
    /// The sink will never take it; MESH still holds it. A person must decide.
    Parked {
        /// Why, in words for that person.
        reason: String,
    },
    /// MESH no longer has it although it was never acknowledged here. End.
    Gone,
}

impl InboundState {
    /// The state's name, as it is stored and shown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Listed { .. } => "listed",
            Self::Delivering { .. } => "delivering",
            Self::Delivered { .. } => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::Parked { .. } => "parked",
            Self::Gone => "gone",
        }
    }

    /// Whether nothing more will be done by itself.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Acknowledged | Self::Parked { .. } | Self::Gone)
    }
}
