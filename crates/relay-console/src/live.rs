//! Changes of messages as they happen, for those who watch: one reader of the journal for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relay_core::{Change, ChangeCursor, Journal, Shutdown};
use tokio::sync::{Notify, broadcast};

/// Most who watch at a time. Beyond that one is told to come again.
pub const WATCHERS_MAX: usize = 200;
/// Pause between two looks into the journal while somebody watches.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Changes read at a time.
const BATCH: u32 = 500;
/// Changes that a slow watcher may be behind before it is told that it missed some.
const BEHIND_MAX: usize = 2_000;

/// Hands changes to all who watch. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Arc<dyn Journal>,
    changes: broadcast::Sender<Change>,
    watchers: AtomicUsize,
    first: Notify,
}

/// One who watches; the place is free again when it is dropped.
pub(crate) struct Watcher {
    inner: Arc<Inner>,
    changes: broadcast::Receiver<Change>,
}

/// What a watcher hears.
pub(crate) enum Heard {
    /// A change.
    Change(Change),
    /// So many changes went by faster than they were taken.
    Missed(u64),
    /// There will be no more.
    Ended,
}

impl Live {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        let (changes, _) = broadcast::channel(BEHIND_MAX);
        let inner = Inner { journal, changes, watchers: AtomicUsize::new(0), first: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// A place among those who watch. `None`: all are taken.
    pub(crate) fn watch(&self) -> Option<Watcher> {
        let free = |watchers: usize| (watchers < WATCHERS_MAX).then_some(watchers + 1);
        self.inner.watchers.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        let watcher = Watcher { inner: Arc::clone(&self.inner), changes: self.inner.changes.subscribe() };
        self.inner.first.notify_one();
        Some(watcher)
    }

    /// Reads the journal while somebody watches, until shutdown.
    pub(crate) async fn run(&self, mut shutdown: Shutdown) {
        let mut cursor: Option<ChangeCursor> = None;
        while !shutdown.is_requested() {
            if self.inner.watchers.load(Ordering::Acquire) == 0 {
                cursor = None;
                tokio::select! {
                    () = self.inner.first.notified() => {}
                    () = shutdown.requested() => return,
                }
            }
            if !self.pass_on(&mut cursor).await {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = shutdown.requested() => {}
                }
            }
        }
    }

    /// Passes on what is new. `true`: there may be more at once.
    async fn pass_on(&self, cursor: &mut Option<ChangeCursor>) -> bool {
        let journal = &self.inner.journal;
        let behind = match cursor {
            Some(behind) => behind,
            None => match journal.change_cursor().await {
                Ok(now) => cursor.insert(now),
                Err(error) => return failed(&error),
            },
        };
        let changes = match journal.changes(behind, BATCH).await {
            Ok(changes) => changes,
            Err(error) => return failed(&error),
        };
        let more = changes.len() >= BATCH as usize;
        for change in changes {
            behind.0.insert(change.chain.clone(), change.number);
            // Nobody may watch any more.
            let _ = self.inner.changes.send(change);
        }
        more
    }
}

fn failed(error: &relay_core::JournalError) -> bool {
    tracing::debug!(%error, "changes cannot be read for now");
    false
}

impl Watcher {
    /// What comes next. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Heard {
        match self.changes.recv().await {
            Ok(change) => Heard::Change(change),
            Err(broadcast::error::RecvError::Lagged(missed)) => Heard::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => Heard::Ended,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inner.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}
