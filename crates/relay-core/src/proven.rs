//! What time it is, as far as MESH has confirmed it: what ages are counted by.
//!
//! A clock that jumps must not end a message, take one for uncollected or prune the journal. MESH takes a token only when
//! the clock that made it is right within two hours (`mesh-api.md` 2.2), so each call that it lets in proves the time;
//! from there it is counted by a timer that does not jump.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;

/// Nothing was first seen before this program existed: an earlier time is that of a machine which woke up without one.
/// The first second of 2026.
const EARLIEST: i64 = 1_767_225_600;

/// The time that MESH confirmed last, and how long ago.
#[derive(Clone, Copy)]
struct Proof {
    wall: Timestamp,
    at: Instant,
}

/// The time by which messages age. Not known before MESH has let a call in.
pub struct ProvenTime {
    clock: Arc<dyn Clock>,
    proof: watch::Sender<Option<Proof>>,
}

impl ProvenTime {
    /// Nothing is proven yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, proof: watch::Sender::new(None) }
    }

    /// Records that MESH has let in a call whose token was made with this clock.
    pub fn prove(&self) {
        self.proof.send_replace(Some(Proof { wall: self.clock.now(), at: Instant::now() }));
    }

    /// Now, or somewhat earlier where the machine slept since the last proof. `None`: not known.
    pub fn now(&self) -> Option<Timestamp> {
        let Proof { wall, at } = (*self.proof.borrow())?;
        let elapsed = SignedDuration::try_from(at.elapsed()).ok()?;
        let counted = wall.checked_add(elapsed).ok()?;
        Some(counted.min(self.clock.now()))
    }

    /// How long ago `then` was; zero where it is still to come. `None`: not known.
    pub fn age(&self, then: Timestamp) -> Option<Duration> {
        if then.as_second() < EARLIEST {
            return None;
        }
        Some(Duration::try_from(self.now()?.duration_since(then)).unwrap_or_default())
    }

    /// Returns once the time is known. Cancel-safe.
    pub async fn known(&self) {
        // Never an error: the sender is this value's own.
        let _ = self.proof.subscribe().wait_for(Option::is_some).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// 2027-01-15.
    const START: i64 = 1_800_000_000;
    const HOUR: i64 = 60 * 60;

    #[derive(Default)]
    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(START + seconds).expect("a time")
    }

    fn hours(age: Option<Duration>) -> Option<u64> {
        age.map(|age| age.as_secs() / 3600)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_has_an_age_before_mesh_has_let_a_call_in() {
        let proven = ProvenTime::new(Arc::new(Hands::default()));
        assert_eq!((proven.now(), proven.age(at(-HOUR))), (None, None));
        proven.prove();
        assert_eq!(hours(proven.age(at(-HOUR))), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_makes_nothing_older() {
        let clock = Arc::new(Hands::default());
        let proven = ProvenTime::new(clock.clone());
        proven.prove();
        clock.0.store(10_000 * HOUR, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(2 * 3600)).await;
        assert_eq!(hours(proven.age(at(0))), Some(2), "the timer counts, not the clock");
        clock.0.store(-10_000 * HOUR, Ordering::SeqCst);
        assert_eq!(hours(proven.age(at(0))), Some(0), "nor does one that was set back");
        clock.0.store(3 * HOUR, Ordering::SeqCst);
        proven.prove();
        assert_eq!(hours(proven.age(at(0))), Some(3), "MESH has confirmed that three hours went by");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_seen_by_a_clock_that_had_no_time_has_no_age() {
        let proven = ProvenTime::new(Arc::new(Hands::default()));
        proven.prove();
        assert_eq!(proven.age(Timestamp::UNIX_EPOCH), None);
    }
}
