//! What happens to messages of a queue, beside what the core tells of every message.

use std::fmt::Display;
use std::time::Duration;

use relay_core::{Deferral, Happening, MessageId, RelayId};

use crate::publisher::PublishError;

/// MESH has a message.
pub(crate) struct Accepted<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) message_id: &'a MessageId,
}

impl Happening for Accepted<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, message_id } = self;
        tracing::info!(%relay_id, %adapter, %message_id, "message of the queue accepted by MESH");
    }
}

/// A message that was not sent is where parked ones are.
pub(crate) struct Parked<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) state: &'static str,
    pub(crate) reason: relay_carrier::Reason,
}

impl Happening for Parked<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, state, reason } = self;
        tracing::warn!(%relay_id, %adapter, state, %reason, "message of the queue parked");
    }
}

/// It could not be put there.
pub(crate) struct NotParked<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) error: &'a PublishError,
}

impl Happening for NotParked<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, error } = self;
        tracing::error!(%relay_id, %adapter, %error, "a message cannot be parked; it stays in its queue");
    }
}

/// MESH or the journal does not take a message for now.
pub(crate) struct Held<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) deferral: &'a Deferral,
}

impl Happening for Held<'_> {
    fn tell(&self) {
        let Self { adapter, deferral } = self;
        tracing::debug!(%adapter, %deferral, "a message of the queue is held for another try");
    }
}

/// The payload that a message names cannot be had.
pub(crate) struct PayloadAway<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) trouble: &'a dyn Display,
}

impl Happening for PayloadAway<'_> {
    fn tell(&self) {
        let Self { adapter, trouble } = self;
        tracing::warn!(%adapter, %trouble, "the payload of a message cannot be had; it is held for another try");
    }
}

/// The payload that a message names was not read in time.
pub(crate) struct PayloadSlow<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) within: Duration,
}

impl Happening for PayloadSlow<'_> {
    fn tell(&self) {
        let (adapter, minutes) = (self.adapter, self.within.as_secs() / 60);
        tracing::error!(
            %adapter,
            "the payload that a message names could not be read within {minutes} minutes; the message goes back to its queue, \
             and this will be so again: see to the store"
        );
    }
}
