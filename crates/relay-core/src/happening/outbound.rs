//! What happens to messages on their way to MESH.

use mesh_api::MessageId;

use super::Happening;
use crate::clock::RelayId;
use crate::journal::{JournalError, OutboundRecord};
use crate::metric::{self, Value};
use crate::source::Outcome;
use crate::state::{OutboundState, Resent};

/// A message was seen, or moved on: the journal has it.
pub(crate) struct Moved<'a> {
    pub(crate) record: &'a OutboundRecord,
    /// Where it was before; `None` where it was not known.
    pub(crate) from: Option<&'a OutboundState>,
    pub(crate) to: &'a OutboundState,
}

impl Happening for Moved<'_> {
    fn tell(&self) {
        let OutboundRecord { relay_id, mailbox, source, .. } = self.record;
        let (state, message_id) = (self.to.name(), self.to.message_id().map(MessageId::as_str));
        tracing::debug!(%relay_id, %mailbox, adapter = %source.adapter, state, message_id, "outbound message");
        let ended_before = self.from.and_then(Outcome::of).map(|outcome| outcome.name());
        if let Some(outcome) = Outcome::of(self.to).map(|outcome| outcome.name())
            && ended_before != Some(outcome)
        {
            let adapter = Value::configured(&source.adapter);
            metric::MESSAGES.count([metric::OUTBOUND.into(), adapter, outcome.into()]);
            let span = tracing::Span::current();
            span.record("outcome", outcome);
            if let Some(message_id) = message_id {
                span.record("message_id", message_id);
            }
        }
        match self.to {
            OutboundState::Sending { attempt, .. } if *attempt > 1 => {
                metric::RETRIES.count([metric::OUTBOUND.into()]);
            }
            OutboundState::Accepted { resent: Resent::Blindly, followed: 0, .. } => {
                metric::POSSIBLE_DUPLICATES.count([metric::OUTBOUND.into()]);
            }
            OutboundState::Acknowledged { .. } => metric::FOLLOWED.count(["collected".into()]),
            OutboundState::UnknownOutcome { .. } => metric::FOLLOWED.count(["unknown".into()]),
            OutboundState::Undelivered { .. } => {
                metric::UNDELIVERED.count([]);
                metric::FOLLOWED.count(["undelivered".into()]);
            }
            _ => {}
        }
    }
}

/// MESH has a message of so many bytes.
pub(crate) struct Taken {
    pub(crate) bytes: u64,
}

impl Happening for Taken {
    fn tell(&self) {
        metric::PAYLOAD_BYTES.add([metric::OUTBOUND.into()], self.bytes);
    }
}

/// The journal cannot take where a message is.
pub(crate) struct NotRecorded<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) state: &'a OutboundState,
    pub(crate) error: &'a JournalError,
}

impl Happening for NotRecorded<'_> {
    fn tell(&self) {
        let Self { relay_id, error, .. } = self;
        let (state, message_id) = (self.state.name(), self.state.message_id().map(MessageId::as_str));
        tracing::error!(%relay_id, state, message_id, %error, "the journal cannot take where a message is");
    }
}

/// The machine was asked for a step that there is not.
pub(crate) struct NoStep {
    pub(crate) relay_id: RelayId,
    pub(crate) state: &'static str,
}

impl Happening for NoStep {
    fn tell(&self) {
        let Self { relay_id, state } = self;
        tracing::error!(%relay_id, state, "INV-5: a step that cannot be; message left as it is");
    }
}
