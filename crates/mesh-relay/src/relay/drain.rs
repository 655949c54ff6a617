//! The order in which a running relay stops (`queue-bridging.md` 3.8).
//!
//! First what takes messages up: sources, pollers. They finish what is under way, so that no stop makes a doubt. Then what
//! tells systems of it, once there is nothing more to tell. Last what people look at, so that they see the stop; and the
//! journal behind them all. What is not over by the deadline is broken off, and taken up by the next start.

use std::time::Duration;

use relay_core::{Board, Journal};
use tokio::time::{Instant, sleep, timeout_at};

use super::part::{Part, stop};

/// How long events may take to be told that the last messages made, where nothing keeps them from being told.
const TELL_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two looks whether they are.
const TELL_LOOK: Duration = Duration::from_millis(100);
/// How long the last parts have when the deadline is over: they only let go.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything ended by itself.
    Whole,
    /// Something did not in time, and was broken off. The next start takes up what is left.
    BrokenOff,
}

/// All parts, in the order in which they stop.
pub(super) struct Stages {
    /// What takes messages up.
    pub(super) intake: Vec<Part>,
    /// What tells systems what became of them, each with its adapter's name.
    pub(super) telling: Vec<(String, Part)>,
    /// What people look at, and what watches over the rest.
    pub(super) last: Vec<Part>,
}

impl Stages {
    /// Stops all parts in their order, within `drain` and a little for the last. The journal must be open until this returns.
    pub(super) async fn stop(self, drain: Duration, journal: &dyn Journal, board: &Board) -> Stopped {
        let Self { intake, telling, last } = self;
        let deadline = Instant::now() + drain;
        let mut left = stop(intake, deadline).await;
        let (told, telling): (Vec<String>, Vec<Part>) = telling.into_iter().unzip();
        let tell_until = deadline.min(Instant::now() + TELL_WITHIN);
        // What remains to be told after this is told by the next start.
        let _ = timeout_at(tell_until, all_told(&told, journal, board)).await;
        left += stop(telling, deadline).await;
        if left > 0 {
            tracing::warn!(left, "not everything ended in time; the next start takes up what is left");
        }
        let lost = stop(last, Instant::now() + LAST_WITHIN).await;
        if left + lost > 0 { Stopped::BrokenOff } else { Stopped::Whole }
    }
}

/// Returns once the system of each adapter was told everything, but those that cannot be told now.
async fn all_told(adapters: &[String], journal: &dyn Journal, board: &Board) {
    for adapter in adapters {
        loop {
            let is_in_trouble = board.untold().iter().any(|(name, _)| name == adapter);
            match journal.untold(adapter, &[], 1).await {
                Ok(untold) if !untold.is_empty() && !is_in_trouble => sleep(TELL_LOOK).await,
                _ => break,
            }
        }
    }
}
