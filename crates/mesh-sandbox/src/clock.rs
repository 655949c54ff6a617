//! The server's clock, which tests and operators may move forward.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// Farthest that a clock may be moved ahead of its source, all moves together: ten years of 365 days. Certificates
/// made at start are good for longer.
pub const CLOCK_AHEAD_MAX: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// Why a clock does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockError {
    /// Messages that are gone cannot come back, so time does not either.
    #[error("a clock is moved forward only; give a duration above zero")]
    Backward,
    /// Beyond [`CLOCK_AHEAD_MAX`].
    #[error("the clock cannot be more than ten years ahead; start the sandbox anew for a fresh clock")]
    TooFar,
}

/// A source of time and how far ahead of it this clock is. Clones share the clock.
#[derive(Clone)]
pub struct Clock {
    source: fn() -> Timestamp,
    /// Milliseconds.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that starts with its source.
    pub fn new(source: fn() -> Timestamp) -> Self {
        Self { source, ahead: Arc::default() }
    }

    /// A clock that starts with the machine's.
    pub fn system() -> Self {
        Self::new(system_now)
    }

    /// The time on this clock.
    pub fn now(&self) -> Timestamp {
        (self.source)().saturating_add(self.ahead()).unwrap_or(Timestamp::MAX)
    }

    /// How far this clock is ahead of its source.
    pub fn ahead(&self) -> SignedDuration {
        SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    /// Moves the clock forward, to the millisecond. What becomes due by it (expiry, reports, deletion) happens
    /// with the next call or look at the server.
    ///
    /// # Errors
    /// [`ClockError`] when the move is not forward or too far; the clock is left as it is.
    pub fn advance(&self, by: SignedDuration) -> Result<(), ClockError> {
        if !by.is_positive() {
            return Err(ClockError::Backward);
        }
        let moved = |ahead: i64| {
            let sum = SignedDuration::from_millis(ahead).checked_add(by)?;
            (sum <= CLOCK_AHEAD_MAX).then(|| i64::try_from(sum.as_millis()).ok()).flatten()
        };
        self.ahead
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved)
            .map(|_| ())
            .map_err(|_| ClockError::TooFar)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock(+{:#})", self.ahead())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the system clock that a configuration may ask for; everything else takes its time from there"
)]
fn system_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[test]
    fn a_clock_moves_forward_for_all_who_share_it() {
        let clock = Clock::new(standing);
        let shared = clock.clone();
        clock.advance(SignedDuration::from_hours(121)).expect("forward");
        clock.advance(SignedDuration::from_millis(1)).expect("forward");
        assert_eq!(shared.now().to_string(), "1970-01-06T01:00:00.001Z");
    }

    #[test]
    fn a_clock_moves_neither_back_nor_out_of_sight() {
        let clock = Clock::new(standing);
        assert_eq!(clock.advance(SignedDuration::ZERO), Err(ClockError::Backward));
        assert_eq!(clock.advance(SignedDuration::from_secs(-1)), Err(ClockError::Backward));
        assert_eq!(clock.advance(SignedDuration::MAX), Err(ClockError::TooFar));
        clock.advance(CLOCK_AHEAD_MAX).expect("as far as it goes");
        assert_eq!(clock.advance(SignedDuration::from_millis(1)), Err(ClockError::TooFar));
        assert_eq!(clock.ahead(), CLOCK_AHEAD_MAX);
    }
}
