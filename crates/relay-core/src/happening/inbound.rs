//! What happens to messages on their way from MESH.

use mesh_api::{MailboxId, MessageId};

use super::Happening;
use crate::clock::RelayId;
use crate::inbound::ReceiveError;
use crate::metric::{self, Value};
use crate::state::InboundState;

/// A message, as it is told of.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) message_id: &'a MessageId,
}

/// A message moved on: the journal has it.
pub(crate) struct Moved<'a> {
    /// The adapter that takes the mailbox's messages.
    pub(crate) adapter: &'a Value,
    pub(crate) from: &'a InboundState,
    pub(crate) to: &'a InboundState,
}

impl Happening for Moved<'_> {
    fn tell(&self) {
        let outcome = match self.to {
            InboundState::Delivered { .. } => "delivered",
            InboundState::Parked { .. } => "parked",
            InboundState::Listed { .. } => "left",
            InboundState::Gone => "gone",
            InboundState::Delivering { attempt } => {
                if *attempt > 1 {
                    metric::RETRIES.count([metric::INBOUND.into()]);
                }
                return;
            }
            InboundState::Acknowledged => return,
        };
        metric::MESSAGES.count([metric::INBOUND.into(), self.adapter.clone(), outcome.into()]);
        if outcome == "delivered" && matches!(self.from, InboundState::Delivering { attempt: 2.. }) {
            metric::POSSIBLE_DUPLICATES.count([metric::INBOUND.into()]);
        }
    }
}

/// So many bytes of a message were read.
pub(crate) struct Read {
    pub(crate) bytes: u64,
}

impl Happening for Read {
    fn tell(&self) {
        metric::PAYLOAD_BYTES.add([metric::INBOUND.into()], self.bytes);
    }
}

/// A message arrived, and MESH knows.
pub(crate) struct Carried<'a>(pub(crate) About<'a>);

impl Happening for Carried<'_> {
    fn tell(&self) {
        let About { relay_id, mailbox, message_id } = self.0;
        tracing::info!(%relay_id, %mailbox, %message_id, "message delivered and acknowledged");
    }
}

/// A person parked a message that the sink had by then.
pub(crate) struct ParkedTooLate(pub(crate) RelayId);

impl Happening for ParkedTooLate {
    fn tell(&self) {
        let relay_id = self.0;
        tracing::warn!(%relay_id, "a message was parked while it was being delivered; it has arrived");
    }
}

/// MESH does not have a message any more.
pub(crate) struct Gone<'a>(pub(crate) About<'a>);

impl Happening for Gone<'_> {
    fn tell(&self) {
        let About { relay_id, mailbox, message_id } = self.0;
        tracing::warn!(%relay_id, %mailbox, %message_id, "message is gone from MESH; another reader took it or it expired");
    }
}

/// A message is of a workflow that is not taken here.
pub(crate) struct LeftAlone<'a>(pub(crate) About<'a>);

impl Happening for LeftAlone<'_> {
    fn tell(&self) {
        let About { relay_id, mailbox, message_id } = self.0;
        tracing::warn!(%relay_id, %mailbox, %message_id, "message of a workflow that is not configured; it stays at MESH");
    }
}

/// The sink will never take a message.
pub(crate) struct Parked<'a> {
    pub(crate) about: About<'a>,
    pub(crate) error: &'a crate::sink::DeliveryError,
}

impl Happening for Parked<'_> {
    fn tell(&self) {
        let About { relay_id, mailbox, message_id } = self.about;
        let error = self.error;
        tracing::error!(%relay_id, %mailbox, %message_id, %error, "message parked; MESH still holds it");
    }
}

/// A message did not arrive this time.
pub(crate) struct NotDelivered<'a> {
    /// Not known where the journal could not be asked.
    pub(crate) relay_id: Option<RelayId>,
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) message_id: &'a MessageId,
    pub(crate) failures: u32,
    pub(crate) error: &'a ReceiveError,
}

impl Happening for NotDelivered<'_> {
    fn tell(&self) {
        let Self { mailbox, message_id, failures, error, .. } = self;
        let relay_id = self.relay_id.map(tracing::field::display);
        tracing::warn!(relay_id, %mailbox, %message_id, failures, %error, "message not delivered; it stays at MESH");
    }
}

/// A message that MESH lists no more has not ended.
pub(crate) struct NotEnded<'a> {
    pub(crate) relay_id: Option<RelayId>,
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) message_id: &'a MessageId,
    pub(crate) error: &'a ReceiveError,
}

impl Happening for NotEnded<'_> {
    fn tell(&self) {
        let Self { mailbox, message_id, error, .. } = self;
        let relay_id = self.relay_id.map(tracing::field::display);
        tracing::debug!(relay_id, %mailbox, %message_id, %error, "a message that is no longer listed");
    }
}
