//! The connection for reading. It never waits for the writer, and sees every commit that was answered.

use std::sync::Arc;

use relay_core::JournalError;
use relay_core::journal::StateCount;
use rusqlite::Connection;
use tokio::sync::Mutex;

use crate::fault::Fault;
use crate::value::{self, Direction};

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

/// How many messages are in each state, both ways.
pub(crate) fn counts(connection: &Connection) -> Result<Vec<StateCount>, Fault> {
    let mut counts = Vec::new();
    for (direction, query) in [
        (
            Direction::Inbound,
            "SELECT state_name, count(*) AS messages FROM inbound GROUP BY state_name ORDER BY state_name",
        ),
        (
            Direction::Outbound,
            "SELECT state_name, count(*) AS messages FROM outbound GROUP BY state_name ORDER BY state_name",
        ),
    ] {
        let mut statement = connection.prepare_cached(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            counts.push(StateCount {
                direction: direction.as_str().to_owned(),
                state: value::text(row, "state_name")?,
                messages: value::count(row, "messages")?,
            });
        }
    }
    Ok(counts)
}
