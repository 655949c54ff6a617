//! Two relays on one journal, in one group: partitions change hands under load, and no record is sent twice.

use std::collections::HashMap;

use relay_testkit::wait::eventually;
use relay_testkit::wire::{State, Wire};
use tokio_postgres::NoTls;

use crate::broker::Kafka;
use crate::process::Relay;
use crate::scene::{Says, Scene};

/// A database of its own on the server of the tests.
async fn database(name: &str) -> String {
    let server = std::env::var("MESH_RELAY_TEST_POSTGRES").expect("a PostgreSQL; run `make test`");
    let (client, connection) = tokio_postgres::connect(&server, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let name = format!("kafka_{name}_{}", std::process::id());
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}; ")).await.expect("dropped");
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("created");
    let (before, _) = server.rsplit_once('/').expect("a URL");
    format!("{before}/{name}")
}

/// What both kinds of groups differ in.
struct Kind {
    /// In the table `outbound`.
    outbound: &'static str,
    /// Under the adapter.
    kafka: &'static str,
}

async fn start(scene: &Scene, number: u32, kind: &Kind) -> Relay {
    let name = format!("relay-{number}.toml");
    let journal =
        format!("url = {{ file = \"journal.url\" }}\ninstance = \"relay-{number}\"\nlease = \"3s\"");
    let url = scene.sandbox.base_url();
    let says = Says {
        mesh_url: &url,
        journal: &journal,
        kafka: kind.kafka,
        outbound: kind.outbound,
        ..scene.says()
    };
    scene.site.write(&name, scene.text(&says));
    Relay::start(&scene.site.path(&name)).await
}

async fn partitions_change_hands(scene: &Scene, kind: &Kind) {
    let sent = std::cell::Cell::new(0);
    let put = async |count: u32| {
        for _ in 0..count {
            scene.put(&format!("M{}", sent.get()), b"payload").await;
            sent.set(sent.get() + 1);
        }
    };
    let through = async |count: usize| {
        eventually("records go through", || scene.for_bob().len() >= count).await;
    };
    let first = start(scene, 1, kind).await;
    put(100).await;
    through(20).await;
    // Another joins under load, and has partitions of its own.
    let second = start(scene, 2, kind).await;
    while !second.log().contains("partitions assigned") {
        put(5).await;
    }
    put(100).await;
    eventually("both are at work", || second.log().contains("accepted by MESH")).await;
    // The first leaves in order, and the second takes its partitions over.
    let stopping = tokio::spawn(first.stop());
    put(100).await;
    assert!(stopping.await.expect("it ends").0.success());
    let mut third = start(scene, 3, kind).await;
    put(50).await;
    eventually("the third is at work", || third.log().contains("partitions assigned")).await;
    put(50).await;
    // Killed: its leases run out, and the group finds out.
    third.kill();
    put(20).await;
    scene.done(sent.get() as i64).await;
    let mut times: HashMap<String, u32> = HashMap::new();
    for message in scene.for_bob() {
        *times.entry(message.local_id).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
    assert_eq!(times.len(), sent.get());
    assert!(second.stop().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_under_load_sends_nothing_twice() {
    let scene = Scene::on(Kafka::shared(), 6).await;
    scene.site.write("journal.url", database("classic").await);
    // So that a member that was killed is soon missed; for the other kind of group the broker has this.
    let kind = Kind { outbound: "", kafka: "client = { \"session.timeout.ms\" = \"6000\" }" };
    partitions_change_hands(&scene, &kind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_by_the_broker_sends_nothing_twice() {
    let scene = Scene::on(Kafka::shared(), 6).await;
    scene.site.write("journal.url", database("consumer").await);
    let kind = Kind { outbound: ", protocol = \"consumer\"", kafka: "" };
    partitions_change_hands(&scene, &kind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_lost_for_a_while_costs_no_record() {
    let scene = Scene::on(Kafka::shared(), 2).await;
    let url = database("lease").await;
    let (_, rest) = url.split_once('@').expect("a URL");
    let (address, _) = rest.split_once('/').expect("a URL");
    let wire = Wire::start(address.parse().expect("an address")).await;
    scene.site.write("journal.url", url.replace(address, &wire.address().to_string()));
    let kind = Kind { outbound: "", kafka: "client = { \"session.timeout.ms\" = \"45000\" }" };
    let relay = start(&scene, 1, &kind).await;
    scene.put("first", b"payload").await;
    eventually("it is sent", || scene.for_bob().len() == 1).await;
    for round in 0..3 {
        // Nothing is known of the journal for longer than a lease lasts: nothing is sent, the group keeps its member, and what
        // comes meanwhile waits, also in a partition of which nothing was taken in this stint.
        wire.set(State::Held);
        let again = || relay.log().matches("held again, and read again").count();
        let before = again();
        let lost = relay.log().matches("is over").count();
        eventually("a lease is lost", || relay.log().matches("is over").count() > lost).await;
        wire.set(State::Whole);
        // In the moment in which the work begins again.
        eventually("both leases are held again", || again() == before + 2).await;
        for number in 0..60 {
            scene.put(&format!("M{round}-{number}"), b"payload").await;
        }
        let all = 1 + 60 * (round + 1);
        eventually("all are sent", || scene.for_bob().len() == all).await;
    }
    scene.done(181).await;
    assert_eq!(scene.for_bob().len(), 181, "MESH has each once");
    assert!(relay.stop().await.0.success());
}
