//! Order on request: messages of one key go to MESH one after the other, in the order in which they were first offered;
//! other keys are not held up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh_api::MailboxId;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::source::SourceKey;

/// How long the next in line keeps its place at the source while the one before it is under way. The others give
/// theirs back at once.
const NEXT_WAIT: Duration = Duration::from_secs(2);
/// A message that is not under way and that its source does not offer again for so long no longer holds up those behind
/// it. Longer than any wait between two attempts.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);

type Key = (MailboxId, String);

/// Who waits for whom. Holds a place for each message that was offered with a key and has not ended.
#[derive(Default)]
pub(crate) struct Order {
    lines: Mutex<HashMap<Key, VecDeque<Place>>>,
    moved: Notify,
}

struct Place {
    message: SourceKey,
    offered: Instant,
    under_way: bool,
}

impl Order {
    /// Takes a place at the end of the key's line, or finds the one that the message has. `true`: it is its turn.
    pub(crate) async fn turn(&self, mailbox: &MailboxId, key: &str, message: &SourceKey) -> bool {
        let key = (mailbox.clone(), key.to_owned());
        let deadline = Instant::now() + NEXT_WAIT;
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            match self.place(&key, message) {
                0 => {
                    self.mark(message, true);
                    return true;
                }
                1 if tokio::time::timeout_at(deadline, moved).await.is_ok() => {}
                _ => return false,
            }
        }
    }

    /// How many stand before the message.
    fn place(&self, key: &Key, message: &SourceKey) -> usize {
        let now = Instant::now();
        let mut lines = self.lines();
        let line = lines.entry(key.clone()).or_default();
        match line.iter_mut().find(|place| place.message == *message) {
            Some(place) => place.offered = now,
            None => line.push_back(Place { message: message.clone(), offered: now, under_way: false }),
        }
        line.retain(|place| place.under_way || now.duration_since(place.offered) < FORGOTTEN_AFTER);
        line.iter().position(|place| place.message == *message).unwrap_or_default()
    }

    /// For as long as the message is worked on: dropped, however that ended, the message keeps its place for the next
    /// time, unless it has ended.
    pub(crate) fn at_work<'a>(&'a self, message: &'a SourceKey) -> AtWork<'a> {
        AtWork { order: self, message }
    }

    fn mark(&self, message: &SourceKey, under_way: bool) {
        for place in self.lines().values_mut().flatten().filter(|place| place.message == *message) {
            (place.offered, place.under_way) = (Instant::now(), under_way);
        }
    }

    /// The message ended: those behind it move up.
    pub(crate) fn ended(&self, message: &SourceKey) {
        self.lines().retain(|_, line| {
            line.retain(|place| place.message != *message);
            !line.is_empty()
        });
        self.moved.notify_waiters();
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Key, VecDeque<Place>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that is worked on.
pub(crate) struct AtWork<'a> {
    order: &'a Order,
    message: &'a SourceKey,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.order.mark(self.message, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str) -> SourceKey {
        SourceKey { adapter: "test".to_owned(), message: name.to_owned() }
    }

    fn mailbox() -> MailboxId {
        "X26ABC1".parse().expect("a mailbox")
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_keeps_its_order_however_often_its_messages_are_offered() {
        let order = Order::default();
        let turn = async |name: &str| order.turn(&mailbox(), "patient-7", &message(name)).await;
        assert!(turn("a").await);
        assert!(!turn("b").await);
        assert!(!turn("c").await);
        // Deferred and offered again, the first is still the first.
        assert!(turn("a").await);
        order.ended(&message("a"));
        assert!(!turn("c").await, "the third does not overtake the second");
        assert!(turn("b").await);
        assert!(order.turn(&mailbox(), "patient-8", &message("d")).await, "other keys go on");
        order.ended(&message("b"));
        assert!(turn("c").await);
        order.ended(&message("c"));
        order.ended(&message("d"));
        assert!(order.lines().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_in_line_goes_as_soon_as_it_may_and_the_forgotten_do_not_block() {
        let order = Order::default();
        let turn = async |name: &str| order.turn(&mailbox(), "k", &message(name)).await;
        assert!(turn("a").await);
        let began = Instant::now();
        let end = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            order.ended(&message("a"));
        };
        let (next, ()) = tokio::join!(turn("b"), end);
        assert!(next && began.elapsed() < Duration::from_millis(400));
        assert!(!turn("c").await);
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert!(!turn("c").await, "b is under way, however long that takes");
        drop(order.at_work(&message("b")));
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert!(turn("c").await, "its source gave up on b");
    }
}
