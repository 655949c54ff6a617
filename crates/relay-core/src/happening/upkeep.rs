//! What happens to the journal as it is kept small.

use jiff::Timestamp;

use super::Happening;
use crate::audit::Pruned;
use crate::journal::JournalError;

/// What ended long ago was forgotten.
pub(crate) struct Forgotten {
    pub(crate) pruned: Pruned,
    pub(crate) before: Timestamp,
}

impl Happening for Forgotten {
    fn tell(&self) {
        let Self { pruned: Pruned { messages, links, deeds }, before } = self;
        tracing::info!(messages, links, deeds, %before, "the journal was pruned of what ended long ago");
    }
}

/// It was not.
pub(crate) struct NotForgotten<'a>(pub(crate) &'a JournalError);

impl Happening for NotForgotten<'_> {
    fn tell(&self) {
        tracing::warn!(error = %self.0, "the journal was not pruned; it is tried again later");
    }
}
