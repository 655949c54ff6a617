//! The parts of a running relay in the order in which they stop (`queue-bridging.md` 3.8).
//!
//! First what takes messages up: sources, pollers. They finish what is under way, so that no stop makes a doubt. Then what
//! tells systems of it, once there is nothing more to tell. Last what people look at, so that they see the stop; and the
//! journal behind them all. What is not over by the deadline is broken off, and taken up by the next start.

use std::sync::Arc;
use std::time::Duration;

use relay_core::{Board, Journal, Shutdown, ShutdownTrigger, SourceError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::relay::RelayError;

/// How long events may take to be told that the last messages made, where nothing keeps them from being told.
const TELL_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two looks whether they are.
const TELL_LOOK: Duration = Duration::from_millis(100);
/// How long the last parts have when the deadline is over: they only let go.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// How long parts may take to notice that they were broken off.
const BROKEN_WITHIN: Duration = Duration::from_secs(2);

/// Parts that stop together.
pub struct Stage {
    trigger: ShutdownTrigger,
    shutdown: Shutdown,
    tasks: JoinSet<Result<(), SourceError>>,
}

impl Default for Stage {
    fn default() -> Self {
        let (trigger, shutdown) = Shutdown::channel();
        Self { trigger, shutdown, tasks: JoinSet::new() }
    }
}

impl Stage {
    /// Hears when these parts are to stop.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Starts a part, which must end when it is asked to.
    pub fn spawn(&mut self, part: impl Future<Output = Result<(), SourceError>> + Send + 'static) {
        self.tasks.spawn(part);
    }

    /// Asks all to end, and waits until they have or the deadline is over. Says how many were broken off.
    async fn stop(&mut self, deadline: Instant, first: &mut Result<(), RelayError>) -> usize {
        self.trigger.request();
        while !self.tasks.is_empty() {
            match timeout_at(deadline, self.tasks.join_next()).await {
                Ok(Some(ended)) => note(ended, first),
                Ok(None) => break,
                Err(_) => {
                    let left = self.tasks.len();
                    // One that blocks its thread cannot be broken off; the process ends without it.
                    let _ = timeout(BROKEN_WITHIN, self.tasks.shutdown()).await;
                    return left;
                }
            }
        }
        0
    }
}

fn note(ended: Result<Result<(), SourceError>, JoinError>, first: &mut Result<(), RelayError>) {
    let ended = ended.map_err(RelayError::from).and_then(|ended| ended.map_err(RelayError::from));
    if first.is_ok() {
        *first = ended;
    }
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything ended by itself.
    Whole,
    /// Something did not in time, and was broken off. The next start takes up what is left.
    BrokenOff,
}

/// All parts.
#[derive(Default)]
pub struct Stages {
    /// What takes messages up.
    pub intake: Stage,
    /// What tells systems what became of them.
    pub telling: Stage,
    /// What people look at, and what watches over the rest.
    pub last: Stage,
    /// The adapters whose systems are told.
    pub told: Vec<String>,
}

impl Stages {
    /// Returns when a part ends although nobody asked, which it never should.
    pub async fn failed(&mut self) -> RelayError {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.intake.tasks.join_next() => ended,
                Some(ended) = self.telling.tasks.join_next() => ended,
                Some(ended) = self.last.tasks.join_next() => ended,
                // Nothing was configured to run, so nothing can fail.
                else => std::future::pending().await,
            };
            let mut first = Ok(());
            note(ended, &mut first);
            if let Err(error) = first {
                return error;
            }
        }
    }

    /// Stops all parts in their order. The journal is open until this returns.
    ///
    /// # Errors
    /// What broke on the way; all have ended all the same.
    pub async fn stop(
        &mut self,
        drain: Duration,
        journal: &Arc<dyn Journal>,
        board: &Board,
    ) -> Result<Stopped, RelayError> {
        let deadline = Instant::now() + drain;
        let mut first = Ok(());
        let mut left = self.intake.stop(deadline, &mut first).await;
        let tell_until = deadline.min(Instant::now() + TELL_WITHIN);
        // What remains to be told after this is told by the next start.
        let _ = timeout_at(tell_until, self.all_told(journal, board)).await;
        left += self.telling.stop(deadline, &mut first).await;
        if left > 0 {
            tracing::warn!(left, "not everything ended in time; the next start takes up what is left");
        }
        let lost = self.last.stop(Instant::now() + LAST_WITHIN, &mut first).await;
        first.map(|()| if left + lost > 0 { Stopped::BrokenOff } else { Stopped::Whole })
    }

    /// Returns once every system was told everything, but those that cannot be told now.
    async fn all_told(&self, journal: &Arc<dyn Journal>, board: &Board) {
        for adapter in &self.told {
            loop {
                let is_in_trouble = board.untold().iter().any(|(name, _)| name == adapter);
                match journal.untold(adapter, &[], 1).await {
                    Ok(untold) if !untold.is_empty() && !is_in_trouble => sleep(TELL_LOOK).await,
                    _ => break,
                }
            }
        }
    }
}
