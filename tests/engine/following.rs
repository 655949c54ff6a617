//! What was sent is followed to its end, whoever takes the mailbox's messages.

use relay_core::{Journal, Lease, MeshMailbox, Poller, ReceivePolicy};
use relay_testkit::scripted::Made;
use relay_testkit::wait::eventually;

use super::*;

#[tokio::test]
async fn a_mailbox_whose_messages_nobody_takes_is_followed_and_not_looked_into() {
    let bench = Bench::new();
    bench.send(&message("a", "L1", 9)).await.expect("an end");
    bench.clock.advance(Duration::from_secs(2 * 60 * 60));
    let journal: Arc<dyn Journal> = Arc::new(bench.journal.clone());
    let surroundings =
        Surroundings::new(Arc::clone(&journal), bench.clock.clone(), Arc::new(TestChance::default()));
    let mesh: Arc<dyn MeshMailbox> = bench.mesh.clone();
    let poller = Poller::new(surroundings, mesh, None, ReceivePolicy::default());
    let lease = Lease::new(journal, poller.lease_name(), "one");
    let (trigger, shutdown) = Shutdown::channel();
    let poll = |tenure, stop| {
        let poller = &poller;
        async move {
            poller.run(tenure, stop).await;
            Ok::<(), ()>(())
        }
    };
    let watched = async {
        eventually("MESH is asked what became of it", || bench.mesh.made().contains(&Made::Track)).await;
        trigger.request();
    };
    let (ended, ()) = tokio::join!(lease.while_held(shutdown, poll), watched);
    ended.expect("no error");
    assert!(!bench.mesh.made().contains(&Made::List), "whoever is to take them finds them as they were");
}
