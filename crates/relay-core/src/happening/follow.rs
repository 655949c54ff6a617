//! What happens to messages that MESH has.

use mesh_api::{MailboxId, MessageId};

use super::Happening;
use crate::clock::RelayId;
use crate::journal::JournalError;

/// Sent messages are not looked after.
pub(crate) struct NotFollowed<'a> {
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) error: &'a JournalError,
}

impl Happening for NotFollowed<'_> {
    fn tell(&self) {
        let Self { mailbox, error } = self;
        tracing::warn!(%mailbox, %error, "sent messages cannot be looked after for now");
    }
}

/// A report is about a message that nobody here sent.
pub(crate) struct StrangeReport<'a> {
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) message_id: &'a MessageId,
}

impl Happening for StrangeReport<'_> {
    fn tell(&self) {
        let Self { mailbox, message_id } = self;
        tracing::warn!(%mailbox, %message_id, "MESH reports on a message that this journal does not know");
    }
}

/// Somebody should look into a message, because of a report.
pub(crate) struct Warned<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) recipient: &'a str,
    pub(crate) note: &'a str,
}

impl Happening for Warned<'_> {
    fn tell(&self) {
        let Self { relay_id, mailbox, recipient, note } = self;
        tracing::warn!(%relay_id, %mailbox, recipient, "{note}");
    }
}

/// A recipient did not collect messages.
pub(crate) struct Uncollected<'a> {
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) recipient: &'a str,
    pub(crate) messages: u64,
    pub(crate) note: &'a str,
}

impl Happening for Uncollected<'_> {
    fn tell(&self) {
        let Self { mailbox, recipient, messages, note } = self;
        tracing::warn!(%mailbox, recipient, messages, "sent messages: {note}; the recipient may have stopped collecting");
    }
}
