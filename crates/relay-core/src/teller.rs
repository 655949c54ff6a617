//! Tells events to the system behind an adapter: in order for each message, at least once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::board::{Board, Trouble};
use crate::clock::{Chance, Clock, RelayId};
use crate::event::{EventId, EventSink};
use crate::happening::Happening;
use crate::happening::events::{NotTold, Told, Unreadable};
use crate::journal::{Journal, JournalError};
use crate::lease::Tenure;
use crate::outbound::Surroundings;
use crate::policy::backoff;
use crate::progress::{Pump, PumpKind, Step};
use crate::shutdown::Shutdown;

/// Events read at a time.
const BATCH: u32 = 200;
/// Pause between two looks for events that are still to be told.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Wait after a first failure; doubles from there.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest wait after failures.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Failures in a row that are taken for a far side which takes nothing.
const OUTAGE: u32 = 20;
/// Messages whose events wait for another try while those of others are told. With more, all wait.
const RESTING_MAX: usize = 1_000;

/// Tells the events of one adapter.
pub struct Teller {
    journal: Arc<dyn Journal>,
    chance: Arc<dyn Chance>,
    sink: Arc<dyn EventSink>,
    adapter: String,
    clock: Arc<dyn Clock>,
    board: Arc<Board>,
    pump: Pump,
}

/// Takes back what this instance saw of the telling once it does not tell any more.
struct Telling<'a> {
    board: &'a Board,
    adapter: &'a str,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.board.note_telling(self.adapter, None);
    }
}

/// Messages of which an event could not be told.
#[derive(Default)]
struct Resting {
    messages: HashMap<RelayId, Rest>,
    /// Failures since anything was told.
    row: u32,
}

struct Rest {
    failures: u32,
    until: Instant,
}

impl Resting {
    /// Those whose time has not come.
    fn names(&self) -> Vec<RelayId> {
        let now = Instant::now();
        self.messages.iter().filter(|(_, rest)| rest.until > now).map(|(id, _)| *id).collect()
    }

    fn told(&mut self, relay_id: RelayId) {
        self.messages.remove(&relay_id);
        self.row = 0;
    }

    fn failed(&mut self, relay_id: RelayId, chance: &dyn Chance) {
        self.row += 1;
        let failures = self.messages.get(&relay_id).map_or(0, |rest| rest.failures) + 1;
        let until = Instant::now() + backoff(failures, RETRY_FIRST, RETRY_MAX, chance);
        self.messages.insert(relay_id, Rest { failures, until });
    }

    /// How many failures stand for a far side that takes nothing; zero: it takes some.
    fn outage(&self) -> u32 {
        if self.messages.len() >= RESTING_MAX {
            self.row.max(1)
        } else {
            (self.row + 1).saturating_sub(OUTAGE)
        }
    }
}

impl Teller {
    /// A teller of the events of `adapter`.
    pub fn new(surroundings: &Surroundings, adapter: impl Into<String>, sink: Arc<dyn EventSink>) -> Self {
        let Surroundings { journal, chance, clock, board, progress, .. } = surroundings.clone();
        let adapter = adapter.into();
        let pump = progress.pump(PumpKind::Events, &adapter, LOOK_EVERY);
        Self { journal, chance, sink, adapter, clock, board, pump }
    }

    /// Tells what is to be told until shutdown. What was told and not recorded as told is told again.
    pub async fn run(&self, tenure: Tenure, mut shutdown: Shutdown) {
        let mut resting = Resting::default();
        let mut unread = 0;
        let step = self.pump.step("about to look for events");
        // Whoever tells them next sees how that goes.
        let _seen = Telling { board: &self.board, adapter: &self.adapter };
        while !shutdown.is_requested() {
            let told = self.tell(&mut resting, &tenure, &step, &shutdown).await;
            unread = if told.is_err() { unread + 1 } else { 0 };
            let wait = match (told, unread.max(resting.outage())) {
                (Ok(more), 0) if more => continue,
                (_, 0) => LOOK_EVERY,
                (_, failures) => backoff(failures, RETRY_FIRST, RETRY_MAX, &*self.chance),
            };
            step.waits("waiting for events", wait);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Tells one batch and says whether there was anything to tell. An event that cannot be told holds back the later
    /// ones of its message, and no others.
    async fn tell(
        &self,
        resting: &mut Resting,
        tenure: &Tenure,
        step: &Step,
        shutdown: &Shutdown,
    ) -> Result<bool, JournalError> {
        step.turn("asking the journal for events");
        let events = self.journal.untold(&self.adapter, &resting.names(), BATCH).await;
        let events = events.inspect_err(|error| self.failed(error))?;
        let any = !events.is_empty();
        let mut told: Vec<EventId> = Vec::new();
        let mut stuck: HashSet<RelayId> = HashSet::new();
        for event in events {
            if shutdown.is_requested() || !tenure.holds() || resting.row >= OUTAGE && !stuck.is_empty() {
                break;
            }
            let relay_id = event.id.relay_id;
            if stuck.contains(&relay_id) {
                continue;
            }
            step.turn_within("telling an event", self.sink.patience());
            match self.sink.tell(&event).await {
                Ok(()) => {
                    Told { event: event.id, adapter: &self.adapter }.tell();
                    told.push(event.id);
                    resting.told(relay_id);
                    self.board.note_telling(&self.adapter, None);
                }
                Err(error) => {
                    NotTold { relay_id, adapter: &self.adapter, error: &error }.tell();
                    stuck.insert(relay_id);
                    resting.failed(relay_id, &*self.chance);
                    let (since, what) = (self.clock.now(), error.what);
                    let trouble = Trouble { since, is_refusal: false, what };
                    self.board.note_telling(&self.adapter, Some(trouble));
                }
            }
        }
        if !told.is_empty() {
            step.turn("recording that events were told");
            let recorded = self.journal.told(&told, Some(tenure.fence())).await;
            recorded.inspect_err(|error| self.failed(error))?;
        }
        Ok(any)
    }

    fn failed(&self, error: &JournalError) {
        Unreadable { adapter: &self.adapter, error }.tell();
    }
}
