//! Rights, logins, virtual hosts, exchanges and queues, withdrawn while the relay runs: each is named in words, nothing is
//! acknowledged early, and all goes on by itself once it is mended. A refused login is not tried again and again at once.

use std::collections::HashSet;

use mesh_sandbox::{Call, Effect, Fault};
use relay_testkit::wait::eventually;
use relay_testkit::wire::Wire;
use tokio::time::Instant;

use crate::broker::{Broker, OwnBroker, properties};
use crate::process::Relay;
use crate::scene::{Scene, TO_BOB};

/// The relay's own virtual host and user.
const VHOST: &str = "hospital";
const USER: &str = "relay";

/// Connections that may be made at once, and in each second after that: two adapters, each to consume and to publish, that
/// wait for a second at least.
const CONNECTIONS: (usize, usize) = (8, 8);

/// A broker with a user for the relay, who may do all until it is taken from it.
struct Guarded {
    own: OwnBroker,
    scene: Scene,
    wire: Wire,
}

impl Guarded {
    async fn new() -> Self {
        let own = OwnBroker::new();
        let url = own.start();
        own.ctl(&["add_vhost", VHOST]);
        own.ctl(&["set_permissions", "-p", VHOST, "guest", ".*", ".*", ".*"]);
        own.ctl(&["add_user", USER, "first"]);
        let scene = Scene::on(Broker::connect(&url.replace("%2f", VHOST)).await).await;
        let wire = Wire::start(scene.broker.address()).await;
        let own_url = scene.broker.url_by(wire.address()).replace("guest:guest", &format!("{USER}:first"));
        scene.site.write("broker.url", own_url);
        let guarded = Self { own, scene, wire };
        guarded.allow(".*", ".*");
        guarded
    }

    /// What the relay's user may write and read.
    fn allow(&self, write: &str, read: &str) {
        self.own.ctl(&["set_permissions", "-p", VHOST, USER, ".*", write, read]);
    }

    /// Ends the relay's connections, as an operator does who wants a change to hold at once. They are its user's alone, so
    /// that the test's own goes on.
    fn disconnect(&self) {
        self.own.ctl(&[
            "eval",
            &format!(
                "[rabbit_networking:close_connection(proplists:get_value(pid, C), \"changed\") || \
                 C <- rabbit_networking:connection_info_all([pid, user]), proplists:get_value(user, C) =:= <<\"{USER}\">>]."
            ),
        ]);
    }

    /// Waits until the log has a line of this since `from`, then looks that there were not too many connections since.
    async fn told(&self, relay: &Relay, from: &Since, words: &str) {
        eventually(words, || relay.log()[from.log..].contains(words)).await;
        // A few more tries, so that there is something to count.
        eventually("it is tried again", || self.wire.connections() >= from.connections + 3).await;
        let (made, seconds) =
            (self.wire.connections() - from.connections, from.at.elapsed().as_secs() as usize);
        assert!(made <= CONNECTIONS.0 + CONNECTIONS.1 * seconds, "{made} connections in {seconds} s");
    }

    fn since(&self, relay: &Relay) -> Since {
        Since { log: relay.log().len(), connections: self.wire.connections(), at: Instant::now() }
    }

    /// Waits until these, and no others, have come.
    async fn came(&self, ids: &[&str]) {
        let came = self.scene.broker.take_all(&self.scene.inbound, ids.len()).await;
        let came: HashSet<String> = came.iter().map(|message| message.header("mesh_local_id")).collect();
        assert_eq!(came, ids.iter().map(|id| (*id).to_owned()).collect());
    }
}

/// Where the log and the count were when something began.
struct Since {
    log: usize,
    connections: usize,
    at: Instant,
}

