//! Metrics before and after messages went by.

use mesh_sandbox::{Call, Effect};
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB};
use crate::scene::{Scene, until};
use crate::scrape::Scrape;

const PAIRS: usize = 5;

#[tokio::test]
async fn what_is_counted_adds_up_with_what_happened() {
    let scene = Scene::new().await;
    // A doubt is left to a person.
    let text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("the configuration");
    scene.site.write("relay.toml", text.replace("[send]\n", "[send]\nin_doubt = \"park\"\n"));
    let running = scene.run().await;
    let nobody = running.nobody();
    until("how things stand was read", async || {
        Scrape::of(&nobody).await.count("mesh_relay_states_read_seconds", &[]) > 0.0
    })
    .await;
    let before = Scrape::of(&nobody).await;
    assert_eq!(before.sum("mesh_relay_messages_total", &[]), None, "nothing has ended");
    for (name, labels) in [
        ("mesh_relay_in_flight", &[("direction", "outbound"), ("mailbox", ALICE)][..]),
        ("mesh_relay_oldest_unsettled_seconds", &[("direction", "inbound"), ("mailbox", BOB)]),
        ("mesh_relay_in_doubt", &[]),
        ("mesh_relay_parked", &[("direction", "outbound")]),
        ("mesh_relay_inbox_backlog", &[("mailbox", BOB)]),
        ("mesh_relay_undelivered_total", &[]),
        ("mesh_relay_journal_errors_total", &[]),
        ("mesh_relay_config_reloads_total", &[("outcome", "refused")]),
    ] {
        assert_eq!(before.sum(name, labels), Some(0.0), "{name} {labels:?}");
    }
    assert_eq!(before.sum("mesh_relay_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    assert!(before.count("process_resident_memory_bytes", &[]) > 1e6);
    assert!(before.count("mesh_relay_journal_disk_free_bytes", &[]) > 0.0);

    let payload = |number: usize| format!("payload {number}").into_bytes();
    let mut bytes = 0;
    for number in 0..PAIRS {
        bytes += payload(number).len();
        scene.drop_pair(&format!("good-{number}"), &payload(number));
    }
    // Nobody has that mailbox.
    let control = Control::new(ALICE, "X26NONE").local_id("bad");
    scene.site.alice.drop_pair("bad", &control, b"to nobody");
    running.in_state("bad", "rejected").await;
    running.received(PAIRS).await;
    // Its answer is lost, and MESH cannot be asked about it.
    scene.fail("no answer", vec![Call::Send], Effect::LoseAnswer, Some(1));
    scene.drop_pair("doubtful", b"in doubt");
    eventually("the doubt is over", || scene.site.outbound("parked") + scene.site.outbound("accepted") > 5)
        .await;

    let outcome = |scrape: &Scrape, direction, outcome| {
        scrape.count("mesh_relay_messages_total", &[("direction", direction), ("outcome", outcome)])
    };
    let ended = |scrape: &Scrape| scrape.count("mesh_relay_messages_total", &[("direction", "outbound")]);
    until("all are counted", async || ended(&Scrape::of(&nobody).await) as usize == PAIRS + 2).await;
    running.received(scene.at_mesh(BOB).len()).await;
    until("nothing is in flight", async || {
        let scrape = Scrape::of(&nobody).await;
        scrape.count("mesh_relay_in_flight", &[]) == 0.0
            && scrape.count("mesh_relay_mailbox_last_handshake_seconds", &[("mailbox", ALICE)]) > 0.0
            && scrape.count("mesh_relay_parked", &[]) == outcome(&scrape, "outbound", "parked")
    })
    .await;
    let after = Scrape::of(&nobody).await;
    // By adapter, and with the journal and MESH themselves.
    let accepted = outcome(&after, "outbound", "accepted");
    let by_alice = [("direction", "outbound"), ("adapter", "alice"), ("outcome", "accepted")];
    assert_eq!(after.sum("mesh_relay_messages_total", &by_alice), Some(accepted));
    assert_eq!(outcome(&after, "outbound", "rejected"), 1.0);
    assert_eq!(accepted + outcome(&after, "outbound", "parked"), (PAIRS + 1) as f64);
    assert_eq!(outcome(&after, "inbound", "delivered") as usize, scene.at_mesh(BOB).len());
    assert_eq!(outcome(&after, "inbound", "delivered") as usize, scene.site.bob.received().len());
    assert!(after.count("mesh_relay_payload_bytes_total", &[("direction", "outbound")]) as usize >= bytes);
    assert!(after.count("mesh_relay_payload_bytes_total", &[("direction", "inbound")]) as usize >= bytes);
    // Calls and commits were timed, and each series of a histogram says the same number.
    let sends = after.count("mesh_relay_mesh_request_seconds_count", &[("call", "send"), ("status", "ok")]);
    assert_eq!(sends as usize, PAIRS);
    assert_eq!(
        after.count(
            "mesh_relay_mesh_request_seconds_bucket",
            &[("call", "send"), ("status", "ok"), ("le", "+Inf")]
        ),
        sends
    );
    assert!(
        after.count("mesh_relay_mesh_request_seconds_count", &[("call", "send"), ("status", "refused")])
            >= 1.0
    );
    let commits = after.count("mesh_relay_journal_commit_seconds_count", &[]);
    assert!(commits > 0.0 && after.count("mesh_relay_journal_batch_size_sum", &[]) >= commits);
    for metric in after.metrics().keys() {
        assert!(after.help.contains_key(metric), "{metric} says what it means");
        assert!(after.kinds.contains_key(metric), "{metric} says what it is");
    }
    // Nothing of a message is in any of it.
    let text = nobody.get("/metrics").await.text();
    for private in ["good-", "doubtful", "payload ", "X26NONE", "TEST_WORKFLOW", ".dat", ".ctl"] {
        assert!(!text.contains(private), "{private} in {text}");
    }
    running.ends_well().await;
}
