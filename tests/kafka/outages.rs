//! Brokers, topics, MESH and the relay itself, gone and back: nothing is lost, and nothing doubled without its mark.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use relay_testkit::wait::eventually;

use crate::broker::{Kafka, OwnBroker};
use crate::scene::{Says, Scene, TO_BOB};

#[tokio::test]
async fn while_mesh_cannot_be_reached_the_topic_keeps_its_records() {
    let (scene, relay) = Scene::running().await;
    scene.put("first", b"payload").await;
    scene.done(1).await;
    assert!(relay.stop().await.0.success());
    let says = scene.says();
    scene.configure(&Says { mesh_url: "http://127.0.0.1:1", ..says });
    let relay = scene.site.run().await;
    for number in 0..40 {
        scene.put(&format!("M{number}"), b"payload").await;
    }
    eventually("it is told", || relay.log().contains("records stay in the topic")).await;
    assert!(relay.stop().await.0.success());
    assert_eq!(scene.kafka.done(&scene.name("group"), &scene.name("outbound")), 1);
    scene.configure_with(&scene.says());
    let relay = scene.site.run().await;
    scene.done(41).await;
    let ids: HashSet<String> = scene.for_bob().iter().map(|message| message.local_id.clone()).collect();
    assert_eq!((ids.len(), scene.for_bob().len()), (41, 41));
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn mesh_gone_under_way_pauses_partitions_and_skips_nothing() {
    use mesh_sandbox::{Effect, Fault, Page};
    let (scene, relay) = Scene::running().await;
    scene.put("first", b"payload").await;
    scene.done(1).await;
    let away = Effect::Status { status: 503, retry_after_seconds: None, body: Page::Mesh };
    scene.sandbox.faults().add(Fault::new("away", away)).expect("a fault");
    for number in 0..200 {
        scene.put(&format!("M{number}"), b"payload").await;
    }
    eventually("it is told", || relay.log().contains("records stay in the topic")).await;
    assert!(scene.sandbox.faults().remove("away"));
    eventually("it goes on", || relay.log().contains("going on with the topic")).await;
    scene.done(201).await;
    let ids: HashSet<String> = scene.for_bob().iter().map(|message| message.local_id.clone()).collect();
    assert_eq!((ids.len(), scene.for_bob().len()), (201, 201));
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_broker_that_dies_and_comes_back_loses_nothing() {
    let own = OwnBroker::new();
    let scene = Scene::on(Kafka::at(&own.start()), 3).await;
    let relay = scene.site.run().await;
    for number in 0..100 {
        scene.put(&format!("M{number}"), &[7; 2_000]).await;
    }
    own.halt();
    eventually("it is told", || relay.log().contains("no broker can be reached")).await;
    own.start();
    let reader = scene.kafka.reader(&scene.name("inbound"));
    let mut ids = HashMap::<String, u32>::new();
    while ids.len() < 100 {
        for record in reader.take(1).await {
            let seen = ids.entry(record.header("mesh_local_id").to_owned()).or_default();
            // One that came before may come again, and says so.
            assert!(*seen == 0 || record.header("mesh_redelivery") == "true");
            *seen += 1;
        }
    }
    scene.done(100).await;
    assert_eq!(scene.for_bob().len(), 100, "MESH has each once");
    eventually("MESH is told of all", || {
        scene.for_bob().iter().all(|message| message.status == "acknowledged")
    })
    .await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_topic_made_anew_is_taken_from_its_beginning() {
    let scene = Scene::on(Kafka::shared(), 1).await;
    let relay = scene.site.run().await;
    let topic = scene.name("outbound");
    for _ in 0..5 {
        scene.kafka.put(&topic, Some("k"), &TO_BOB, Some(b"payload")).await;
    }
    scene.done(5).await;
    assert!(relay.stop().await.0.success());
    scene.kafka.delete(&topic).await;
    // Gone for everybody before it is made anew.
    let mut made = false;
    while !made {
        tokio::time::sleep(Duration::from_millis(100)).await;
        made = scene.kafka.try_topic(&topic, 1).await;
    }
    // The same offset and the same bytes as before, and yet another record.
    scene.kafka.put(&topic, Some("k"), &TO_BOB, Some(b"payload")).await;
    let relay = scene.site.run().await;
    eventually("it is sent", || scene.for_bob().len() == 6).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn records_that_expired_before_they_were_taken_are_told() {
    let scene = Scene::on(Kafka::shared(), 1).await;
    let relay = scene.site.run().await;
    for number in 0..2 {
        scene.put(&format!("M{number}"), b"payload").await;
    }
    scene.done(2).await;
    assert!(relay.stop().await.0.success());
    for number in 2..7 {
        scene.put(&format!("M{number}"), b"payload").await;
    }
    scene.kafka.expire(&scene.name("outbound"), 5).await;
    let relay = scene.site.run().await;
    eventually("it is told", || relay.log().contains("an offset was out of range")).await;
    scene.done(7).await;
    let ids: HashSet<String> = scene.for_bob().iter().map(|message| message.local_id.clone()).collect();
    assert_eq!(ids, ["M0", "M1", "M5", "M6"].map(str::to_owned).into());
    assert!(relay.stop().await.0.success());
}
