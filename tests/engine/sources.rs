//! What sources may rely on: keys that stay taken, order on request, rates, leases.

use relay_core::{DeferralCause, Journal, JournalError, KeyReuse, Lease, Rate, Records, Tenure, Terms};
use tokio::sync::mpsc;

use super::*;

#[tokio::test]
async fn a_queues_message_that_comes_again_after_it_was_settled_is_not_sent_again() {
    let bench = Bench::new();
    let queue = bench.relay.on_terms(Terms { reuse: KeyReuse::Never, tell: false });
    let first = queue.send(message("a", "L1", 9)).await.expect("an end");
    queue.settled(&first).await.expect("settled");
    let again = queue.send(message("a", "L1", 9)).await.expect("the recorded end");
    assert_eq!((again.relay_id(), again.outcome()), (first.relay_id(), first.outcome()));
    assert_eq!(bench.mesh.made(), [Made::Begin]);
    let bench = bench.restart().await;
    let queue = bench.relay.on_terms(Terms { reuse: KeyReuse::Never, tell: false });
    let later = queue.send(message("a", "L1", 9)).await.expect("the recorded end");
    assert_eq!(later.relay_id(), first.relay_id());
    assert_eq!(bench.mesh.made(), [Made::Begin]);
}

#[tokio::test]
async fn another_content_under_a_taken_key_is_parked_and_the_first_stays_as_it_is() {
    let bench = Bench::new();
    let with = |content: &str| SourceMessage {
        fingerprint: Some(content.to_owned()),
        ..message("a", "L1", content.len())
    };
    let first = bench.send(&with("one")).await.expect("an end");
    for _ in 0..2 {
        let other = bench.send(&with("another")).await.expect("an end");
        let Outcome::Parked(reason) = other.outcome() else { panic!("{:?}", other.outcome()) };
        assert!(reason.contains(&first.relay_id().to_string()), "{reason}");
        assert_ne!(other.relay_id(), first.relay_id());
    }
    let same = bench.send(&with("one")).await.expect("an end");
    assert_eq!((same.relay_id(), same.outcome()), (first.relay_id(), first.outcome()));
    assert_eq!(bench.mesh.made(), [Made::Begin]);
    let records: u64 = bench.journal.counts().await.expect("counts").iter().map(|count| count.messages).sum();
    assert_eq!(records, 2, "the other is recorded once, however often it comes");
}

#[tokio::test]
async fn messages_of_one_order_key_keep_their_order_when_the_first_one_fails() {
    let bench = Bench::new();
    let of =
        |key: &str, order: &str| SourceMessage { order_key: Some(order.to_owned()), ..message(key, key, 9) };
    bench.mesh.then(Fault::NotSent);
    bench.send(&of("a", "patient")).await.expect_err("it is deferred");
    let behind = bench.send(&of("b", "patient")).await.expect_err("it waits for the first");
    assert!(matches!(behind.cause, DeferralCause::Behind) && !behind.is_mailbox_wide());
    bench.send(&of("c", "another patient")).await.expect("other keys go on");
    bench.send_until_ended(&of("a", "patient"), 3).await;
    bench.send(&of("b", "patient")).await.expect("it is its turn");
    let order: Vec<_> = bench.mesh.delivered().into_iter().filter_map(|message| message.local_id).collect();
    let expected: Vec<relay_core::LocalId> = ["c", "a", "b"].map(|id| id.parse().expect("an id")).to_vec();
    assert!(order == expected, "another order");
}

#[tokio::test]
async fn a_rate_holds_messages_back_and_says_for_how_long() {
    let per = Duration::from_secs(60);
    let bench = Bench::with(SendPolicy { recipient_rate: Some(Rate { messages: 2, per }), ..policy() });
    for key in ["a", "b"] {
        bench.send(&message(key, key, 9)).await.expect("an end");
    }
    let held = bench.send(&message("c", "c", 9)).await.expect_err("the rate is reached");
    assert!(matches!(held.cause, DeferralCause::Paced) && !held.is_mailbox_wide());
    assert!(
        held.after > Duration::from_secs(20) && held.after <= Duration::from_secs(30),
        "{:?}",
        held.after
    );
    assert_eq!(bench.mesh.delivered().len(), 2);
}

#[tokio::test]
async fn an_instance_that_lost_its_lease_writes_nothing_more() {
    let bench = Bench::new();
    let journal: Arc<dyn Journal> = Arc::new(bench.journal.clone());
    let lease = Lease::new(Arc::clone(&journal), "adapter:test", "one").lasting(Duration::from_millis(300));
    let (tenures, mut tenure) = mpsc::channel::<(Tenure, Shutdown)>(4);
    let (trigger, shutdown) = Shutdown::channel();
    let work = |tenure: Tenure, mut stop: Shutdown| {
        let tenures = tenures.clone();
        async move {
            tenures.send((tenure, stop.clone())).await.expect("someone looks");
            stop.requested().await;
            Ok::<(), ()>(())
        }
    };
    let watched = async {
        let (first, _) = tenure.recv().await.expect("a tenure");
        // A source that did not hear that it is to stop.
        let (_trigger, deaf) = Shutdown::channel();
        let relay = bench.relay.under(&first, &deaf);
        relay.send(message("a", "L1", 9)).await.expect("it writes while it holds the lease");
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(first.holds(), "it is renewed");

        // Another instance takes it.
        journal
            .take_lease("adapter:test", "two", Duration::from_secs(60))
            .await
            .expect("the journal")
            .expect("it");
        let refused = relay.send(message("b", "L2", 9)).await.expect_err("fenced");
        assert!(matches!(refused.cause, DeferralCause::Journal(JournalError::Fenced { .. })), "{refused}");
        assert_eq!(bench.mesh.delivered().len(), 1);
        let (second, stop) = tenure.recv().await.expect("it comes back");
        assert!(!first.holds() && second.fence().epoch > first.fence().epoch);
        bench.relay.under(&second, &stop).send(message("b", "L2", 9)).await.expect("an end");
        trigger.request();
    };
    let (ended, ()) = tokio::join!(lease.while_held(shutdown, work), watched);
    ended.expect("no error");
    assert_eq!(bench.mesh.delivered().len(), 2);
}
