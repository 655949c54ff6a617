//! What happens to messages that are handed in, beside what the core tells of every message.

use relay_core::{Deferral, Ended, Happening, Outcome, RelayId};

/// A message that was handed in has ended.
pub(crate) struct HasEnded<'a> {
    pub(crate) ended: &'a Ended,
    pub(crate) adapter: &'a str,
}

impl Happening for HasEnded<'_> {
    fn tell(&self) {
        let (relay_id, adapter) = (self.ended.relay_id(), self.adapter);
        match self.ended.outcome() {
            Outcome::Accepted(message_id) => {
                tracing::info!(%relay_id, %adapter, %message_id, "message that was handed in accepted by MESH");
            }
            other => {
                let state = other.name();
                tracing::warn!(%relay_id, %adapter, state, "message that was handed in not accepted");
            }
        }
    }
}

/// A message has not ended, and its caller is told to repeat it.
pub(crate) struct Deferred<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) deferral: &'a Deferral,
}

impl Happening for Deferred<'_> {
    fn tell(&self) {
        let Self { adapter, deferral } = self;
        tracing::debug!(%adapter, %deferral, "a message that was handed in has not ended; its caller repeats it");
    }
}

/// A message was ended since nobody came back for it.
pub(crate) struct GivenUp<'a> {
    pub(crate) ended: &'a Ended,
    pub(crate) adapter: &'a str,
}

impl Happening for GivenUp<'_> {
    fn tell(&self) {
        let (relay_id, adapter, state) = (self.ended.relay_id(), self.adapter, self.ended.outcome().name());
        tracing::warn!(%relay_id, %adapter, state, "a message ended whose caller did not come back for it");
    }
}

/// It could not be ended.
pub(crate) struct NotGivenUp<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) deferral: &'a Deferral,
}

impl Happening for NotGivenUp<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, deferral } = self;
        tracing::warn!(%relay_id, %adapter, %deferral, "a message whose caller did not come back was not ended");
    }
}
