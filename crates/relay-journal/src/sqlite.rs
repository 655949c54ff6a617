//! The journal on SQLite.
//!
//! One thread owns the connection that writes. Calls made at the same time travel to it together, share one
//! transaction and one sync of the disk, and are answered only after the commit (`writer`). Reads have a
//! connection of their own (`reader`), and so has what people ask (`records`); they see every write that was answered.
//!
//! The file belongs to one relay at a time and is readable by its owner alone (`open`).

mod audit;
mod deed;
mod diagnose;
mod event;
mod fault;
mod inbound;
mod incident;
mod lease;
mod migrate;
mod open;
mod outbound;
mod pause;
mod reader;
mod records;
mod report;
mod search;
mod set_aside;
#[cfg(test)]
mod tests;
mod value;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId, MessageId};
use relay_core::audit::{AuditReport, Pruned};
use relay_core::{
    Begin, Change, ChangeCursor, Deed, DeedQuery, DeliveryEvent, EventId, Fence, Happening, HistoryEntry,
    InboundChange, InboundRecord, Journal, JournalError, MailboxTimes, MessageQuery, MessageSummary, NewDeed,
    NewInbound, NewOutbound, Oldest, OpenIncident, OutboundChange, OutboundRecord, Partner, Pausable, Pause,
    Records, RelayId, SourceKey, StateCount, Traffic,
};
use rusqlite::Connection;

use crate::happening::NotClosed;
pub use diagnose::diagnose as diagnose_file;
use fault::Fault;
pub use open::OpenError;
use reader::Reader;
pub use records::SqliteRecords;
pub use set_aside::set_aside;
use writer::Writer;

/// Longest wait for the last commit and the checkpoint when the journal is closed. What is not finished then
/// still goes on in its thread; a commit that was answered is on disk in any case.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// The journal on SQLite. Clones share one file.
///
/// When the last clone is dropped without [`close`](Self::close), the writer thread finishes what it was given
/// and ends by itself; the lock on the file is held until then.
#[derive(Clone)]
pub struct SqliteJournal {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Arc<str>,
    /// What the engine reads.
    reader: Reader,
    /// What people ask, which may take long and must not hold up the engine.
    people: SqliteRecords,
    writer: Writer,
}

impl SqliteJournal {
    /// Opens the journal, and creates it when there is none. Takes the lock that keeps a second relay out.
    ///
    /// # Errors
    /// See [`OpenError`]. A file that is no readable journal is left as it is.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let opened = open::open(path)?;
        let journal: Arc<str> = opened.path.display().to_string().into();
        let writer = Writer::start(opened.writing, opened.lock, Arc::clone(&journal)).map_err(|error| {
            OpenError::Storage {
                path: opened.path.clone(),
                what: format!("its thread cannot be started: {error}"),
            }
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                reader: Reader::new(vec![opened.reading], Arc::clone(&journal)),
                people: SqliteRecords::new(opened.asking, &journal),
                writer,
                journal,
            }),
        })
    }

    /// Takes no more work, commits what was taken, folds the log into the file, ends the writer thread and lets go
    /// of the lock. Other clones find the journal closed.
    pub async fn close(self) {
        let closing = async {
            // The writer must be the last connection: only that one may remove the log.
            self.inner.reader.close().await;
            self.inner.people.close().await;
            self.inner.writer.stop().await;
        };
        if tokio::time::timeout(CLOSE_WITHIN, closing).await.is_err() {
            let journal = &*self.inner.journal;
            NotClosed { journal, within: CLOSE_WITHIN }.tell();
        }
    }

    /// How many transactions were committed since the journal was opened. Against the number of calls it shows
    /// how well they share commits.
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }
}

impl SqliteJournal {
    /// Runs `work` in the next transaction, if the lease it needs is held.
    async fn write<T: Send + 'static>(
        &self,
        fence: Option<&Fence>,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, JournalError> {
        let fence = fence.cloned();
        let fenced = move |connection: &Connection| {
            lease::check(connection, fence.as_ref())?;
            work(connection)
        };
        self.inner.writer.write(fenced).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.inner.reader.read(None, work).await
    }
}

