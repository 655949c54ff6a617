//! Clock and chance in a test's hands.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use relay_core::{Chance, Clock, RelayId};
use uuid::Uuid;

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct TestClock(AtomicI64);

/// Where a [`TestClock`] starts, in seconds of Unix time.
const START: i64 = 1_800_000_000;

impl TestClock {
    /// Moves on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Is set back.
    pub fn set_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(START + self.0.load(Ordering::SeqCst)).expect("a time within range")
    }
}

/// Ids that count up, and no jitter.
#[derive(Debug, Default)]
pub struct TestChance(AtomicU64);

impl Chance for TestChance {
    fn relay_id(&self, _: Timestamp) -> RelayId {
        RelayId(Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)) + 1))
    }

    fn jitter(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}
