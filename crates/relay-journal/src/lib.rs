//! The journal: the durable record of every message, on SQLite.
//!
//! One thread owns the connection that writes. Calls made at the same time travel to it together, share one
//! transaction and one sync of the disk, and are answered only after the commit (`writer`). Reads have a
//! connection of their own (`reader`) and see every write that was answered.
//!
//! The file belongs to one relay at a time and is readable by its owner alone (`open`).

mod fault;
mod inbound;
mod migrate;
mod open;
mod outbound;
mod reader;
#[cfg(test)]
mod tests;
mod value;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId};
use relay_core::journal::StateCount;
use relay_core::{
    Begin, InboundRecord, InboundState, Journal, JournalError, NewInbound, NewOutbound, OutboundRecord,
    OutboundState, RelayId, SourceKey,
};

pub use crate::open::OpenError;
use crate::reader::Reader;
use crate::writer::Writer;

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
    reader: Reader,
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
                reader: Reader::new(opened.reading, Arc::clone(&journal)),
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
            self.inner.writer.stop().await;
        };
        if tokio::time::timeout(CLOSE_WITHIN, closing).await.is_err() {
            let journal = &*self.inner.journal;
            tracing::warn!(journal, within = ?CLOSE_WITHIN, "the journal did not close in time; what was answered is on disk");
        }
    }

    /// How many transactions were committed since the journal was opened. Against the number of calls it shows
    /// how well they share commits.
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn begin_outbound(&self, new: NewOutbound) -> Result<Begin<OutboundRecord>, JournalError> {
        let writer = &self.inner.writer;
        writer.write(move |connection| outbound::begin(connection, new)).await
    }

    async fn commit_outbound(
        &self,
        record: &OutboundRecord,
        state: &OutboundState,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        let (relay_id, version, state) = (record.relay_id, record.version, state.clone());
        let writer = &self.inner.writer;
        writer.write(move |connection| outbound::commit(connection, relay_id, version, &state, at)).await
    }

    async fn settle(&self, relay_id: RelayId, at: Timestamp) -> Result<(), JournalError> {
        let writer = &self.inner.writer;
        writer.write(move |connection| outbound::settle(connection, relay_id, at)).await
    }

    async fn find_outbound(&self, source: &SourceKey) -> Result<Option<OutboundRecord>, JournalError> {
        let source = source.clone();
        let reader = &self.inner.reader;
        reader.read(move |connection| outbound::find(connection, &source)).await
    }

    async fn unsettled(&self, adapter: &str) -> Result<Vec<OutboundRecord>, JournalError> {
        let adapter = adapter.to_owned();
        let reader = &self.inner.reader;
        reader.read(move |connection| outbound::unsettled(connection, &adapter)).await
    }

    async fn local_id_uses(&self, mailbox: &MailboxId, local_id: &LocalId) -> Result<u64, JournalError> {
        let (mailbox, local_id) = (mailbox.clone(), local_id.clone());
        let reader = &self.inner.reader;
        reader.read(move |connection| outbound::local_id_uses(connection, &mailbox, &local_id)).await
    }

    async fn begin_inbound(&self, new: NewInbound) -> Result<Begin<InboundRecord>, JournalError> {
        let writer = &self.inner.writer;
        writer.write(move |connection| inbound::begin(connection, new)).await
    }

    async fn commit_inbound(
        &self,
        record: &InboundRecord,
        state: &InboundState,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        let (relay_id, version, state) = (record.relay_id, record.version, state.clone());
        let writer = &self.inner.writer;
        writer.write(move |connection| inbound::commit(connection, relay_id, version, &state, at)).await
    }

    async fn counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.inner.reader.read(reader::counts).await
    }
}
