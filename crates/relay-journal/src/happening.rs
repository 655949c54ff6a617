//! What happens to the journal, whichever it is.

use std::time::Duration;

use relay_core::{Happening, JournalError, metric};

/// Changes were committed together.
pub(crate) struct Committed {
    pub(crate) changes: usize,
    pub(crate) took: Duration,
}

impl Happening for Committed {
    #[expect(clippy::cast_precision_loss, reason = "there are never more than may share a commit")]
    fn tell(&self) {
        metric::JOURNAL_COMMIT.record([], self.took.as_secs_f64());
        metric::JOURNAL_BATCH.record([], self.changes as f64);
    }
}

/// A commit failed.
pub(crate) struct NotCommitted<'a> {
    pub(crate) journal: &'a str,
    pub(crate) error: &'a JournalError,
    /// Whether the one before failed as well, so that an outage is told once.
    pub(crate) again: bool,
}

impl Happening for NotCommitted<'_> {
    fn tell(&self) {
        metric::JOURNAL_ERRORS.count([]);
        if !self.again {
            let Self { journal, error, .. } = self;
            tracing::error!(journal, %error, "the journal cannot be written");
        }
    }
}

/// The first commit after some that failed.
pub(crate) struct Writable<'a> {
    pub(crate) journal: &'a str,
}

impl Happening for Writable<'_> {
    fn tell(&self) {
        tracing::info!(journal = self.journal, "the journal can be written again");
    }
}

/// The journal did not close in time.
pub(crate) struct NotClosed<'a> {
    pub(crate) journal: &'a str,
    pub(crate) within: Duration,
}

impl Happening for NotClosed<'_> {
    fn tell(&self) {
        let Self { journal, within } = self;
        tracing::warn!(journal, ?within, "the journal did not close in time; what was answered is on disk");
    }
}

/// A transaction could not be rolled back.
pub(crate) struct NotRolledBack<'a> {
    pub(crate) journal: &'a str,
    pub(crate) error: &'a JournalError,
}

impl Happening for NotRolledBack<'_> {
    fn tell(&self) {
        let Self { journal, error } = self;
        tracing::error!(journal, %error, "a transaction could not be rolled back");
    }
}
