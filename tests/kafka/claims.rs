//! Payloads by reference, through a folder. What a reference may be is tried in `crates/claim-check` and `tests/amqp`.

use std::fs;

use relay_testkit::wait::eventually;
use sha2::{Digest, Sha256};

use crate::process::Relay;
use crate::scene::{Says, Scene, TO_BOB};

/// What may be named lies in `out`; what is long comes to `in`.
const CLAIMS: &str =
    "claim_check = { read = [\"out\"], size_max = \"5MB\", write = \"in\", inline_max = \"100KB\" }";

async fn running() -> (Scene, Relay) {
    running_with(|_| String::new()).await
}

/// With what the table `inbound` says beside the usual.
async fn running_with(inbound: impl FnOnce(&Scene) -> String) -> (Scene, Relay) {
    let scene = Scene::new().await;
    for folder in ["out", "in", "elsewhere"] {
        fs::create_dir(scene.site.path(folder)).expect("a folder");
    }
    scene.configure_with(&Says { kafka: CLAIMS, inbound: &inbound(&scene), ..scene.says() });
    let relay = scene.site.run().await;
    (scene, relay)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn reference(scene: &Scene, name: &str) -> String {
    let folder = scene.site.folder.path().canonicalize().expect("a folder");
    format!("file://{}/{name}", folder.display())
}

/// Puts a record that names what lies at a place.
async fn name(scene: &Scene, id: &str, at: &str, payload: &[u8], value: Option<&[u8]>) {
    let (reference, hash, size) = (reference(scene, at), sha256(payload), payload.len().to_string());
    let claim = [("mesh_data_ref", &*reference), ("mesh_data_sha256", &hash), ("mesh_data_size", &size)];
    let claim = claim.map(|(name, text)| (name, text.as_bytes()));
    let headers = [&TO_BOB[..], &[("ce_id", id.as_bytes())], &claim].concat();
    scene.kafka.put(&scene.name("outbound"), Some("k"), &headers, value).await;
}

#[tokio::test]
async fn a_payload_goes_by_reference_from_a_folder_and_comes_by_reference_into_one() {
    let (scene, relay) = running().await;
    // Longer than the topic would take.
    let payload: Vec<u8> =
        (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    scene.site.write("out/canary.bin", &payload);
    name(&scene, "ORDER-7", "out/canary.bin", &payload, Some(b"")).await;
    let reader = scene.kafka.reader(&scene.name("inbound"));
    let came = reader.take(1).await.remove(0);
    // Empty and there: without a value it would be a tombstone.
    assert_eq!(came.value.as_deref(), Some(b"".as_slice()));
    let id = came.header("ce_id").to_owned();
    assert_eq!(came.header("mesh_data_ref"), reference(&scene, &format!("in/X26ABC2/{id}")));
    let file = came.header("mesh_data_ref").strip_prefix("file://").expect("a file's URL").to_owned();
    let found = fs::read(&file).expect("the payload");
    assert_eq!((came.header("mesh_data_size"), came.header("mesh_size")), ("3000000", "3000000"));
    assert_eq!(came.header("mesh_data_sha256"), sha256(&found));
    assert!(found == payload);

    // What is short is carried; and a record with no value at all may name a payload.
    scene.site.write("out/short", b"short");
    name(&scene, "ORDER-8", "out/short", b"short", None).await;
    let came = reader.take(1).await.remove(0);
    assert_eq!((came.value.as_deref(), came.header("mesh_data_ref")), (Some(b"short".as_slice()), ""));

    // The same again is the same, also when its payload is gone by then; with another payload it is another.
    fs::remove_file(scene.site.path("out/short")).expect("removed");
    name(&scene, "ORDER-8", "out/short", b"short", None).await;
    scene.site.write("out/other", b"other");
    name(&scene, "ORDER-8", "out/other", b"other", None).await;
    let parked = scene.kafka.reader(&scene.name("parked")).take(1).await.remove(0);
    assert_eq!(parked.header("mesh_parked_reason"), "other-content");
    scene.done(4).await;
    assert_eq!(scene.for_bob().len(), 2);
    let (status, log) = relay.stop().await;
    assert!(status.success());
    assert!(!log.contains("canary") && !log.contains("ORDER-"), "{log}");
}

#[tokio::test]
async fn in_transactions_too() {
    let transaction = |scene: &Scene| {
        format!(", transaction = {{ seen = \"{}\", id = \"{}\" }}", scene.name("seen"), scene.number)
    };
    let (scene, relay) = running_with(transaction).await;
    scene.put("long", &[7; 200_000]).await;
    let came = scene.kafka.reader(&scene.name("inbound")).take(1).await.remove(0);
    assert_eq!((came.value.as_deref(), came.header("mesh_data_size")), (Some(b"".as_slice()), "200000"));
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_reference_that_cannot_be_followed_is_parked_and_the_topic_goes_on() {
    let (scene, relay) = running().await;
    scene.site.write("out/good", b"payload");
    scene.site.write("elsewhere/canary", b"payload");
    name(&scene, "outside", "elsewhere/canary", b"payload", None).await;
    name(&scene, "missing", "out/canary", b"payload", None).await;
    name(&scene, "hash", "out/good", b"canary!", None).await;
    name(&scene, "both", "out/good", b"payload", Some(b"payload")).await;
    name(&scene, "good", "out/good", b"payload", None).await;
    scene.done(5).await;
    let parked = scene.kafka.reader(&scene.name("parked")).take(4).await;
    for (id, says) in [
        ("outside", "claim_check.read allows"),
        ("missing", "put the payload there before"),
        ("hash", "mesh_data_sha256 says"),
        ("both", "send one of the two"),
    ] {
        let record = parked.iter().find(|record| record.header("ce_id") == id).expect("it is parked");
        assert_eq!(record.header("mesh_parked_reason"), "bad-reference", "{id}");
        let description = record.header("mesh_parked_description");
        assert!(description.contains(says) && !description.contains("canary"), "{id}: {description}");
        assert!(!record.header("mesh_data_ref").is_empty(), "{id} can be mended and sent again");
    }
    assert_eq!(scene.for_bob().len(), 1);
    let (status, log) = relay.stop().await;
    assert!(status.success());
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn a_store_in_trouble_holds_its_own_records_and_no_others() {
    let (scene, relay) = running().await;
    scene.site.write("out/a", b"payload");
    let (out, away) = (scene.site.path("out"), scene.site.path("away"));
    let swap = |from: &std::path::Path, to: &std::path::Path| {
        #[expect(clippy::disallowed_methods, reason = "a volume that goes away and comes back")]
        fs::rename(from, to).expect("renamed");
    };
    swap(&out, &away);
    name(&scene, "held", "out/a", b"payload", None).await;
    eventually("it is held", || relay.log().contains("held for another try")).await;
    // The same partition, behind it.
    let topic = scene.name("outbound");
    scene.kafka.put(&topic, Some("k"), &[TO_BOB[0], TO_BOB[1]], Some(b"other")).await;
    eventually("the other is at MESH", || scene.for_bob().len() == 1).await;
    assert_eq!(scene.for_bob()[0].body(), b"other");
    swap(&away, &out);
    scene.done(2).await;
    assert_eq!(scene.for_bob()[1].body(), b"payload");
    assert!(relay.stop().await.0.success());
}
