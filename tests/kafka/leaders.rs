//! Two brokers, of which one dies: partitions change their leaders, or have none for a while.

use std::collections::HashSet;

use relay_testkit::wait::eventually;

use crate::broker::{Kafka, OwnBroker};
use crate::scene::{Says, Scene};

#[tokio::test]
async fn a_partition_that_loses_its_leader_goes_on_with_another_or_when_that_is_back() {
    let first = OwnBroker::new();
    let one = first.start();
    let second = OwnBroker::beside(&first);
    let both = format!("{one},{}", second.start());
    let scene = Scene::on(Kafka::at(&both), 1).await;
    // The outbound topic is led by the second and copied to the first; the inbound topic has no copy.
    let (outbound, inbound) = (scene.name("outbound.led"), scene.name("inbound.led"));
    scene.kafka.topic_on(&outbound, &[2, 1]).await;
    scene.kafka.topic_on(&inbound, &[2]).await;
    let text = scene.text(&Says { mesh_url: &scene.sandbox.base_url(), ..scene.says() });
    let text = text.replace(&format!("{}\"", scene.name("outbound")), &format!("{outbound}\""));
    scene
        .site
        .write("relay.toml", text.replace(&format!("{}\"", scene.name("inbound")), &format!("{inbound}\"")));
    let relay = scene.site.run().await;
    let put = async |number: u32| {
        let id = format!("M{number}");
        let headers = [crate::scene::TO_BOB[0], crate::scene::TO_BOB[1], ("ce_id", id.as_bytes())];
        scene.kafka.put(&outbound, Some(&id), &headers, Some(b"payload")).await;
    };
    for number in 0..20 {
        put(number).await;
    }
    eventually("all are at MESH and delivered", || {
        let stored = scene.for_bob();
        stored.len() == 20 && stored.iter().all(|message| message.status == "acknowledged")
    })
    .await;
    second.halt();
    // The other one leads now. What comes from MESH has no place, and stays there.
    for number in 20..40 {
        put(number).await;
    }
    eventually("they are at MESH", || scene.for_bob().len() == 40).await;
    eventually("that one is away is told", || relay.log().contains("a broker cannot be reached")).await;
    let held = || scene.for_bob().iter().filter(|message| message.status != "acknowledged").count();
    assert_eq!(held(), 20, "nothing is acknowledged that is nowhere else");
    second.start();
    eventually("all are delivered", || held() == 0).await;
    let reader = scene.kafka.reader(&inbound);
    let mut seen = HashSet::new();
    for record in reader.take(40).await {
        let is_new = seen.insert(record.header("ce_id").to_owned());
        assert!(is_new || record.header("mesh_redelivery") == "true", "a repeat says that it may be one");
    }
    assert_eq!(scene.for_bob().len(), 40, "MESH has each once");
    assert!(relay.stop().await.0.success());
}
