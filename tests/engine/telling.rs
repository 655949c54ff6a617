//! Events: what a source's system is told, in order, at least once, under the same ids.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use relay_core::{DeliveryEvent, EventSink, Journal, KeyReuse, Lease, RelayId, TellError, Teller, Terms};
use relay_testkit::wait::eventually;

use super::*;

/// Writes down what it is told, and fails as often as a test says.
#[derive(Default)]
struct StatusQueue {
    told: Mutex<Vec<(RelayId, u64, &'static str)>>,
    failing: Mutex<HashMap<RelayId, usize>>,
}

impl StatusQueue {
    fn told(&self) -> Vec<(RelayId, u64, &'static str)> {
        self.told.lock().expect("a lock").clone()
    }

    fn about(&self, relay_id: RelayId) -> Vec<(u64, &'static str)> {
        let told = self.told();
        told.into_iter()
            .filter(|(id, ..)| *id == relay_id)
            .map(|(_, sequence, state)| (sequence, state))
            .collect()
    }
}

#[async_trait]
impl EventSink for StatusQueue {
    async fn tell(&self, event: &DeliveryEvent) -> Result<(), TellError> {
        if let Some(left) = self.failing.lock().expect("a lock").get_mut(&event.id.relay_id)
            && *left > 0
        {
            *left -= 1;
            return Err(TellError { what: "the queue is full".to_owned() });
        }
        let entry = (event.id.relay_id, event.id.sequence, event.state.name());
        self.told.lock().expect("a lock").push(entry);
        Ok(())
    }
}

impl Bench {
    /// The engine as a source sees it whose system is told of everything.
    fn telling(&self) -> RelayHandle {
        self.relay.on_terms(Terms { reuse: KeyReuse::Never, tell: true })
    }

    /// Tells until `done`.
    async fn tell_until(&self, queue: &Arc<StatusQueue>, done: impl Fn() -> bool) {
        let surroundings = Surroundings::new(
            Arc::new(self.journal.clone()),
            self.clock.clone(),
            Arc::new(TestChance::default()),
        );
        let teller = Teller::new(&surroundings, "test", Arc::clone(queue) as Arc<dyn EventSink>);
        let lease = Lease::new(surroundings.journal, "events:test", "one");
        let (trigger, shutdown) = Shutdown::channel();
        let tell = |tenure, stop| {
            let teller = &teller;
            async move {
                teller.run(tenure, stop).await;
                Ok::<(), ()>(())
            }
        };
        let waited = async {
            eventually("all is told", done).await;
            trigger.request();
        };
        let (ended, ()) = tokio::join!(lease.while_held(shutdown, tell), waited);
        ended.expect("no error");
    }
}

#[tokio::test]
async fn every_change_is_told_in_order_and_once() {
    let bench = Bench::new();
    let relay = bench.telling();
    for key in ["a", "b", "c"] {
        relay.send(message(key, key, 25)).await.expect("an end");
    }
    bench.send(&message("quiet", "quiet", 9)).await.expect("an end");
    let queue = Arc::new(StatusQueue::default());
    bench.tell_until(&queue, || queue.told().len() >= 15).await;
    let ids: Vec<RelayId> = queue.told().iter().map(|(id, ..)| *id).collect();
    let states = ["received", "sending", "uploading", "uploading", "accepted"];
    for id in &ids[..15] {
        assert_eq!(queue.about(*id), (1..).zip(states).collect::<Vec<_>>());
    }
    // Nothing is left, and nothing is told again.
    bench.tell_until(&queue, || true).await;
    assert_eq!(queue.told().len(), 15);
}

#[tokio::test]
async fn an_event_that_cannot_be_told_holds_back_its_own_message_only() {
    let bench = Bench::new();
    let relay = bench.telling();
    let stuck = relay.send(message("a", "L1", 9)).await.expect("an end").relay_id();
    let other = relay.send(message("b", "L2", 9)).await.expect("an end").relay_id();
    let queue = Arc::new(StatusQueue::default());
    queue.failing.lock().expect("a lock").insert(stuck, usize::MAX);
    bench.tell_until(&queue, || queue.about(other).len() == 3).await;
    assert_eq!(queue.about(stuck), [], "no later event of a message goes before an earlier one");
    queue.failing.lock().expect("a lock").clear();
    // Another run, as after a restart.
    bench.tell_until(&queue, || queue.about(stuck).len() == 3).await;
    assert_eq!(queue.about(stuck), [(1, "received"), (2, "sending"), (3, "accepted")]);
    assert_eq!(queue.about(other).len(), 3);
}

#[tokio::test]
async fn many_messages_that_cannot_be_told_do_not_keep_the_others_waiting() {
    // More events than are read at a time, all before the one that can be told.
    let bench = Bench::new();
    let relay = bench.telling();
    let queue = Arc::new(StatusQueue::default());
    for stuck in 0..15 {
        let key = format!("stuck-{stuck}");
        let ended = relay.send(message(&key, &key, 130)).await.expect("an end");
        queue.failing.lock().expect("a lock").insert(ended.relay_id(), usize::MAX);
    }
    let stuck = bench.journal.untold("test", &[], 1_000).await.expect("events").len();
    assert!(stuck > 200, "{stuck}");
    let other = relay.send(message("b", "L2", 9)).await.expect("an end").relay_id();
    bench.tell_until(&queue, || queue.about(other).len() == 3).await;
    assert_eq!(queue.told().len(), 3);
}

#[tokio::test]
async fn what_was_told_and_not_recorded_as_told_comes_again_under_the_same_id() {
    let bench = Bench::new();
    let relay_id = bench.telling().send(message("a", "L1", 9)).await.expect("an end").relay_id();
    let untold = bench.journal.untold("test", &[], 10).await.expect("events");
    let again = bench.journal.untold("test", &[], 10).await.expect("events");
    assert_eq!(untold, again);
    assert_eq!(untold[0].id.to_string(), format!("{relay_id}:1"));
    bench.journal.told(&[untold[0].id], None).await.expect("recorded");
    let left: Vec<u64> = bench
        .journal
        .untold("test", &[], 10)
        .await
        .expect("events")
        .iter()
        .map(|event| event.id.sequence)
        .collect();
    assert_eq!(left, [2, 3]);
}
