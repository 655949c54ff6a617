//! The connections for reading. They never wait for the writer, and see every commit that was answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use relay_core::JournalError;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::Fault;
use crate::stored;

/// SQLite's own steps between two looks whether a read is to go on: well below a millisecond's worth.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

/// Reads, as many at a time as there are connections, away from the runtime's own threads.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    /// One for each connection.
    places: Arc<Semaphore>,
    size: u32,
    journal: Arc<str>,
}

struct Shared {
    /// Those that nobody uses.
    idle: Mutex<Vec<Connection>>,
    closing: AtomicBool,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. It goes back also when the work on it breaks off, or its caller goes away.
struct Held {
    connection: Option<Connection>,
    shared: Arc<Shared>,
    /// Given back last.
    _place: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.idle().extend(self.connection.take());
    }
}

impl Reader {
    pub(crate) fn new(connections: Vec<Connection>, journal: Arc<str>) -> Self {
        let places = Arc::new(Semaphore::new(connections.len()));
        let size = u32::try_from(connections.len()).unwrap_or(u32::MAX);
        let shared = Shared { idle: Mutex::new(connections), closing: AtomicBool::new(false) };
        Self { shared: Arc::new(shared), places, size, journal }
    }

    /// Runs `work` on a connection. With `within`, it is given up after that time, counted from when it has the
    /// connection.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        within: Option<Duration>,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, JournalError> {
        // Waiting here, not in the blocking thread, keeps any number of readers to as many such threads as connections.
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| JournalError::Closed)?;
        let connection = self.shared.idle().pop();
        let mut held = Held { connection, shared: Arc::clone(&self.shared), _place: place };
        let reading = tokio::task::spawn_blocking(move || {
            let shared = Arc::clone(&held.shared);
            Some(bounded(held.connection.as_mut()?, &shared, within, work))
        });
        match reading.await {
            Ok(Some(Err(fault))) if fault.is_interruption() => Err(match within {
                Some(within) if !self.shared.closing.load(Ordering::Relaxed) => {
                    JournalError::TooBroad { after: stored::seconds(within) }
                }
                _ => JournalError::Closed,
            }),
            Ok(Some(result)) => result.map_err(|fault| fault.of(&self.journal)),
            Ok(None) => Err(JournalError::Closed),
            Err(error) if error.is_cancelled() => Err(JournalError::Closed),
            Err(_) => Err(JournalError::Storage {
                journal: self.journal.to_string(),
                what: "a read broke off".to_owned(),
            }),
        }
    }

    /// Ends the reads under way, and closes the connections.
    pub(crate) async fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Every one is idle then. It fails when someone else has closed them.
        if let Ok(_all) = self.places.acquire_many(self.size).await {
            self.places.close();
            self.shared.idle().clear();
        }
    }
}

/// Does the work, which SQLite breaks off when its time is up or the reader closes.
fn bounded<T>(
    connection: &mut Connection,
    shared: &Arc<Shared>,
    within: Option<Duration>,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    // No time that long is over.
    let until = within.and_then(|within| Instant::now().checked_add(within));
    let shared = Arc::clone(shared);
    let is_over =
        move || shared.closing.load(Ordering::Relaxed) || until.is_some_and(|until| Instant::now() >= until);
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(is_over))?;
    let done = work(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    done
}
