//! A clock that jumps: nothing is ended, given up or forgotten by it, and everything goes on by itself.

use relay_core::{DeferralCause, Journal, Lease, Rate, Records, Retention};
use relay_testkit::wait::DEADLINE;

use super::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One message now, the next a moment later.
fn paced() -> SendPolicy {
    SendPolicy { rate: Some(Rate { messages: 1, per: Duration::from_millis(400) }), ..policy() }
}

/// A message that can never be sent.
fn refused() -> Refused {
    let rejection = Rejection {
        event: "SEND".to_owned(),
        code: "08".to_owned(),
        description: String::new(),
        message_id: None,
    };
    Refused {
        key: message("a", "L1", 9).key,
        mailbox: mailbox(),
        rejection,
        reply: None,
        trace: Trace::default(),
    }
}

/// A bench on which one message was sent and another one waits.
async fn waiting() -> (Bench, SourceMessage) {
    let bench = Bench::with(paced());
    bench.send(&message("a", "L1", 9)).await.expect("an end");
    let waits = message("b", "L2", 9);
    let deferral = bench.send(&waits).await.expect_err("it is held back");
    assert!(matches!(deferral.cause, DeferralCause::Paced), "{deferral}");
    (bench, waits)
}

#[tokio::test]
async fn a_waiting_message_does_not_expire_because_the_clock_jumped_forward() {
    let (bench, waits) = waiting().await;
    bench.clock.advance(YEAR);
    let ended = bench.send_until_ended(&waits, 20).await;
    assert!(matches!(ended.outcome(), Outcome::Accepted(_)), "{:?}", ended.outcome());
}

#[tokio::test]
async fn a_waiting_message_goes_although_the_clock_was_set_back() {
    let (bench, waits) = waiting().await;
    bench.clock.set_back(YEAR);
    let ended = bench.send_until_ended(&waits, 20).await;
    assert!(matches!(ended.outcome(), Outcome::Accepted(_)), "{:?}", ended.outcome());
    assert_eq!(bench.mesh.delivered().len(), 2);
    // What was recorded before and after the jump is one chain.
    let report = bench.journal.verify().await.expect("a report");
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn nothing_is_forgotten_by_a_clock_that_mesh_has_not_confirmed() {
    let bench = Bench::new();
    let ended = bench.relay.refuse(refused()).await.expect("an end");
    bench.relay.settled(&ended).await.expect("recorded");
    bench.clock.advance(YEAR);
    let journal: Arc<dyn Journal> = Arc::new(bench.journal.clone());
    let surroundings =
        Surroundings::new(Arc::clone(&journal), bench.clock.clone(), Arc::new(TestChance::default()));
    let retention = Retention::new(surroundings.clone(), Duration::from_secs(24 * 60 * 60));
    let lease = Lease::new(Arc::clone(&journal), Retention::LEASE, "one");
    let (trigger, shutdown) = Shutdown::channel();
    let prune = |tenure, stop| {
        let retention = &retention;
        async move {
            retention.run(tenure, stop).await;
            Ok::<(), ()>(())
        }
    };
    let kept = || async {
        let counts = bench.journal.counts().await.expect("counts");
        counts.iter().map(|count| count.messages).sum::<u64>()
    };
    let watched = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(kept().await, 1, "the clock may be wrong");
        surroundings.proven.prove();
        let forgotten = async {
            while kept().await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, forgotten).await.expect("what ended a year ago is forgotten");
        trigger.request();
    };
    let (ended, ()) = tokio::join!(lease.while_held(shutdown, prune), watched);
    ended.expect("no error");
}
