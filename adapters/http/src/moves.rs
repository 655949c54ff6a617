//! Whether a body moves: what a wait for its end is measured by, since a large one may take as long as it needs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When something moved last. Shared between what moves and who waits.
#[derive(Debug, Clone)]
pub(crate) struct Moves(Arc<Mutex<Instant>>);

impl Moves {
    /// It moved now.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// It moves.
    pub(crate) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns once nothing has moved for so long. Cancel-safe.
    pub(crate) async fn quiet_for(&self, limit: Duration) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}