#[async_trait]
impl Records for SqliteJournal {
    async fn counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.inner.people.counts().await
    }

    async fn waiting_counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.inner.people.waiting_counts().await
    }

    async fn oldest_unended(&self) -> Result<Vec<Oldest>, JournalError> {
        self.inner.people.oldest_unended().await
    }

    async fn search(&self, query: &MessageQuery) -> Result<Vec<MessageSummary>, JournalError> {
        self.inner.people.search(query).await
    }

    async fn history(&self, relay_id: RelayId) -> Result<Vec<HistoryEntry>, JournalError> {
        self.inner.people.history(relay_id).await
    }

    async fn partners(&self, since: Timestamp) -> Result<Vec<Partner>, JournalError> {
        self.inner.people.partners(since).await
    }

    async fn message(&self, relay_id: RelayId) -> Result<Option<MessageSummary>, JournalError> {
        self.inner.people.message(relay_id).await
    }

    async fn traffic(&self, since: Timestamp, stretch: Duration) -> Result<Vec<Traffic>, JournalError> {
        self.inner.people.traffic(since, stretch).await
    }

    async fn change_cursor(&self) -> Result<ChangeCursor, JournalError> {
        self.inner.people.change_cursor().await
    }

    async fn changes(&self, behind: &ChangeCursor, limit: u32) -> Result<Vec<Change>, JournalError> {
        self.inner.people.changes(behind, limit).await
    }

    async fn deeds(&self, query: &DeedQuery) -> Result<Vec<Deed>, JournalError> {
        self.inner.people.deeds(query).await
    }

    async fn verify(&self) -> Result<AuditReport, JournalError> {
        self.inner.people.verify().await
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn begin_outbound(
        &self,
        new: NewOutbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<OutboundRecord>, JournalError> {
        self.write(fence, move |connection| outbound::begin(connection, new)).await
    }

    async fn commit_outbound(
        &self,
        record: &OutboundRecord,
        change: OutboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let (relay_id, version) = (record.relay_id, record.version);
        self.write(fence, move |connection| outbound::commit(connection, relay_id, version, &change)).await
    }

    async fn settle(
        &self,
        relay_id: RelayId,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        self.write(fence, move |connection| outbound::settle(connection, relay_id, at)).await
    }

    async fn begin_inbound(
        &self,
        new: NewInbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<InboundRecord>, JournalError> {
        self.write(fence, move |connection| inbound::begin(connection, new)).await
    }

    async fn commit_inbound(
        &self,
        record: &InboundRecord,
        change: InboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let (relay_id, version) = (record.relay_id, record.version);
        self.write(fence, move |connection| inbound::commit(connection, relay_id, version, &change)).await
    }

    async fn unended_inbound(&self, mailbox: &MailboxId, limit: u32) -> Result<Vec<MessageId>, JournalError> {
        let mailbox = mailbox.clone();
        self.read(move |connection| inbound::unended(connection, &mailbox, limit)).await
    }

    async fn find_outbound(&self, source: &SourceKey) -> Result<Option<OutboundRecord>, JournalError> {
        let source = source.clone();
        self.read(move |connection| outbound::find(connection, &source)).await
    }

    async fn find_sent(
        &self,
        mailbox: &MailboxId,
        message_id: &MessageId,
    ) -> Result<Option<OutboundRecord>, JournalError> {
        let (mailbox, message_id) = (mailbox.clone(), message_id.clone());
        self.read(move |connection| outbound::find_sent(connection, &mailbox, &message_id)).await
    }

    async fn find_local_id(
        &self,
        mailbox: &MailboxId,
        local_id: &LocalId,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError> {
        let (mailbox, local_id) = (mailbox.clone(), local_id.clone());
        self.read(move |connection| outbound::find_local_id(connection, &mailbox, &local_id, limit)).await
    }

    async fn unsettled(&self, adapter: &str) -> Result<Vec<OutboundRecord>, JournalError> {
        let adapter = adapter.to_owned();
        self.read(move |connection| outbound::unsettled(connection, &adapter)).await
    }

    async fn due(
        &self,
        mailbox: &MailboxId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError> {
        let mailbox = mailbox.clone();
        self.read(move |connection| outbound::due(connection, &mailbox, now, limit)).await
    }

    async fn untold(
        &self,
        adapter: &str,
        except: &[RelayId],
        limit: u32,
    ) -> Result<Vec<DeliveryEvent>, JournalError> {
        let except = except.to_vec();
        let adapter = adapter.to_owned();
        self.read(move |connection| event::untold(connection, &adapter, &except, limit)).await
    }

    async fn told(&self, events: &[EventId], fence: Option<&Fence>) -> Result<(), JournalError> {
        let events = events.to_vec();
        self.write(fence, move |connection| event::told(connection, &events)).await
    }

    async fn outbound(&self, relay_id: RelayId) -> Result<Option<OutboundRecord>, JournalError> {
        self.read(move |connection| outbound::by_id(connection, relay_id)).await
    }

    async fn inbound(&self, relay_id: RelayId) -> Result<Option<InboundRecord>, JournalError> {
        self.read(move |connection| inbound::by_id(connection, relay_id)).await
    }

    async fn record_deed(&self, deed: NewDeed) -> Result<(), JournalError> {
        self.write(None, move |connection| deed::record(connection, &deed)).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, JournalError> {
        self.read(pause::pauses).await
    }

    async fn pause(&self, pause: Pause) -> Result<(), JournalError> {
        self.write(None, move |connection| pause::pause(connection, &pause)).await
    }

    async fn resume(&self, what: &Pausable) -> Result<bool, JournalError> {
        let what = what.clone();
        self.write(None, move |connection| pause::resume(connection, &what)).await
    }

    async fn incidents(&self, owner: &str) -> Result<Vec<OpenIncident>, JournalError> {
        let owner = owner.to_owned();
        self.read(move |connection| incident::incidents(connection, &owner)).await
    }

    async fn put_incident(&self, kept: OpenIncident) -> Result<(), JournalError> {
        self.write(None, move |connection| incident::put(connection, &kept)).await
    }

    async fn remove_incident(&self, owner: &str, id: &str) -> Result<(), JournalError> {
        let (owner, id) = (owner.to_owned(), id.to_owned());
        self.write(None, move |connection| incident::remove(connection, &owner, &id)).await
    }

    async fn mailbox_times(&self, mailbox: &MailboxId) -> Result<MailboxTimes, JournalError> {
        let mailbox = mailbox.clone();
        self.read(move |connection| lease::times(connection, &mailbox)).await
    }

    async fn commit_mailbox_times(
        &self,
        mailbox: &MailboxId,
        times: MailboxTimes,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let mailbox = mailbox.clone();
        self.write(fence, move |connection| lease::keep_times(connection, &mailbox, times)).await
    }

    /// The file is this process's alone, so a lease can always be had and lasts until it is released or taken again.
    async fn take_lease(
        &self,
        name: &str,
        _owner: &str,
        _ttl: Duration,
    ) -> Result<Option<Fence>, JournalError> {
        let name = name.to_owned();
        self.write(None, move |connection| lease::take(connection, &name)).await.map(Some)
    }

    async fn renew_lease(&self, fence: &Fence, _ttl: Duration) -> Result<bool, JournalError> {
        let fence = fence.clone();
        // By the way that writes take: a journal that cannot be written is no ground to go on.
        self.write(None, move |connection| lease::holds(connection, &fence)).await
    }

    async fn release_lease(&self, fence: &Fence) -> Result<(), JournalError> {
        let fence = fence.clone();
        self.write(None, move |connection| lease::release(connection, &fence)).await
    }

    async fn prune(&self, before: Timestamp) -> Result<Pruned, JournalError> {
        let mut all = Pruned::default();
        // Other writes go between the steps.
        while let Some(step) =
            self.write(None, move |connection| audit::prune_step(connection, before)).await?
        {
            all.messages += step.messages;
            all.links += step.links;
        }
        while let Some(deeds) =
            self.write(None, move |connection| deed::prune_step(connection, before)).await?
        {
            all.deeds += deeds;
        }
        Ok(all)
    }
}
