//! What people ask of a journal's file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use relay_core::audit::AuditReport;
use relay_core::{
    Change, ChangeCursor, Deed, DeedQuery, HistoryEntry, JournalError, MessageQuery, MessageSummary, Oldest,
    Partner, Records, RelayId, StateCount, Traffic,
};
use rusqlite::Connection;

use super::fault::Fault;
use super::open::{self, Asking, OpenError};
use super::reader::Reader;
use super::{audit, deed, event, report, search};

/// Longest time that a question takes, counted from when it has a connection.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The same for a report on partners, which reads all messages of its time.
const REPORT_WITHIN: Duration = Duration::from_secs(60);

/// A journal's file, to be asked and not to be written: beside a relay that runs on it, or without one.
pub struct SqliteRecords {
    /// Several, so that a question that takes long does not hold up the others.
    pub(crate) people: Reader,
    /// For the walk along whole chains, which takes what it takes and holds up no question.
    auditor: Reader,
    answer_within: Duration,
}

impl SqliteRecords {
    /// Opens a file that is there. Takes no lock: the relay that it belongs to goes on.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let asking = open::open_to_read(path)?;
        let journal: Arc<str> = path.display().to_string().into();
        Ok(Self::new(asking, &journal))
    }

    pub(crate) fn new(asking: Asking, journal: &Arc<str>) -> Self {
        Self {
            people: Reader::new(asking.people, Arc::clone(journal)),
            auditor: Reader::new(vec![asking.auditor], Arc::clone(journal)),
            answer_within: ANSWER_WITHIN,
        }
    }

    /// The same with another longest time for a question.
    #[cfg(test)]
    pub(crate) fn answering_within(self, answer_within: Duration) -> Self {
        Self { answer_within, ..self }
    }

    /// Ends the reads under way, and closes the file.
    pub async fn close(&self) {
        self.people.close().await;
        self.auditor.close().await;
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.people.read(Some(self.answer_within), work).await
    }
}

#[async_trait]
impl Records for SqliteRecords {
    async fn counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.ask(report::counts).await
    }

    async fn waiting_counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.ask(report::waiting_counts).await
    }

    async fn oldest_unended(&self) -> Result<Vec<Oldest>, JournalError> {
        self.ask(report::oldest_unended).await
    }

    async fn search(&self, query: &MessageQuery) -> Result<Vec<MessageSummary>, JournalError> {
        let query = query.clone();
        self.ask(move |connection| search::search(connection, &query)).await
    }

    async fn history(&self, relay_id: RelayId) -> Result<Vec<HistoryEntry>, JournalError> {
        self.ask(move |connection| event::history(connection, relay_id)).await
    }

    async fn partners(&self, since: Timestamp) -> Result<Vec<Partner>, JournalError> {
        self.people.read(Some(REPORT_WITHIN), move |connection| report::partners(connection, since)).await
    }

    async fn message(&self, relay_id: RelayId) -> Result<Option<MessageSummary>, JournalError> {
        self.ask(move |connection| search::message(connection, relay_id)).await
    }

    async fn traffic(&self, since: Timestamp, stretch: Duration) -> Result<Vec<Traffic>, JournalError> {
        self.ask(move |connection| report::traffic(connection, since, stretch)).await
    }

    async fn change_cursor(&self) -> Result<ChangeCursor, JournalError> {
        self.ask(event::cursor).await
    }

    async fn changes(&self, behind: &ChangeCursor, limit: u32) -> Result<Vec<Change>, JournalError> {
        let behind = behind.clone();
        self.ask(move |connection| event::behind(connection, &behind, limit)).await
    }

    async fn deeds(&self, query: &DeedQuery) -> Result<Vec<Deed>, JournalError> {
        let query = query.clone();
        self.ask(move |connection| deed::deeds(connection, &query)).await
    }

    async fn verify(&self) -> Result<AuditReport, JournalError> {
        self.auditor.read(None, audit::verify).await
    }
}
