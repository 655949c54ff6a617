//! What can never be sent: a dead letter with a word for programs and a sentence for people, and the topic goes on.

use relay_testkit::wait::eventually;

use crate::process::BOB;
use crate::scene::{Scene, TO_BOB};

type Headers<'a> = Vec<(&'a str, &'a [u8])>;
/// Id, headers, value; the reason, and what its description says.
type Case<'a> = (&'a str, Headers<'a>, Option<&'a [u8]>, &'a str, &'a str);

#[tokio::test]
async fn bad_records_are_parked_with_a_reason_and_the_others_go() {
    let (scene, relay) = Scene::running().await;
    let long = "s".repeat(501);
    let large = vec![b'x'; 1_000_001];
    let and = |more: (&'static str, &'static [u8])| vec![TO_BOB[0], TO_BOB[1], more];
    let cases: Vec<Case<'_>> = vec![
        ("tombstone", TO_BOB.to_vec(), None, "empty", "tombstone"),
        ("empty", TO_BOB.to_vec(), Some(b""), "empty", "no body"),
        ("no-headers", vec![], Some(b"x"), "missing-header", "mesh_to"),
        ("no-recipient", vec![TO_BOB[1]], Some(b"x"), "missing-header", "mesh_to"),
        ("no-workflow", vec![TO_BOB[0]], Some(b"x"), "missing-header", "mesh_workflow_id"),
        ("other-mailbox", and(("mesh_from", b"X26ABC9")), Some(b"x"), "other-mailbox", "X26ABC1"),
        (
            "unknown-header",
            and(("mesh_recipient", BOB.as_bytes())),
            Some(b"x"),
            "unknown-header",
            "mesh_order_key",
        ),
        ("unknown-attribute", and(("ce_meshrecipient", b"X")), Some(b"x"), "unknown-header", "ce_mesh"),
        ("bad-flag", and(("mesh_compress", b"maybe")), Some(b"x"), "bad-header", "neither true nor false"),
        ("not-text", and(("mesh_subject", b"\xFF\xFE")), Some(b"x"), "not-text", "UTF-8"),
        ("twice", and(("Mex-To", b"X26ABC3")), Some(b"x"), "bad-header", "given twice"),
        ("too-late", and(("mesh_not_after", b"2020-01-01T00:00:00Z")), Some(b"x"), "too-late", "2020-01-01"),
        ("unregistered", vec![("mesh_to", b"NOSUCHBOX"), TO_BOB[1]], Some(b"x"), "refused", "SEND 12"),
        (
            "long-subject",
            vec![TO_BOB[0], TO_BOB[1], ("mesh_subject", long.as_bytes())],
            Some(b"x"),
            "bad-header",
            "mesh_subject",
        ),
        ("too-large", TO_BOB.to_vec(), Some(&large), "too-large", "1000000 bytes"),
    ];
    let outbound = scene.name("outbound");
    let mut places = Vec::new();
    for (id, headers, value, ..) in &cases {
        let mut headers = headers.clone();
        headers.push(("ce_id", id.as_bytes()));
        places.push(scene.kafka.put(&outbound, Some(id), &headers, *value).await);
    }
    scene.put("good", b"payload").await;

    scene.kafka.reader(&scene.name("inbound")).take(1).await;
    let parked = scene.kafka.reader(&scene.name("parked")).take(cases.len()).await;
    for ((id, _, value, reason, says), (partition, offset)) in cases.iter().zip(places) {
        let record = parked.iter().find(|record| record.header("ce_id") == *id).expect("it is parked");
        assert_eq!(record.header("mesh_parked_reason"), *reason, "{id}");
        let description = record.header("mesh_parked_description");
        assert!(description.contains(says), "{id}: {description}");
        assert_eq!(record.header("mesh_parked_source"), outbound, "{id}");
        assert_eq!(record.header("mesh_parked_partition"), partition.to_string(), "{id}");
        assert_eq!(record.header("mesh_parked_offset"), offset.to_string(), "{id}");
        assert!(!record.header("mesh_parked_at").is_empty() && !record.header("mesh_relay_id").is_empty());
        assert_eq!(record.key_text(), *id);
        assert!(record.value.as_deref() == *value, "{id}");
    }
    // The offsets move over them, and each is counted and told.
    scene.done(cases.len() as i64 + 1).await;
    assert_eq!(scene.for_bob().len(), 1);
    eventually("all are in the journal", || scene.site.outbound("rejected") == cases.len() as i64).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_value_that_the_dead_letter_topic_does_not_take_is_parked_without_it() {
    let scene = Scene::new().await;
    scene.kafka.delete(&scene.name("parked")).await;
    let parked = scene.name("parked.small");
    scene.kafka.topic(&parked, 1, &[("max.message.bytes", "100000")]).await;
    let text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("it");
    scene.site.write("relay.toml", text.replace(&scene.name("parked\""), &format!("{parked}\"")));
    let relay = scene.site.run().await;
    let value = vec![b'x'; 500_000];
    let (partition, offset) =
        scene.kafka.put(&scene.name("outbound"), Some("k"), &[TO_BOB[0]], Some(&value)).await;
    let letter = scene.kafka.reader(&parked).take(1).await.remove(0);
    assert_eq!(letter.value, None);
    assert_eq!(letter.header("mesh_parked_without"), "500000");
    assert_eq!(letter.header("mesh_parked_partition"), partition.to_string());
    assert_eq!(letter.header("mesh_parked_offset"), offset.to_string());
    scene.done(1).await;
    assert!(relay.stop().await.0.success());
}
