//! Payloads by reference, through a folder.

use std::fs;

use relay_testkit::wait::eventually;
use sha2::{Digest, Sha256};

use crate::process::Relay;
use crate::scene::{Scene, TO_BOB};

const ALICE_CLAIMS: &str = "claim_check = { read = [\"out\"], size_max = \"5MB\" }";
const BOB_CLAIMS: &str = "claim_check = { write = \"in\", inline_max = \"100KB\" }";

/// Alice may name what lies in `out`; what is long for Bob comes to `in`.
async fn running() -> (Scene, Relay) {
    let scene = Scene::new().await;
    for folder in ["out", "in", "elsewhere"] {
        fs::create_dir(scene.site.path(folder)).expect("a folder");
    }
    scene.configure_with(&scene.sandbox.base_url(), true, ALICE_CLAIMS, BOB_CLAIMS);
    // Each adapter makes its own; a test that looks into a queue must not be there first.
    for name in [&scene.inbound, &scene.parked] {
        scene.broker.exchange(name).await;
        scene.broker.queue(name).await;
        scene.broker.bind(name, name).await;
    }
    let relay = scene.site.run().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    (scene, relay)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn reference(scene: &Scene, name: &str) -> String {
    let folder = scene.site.folder.path().canonicalize().expect("a folder");
    format!("file://{}/{name}", folder.display())
}

/// What a message says that names a payload.
fn naming(reference: &str, sha256: &str, size: &str) -> Vec<(&'static str, String)> {
    let claim = [("mesh_data_ref", reference), ("mesh_data_sha256", sha256), ("mesh_data_size", size)];
    TO_BOB.into_iter().chain(claim).map(|(name, value)| (name, value.to_owned())).collect()
}

async fn put(scene: &Scene, id: &str, headers: &[(&str, String)], body: &[u8]) {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    scene.broker.put(&scene.outbound, id, &headers, body).await;
}

#[tokio::test]
async fn a_payload_goes_by_reference_from_a_folder_and_comes_by_reference_into_one() {
    let (scene, relay) = running().await;
    // Longer than the queue would let through.
    let payload: Vec<u8> =
        (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    scene.site.write("out/canary.bin", &payload);
    let headers = naming(&reference(&scene, "out/canary.bin"), &sha256(&payload), "3000000");
    put(&scene, "ORDER-7", &headers, b"").await;

    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert!(came.body.is_empty());
    assert_eq!(came.header("mesh_size"), "3000000");
    // As a consumer does it.
    let file = came.header("mesh_data_ref").strip_prefix("file://").expect("a file's URL").to_owned();
    let found = fs::read(&file).expect("the payload");
    assert_eq!(came.header("mesh_data_size"), found.len().to_string());
    assert_eq!(came.header("mesh_data_sha256"), sha256(&found));
    assert!(found == payload);
    let expected = reference(&scene, &format!("in/X26ABC2/{}", came.message_id()));
    assert_eq!(came.header("mesh_data_ref"), expected);

    // What is short is carried, on either way.
    let headers = naming(&reference(&scene, "out/short"), &sha256(b"short"), "5");
    scene.site.write("out/short", b"short");
    put(&scene, "ORDER-8", &headers, b"").await;
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!((came.body.as_slice(), came.header("mesh_data_ref").as_str()), (b"short".as_slice(), ""));

    // The same again is the same, also when its payload is gone by then; with another payload it is another.
    fs::remove_file(scene.site.path("out/short")).expect("removed");
    put(&scene, "ORDER-8", &headers, b"").await;
    scene.site.write("out/other", b"other");
    let other = naming(&reference(&scene, "out/other"), &sha256(b"other"), "5");
    put(&scene, "ORDER-8", &other, b"").await;
    let parked = scene.broker.take_all(&scene.parked, 1).await.remove(0);
    assert_eq!(parked.header("mesh_parked_reason"), "other-content");
    assert_eq!(scene.for_bob().len(), 2);
    let (status, log) = relay.stop().await;
    assert!(status.success());
    assert!(!log.contains("canary") && !log.contains("ORDER-"), "{log}");
}

#[tokio::test]
async fn a_reference_that_cannot_be_followed_is_parked_and_the_queue_goes_on() {
    let (scene, relay) = running().await;
    scene.site.write("out/good", b"payload");
    scene.site.write("elsewhere/canary", b"payload");
    scene.site.write("out/large", vec![1; 5_000_001]);
    std::os::unix::fs::symlink(scene.site.path("elsewhere"), scene.site.path("out/link")).expect("a link");
    let hash = sha256(b"payload");
    let at = |name: &str| reference(&scene, name);
    let good = at("out/good");
    let cases = [
        ("outside", naming(&at("elsewhere/canary"), &hash, "7"), "bad-reference", "claim_check.read allows"),
        ("up", naming(&at("out/../elsewhere/canary"), &hash, "7"), "bad-reference", "goes up"),
        ("link", naming(&at("out/link/canary"), &hash, "7"), "bad-reference", "through a link"),
        ("http", naming("http://127.0.0.1/canary", &hash, "7"), "bad-reference", "is no URL such as"),
        ("missing", naming(&at("out/canary"), &hash, "7"), "bad-reference", "put the payload there before"),
        ("hash", naming(&good, &sha256(b"canary"), "7"), "bad-reference", "mesh_data_sha256 says"),
        ("size", naming(&good, &hash, "8"), "bad-reference", "mesh_data_size says"),
        ("number", naming(&good, &hash, "seven"), "bad-reference", "whole number"),
        ("large", naming(&at("out/large"), &hash, "5000001"), "too-large", "claim_check.size_max"),
        ("half", naming(&good, &hash, "7")[..4].to_vec(), "bad-reference", "all three"),
    ];
    for (id, headers, ..) in &cases {
        put(&scene, id, headers, b"").await;
    }
    put(&scene, "both", &naming(&good, &hash, "7"), b"payload").await;
    put(&scene, "good", &naming(&good, &hash.to_uppercase(), "7"), b"").await;

    assert_eq!(scene.broker.take_all(&scene.inbound, 1).await[0].body, b"payload");
    let parked = scene.broker.take_all(&scene.parked, cases.len() + 1).await;
    let both = ("both", "bad-reference", "send one of the two");
    for (id, reason, says) in cases.iter().map(|(id, _, reason, says)| (*id, *reason, *says)).chain([both]) {
        let message = parked.iter().find(|message| message.message_id() == id).expect("it is parked");
        assert_eq!(message.header("mesh_parked_reason"), reason, "{id}");
        let description = message.header("mesh_parked_description");
        assert!(description.contains(says) && !description.contains("canary"), "{id}: {description}");
        assert!(!message.header("mesh_data_ref").is_empty(), "{id} can be mended and sent again");
    }
    assert_eq!(scene.for_bob().len(), 1);
    let (status, log) = relay.stop().await;
    assert!(status.success());
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn without_a_place_that_is_allowed_the_message_says_how_to_allow_one() {
    let (scene, relay) = Scene::running().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    put(&scene, "A", &naming("s3://bucket/a", &sha256(b"a"), "1"), b"").await;
    let parked = scene.broker.take_all(&scene.parked, 1).await.remove(0);
    assert_eq!(parked.header("mesh_parked_reason"), "bad-reference");
    assert!(parked.header("mesh_parked_description").contains("the adapter's claim_check.read"));
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_store_in_trouble_holds_its_own_messages_and_no_others() {
    let (scene, relay) = running().await;
    scene.site.write("out/a", b"payload");
    let (out, away) = (scene.site.path("out"), scene.site.path("away"));
    let swap = |from: &std::path::Path, to: &std::path::Path| {
        #[expect(clippy::disallowed_methods, reason = "a volume that goes away and comes back")]
        fs::rename(from, to).expect("renamed");
    };
    swap(&out, &away);
    let in_order = [("mesh_order_key", "patient-7".to_owned())];
    let held = naming(&reference(&scene, "out/a"), &sha256(b"payload"), "7");
    put(&scene, "held", &[&held[..], &in_order].concat(), b"").await;
    eventually("it is held", || relay.log().contains("held for another try")).await;
    let headers: Vec<_> = TO_BOB.map(|(name, value)| (name, value.to_owned())).into();
    put(&scene, "behind", &[&headers[..], &in_order].concat(), b"behind").await;
    scene.put("other", b"other").await;
    assert_eq!(scene.broker.take_all(&scene.inbound, 1).await[0].body, b"other");
    assert_eq!(scene.broker.ready(&scene.parked).await, 0);
    assert_eq!(scene.for_bob().len(), 1);
    swap(&away, &out);
    let came = scene.broker.take_all(&scene.inbound, 2).await;
    let sent: Vec<String> = scene.for_bob().iter().map(|message| message.message_id.to_string()).collect();
    let body = |id: &String| {
        came.iter().find(|message| message.message_id() == *id).map(|message| &message.body[..])
    };
    assert_eq!([body(&sent[1]), body(&sent[2])], [Some(b"payload".as_slice()), Some(b"behind")]);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn what_the_folder_does_not_take_stays_at_mesh_until_it_does() {
    let (scene, relay) = running().await;
    let gone = scene.site.path("in");
    fs::remove_dir(&gone).expect("removed");
    scene.put("A", &vec![7; 200_000]).await;
    eventually("the relay says what is wrong", || relay.log().contains("is its volume mounted?")).await;
    assert_eq!(scene.for_bob()[0].status, "accepted");
    fs::create_dir(&gone).expect("a folder");
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!((came.body.len(), came.header("mesh_data_size").as_str()), (0, "200000"));
    eventually("MESH is told", || scene.for_bob()[0].status == "acknowledged").await;
    assert!(relay.stop().await.0.success());
}
