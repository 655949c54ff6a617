//! What people ask of a journal's file.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use relay_core::audit::AuditReport;
use relay_core::{
    HistoryEntry, JournalError, MessageQuery, MessageSummary, Oldest, Partner, Records, RelayId, StateCount,
};

use super::open::{self, OpenError};
use super::reader::Reader;
use super::{audit, event, search};

/// A journal's file, to be asked and not to be written: beside a relay that runs on it, or without one.
pub struct SqliteRecords {
    reader: Reader,
}

impl SqliteRecords {
    /// Opens a file that is there. Takes no lock: the relay that it belongs to goes on.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let reading = open::open_to_read(path)?;
        let journal: Arc<str> = path.display().to_string().into();
        Ok(Self::new(Reader::new(reading, journal)))
    }

    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// Closes the file after the read under way, if there is one.
    pub async fn close(&self) {
        self.reader.close().await;
    }
}

#[async_trait]
impl Records for SqliteRecords {
    async fn counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.reader.read(search::counts).await
    }

    async fn oldest_unended(&self) -> Result<Vec<Oldest>, JournalError> {
        self.reader.read(search::oldest_unended).await
    }

    async fn search(&self, query: &MessageQuery) -> Result<Vec<MessageSummary>, JournalError> {
        let query = query.clone();
        self.reader.read(move |connection| search::search(connection, &query)).await
    }

    async fn history(&self, relay_id: RelayId) -> Result<Vec<HistoryEntry>, JournalError> {
        self.reader.read(move |connection| event::history(connection, relay_id)).await
    }

    async fn partners(&self, since: Timestamp) -> Result<Vec<Partner>, JournalError> {
        self.reader.read(move |connection| search::partners(connection, since)).await
    }

    async fn verify(&self) -> Result<AuditReport, JournalError> {
        self.reader.read(audit::verify).await
    }
}
