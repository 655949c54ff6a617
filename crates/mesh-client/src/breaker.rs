//! Breakers: calls that keep failing are not made for a while, so that a service in trouble is left in peace and a
//! mailbox with a wrong password does not ask for a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use crate::config::BreakerConfig;

/// One breaker. Closed at first.
pub(crate) struct Breaker {
    config: BreakerConfig,
    state: Mutex<State>,
}

/// Why a call may not be made now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// How long the rest still is.
    pub(crate) left: Duration,
    /// The last failure before it, in words.
    pub(crate) why: String,
}

#[derive(Debug, Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    /// The last of them.
    why: String,
    /// Rests in a row.
    rests: u32,
    until: Option<Instant>,
    /// When the one call after a rest began, as long as it is under way.
    trying: Option<Instant>,
}

impl Breaker {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self { config, state: Mutex::default() }
    }

    /// Whether a call may be made now.
    pub(crate) fn admit(&self) -> Result<(), Rest> {
        let mut state = self.lock();
        let Some(until) = state.until else { return Ok(()) };
        let rest = until.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            return Err(Rest { left: rest, why: state.why.clone() });
        }
        // A large upload tries for long, and must not keep the others waiting all that time.
        if state.trying.is_some_and(|since| since.elapsed() < self.config.longest) {
            return Err(Rest { left: self.config.first, why: state.why.clone() });
        }
        state.trying = Some(Instant::now());
        Ok(())
    }

    /// A call went well, or failed for a reason of its own.
    pub(crate) fn succeed(&self) {
        *self.lock() = State::default();
    }

    /// A call failed in the way that this breaker watches. Gives the rest that begins with it.
    pub(crate) fn fail(&self, why: &str) -> Option<Duration> {
        let mut state = self.lock();
        why.clone_into(&mut state.why);
        state.trying = None;
        state.failures = state.failures.saturating_add(1);
        // Calls that were under way when a rest began do not make it longer.
        let resting = state.until.is_some_and(|until| until > Instant::now());
        if self.config.failures == 0 || state.failures < self.config.failures || resting {
            return None;
        }
        let doubled = self.config.first.saturating_mul(1 << state.rests.min(16));
        let most = doubled.min(self.config.longest);
        // Half of it for certain, the other half by chance: many callers do not come back in one moment.
        let rest = most / 2 + rand::rng().random_range(Duration::ZERO..=most / 2);
        state.rests = state.rests.saturating_add(1);
        state.until = Some(Instant::now() + rest);
        Some(rest)
    }

    /// A call that was let through ended without telling anything, because its caller dropped it.
    pub(crate) fn forget(&self) {
        self.lock().trying = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn breaker(failures: u32) -> Breaker {
        let seconds = Duration::from_secs;
        Breaker::new(BreakerConfig { failures, first: seconds(2), longest: seconds(5) })
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_begin_a_rest_and_one_call_ends_it() {
        let breaker = breaker(3);
        assert_eq!((breaker.fail("x"), breaker.fail("x")), (None, None));
        breaker.succeed();
        assert_eq!((breaker.fail("x"), breaker.fail("x")), (None, None), "in a row");
        let rest = breaker.fail("the third").expect("a rest");
        assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&rest), "{rest:?}");
        assert_eq!(breaker.admit(), Err(Rest { left: rest, why: "the third".to_owned() }));
        assert_eq!(breaker.fail("x"), None, "a call that was under way changes nothing");
        advance(rest).await;
        assert_eq!(breaker.admit(), Ok(()));
        assert!(breaker.admit().is_err(), "one call tries");
        advance(Duration::from_secs(5)).await;
        assert!(breaker.admit().is_ok(), "but not for ever");
        breaker.succeed();
        assert_eq!((breaker.admit(), breaker.admit()), (Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn rests_grow_to_the_longest_and_a_dropped_try_does_not_block() {
        let breaker = breaker(1);
        let mut rests = Vec::new();
        for _ in 0..4 {
            let rest = breaker.fail("x").expect("a rest");
            advance(rest).await;
            assert_eq!(breaker.admit(), Ok(()));
            breaker.forget();
            assert_eq!(breaker.admit(), Ok(()));
            rests.push(rest.as_secs_f64());
        }
        assert!(rests[1] >= 2.0 && rests[3] >= 2.5 && rests.iter().all(|rest| *rest <= 5.0), "{rests:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_breaker_without_a_bound_never_rests() {
        let breaker = breaker(0);
        assert!((0..100).all(|_| breaker.fail("x").is_none()) && breaker.admit().is_ok());
    }
}
