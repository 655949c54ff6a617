//! How each mailbox fares as this instance sees it: what operators are shown first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mesh_api::MailboxId;

/// Trouble that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What, to which mailbox, and what to do. Holds nothing of a message.
    pub what: String,
}

/// How a mailbox fares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailboxStatus {
    /// When this instance last listed its inbox, and how many messages waited there.
    pub listed: Option<(Timestamp, usize)>,
    /// What keeps its inbox from being read.
    pub receiving: Option<Trouble>,
    /// What keeps its messages from being sent.
    pub sending: Option<Trouble>,
}

/// Which part of a mailbox's work meets trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Looking into its inbox.
    Receiving,
    /// Sending.
    Sending,
}

impl Part {
    /// Its name, as it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Sending => "sending",
        }
    }
}

/// What this instance saw last of each mailbox. Bounded by the configured mailboxes.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<MailboxId, MailboxStatus>>);

impl Board {
    /// How a mailbox fares, as far as it was seen.
    pub fn of(&self, mailbox: &MailboxId) -> MailboxStatus {
        self.lock().get(mailbox).cloned().unwrap_or_default()
    }

    /// Its inbox was listed.
    pub fn listed(&self, mailbox: &MailboxId, at: Timestamp, waiting: usize) {
        self.lock().entry(mailbox.clone()).or_default().listed = Some((at, waiting));
    }

    /// A part of its work met trouble, or (`None`) goes well. Trouble that goes on keeps its beginning.
    pub fn note(&self, mailbox: &MailboxId, part: Part, trouble: Option<Trouble>) {
        let mut all = self.lock();
        let status = all.entry(mailbox.clone()).or_default();
        let slot = match part {
            Part::Receiving => &mut status.receiving,
            Part::Sending => &mut status.sending,
        };
        let since = slot.take().map(|before| before.since);
        *slot = trouble.map(|trouble| Trouble { since: since.unwrap_or(trouble.since), ..trouble });
    }

    /// This instance does not look after a mailbox any more: what it saw says nothing about now.
    pub fn forget(&self, mailbox: &MailboxId) {
        self.lock().remove(mailbox);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MailboxId, MailboxStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
