//! The connection for reading. It never waits for the writer, and sees every commit that was answered.

use std::sync::Arc;

use relay_core::JournalError;
use rusqlite::Connection;
use tokio::sync::Mutex;

use super::fault::Fault;

/// Reads, one at a time, away from the runtime's own threads.
pub(crate) struct Reader {
    /// `None` once closed.
    connection: Arc<Mutex<Option<Connection>>>,
    journal: Arc<str>,
}

impl Reader {
    pub(crate) fn new(connection: Connection, journal: Arc<str>) -> Self {
        Self { connection: Arc::new(Mutex::new(Some(connection))), journal }
    }

    /// Runs `work` on the connection.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, JournalError> {
        // Waiting here, not in the blocking thread, keeps any number of readers to one such thread.
        let held = Arc::clone(&self.connection).lock_owned().await;
        let reading = tokio::task::spawn_blocking(move || held.as_ref().map(work));
        match reading.await {
            Ok(Some(result)) => result.map_err(|fault| fault.of(&self.journal)),
            Ok(None) => Err(JournalError::Closed),
            Err(error) if error.is_cancelled() => Err(JournalError::Closed),
            Err(_) => Err(JournalError::Storage {
                journal: self.journal.to_string(),
                what: "a read broke off".to_owned(),
            }),
        }
    }

    /// Closes the connection after the read under way, if there is one.
    pub(crate) async fn close(&self) {
        self.connection.lock().await.take();
    }
}
