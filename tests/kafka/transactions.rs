//! Transactional delivery: readers of what is committed see each message once, however often the relay is killed.

use std::collections::HashMap;
use std::time::Duration;

use relay_testkit::wait::eventually;

use crate::scene::{Says, Scene};

const KILLS: u64 = 50;

#[tokio::test]
async fn through_fifty_kills_each_message_is_seen_once() {
    let scene = Scene::new().await;
    let inbound =
        format!(", transaction = {{ seen = \"{}\", id = \"{}\" }}", scene.name("seen"), scene.number);
    scene.configure_with(&Says { inbound: &inbound, ..scene.says() });
    let mut relay = scene.site.run().await;
    let mut sent = 0;
    for kill in 0..KILLS {
        for _ in 0..6 {
            scene.put(&format!("M{sent}"), b"payload").await;
            sent += 1;
        }
        // At another point of a delivery each time: it begins when MESH has the message.
        eventually("some are at MESH", || scene.for_bob().len() + 4 > sent).await;
        tokio::time::sleep(Duration::from_millis(kill * 13 % 170)).await;
        relay.kill();
        relay = scene.site.run().await;
    }
    eventually("MESH is told of all", || {
        let stored = scene.for_bob();
        stored.len() == sent && stored.iter().all(|message| message.status == "acknowledged")
    })
    .await;
    assert!(relay.stop().await.0.success());
    let mut seen: HashMap<String, u32> = HashMap::new();
    let reader = scene.kafka.reader(&scene.name("inbound"));
    for record in reader.take(sent).await {
        assert_eq!(record.header("mesh_redelivery"), "", "nothing here is a repeat");
        *seen.entry(record.header("ce_id").to_owned()).or_default() += 1;
    }
    while let Some(record) = reader.next() {
        *seen.entry(record.header("ce_id").to_owned()).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "seen more than once: {twice:?}");
    assert_eq!(seen.len(), sent);
    // Marks are as many, and say for which mailbox.
    let marks = scene.kafka.reader(&scene.name("seen")).take(sent).await;
    assert!(marks.iter().all(|mark| mark.value.as_deref() == Some(b"X26ABC2")));
}

#[tokio::test]
async fn a_message_that_the_topic_does_not_take_stays_at_mesh_and_the_others_go() {
    let scene = Scene::new().await;
    let inbound = format!(
        ", body_max = \"1500KB\", transaction = {{ seen = \"{}\", id = \"{}\" }}",
        scene.name("seen"),
        scene.number
    );
    scene.configure_with(&Says { inbound: &inbound, outbound: "", ..scene.says() });
    let text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("it");
    let small = scene.name("inbound.small");
    scene.kafka.topic(&small, 1, &[("max.message.bytes", "100000")]).await;
    scene.site.write("relay.toml", text.replace(&scene.name("inbound\""), &format!("{small}\"")));
    let relay = scene.site.run().await;
    scene.put("large", &[7; 500_000]).await;
    eventually("it is told", || relay.log().contains("takes no message of this size")).await;
    // Also those that may be in one transaction with such a one.
    for id in ["small-1", "large-2", "small-2", "small-3"] {
        let payload = if id.starts_with("large") { &[7; 500_000][..] } else { b"payload" };
        scene.put(id, payload).await;
    }
    let came = scene.kafka.reader(&small).take(3).await;
    assert!(came.iter().all(|record| record.header("mesh_local_id").starts_with("small")));
    eventually("MESH is told of those", || {
        scene.for_bob().iter().filter(|message| message.status == "acknowledged").count() == 3
    })
    .await;
    let stored = scene.for_bob();
    let large = stored.iter().filter(|message| message.local_id.starts_with("large"));
    assert!(large.clone().count() == 2, "MESH has them");
    assert!(
        large.into_iter().all(|message| message.status == "accepted"),
        "nothing is acknowledged that was not delivered"
    );
    assert!(relay.stop().await.0.success());
}
