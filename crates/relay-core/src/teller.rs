//! Tells events to the system behind an adapter: in order for each message, at least once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Chance, RelayId};
use crate::event::{EventId, EventSink};
use crate::journal::{Fence, Journal, JournalError};
use crate::lease::Tenure;
use crate::outbound::Surroundings;
use crate::policy::backoff;
use crate::shutdown::Shutdown;

/// Events read at a time.
const BATCH: u32 = 200;
/// Pause between two looks for events that are still to be told.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Wait after a first failure; doubles from there.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest wait after failures.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Tells the events of one adapter.
pub struct Teller {
    journal: Arc<dyn Journal>,
    chance: Arc<dyn Chance>,
    sink: Arc<dyn EventSink>,
    adapter: String,
}

impl Teller {
    /// A teller of the events of `adapter`.
    pub fn new(surroundings: &Surroundings, adapter: impl Into<String>, sink: Arc<dyn EventSink>) -> Self {
        let (journal, chance) = (Arc::clone(&surroundings.journal), Arc::clone(&surroundings.chance));
        Self { journal, chance, sink, adapter: adapter.into() }
    }

    /// Tells what is to be told until shutdown. What was told and not recorded as told is told again.
    pub async fn run(&self, tenure: Tenure, mut shutdown: Shutdown) {
        let mut failures = 0;
        while !shutdown.is_requested() {
            let wait = match self.tell(&tenure, &shutdown).await {
                Ok(Told { all: true, any: true }) => continue,
                Ok(Told { all: true, any: false }) => {
                    failures = 0;
                    LOOK_EVERY
                }
                Ok(Told { all: false, .. }) | Err(_) => {
                    failures += 1;
                    backoff(failures, RETRY_FIRST, RETRY_MAX, &*self.chance)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Tells one batch. An event that cannot be told holds back the later ones of its message, and no others.
    async fn tell(&self, tenure: &Tenure, shutdown: &Shutdown) -> Result<Told, JournalError> {
        let events =
            self.journal.untold(&self.adapter, BATCH).await.inspect_err(|error| self.failed(error))?;
        let mut told: Vec<EventId> = Vec::new();
        let mut stuck: HashSet<RelayId> = HashSet::new();
        let any = !events.is_empty();
        for event in events {
            if shutdown.is_requested() || !tenure.holds() {
                break;
            }
            if stuck.contains(&event.id.relay_id) {
                continue;
            }
            match self.sink.tell(&event).await {
                Ok(()) => told.push(event.id),
                Err(error) => {
                    let (relay_id, adapter) = (event.id.relay_id, &self.adapter);
                    tracing::warn!(%relay_id, adapter, %error, "an event was not told; it is told again later");
                    stuck.insert(relay_id);
                }
            }
        }
        let fence: &Fence = tenure.fence();
        if !told.is_empty() {
            self.journal.told(&told, Some(fence)).await.inspect_err(|error| self.failed(error))?;
        }
        Ok(Told { all: stuck.is_empty(), any })
    }

    fn failed(&self, error: &JournalError) {
        tracing::warn!(adapter = %self.adapter, %error, "events cannot be told for now");
    }
}

/// How far a batch got.
struct Told {
    /// None failed.
    all: bool,
    /// There were some.
    any: bool,
}
