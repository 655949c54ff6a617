//! A stop while a broker hangs: it keeps its connections and answers nothing.

use mesh_sandbox::StoredMessage;
use relay_testkit::wait::eventually;

use crate::broker::{Kafka, OwnBroker};
use crate::scene::{Says, Scene};

async fn ends(transactional: bool) {
    let own = OwnBroker::new();
    let scene = Scene::on(Kafka::at(&own.start()), 1).await;
    let transaction =
        format!(", transaction = {{ seen = \"{}\", id = \"{}\" }}", scene.name("seen"), scene.number);
    let inbound = if transactional { transaction.as_str() } else { "" };
    scene.configure_with(&Says { inbound, ..scene.says() });
    let relay = scene.site.run().await;
    let is_done = |message: &StoredMessage| message.status == "acknowledged";
    scene.put("A", b"payload").await;
    eventually("one is carried", || scene.for_bob().iter().any(is_done)).await;
    // Taken by the relay before nothing answers any more: it sends them, and cannot publish what comes back.
    let number = 8;
    for id in 0..number {
        scene.put(&format!("M{id}"), b"payload").await;
    }
    own.hang(true);
    eventually("some are at MESH", || scene.for_bob().len() > 2).await;
    let (status, log) = relay.stop().await;
    own.hang(false);
    assert!(status.success(), "{log}");
    // All is found again.
    let relay = scene.site.run().await;
    scene.done(1 + number).await;
    eventually("all are delivered", || scene.for_bob().iter().all(is_done)).await;
    assert_eq!(scene.for_bob().len() as i64, 1 + number, "MESH has each once");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_relay_ends_although_its_broker_hangs() {
    ends(false).await;
}

#[tokio::test]
async fn a_relay_in_the_middle_of_transactions_ends_although_its_broker_hangs() {
    ends(true).await;
}
