//! How each mailbox fares as this instance sees it: what operators are shown first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mesh_api::MailboxId;

use crate::mesh::{MeshAnswer, MeshError};

/// Trouble that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// Whether it is credentials or certificates that are refused, which no waiting mends.
    pub is_refusal: bool,
    /// What, to which mailbox, and what to do. Holds nothing of a message.
    pub what: String,
}

impl Trouble {
    /// What a call to MESH met.
    pub(crate) fn of(error: &MeshError, at: Timestamp) -> Self {
        let is_refusal = matches!(error.answer, MeshAnswer::CredentialsRefused | MeshAnswer::NotTrusted);
        Self { since: at, is_refusal, what: error.what.clone() }
    }
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

/// What this instance saw last of each mailbox, and of whom it tells events. Bounded by what is configured.
#[derive(Debug, Default)]
pub struct Board {
    mailboxes: Mutex<BTreeMap<MailboxId, MailboxStatus>>,
    /// Adapters whose systems cannot be told events.
    untold: Mutex<BTreeMap<String, Trouble>>,
}

impl Board {
    /// How a mailbox fares, as far as it was seen.
    pub fn of(&self, mailbox: &MailboxId) -> MailboxStatus {
        self.lock().get(mailbox).cloned().unwrap_or_default()
    }

    /// Its inbox was listed.
    pub fn listed(&self, mailbox: &MailboxId, at: Timestamp, waiting: usize) {
        self.lock().entry(mailbox.clone()).or_default().listed = Some((at, waiting));
    }

    /// Whether this instance has found anything out about a mailbox.
    pub fn knows(&self, mailbox: &MailboxId) -> bool {
        self.lock().contains_key(mailbox)
    }

    /// A part of its work met trouble, or (`None`) goes well. Trouble that goes on keeps its beginning, and once it was a
    /// refusal it is one until something goes well: calls that are not made for a while because of it say less.
    pub fn note(&self, mailbox: &MailboxId, part: Part, trouble: Option<Trouble>) {
        let mut all = self.lock();
        let status = all.entry(mailbox.clone()).or_default();
        let slot = match part {
            Part::Receiving => &mut status.receiving,
            Part::Sending => &mut status.sending,
        };
        let before = slot.take();
        *slot = trouble.map(|trouble| match before {
            Some(Trouble { since, is_refusal, .. }) => {
                Trouble { since, is_refusal: is_refusal || trouble.is_refusal, ..trouble }
            }
            None => trouble,
        });
    }

    /// This instance does not look after a mailbox any more: what it saw says nothing about now.
    pub fn forget(&self, mailbox: &MailboxId) {
        self.lock().remove(mailbox);
    }

    /// The system behind an adapter cannot be told events, or (`None`) can. Trouble that goes on keeps its beginning.
    pub fn note_telling(&self, adapter: &str, trouble: Option<Trouble>) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let since = untold.remove(adapter).map(|before| before.since);
        if let Some(trouble) = trouble {
            let since = since.unwrap_or(trouble.since);
            untold.insert(adapter.to_owned(), Trouble { since, ..trouble });
        }
    }

    /// The adapters whose systems cannot be told events, and why.
    pub fn untold(&self) -> Vec<(String, Trouble)> {
        let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.iter().map(|(adapter, trouble)| (adapter.clone(), trouble.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MailboxId, MailboxStatus>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
