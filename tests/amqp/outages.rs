//! Brokers, queues, MESH and the relay itself, gone and back: nothing is lost, and nothing doubled without its mark.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use relay_testkit::wait::eventually;

use crate::broker::{Broker, OwnBroker};
use crate::kills;
use crate::scene::Scene;

async fn consuming(relay: &crate::process::Relay, times: usize) {
    eventually("the relay consumes", || relay.log().matches("consuming").count() >= times).await;
}

#[tokio::test]
async fn a_message_that_no_queue_takes_stays_at_mesh() {
    let scene = Scene::new().await;
    // Made by somebody else, and without an alternate exchange.
    scene.broker.exchange(&scene.inbound).await;
    let relay = scene.site.run().await;
    consuming(&relay, 1).await;
    eventually("all is made", || relay.log().contains("the broker has what the adapter publishes to")).await;
    scene.broker.unbind(&scene.inbound, &scene.inbound).await;
    scene.put("A", b"payload").await;
    eventually("it is told", || relay.log().contains("no queue takes this message")).await;
    assert_eq!(scene.for_bob()[0].status, "accepted", "MESH keeps it");
    scene.broker.bind(&scene.inbound, &scene.inbound).await;
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!(came.header("mesh_redelivery"), "true", "the first try may have arrived");
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn where_the_relay_made_the_exchange_nothing_is_without_a_queue() {
    let (scene, relay) = Scene::running().await;
    consuming(&relay, 1).await;
    eventually("all is made", || relay.log().contains("the broker has what the adapter publishes to")).await;
    scene.broker.unbind(&scene.inbound, &scene.inbound).await;
    scene.put("A", b"payload").await;
    let came = scene.broker.take_all(&format!("{}.unrouted", scene.inbound), 1).await.remove(0);
    assert_eq!(came.header("mesh_local_id"), "A");
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_queue_that_is_deleted_under_the_consumer_is_consumed_again_when_it_is_back() {
    let (scene, relay) = Scene::running().await;
    consuming(&relay, 1).await;
    scene.broker.delete(&scene.outbound).await;
    eventually("it is told", || relay.log().contains("the queue may be gone")).await;
    // Made again by the relay, which was asked to.
    consuming(&relay, 2).await;
    scene.put("A", b"payload").await;
    scene.broker.take_all(&scene.inbound, 1).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn while_mesh_cannot_be_reached_the_queue_keeps_its_messages() {
    let scene = Scene::new().await;
    // Everything is made, then MESH is gone before the first message comes.
    let relay = scene.site.run().await;
    consuming(&relay, 1).await;
    assert!(relay.stop().await.0.success());
    scene.configure("http://127.0.0.1:1", true);
    let relay = scene.site.run().await;
    for number in 0..40 {
        scene.put(&format!("M{number}"), b"payload").await;
    }
    eventually("it is told", || relay.log().contains("messages stay in the queue")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.broker.ready(&scene.outbound).await, 40, "none is with the relay");
    assert!(relay.stop().await.0.success());
    scene.configure(&scene.sandbox.base_url(), true);
    let relay = scene.site.run().await;
    let came = scene.broker.take_all(&scene.inbound, 40).await;
    let ids: HashSet<String> = came.iter().map(|message| message.header("mesh_local_id")).collect();
    assert_eq!(ids.len(), 40);
    assert_eq!(scene.broker.ready(&scene.parked).await, 0);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_broker_that_dies_and_comes_back_loses_nothing() {
    let own = OwnBroker::new();
    let mut scene = Scene::on(Broker::connect(&own.start()).await).await;
    scene.make().await;
    // RabbitMQ 3.10 remembers a quorum queue's log for certain only once it was stopped in good order: one that was made
    // shortly before a kill can come back empty and without a leader, and what was confirmed is lost with it.
    own.ctl(&["stop_app"]);
    own.ctl(&["start_app"]);
    scene.broker = Broker::connect(&scene.broker.url).await;
    let relay = scene.site.run().await;
    consuming(&relay, 1).await;
    for number in 0..100 {
        scene.put(&format!("M{number}"), &[7; 2_000]).await;
    }
    own.halt();
    eventually("it is told", || relay.log().contains("messages stay in the queue")).await;
    let again = Broker::connect(&own.start()).await;
    consuming(&relay, 2).await;
    let mut ids = HashMap::<String, u32>::new();
    while ids.len() < 100 {
        for message in again.take_all(&scene.inbound, 1).await {
            let seen = ids.entry(message.header("mesh_local_id")).or_default();
            // One that came before may come again, and says so.
            assert!(*seen == 0 || message.header("mesh_redelivery") == "true" || message.redelivered);
            *seen += 1;
        }
    }
    assert_eq!(scene.for_bob().len(), 100, "MESH has each once");
    eventually("MESH is told of all", || {
        scene.for_bob().iter().all(|message| message.status == "acknowledged")
    })
    .await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_broker_out_of_room_holds_up_what_is_published_and_nothing_is_lost() {
    let own = OwnBroker::new();
    let scene = Scene::on(Broker::connect(&own.start()).await).await;
    scene.make().await;
    // Before the alarm, since it would hold up those who put messages into the queue as well.
    let ids: HashSet<String> = (0..10).map(|number| format!("M{number}")).collect();
    for id in &ids {
        scene.put(id, b"payload").await;
    }
    own.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    let relay = scene.site.run().await;
    // What is consumed goes to MESH all the same; what comes from there waits, and so does what is told.
    eventually("MESH has them", || scene.for_bob().len() == 10).await;
    eventually("the broker holds up who publishes", || {
        own.ctl(&["list_connections", "state"]).lines().any(|state| state == "blocked")
    })
    .await;
    eventually("they are acknowledged to the queue", || scene.site.outbound("accepted") == 10).await;
    scene.broker.until_ready(&scene.outbound, 0).await;
    for queue in [&scene.inbound, &scene.status] {
        assert_eq!(scene.broker.ready(queue).await, 0, "nothing is published");
    }
    assert!(scene.for_bob().iter().all(|message| message.status == "accepted"), "MESH keeps them");
    eventually("it is told", || relay.log().contains("the broker is out of room and takes no messages"))
        .await;
    own.ctl(&["set_vm_memory_high_watermark", "absolute", "2GB"]);
    let mut came = HashSet::new();
    while came.len() < ids.len() {
        came.insert(scene.broker.take_all(&scene.inbound, 1).await.remove(0).header("mesh_local_id"));
    }
    assert_eq!(came, ids);
    eventually("it is told", || relay.log().contains("the broker takes messages again")).await;
    // Each message's three changes are told, once at least.
    let mut told = HashSet::new();
    while told.len() < 3 * ids.len() {
        told.insert(scene.broker.take_all(&scene.status, 1).await.remove(0).message_id());
    }
    assert!(relay.stop().await.0.success());
}

/// How often; more often by `make prove`.
const KILLS: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_under_load_nothing_is_lost_and_nothing_doubled_unmarked() {
    kills::run(KILLS).await;
}