#[tokio::test]
async fn what_the_broker_no_longer_allows_is_named_and_goes_on_once_it_is_mended() {
    let guarded = Guarded::new().await;
    let (scene, own) = (&guarded.scene, &guarded.own);
    let relay = scene.site.run().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    scene.put("A", b"payload").await;
    guarded.came(&["A"]).await;

    // It may write no more. What could not be parked is not taken.
    let since = guarded.since(&relay);
    guarded.allow("^$", ".*");
    // A channel goes by what it was told until it is closed.
    guarded.disconnect();
    guarded.told(&relay, &since, "a right is missing").await;
    scene.put("B", b"payload").await;
    scene.broker.until_ready(&scene.outbound, 1).await;
    assert_eq!(scene.for_bob().len(), 1);
    guarded.allow(".*", ".*");
    guarded.came(&["B"]).await;

    // It may read no more. What is in the queue stays there.
    let since = guarded.since(&relay);
    guarded.allow(".*", "^$");
    guarded.disconnect();
    guarded.told(&relay, &since, "a right is missing").await;
    scene.put("C", b"payload").await;
    scene.broker.until_ready(&scene.outbound, 1).await;
    assert_eq!(scene.for_bob().len(), 2);
    guarded.allow(".*", ".*");
    guarded.came(&["C"]).await;

    // It has another password.
    let since = guarded.since(&relay);
    own.ctl(&["change_password", USER, "second"]);
    guarded.disconnect();
    guarded.told(&relay, &since, "it refuses the login").await;
    scene.put("D", b"payload").await;
    scene.broker.until_ready(&scene.outbound, 1).await;
    own.ctl(&["change_password", USER, "first"]);
    guarded.came(&["D"]).await;

    // It has no right in the virtual host at all.
    let since = guarded.since(&relay);
    own.ctl(&["clear_permissions", "-p", VHOST, USER]);
    guarded.disconnect();
    guarded.told(&relay, &since, "virtual host").await;
    scene.put("E", b"payload").await;
    scene.broker.until_ready(&scene.outbound, 1).await;
    guarded.allow(".*", ".*");
    guarded.came(&["E"]).await;

    // The virtual host is gone, with all that was in it.
    let since = guarded.since(&relay);
    own.ctl(&["delete_vhost", VHOST]);
    guarded.told(&relay, &since, "virtual host").await;
    own.ctl(&["add_vhost", VHOST]);
    own.ctl(&["set_permissions", "-p", VHOST, "guest", ".*", ".*", ".*"]);
    guarded.allow(".*", ".*");
    eventually("the exchanges are made again", || {
        let exchanges = own.ctl(&["list_exchanges", "-p", VHOST, "name"]);
        [&scene.inbound, &scene.status, &scene.parked]
            .iter()
            .all(|name| exchanges.lines().any(|line| line == *name))
    })
    .await;
    let again = Broker::connect(&scene.broker.url).await;
    again.queue(&scene.outbound).await;
    // A quorum queue that was just made anew may still refuse.
    again.put_at_last(&scene.outbound, properties("F", &TO_BOB), b"payload").await;
    eventually("it has gone through", || {
        scene.for_bob().len() == 6 && scene.for_bob().iter().all(|message| message.status == "acknowledged")
    })
    .await;
    let came = again.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!(came.header("mesh_local_id"), "F");
    let log = relay.log();
    assert!(!log.contains("first") && !log.contains("second"), "passwords stand in no log");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn an_exchange_that_is_deleted_keeps_messages_at_mesh_until_it_is_back() {
    let (scene, relay) = Scene::running().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    scene.put("A", b"payload").await;
    scene.broker.take_all(&scene.inbound, 1).await;
    scene.broker.delete_exchange(&scene.inbound).await;
    scene.put("B", b"payload").await;
    eventually("it is told", || relay.log().contains("an exchange or a queue is not there")).await;
    assert_eq!(scene.for_bob()[1].status, "accepted", "MESH keeps it");
    // The relay was asked to make what is missing.
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!(came.header("mesh_local_id"), "B");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_queue_that_is_deleted_with_messages_in_work_leaves_each_at_mesh_once() {
    let (scene, relay) = Scene::running().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    let slow = Fault { calls: vec![Call::Send], ..Fault::new("slow", Effect::Delay { millis: 300 }) };
    scene.sandbox.faults().add(slow).expect("a fault");
    let ids: Vec<String> = (0..30).map(|number| format!("M{number}")).collect();
    for id in &ids {
        scene.put(id, b"payload").await;
    }
    eventually("some are in work", || !scene.for_bob().is_empty()).await;
    scene.broker.delete(&scene.outbound).await;
    eventually("it is told", || relay.log().contains("the queue may be gone")).await;
    eventually("the relay consumes again", || relay.log().matches("consuming").count() >= 2).await;
    let lost = ids.len() - scene.for_bob().len();
    assert!(lost > 0, "some went with the queue");
    // Their producer knows that the queue was gone, and puts all of them into it again.
    for id in &ids {
        scene.put(id, b"payload").await;
    }
    eventually("all are settled", || scene.site.outbound("accepted") == 30).await;
    let at_mesh: HashSet<String> = scene.for_bob().into_iter().map(|message| message.local_id).collect();
    assert_eq!((scene.for_bob().len(), at_mesh.len()), (30, 30), "MESH has each once");
    assert!(relay.stop().await.0.success());
    assert_eq!(scene.broker.ready(&scene.outbound).await, 0);
}
