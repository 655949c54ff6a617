//! What happens to pairs, beside what the core tells of every message.

use std::io;
use std::path::Path;

use relay_core::{Deferral, Ended, Happening, Outcome, RelayId};

/// A pair's message has ended; its files follow.
pub(crate) struct HasEnded<'a> {
    pub(crate) ended: &'a Ended,
    pub(crate) adapter: &'a str,
}

impl Happening for HasEnded<'_> {
    fn tell(&self) {
        let (relay_id, adapter) = (self.ended.relay_id(), self.adapter);
        match self.ended.outcome() {
            Outcome::Accepted(message_id) => {
                tracing::info!(%relay_id, %adapter, %message_id, "pair accepted by MESH");
            }
            Outcome::Rejected(rejection) => {
                let (event, code) = (&rejection.event, &rejection.code);
                tracing::warn!(%relay_id, %adapter, event, code, "pair refused; it goes to FAILED with a report in IN");
            }
            Outcome::Parked(reason) => {
                tracing::error!(%relay_id, %adapter, reason, "pair parked; it goes to FAILED with a report in IN");
            }
            Outcome::Expired => {
                tracing::error!(%relay_id, %adapter, "pair not accepted in time; it goes to FAILED with a report in IN");
            }
            Outcome::Cancelled { .. } => {
                tracing::warn!(%relay_id, %adapter, "pair cancelled; it goes to FAILED with a report in IN");
            }
        }
    }
}

/// A pair was changed or taken away before its message ended.
pub(crate) struct Withdrawn<'a> {
    pub(crate) ended: &'a Ended,
    pub(crate) adapter: &'a str,
}

impl Happening for Withdrawn<'_> {
    fn tell(&self) {
        let (relay_id, adapter, state) = (self.ended.relay_id(), self.adapter, self.ended.outcome().name());
        tracing::warn!(%relay_id, %adapter, state, "a pair was taken out of OUT, or changed there, while it waited");
    }
}

/// The files of a pair that has ended cannot be put where they belong.
pub(crate) struct NotMoved<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) adapter: &'a str,
    /// What keeps them, and what to do.
    pub(crate) what: &'a str,
}

impl Happening for NotMoved<'_> {
    fn tell(&self) {
        let Self { relay_id, adapter, what } = self;
        tracing::error!(%relay_id, %adapter, "{what}");
    }
}

/// A pair waits for another try.
pub(crate) struct Waits<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) deferral: &'a Deferral,
}

impl Happening for Waits<'_> {
    fn tell(&self) {
        let Self { adapter, deferral } = self;
        tracing::warn!(%adapter, %deferral, "a pair stays in OUT for another try");
    }
}

/// A control file cannot be read.
pub(crate) struct Unreadable<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) error: &'a io::Error,
}

impl Happening for Unreadable<'_> {
    fn tell(&self) {
        let (adapter, folder, error) = (self.adapter, self.folder.display(), self.error);
        tracing::warn!(%adapter, %folder, %error, "a control file cannot be opened; give the relay's account the right to read it");
    }
}

/// An application could not be told that its pair was picked up.
pub(crate) struct Unreported<'a> {
    pub(crate) adapter: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) error: &'a io::Error,
}

impl Happening for Unreported<'_> {
    fn tell(&self) {
        let (adapter, folder, error) = (self.adapter, self.folder.display(), self.error);
        tracing::warn!(%adapter, %folder, %error, "a collect report cannot be written; its pair is not sent before");
    }
}
