//! How many failed sign-ins are looked at.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Most failed sign-ins of one peer in a minute.
pub const FAILURES_PER_PEER_MAX: usize = 10;
/// Most failed sign-ins of all in a minute.
pub const FAILURES_MAX: usize = 60;
/// The time over which failures count.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// The failures of the last minute. What is over the bound is neither recorded nor counted, so that neither the record
/// nor this list grows with the number of guesses. Who has the right token is let in all the same: tokens are too long to
/// be found by guessing, and a bound that shut their holders out would be a way to do so.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<VecDeque<(Instant, Option<IpAddr>)>>);

impl Throttle {
    /// Counts a failure, or answers with the seconds after which one would be counted again.
    pub(crate) fn failed(&self, peer: Option<IpAddr>) -> Result<(), u32> {
        let now = Instant::now();
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while failures.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            failures.pop_front();
        }
        let wait = |at: Instant| (at + WINDOW).saturating_duration_since(now).as_secs() as u32 + 1;
        let mut of_peer = failures.iter().filter(|(_, other)| *other == peer);
        let oldest_of_peer = of_peer.next().map(|(at, _)| *at);
        if let Some(at) = oldest_of_peer
            && of_peer.count() + 1 >= FAILURES_PER_PEER_MAX
        {
            return Err(wait(at));
        }
        if let Some((at, _)) = failures.front()
            && failures.len() >= FAILURES_MAX
        {
            return Err(wait(*at));
        }
        failures.push_back((now, peer));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_bounded_for_each_and_for_all_and_forgotten_after_a_minute() {
        let throttle = Throttle::default();
        for _ in 0..FAILURES_PER_PEER_MAX {
            assert_eq!(throttle.failed(peer(1)), Ok(()));
        }
        assert_eq!(throttle.failed(peer(1)), Err(61), "one peer has had its share");
        assert_eq!(throttle.failed(peer(2)), Ok(()), "which is not another's");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(throttle.failed(peer(1)), Err(31));
        for last in 3.. {
            if throttle.failed(peer(last)).is_err() {
                assert_eq!(usize::from(last) - 2 + FAILURES_PER_PEER_MAX, FAILURES_MAX);
                break;
            }
        }
        tokio::time::advance(WINDOW).await;
        assert_eq!(throttle.failed(peer(1)), Ok(()));
    }
}
