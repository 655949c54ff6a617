//! Mailboxes and adapters that a person has paused.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mesh_api::MailboxId;
use tokio::sync::{Mutex, broadcast, watch};

use crate::journal::{Journal, JournalError};
use crate::shutdown::Shutdown;
use crate::source::SourceKey;

/// Pause between two looks at what is paused: another instance may have paused it.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What can be paused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pausable {
    /// A mailbox: nothing new is sent from it, and its inbox is not looked into.
    Mailbox(MailboxId),
    /// An adapter, by its configured name: nothing new is taken from it, and nothing is delivered to it.
    Adapter(String),
}

impl std::fmt::Display for Pausable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mailbox(mailbox) => write!(f, "mailbox {mailbox}"),
            Self::Adapter(adapter) => write!(f, "adapter {adapter}"),
        }
    }
}

/// A pause. It lasts until somebody ends it, over every start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What is paused.
    pub what: Pausable,
    /// Who paused it.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, by, at, reason } = self;
        write!(f, "{what} is paused since {} by {by}", at.strftime("%Y-%m-%d %H:%M:%SZ"))?;
        if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
    }
}

/// Wake-ups that somebody who waits may be behind; who is further behind takes it that everything has changed.
const WAKES_MAX: usize = 256;

/// What a person changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    /// What is paused, or more than could be told.
    Anything,
    /// Where an outbound message is.
    Message(SourceKey),
    /// Where a message from MESH for this mailbox is.
    Inbox(MailboxId),
}

impl Woken {
    /// Whether it may let the message of this key go on.
    pub fn concerns(&self, key: &SourceKey) -> bool {
        match self {
            Self::Anything => true,
            Self::Message(changed) => changed == key,
            Self::Inbox(_) => false,
        }
    }
}

/// What is paused now, as the journal says, and a wake-up for all who wait. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pauses {
    now: Arc<watch::Sender<Vec<Pause>>>,
    /// Held while it is read: an older answer must not come behind a newer one.
    reading: Arc<Mutex<()>>,
    wakes: broadcast::Sender<Woken>,
}

/// Wakes whoever waits with a message when something that a person did may let it go on.
#[derive(Debug)]
pub struct Wake(broadcast::Receiver<Woken>);

impl Wake {
    /// Returns what a person changed since the last call. Never, once nothing can be changed any more. Cancel-safe.
    pub async fn woken(&mut self) -> Woken {
        match self.0.recv().await {
            Ok(woken) => woken,
            Err(broadcast::error::RecvError::Lagged(_)) => Woken::Anything,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Returns once a person changed something that may let the message of this key go on. Cancel-safe.
    pub async fn woken_for(&mut self, key: &SourceKey) {
        while !self.woken().await.concerns(key) {}
    }

    /// Returns once what is paused changed. Cancel-safe.
    pub async fn woken_for_all(&mut self) {
        while self.woken().await != Woken::Anything {}
    }
}

impl Default for Pauses {
    fn default() -> Self {
        let now = Arc::new(watch::Sender::new(Vec::new()));
        Self { now, reading: Arc::default(), wakes: broadcast::Sender::new(WAKES_MAX) }
    }
}

impl Pauses {
    /// The pause of a mailbox.
    pub fn of_mailbox(&self, mailbox: &MailboxId) -> Option<Pause> {
        self.find(|what| matches!(what, Pausable::Mailbox(paused) if paused == mailbox))
    }

    /// The pause of an adapter.
    pub fn of_adapter(&self, adapter: &str) -> Option<Pause> {
        self.find(|what| matches!(what, Pausable::Adapter(paused) if paused == adapter))
    }

    /// Everything that is paused.
    pub fn all(&self) -> Vec<Pause> {
        self.now.borrow().clone()
    }

    /// A wake-up for someone who waits.
    pub fn wake(&self) -> Wake {
        Wake(self.wakes.subscribe())
    }

    /// Wakes those whom it concerns that a person changed where a message is.
    pub(crate) fn rouse(&self, changed: Woken) {
        // Nobody may be waiting.
        let _ = self.wakes.send(changed);
    }

    /// Reads what is paused.
    ///
    /// # Errors
    /// When the journal cannot be read; what was known stays.
    pub async fn read(&self, journal: &dyn Journal) -> Result<(), JournalError> {
        let _turn = self.reading.lock().await;
        let now = journal.pauses().await?;
        let changed = self.now.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
        if changed {
            self.rouse(Woken::Anything);
        }
        Ok(())
    }

    /// Follows the journal until shutdown.
    pub async fn follow(&self, journal: &dyn Journal, mut shutdown: Shutdown) {
        let mut failing = false;
        while !shutdown.is_requested() {
            match self.read(journal).await {
                Ok(()) => failing = false,
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "what is paused is not known to be so any more");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    fn find(&self, is: impl Fn(&Pausable) -> bool) -> Option<Pause> {
        self.now.borrow().iter().find(|pause| is(&pause.what)).cloned()
    }
}
