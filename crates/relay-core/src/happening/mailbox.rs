//! What happens to mailboxes.

use std::time::Duration;

use mesh_api::MailboxId;

use super::Happening;
use crate::journal::JournalError;
use crate::mesh::MeshError;

/// MESH heard of a mailbox.
pub(crate) struct ShookHands<'a>(pub(crate) &'a MailboxId);

impl Happening for ShookHands<'_> {
    fn tell(&self) {
        tracing::info!(mailbox = %self.0, "handshake done");
    }
}

/// A mailbox cannot be read.
pub(crate) struct Unreadable<'a> {
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) error: &'a MeshError,
}

impl Happening for Unreadable<'_> {
    fn tell(&self) {
        let Self { mailbox, error } = self;
        tracing::error!(%mailbox, %error, "mailbox cannot be read; messages stay at MESH");
    }
}

/// A mailbox can be read again.
pub(crate) struct Readable<'a> {
    pub(crate) mailbox: &'a MailboxId,
    /// How long it could not.
    pub(crate) lasted: Duration,
}

impl Happening for Readable<'_> {
    fn tell(&self) {
        let Self { mailbox, lasted } = self;
        tracing::info!(%mailbox, ?lasted, "MESH answers again");
    }
}

/// The journal does not say when MESH was called last, or cannot take that it is.
pub(crate) struct NotLooked<'a> {
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) error: &'a JournalError,
}

impl Happening for NotLooked<'_> {
    fn tell(&self) {
        let Self { mailbox, error } = self;
        tracing::error!(%mailbox, %error, "the inbox is not looked into; messages stay at MESH");
    }
}

/// The journal does not say what an earlier run left.
pub(crate) struct LeftUnknown<'a> {
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) error: &'a JournalError,
}

impl Happening for LeftUnknown<'_> {
    fn tell(&self) {
        let Self { mailbox, error } = self;
        tracing::warn!(%mailbox, %error, "what an earlier run left of inbound messages is not taken up for now");
    }
}
