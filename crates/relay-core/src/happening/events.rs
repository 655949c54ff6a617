//! What happens to events on their way to the systems behind adapters.

use super::Happening;
use crate::clock::RelayId;
use crate::event::{EventId, TellError};
use crate::journal::JournalError;
use crate::metric::{self, Value};

/// An event was told.
pub(crate) struct Told<'a> {
    pub(crate) event: EventId,
    pub(crate) adapter: &'a str,
}

impl Happening for Told<'_> {
    fn tell(&self) {
        let EventId { relay_id, sequence } = self.event;
        tracing::debug!(%relay_id, sequence, adapter = %self.adapter, "an event was told");
        metric::EVENTS.count([Value::configured(self.adapter), "told".into()]);
    }
}

/// An event was not told.
pub(crate) struct NotTold<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    pub(crate) error: &'a TellError,
}

impl Happening for NotTold<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, error } = self;
        tracing::warn!(%relay_id, %adapter, %error, "an event was not told; it is told again later");
        metric::EVENTS.count([Value::configured(adapter), "failed".into()]);
    }
}

/// The journal does not say what is to be told, or cannot take that it was.
pub(crate) struct Unreadable<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) error: &'a JournalError,
}

impl Happening for Unreadable<'_> {
    fn tell(&self) {
        let Self { adapter, error } = self;
        tracing::warn!(%adapter, %error, "events cannot be told for now");
    }
}
