//! The organisation's side, inbound: where messages go.

use std::time::Duration;

use async_trait::async_trait;
use mesh_api::{Classify, Download, Effect, FailureClass, Held, MailboxId, MessageId, Owner, PayloadStream};
use thiserror::Error;

use crate::clock::RelayId;
use crate::mesh::{MeshError, ReadProgress};
use crate::trace::TraceContext;

/// A message on its way from MESH to the organisation.
pub struct Inbound<'a> {
    /// The relay's id of it.
    pub relay_id: RelayId,
    /// The mailbox it was found in.
    pub mailbox: &'a MailboxId,
    /// Its metadata.
    pub download: &'a Download,
    /// On a report: who the message was for that it is about, where the journal knows that. In a form that identifies no
    /// patient.
    pub reported_recipient: Option<String>,
    /// On a report: the adapter that took the message that it is about, where the journal knows that.
    pub reported_adapter: Option<String>,
    /// Its bytes, chunks joined and transport compression undone, behind those that the sink held. Empty on a report.
    pub body: PayloadStream,
    /// Where the body begins: what [`Sink::held`] said, or nothing when that could not be had.
    pub held: Held,
    /// How much of the message is whole chunks, as the body is read: what a sink may keep for the next attempt.
    pub progress: ReadProgress,
    /// What the system behind the adapter is told of the trace that the delivery belongs to. `None`: nobody records it.
    pub trace: Option<TraceContext>,
    /// Which attempt this is, from 1. Above 1 the sink may hold some or all of it already.
    pub attempt: u32,
}

/// The organisation's side, inbound.
#[async_trait]
pub trait Sink: Send + Sync {
    /// How much of a message an earlier attempt left here, in whole chunks and durably. Nothing, unless the sink keeps
    /// such a beginning.
    async fn held(&self, _message_id: &MessageId) -> Held {
        Held::default()
    }

    /// Whether an earlier attempt left something of a message here, so that it must not be delivered anywhere else. Where
    /// several places take a mailbox's messages, and which one takes this was changed since, it goes on here.
    async fn has_begun(&self, message_id: &MessageId) -> bool {
        self.held(message_id).await.chunks > 0
    }

    /// Hands the message over. Returns only when the far side has made it durable. A message that comes again
    /// under the same id must not be doubled where the far side can tell.
    ///
    /// # Errors
    /// When it could not; the message stays at MESH.
    async fn deliver(&self, message: Inbound<'_>) -> Result<Receipt, DeliveryError>;

    /// The receipt is in the journal: what the sink kept only to recognise a repeat may go.
    async fn recorded(&self, receipt: &Receipt);

    /// How long a delivery may stand still before the sink gives it up by itself, where that is longer than
    /// [`STALL_MIN`](crate::progress::STALL_MIN): one that is given up is an outage, and no stall.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// The inbox was looked into, or could not be: for far sides that want to know.
    async fn polled(&self, _polled: Polled<'_>) {}

    /// Whether deliveries can work now, as far as that can be told cheaply.
    async fn check(&self) -> SinkHealth;
}

/// How a look at the inbox went.
#[derive(Debug, Clone, Copy)]
pub enum Polled<'a> {
    /// So many messages wait.
    Listed(usize),
    /// MESH could not be asked.
    Failed(&'a MeshError),
}

/// What a sink says of a durable delivery. Holds nothing private: it is shown to operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(pub String);

/// What stands before the adapter's name in the receipt of a mailbox whose messages go to several.
const BY_ADAPTER: &str = "adapter ";

impl Receipt {
    /// The same, and which adapter gave it. Names of adapters are letters, digits, `-` and `_`.
    #[must_use]
    pub fn of_adapter(self, name: &str) -> Self {
        Self(format!("{BY_ADAPTER}{name}: {}", self.0))
    }

    /// Which adapter gave it, where it says so, and what that adapter's sink said.
    pub fn split(&self) -> (Option<&str>, &str) {
        match self.0.strip_prefix(BY_ADAPTER).and_then(|rest| rest.split_once(": ")) {
            Some((name, said)) => (Some(name), said),
            None => (None, &self.0),
        }
    }
}

/// Whether a sink can take messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkHealth {
    /// It can.
    Ready,
    /// It cannot; the text says why and what to do.
    Failing(String),
}

/// A delivery that did not end in a receipt.
#[derive(Debug, Error)]
#[error("{what}")]
pub struct DeliveryError {
    /// What happened and what to do. Holds nothing of the message.
    pub what: String,
    /// Whether to try again.
    pub class: FailureClass,
    /// Whose it is to mend.
    pub owner: Owner,
}

impl Classify for DeliveryError {
    fn class(&self) -> FailureClass {
        self.class
    }

    /// Sinks recognise repeats, so an unclear delivery is simply made again.
    fn effect(&self) -> Effect {
        Effect::Unknown
    }

    fn owner(&self) -> Owner {
        self.owner
    }
}
