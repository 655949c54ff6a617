//! Both ways, and what is told of it.

use std::collections::HashMap;

use mesh_sandbox::{Call, Effect, Fault};
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB};
use crate::scene::{Says, Scene, TO_BOB};

#[tokio::test]
async fn a_record_goes_from_a_topic_to_mesh_and_on_to_a_topic() {
    let (scene, relay) = Scene::running().await;
    let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let headers: [(&str, &[u8]); 8] = [
        TO_BOB[0],
        ("ce_meshworkflow", b"TEST_WORKFLOW"),
        ("mesh_subject", "Über".as_bytes()),
        ("Mex-FileName", b"a.pdf"),
        ("mesh_compress", b"Y"),
        ("ce_id", b"ORDER-7"),
        ("correlation_id", b"about ORDER-7"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    scene.kafka.put(&scene.name("outbound"), Some("patient"), &headers, Some(&body)).await;

    let came = scene.kafka.reader(&scene.name("inbound")).take(1).await.remove(0);
    assert!(came.value.as_deref() == Some(&body));
    let id = scene.for_bob()[0].message_id.to_string();
    assert_eq!(came.key_text(), format!("{BOB}|{ALICE}|TEST_WORKFLOW"));
    for (name, value) in [
        ("ce_id", id.as_str()),
        ("ce_type", "mesh.data"),
        ("ce_specversion", "1.0"),
        ("ce_source", "/mesh-relay/bob"),
        ("content-type", "application/octet-stream"),
        ("mesh_message_id", &id),
        ("mesh_from", ALICE),
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
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;
    scene.done(1).await;

    // What became of it, in order, for the submission.
    let told = scene.kafka.reader(&scene.name("status")).take(3).await;
    let states: Vec<_> = told.iter().map(|event| event.json()["data"]["state"].clone()).collect();
    assert_eq!(states, ["received", "sending", "accepted"]);
    for (event, sequence) in told.iter().zip(1..) {
        let json = event.json();
        assert_eq!(event.key_text(), json["subject"].as_str().expect("a relay id"));
        assert_eq!(event.header("content-type"), "application/cloudevents+json");
        assert_eq!(json["sequence"], format!("{sequence:08}"));
        assert_eq!(json["data"]["submission_id"], "ORDER-7");
        assert_eq!(json["data"]["correlation_id"], "about ORDER-7");
        assert_eq!(json["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(
            json["type"],
            format!("org.example.message.{}", states[sequence - 1].as_str().expect("it"))
        );
    }
    assert_eq!(told[2].json()["data"]["mesh_message_id"], id);
    let latest = scene.kafka.reader(&scene.name("latest")).take(3).await;
    assert_eq!(latest[2].json(), told[2].json());
    let log = relay.log();
    for private in ["ORDER-7", "Über", "a.pdf", "patient"] {
        assert!(!log.contains(private), "{private}: {log}");
    }
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn the_same_record_again_is_sent_once_and_another_one_under_its_id_is_parked() {
    let (scene, relay) = Scene::running().await;
    for _ in 0..3 {
        scene.put("A", b"payload").await;
    }
    scene.done(3).await;
    assert_eq!(scene.for_bob().len(), 1);
    scene.put("A", b"something else").await;
    let parked = scene.kafka.reader(&scene.name("parked")).take(1).await.remove(0);
    assert_eq!(parked.header("mesh_parked_reason"), "other-content");
    assert_eq!(parked.value.as_deref(), Some(&b"something else"[..]));
    // Without an id each is a message of its own, known by where it stands.
    let topic = scene.name("outbound");
    for _ in 0..2 {
        scene.kafka.put(&topic, Some("A"), &TO_BOB, Some(b"payload")).await;
    }
    scene.done(6).await;
    assert_eq!(scene.for_bob().len(), 3);
    assert!(relay.stop().await.0.success());
    assert_eq!(scene.for_bob().iter().filter(|message| message.local_id.starts_with(&topic)).count(), 2);
}

#[tokio::test]
async fn a_stuck_record_holds_its_key_and_not_its_partition() {
    let scene = Scene::on(crate::broker::Kafka::shared(), 1).await;
    let usual = scene.says();
    scene.configure_with(&Says { outbound: ", order = \"key\", in_work = 200, gap = 60", ..usual });
    // Slow to be given up, so that the doubt lasts while the others go.
    let text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("it");
    scene.site.write("relay.toml", text.replace("doubt_wait = \"300ms\"", "doubt_wait = \"8s\""));
    let lost = Fault { calls: vec![Call::Send], times: Some(1), ..Fault::new("lost", Effect::LoseAnswer) };
    scene.sandbox.faults().add(lost).expect("a fault");
    let relay = scene.site.run().await;
    let topic = scene.name("outbound");
    let put = async |key: &str, id: &str| {
        let headers = [TO_BOB[0], TO_BOB[1], ("ce_id", id.as_bytes())];
        scene.kafka.put(&topic, Some(key), &headers, Some(id.as_bytes())).await;
    };
    put("stuck", "stuck-0").await;
    eventually("the answer is lost", || !scene.sandbox.faults().fired().is_empty()).await;
    put("stuck", "stuck-1").await;
    for number in 0..100 {
        put(&format!("free-{}", number % 5), &format!("free-{number}")).await;
    }
    // The first of the gap is the stuck one, the second waits behind it, and 58 more fit.
    eventually("the others go, up to the bound", || scene.site.outbound("accepted") == 58).await;
    assert_eq!(scene.kafka.done(&scene.name("group"), &topic), 0, "nothing is behind the stuck one");
    let sent = |id: &str| scene.for_bob().iter().any(|message| message.local_id == id);
    assert!(sent("stuck-0") && !sent("stuck-1"), "its key waits");
    scene.done(102).await;
    let mut order: HashMap<String, Vec<u32>> = HashMap::new();
    let mut by_time = scene.for_bob();
    by_time.sort_by(|a, b| a.message_id.as_str().cmp(b.message_id.as_str()));
    assert_eq!(by_time.len(), 102, "each once");
    for message in scene.for_bob() {
        let (key, number) = message.local_id.split_once('-').expect("an id of ours");
        let number: u32 = number.parse().expect("a number");
        let key = if key == "free" { format!("free-{}", number % 5) } else { key.to_owned() };
        order.entry(key).or_default().push(number);
    }
    assert!(order.values().all(|numbers| numbers.is_sorted()), "{order:?}");
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn what_is_missing_at_the_broker_is_named_and_made_on_request() {
    let scene = Scene::new().await;
    let text = scene.text(&Says { mesh_url: &scene.sandbox.base_url(), ..scene.says() });
    let text = text.replace(".outbound\"", ".outbound2\"").replace(".inbound\"", ".inbound2\"");
    scene.site.write("relay.toml", &text);
    let relay = scene.site.run().await;
    let named = [scene.name("outbound2"), scene.name("inbound2")];
    eventually("both are named", || {
        let log = relay.log();
        named.iter().all(|name| log.contains(name.as_str())) && log.contains("set declare = true")
    })
    .await;
    // Made by hand, it goes on by itself.
    scene.kafka.topic(&named[0], 1, &[]).await;
    eventually("it goes on", || relay.log().contains("partitions assigned")).await;
    assert!(relay.stop().await.0.success());
    scene.site.write("relay.toml", text.replace("declare = false", "declare = true"));
    let relay = scene.site.run().await;
    scene.kafka.put(&named[0], None, &TO_BOB, Some(b"payload")).await;
    eventually("MESH is told", || scene.for_bob().iter().any(|message| message.status == "acknowledged"))
        .await;
    assert_eq!(scene.kafka.reader(&named[1]).take(1).await.len(), 1);
    assert!(relay.stop().await.0.success());
}
