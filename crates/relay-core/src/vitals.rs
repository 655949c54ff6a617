//! Whether the relay lives and whether it is ready: what service managers and orchestrators act on.
//!
//! *Alive* fails only where a restart helps: the journal's own thread has ended (a runtime that is wedged does not answer at
//! all). *Ready* fails where this instance does not carry messages although nothing outside keeps it from that: it has not
//! started or stops, the journal takes no commits, a pump stands still. MESH or a broker that is away changes neither: a
//! restart would not help, intake must go on, and the relay does the right thing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mesh_api::MailboxId;

use crate::journal::{JournalError, MailboxTimes};
use crate::outbound::Surroundings;
use crate::progress::{Progress, PumpKind, PumpView};
use crate::shutdown::Shutdown;

/// Pause between two commits that show that the journal takes them.
const PULSE_EVERY: Duration = Duration::from_secs(5);
/// Commits in a row that must fail before the journal counts as failing: one may meet a lock or a fail-over.
const PULSE_FAILURES: u32 = 2;

/// How far the relay is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// It starts.
    #[default]
    Starting,
    /// All of it runs.
    Running,
    /// It was asked to stop, and finishes what is under way.
    Stopping,
}

/// Whether the journal takes commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum JournalState {
    /// No commit was made yet.
    #[default]
    Unknown,
    /// The last one went well.
    Takes,
    /// Several in a row failed.
    Failing {
        /// Since when.
        since: Timestamp,
        /// What the journal says.
        what: String,
    },
    /// Its writer has ended, and only a restart brings it back.
    Dead,
}

/// Shared by all who ask and all who know. Cheap to ask: no journal, no waiting.
#[derive(Debug, Default)]
pub struct Vitals(Mutex<(Phase, JournalState)>);

/// What keeps the relay from being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// It is not running.
    Phase(Phase),
    /// The journal takes no commits.
    Journal(JournalState),
    /// A pump stands still.
    Stalled(PumpView),
}

impl Vitals {
    /// How far the relay is.
    pub fn phase(&self) -> Phase {
        self.lock().0
    }

    /// The relay got this far. A stop is final.
    pub fn set_phase(&self, phase: Phase) {
        let mut state = self.lock();
        if state.0 != Phase::Stopping {
            state.0 = phase;
        }
    }

    /// Whether the journal takes commits.
    pub fn journal(&self) -> JournalState {
        self.lock().1.clone()
    }

    /// Records whether the journal takes commits. One that fails keeps its beginning.
    pub fn note_journal(&self, state: JournalState) {
        let known = &mut self.lock().1;
        *known = match (&*known, state) {
            (JournalState::Failing { since, .. }, JournalState::Failing { what, .. }) => {
                JournalState::Failing { since: *since, what }
            }
            (_, state) => state,
        };
    }

    /// Whether a restart would not help: whoever gets an answer may be sure that the event loop runs.
    pub fn is_alive(&self) -> bool {
        let state = self.lock();
        // At a stop the journal is closed, which is no death.
        state.1 != JournalState::Dead || state.0 == Phase::Stopping
    }

    /// What keeps the relay from being ready; nothing, if it is.
    pub fn unready(&self, progress: &Progress) -> Vec<Unready> {
        let (phase, journal) = self.lock().clone();
        let phase = (phase != Phase::Running).then_some(Unready::Phase(phase));
        let journal = (journal != JournalState::Takes).then_some(Unready::Journal(journal));
        let stalled = progress.stalled().into_iter().map(Unready::Stalled);
        phase.into_iter().chain(journal).chain(stalled).collect()
    }

    fn lock(&self) -> MutexGuard<'_, (Phase, JournalState)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits nothing to the journal now and then, until shutdown, so that all know whether it takes commits also while no
/// message moves. `mailbox` is one that is configured.
pub async fn feel_pulse(surroundings: &Surroundings, mailbox: &MailboxId, mut shutdown: Shutdown) {
    let Surroundings { journal, clock, vitals, progress, .. } = surroundings;
    let pump = progress.pump(PumpKind::Journal, "", PULSE_EVERY);
    let step = pump.step("committing");
    let mut failures = 0;
    while !shutdown.is_requested() {
        step.turn("committing");
        match journal.commit_mailbox_times(mailbox, MailboxTimes::default(), None).await {
            Ok(()) => {
                failures = 0;
                vitals.note_journal(JournalState::Takes);
            }
            Err(JournalError::Closed) => vitals.note_journal(JournalState::Dead),
            Err(error) => {
                failures += 1;
                if failures >= PULSE_FAILURES {
                    let what = error.to_string();
                    vitals.note_journal(JournalState::Failing { since: clock.now(), what });
                }
            }
        }
        step.waits("waiting for its next commit", PULSE_EVERY);
        tokio::select! {
            () = tokio::time::sleep(PULSE_EVERY) => {}
            () = shutdown.requested() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_once_it_runs_and_the_journal_takes_commits() {
        let (vitals, progress) = (Vitals::default(), Progress::default());
        assert_eq!(vitals.unready(&progress).len(), 2);
        vitals.set_phase(Phase::Running);
        vitals.note_journal(JournalState::Takes);
        assert_eq!(vitals.unready(&progress), []);
        let pump = progress.pump(PumpKind::Inbox, "X26ABC1", Duration::from_secs(300));
        let step = pump.step("handing a message to the adapter");
        tokio::time::advance(Duration::from_secs(500)).await;
        assert!(matches!(&vitals.unready(&progress)[..], [Unready::Stalled(_)]));
        assert!(vitals.is_alive(), "a restart is for a person to decide");
        drop(step);
        vitals.set_phase(Phase::Stopping);
        vitals.set_phase(Phase::Running);
        assert_eq!(vitals.unready(&progress), [Unready::Phase(Phase::Stopping)]);
    }

    #[test]
    fn a_journal_that_fails_keeps_its_beginning_and_one_that_is_dead_needs_a_restart() {
        let vitals = Vitals::default();
        let failing = |second| JournalState::Failing { since: at(second), what: "disk full".to_owned() };
        vitals.note_journal(failing(1));
        vitals.note_journal(failing(9));
        assert_eq!(vitals.journal(), failing(1));
        assert!(vitals.is_alive());
        vitals.note_journal(JournalState::Dead);
        assert!(!vitals.is_alive());
        vitals.set_phase(Phase::Stopping);
        assert!(vitals.is_alive(), "closed by us");
    }
}
