//! How fast messages may go: so many in a while from a mailbox, and to each recipient.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Most keys that are remembered; those that may go at once are forgotten first, and they need no memory.
const KEYS_MAX: usize = 10_000;

/// So many messages in a while. More than one may go at once, as long as the sum is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub messages: u32,
    /// In how long.
    pub per: Duration,
}

/// Keeps a rate for each of many keys.
pub(crate) struct Pace<K> {
    rate: Option<Rate>,
    /// When the messages that went would have gone if they had been spread evenly.
    due: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Pace<K> {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { rate, due: Mutex::default() }
    }

    /// Says how long a message would have to wait, and counts none.
    pub(crate) fn wait(&self, key: &K) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        rate.next(due.get(key).copied(), Instant::now()).map(drop)
    }

    /// Lets one message go, or says how long it must wait.
    pub(crate) fn pass(&self, key: K) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let now = Instant::now();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= KEYS_MAX {
            due.retain(|_, due| *due > now);
        }
        let next = rate.next(due.get(&key).copied(), now)?;
        due.insert(key, next);
        Ok(())
    }
}

impl Rate {
    /// When the message after `last` would go if all went evenly, unless that is too far ahead.
    fn next(self, last: Option<Instant>, now: Instant) -> Result<Instant, Duration> {
        let next = last.unwrap_or(now).max(now) + self.per / self.messages.max(1);
        match next.checked_duration_since(now + self.per) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_go_at_once_and_the_rest_evenly() {
        let per = Duration::from_secs(60);
        let pace = Pace::new(Some(Rate { messages: 3, per }));
        for _ in 0..3 {
            assert_eq!(pace.pass("a"), Ok(()));
        }
        assert_eq!(pace.pass("a"), Err(Duration::from_secs(20)));
        assert_eq!(pace.pass("b"), Ok(()), "each key has its own");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(pace.pass("a"), Ok(()));
        assert!(pace.pass("a").is_err());
        assert!((0..1000).all(|_| Pace::new(None).pass("a").is_ok()));
    }
}
