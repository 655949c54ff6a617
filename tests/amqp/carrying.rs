//! Both ways, and what is told of it.

use relay_testkit::wait::eventually;

use crate::process::BOB;
use crate::scene::{Scene, TO_BOB};

/// The queue is made by the relay when it is told to; until then a producer has to wait.
async fn made(relay: &crate::process::Relay) {
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
}

#[tokio::test]
async fn a_message_goes_from_a_queue_to_mesh_and_on_to_an_exchange() {
    let (scene, relay) = Scene::running().await;
    made(&relay).await;
    let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let headers =
        [TO_BOB[0], TO_BOB[1], ("mesh_subject", "Über"), ("Mex-FileName", "a.pdf"), ("mesh_compress", "Y")];
    scene.broker.put(&scene.outbound, "ORDER-7", &headers, &body).await;

    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert!(came.body == body);
    assert_eq!(came.message_id(), scene.for_bob()[0].message_id.to_string());
    for (name, value) in [
        ("mesh_from", "X26ABC1"),
        ("mesh_to", BOB),
        ("mesh_workflow_id", "TEST_WORKFLOW"),
        ("mesh_local_id", "ORDER-7"),
        ("mesh_subject", "Über"),
        ("mesh_file_name", "a.pdf"),
        ("mesh_message_type", "DATA"),
        ("mesh_size", "70000"),
        ("mesh_redelivery", ""),
    ] {
        assert_eq!(came.header(name), value, "{name}");
    }
    let properties = &came.properties;
    assert_eq!(properties.correlation_id().as_ref().map(|id| id.as_str()), Some("ORDER-7"));
    assert_eq!(properties.delivery_mode(), &Some(2));
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;

    // What became of it, in order, for the submission.
    let told = scene.broker.take_all(&scene.status, 3).await;
    let states: Vec<String> = told
        .iter()
        .map(|event| event.json()["data"]["state"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(states, ["received", "sending", "accepted"]);
    for (event, sequence) in told.iter().zip(1..) {
        let json = event.json();
        assert_eq!(json["sequence"], format!("{sequence:08}"));
        assert_eq!(json["data"]["submission_id"], "ORDER-7");
        assert_eq!(json["data"]["correlation_id"], "about ORDER-7");
        assert_eq!(json["id"], event.message_id());
        assert_eq!(json["type"], format!("org.example.message.{}", states[sequence - 1]));
    }
    assert_eq!(told[2].json()["data"]["mesh_message_id"], came.message_id());
    assert_eq!(scene.broker.ready(&scene.outbound).await, 0);
    let log = relay.log();
    assert!(!log.contains("ORDER-7") && !log.contains("Über") && !log.contains("a.pdf"), "{log}");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn whoever_a_message_names_is_told_if_that_is_allowed() {
    let scene = Scene::new().await;
    let reply = format!("{}.reply", scene.status);
    let other = format!("{}.other", scene.status);
    scene.broker.queue(&reply).await;
    scene.broker.queue(&other).await;
    let relay = scene.site.run().await;
    made(&relay).await;
    for (id, reply_to) in [("A", &reply), ("B", &other)] {
        let mut table = lapin::types::FieldTable::default();
        for (name, value) in TO_BOB {
            table.insert(name.into(), lapin::types::AMQPValue::LongString(value.into()));
        }
        table.insert(
            "traceparent".into(),
            lapin::types::AMQPValue::LongString(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
            ),
        );
        let properties = lapin::BasicProperties::default()
            .with_message_id(id.into())
            .with_reply_to(reply_to.as_str().into())
            .with_headers(table);
        scene.broker.put_as(&scene.outbound, properties, b"payload").await;
    }
    let told = scene.broker.take_all(&reply, 3).await;
    assert!(told.iter().all(|event| event.json()["data"]["submission_id"] == "A"));
    assert_eq!(told[0].json()["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    scene.broker.take_all(&scene.status, 6).await;
    assert_eq!(scene.broker.ready(&other).await, 0, "nobody may be told who is not allowed");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn the_same_message_again_is_sent_once_and_another_one_under_its_id_is_parked() {
    let (scene, relay) = Scene::running().await;
    made(&relay).await;
    for _ in 0..3 {
        scene.put("A", b"payload").await;
    }
    scene.broker.take_all(&scene.inbound, 1).await;
    scene.put("A", b"something else").await;
    let parked = scene.broker.take_all(&scene.parked, 1).await.remove(0);
    assert_eq!(parked.header("mesh_parked_reason"), "other-content");
    assert_eq!(parked.body, b"something else");
    eventually("the queue is empty", || scene.site.outbound("accepted") == 1).await;
    assert_eq!(scene.for_bob().len(), 1);
    // And after a start as well.
    assert!(relay.stop().await.0.success());
    let relay = scene.site.run().await;
    scene.put("A", b"payload").await;
    scene.put("B", b"payload").await;
    scene.broker.take_all(&scene.inbound, 1).await;
    assert_eq!(scene.for_bob().len(), 2);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn what_is_missing_at_the_broker_is_named() {
    let scene = Scene::new().await;
    scene.configure(&scene.sandbox.base_url(), false);
    let relay = scene.site.run().await;
    let named = [&scene.outbound, &scene.status, &scene.parked];
    eventually("all of it is named", || {
        let log = relay.log();
        named.iter().all(|name| log.contains(name.as_str())) && log.contains("set declare = true")
    })
    .await;
    // Made by hand, it goes on by itself.
    scene.broker.queue(&scene.outbound).await;
    for exchange in [&scene.inbound, &scene.status, &scene.parked] {
        scene.broker.exchange(exchange).await;
        scene.broker.queue(exchange).await;
        scene.broker.bind(exchange, exchange).await;
    }
    scene.put("A", b"payload").await;
    scene.broker.take_all(&scene.inbound, 1).await;
    assert!(!relay.log().contains("guest:guest"), "logins stand in no log");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn who_wants_to_hear_of_one_state_alone_hears_of_it() {
    let scene = Scene::new().await;
    scene.reword(&[
        (&format!(", queue = \"{}\", reply_to", scene.status), ", reply_to"),
        ("unrouted = ", "# unrouted = "),
    ]);
    // Made by somebody else, and nothing takes the states before.
    scene.broker.exchange(&scene.status).await;
    scene.broker.queue(&scene.status).await;
    scene.broker.bind_to(&scene.status, &scene.status, "*.*.accepted").await;
    let relay = scene.site.run().await;
    made(&relay).await;
    for id in ["A", "B"] {
        scene.put(id, b"payload").await;
    }
    let told = scene.broker.take_all(&scene.status, 2).await;
    assert!(told.iter().all(|event| event.json()["data"]["state"] == "accepted"));
    assert!(relay.stop().await.0.success());
}
