//! What the organisation's systems are told of their messages.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::MailboxId;
use thiserror::Error;

use crate::clock::RelayId;
use crate::source::SourceKey;
use crate::state::OutboundState;

/// Names an event for ever: the same happening told again has the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// The message.
    pub relay_id: RelayId,
    /// Which of its changes, from 1, without gaps.
    pub sequence: u64,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.relay_id, self.sequence)
    }
}

/// One change of an outbound message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryEvent {
    /// Its id.
    pub id: EventId,
    /// How its source knows the message.
    pub source: SourceKey,
    /// The sending mailbox.
    pub mailbox: MailboxId,
    /// Agreed kind of traffic, if the message could be read.
    pub workflow: Option<String>,
    /// What the adapter gave along with the message: [`SourceMessage::reply`](crate::SourceMessage::reply).
    pub reply: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// Where the message was from then on.
    pub state: OutboundState,
    /// In words for people. Holds nothing of the message.
    pub note: Option<String>,
}

/// Where an adapter's events go: a status exchange, a topic, a webhook.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// As [`Sink::patience`](crate::Sink::patience), of telling an event.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// Tells one event. Returns only when the far side has made it durable. An event may come again; it has the same
    /// id then.
    ///
    /// # Errors
    /// When it could not; the event is told again later, and no later one of the same message before it.
    async fn tell(&self, event: &DeliveryEvent) -> Result<(), TellError>;
}

/// An event that was not told.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct TellError {
    /// What happened and what to do. Holds nothing of the message.
    pub what: String,
}
