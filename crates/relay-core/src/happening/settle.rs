//! What happens to messages whose end is known, for adapters to tell.

use super::Happening;
use crate::clock::RelayId;
use crate::source::DeferralCause;

/// A source has let go of a message, or is about to, and the journal could not take that. It is found again among those
/// that are not settled.
pub struct NotSettled<'a> {
    /// The message.
    pub relay_id: RelayId,
    /// The adapter's configured name.
    pub adapter: &'a str,
    /// What keeps the journal from it.
    pub error: &'a DeferralCause,
}

impl Happening for NotSettled<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, error } = self;
        tracing::warn!(%relay_id, %adapter, %error, "that a message is settled was not recorded");
    }
}
