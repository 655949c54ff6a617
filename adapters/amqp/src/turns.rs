//! Order on request, before the engine knows of a message: one whose payload has to be fetched is not overtaken meanwhile by
//! another of its order key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Line, OwnedMutexGuard};

/// A delivery's turn. Dropped, it is the next one's.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// A line for each order key that a delivery in work has; there are no more of them than deliveries in work.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<Line<()>>>>);

impl Turns {
    /// Waits for a turn, at the end of the key's line. Whoever stops waiting leaves it.
    pub(crate) async fn of(&self, order_key: &str) -> Turn {
        let line = {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Lines in which nobody stands any more.
            lines.retain(|_, line| Arc::strong_count(line) > 1);
            Arc::clone(lines.entry(order_key.to_owned()).or_default())
        };
        line.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_has_one_turn_at_a_time_and_other_keys_go_on() {
        let turns = Turns::default();
        let first = turns.of("a").await;
        let mut second = Box::pin(turns.of("a"));
        tokio::select! {
            biased;
            _ = &mut second => panic!("two turns at a time"),
            () = std::future::ready(()) => {}
        }
        let other = turns.of("b").await;
        drop(first);
        let second = second.await;
        drop((second, other));
        let _third = turns.of("c").await;
        assert_eq!(turns.0.lock().expect("lines").len(), 1, "lines that are over are forgotten");
    }
}
