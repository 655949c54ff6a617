//! What an operator may do about a message is done, once, and its deed has their name.

use mesh_sandbox::{Call, Effect, Page};
use relay_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::process::BOB;
use crate::scene::{OPERATOR, Running, Scene, relay_id};

async fn act(running: &Running, message: &Value, action: &str, why: Value) -> crate::caller::Answer {
    running.operator().post(&format!("/v1/messages/{}/{action}", relay_id(message)), &why).await
}

/// Whether the one deed of this kind is the operator's, about this message.
async fn did(running: &Running, kind: &str, message: &Value) -> Value {
    let deeds = running.deeds(kind).await;
    assert_eq!(deeds.len(), 1, "{deeds:?}");
    assert_eq!((&deeds[0]["who"], &deeds[0]["relay_id"]), (&json!(OPERATOR), &message["relay_id"]));
    deeds[0].clone()
}

/// A scene in which a message from Alice waits, as her mailbox is paused.
async fn waiting(local_id: &str) -> (Scene, Running, Value) {
    let (scene, running) = Scene::running().await;
    running.operator().post("/v1/mailboxes/X26ABC1/pause", &json!({})).await.good(200);
    scene.drop_pair(local_id, b"payload");
    let message = running.in_state(local_id, "received").await;
    (scene, running, message)
}

#[tokio::test]
async fn what_waits_is_cancelled_and_never_sent() {
    let (scene, running, message) = waiting("CANCELLED").await;
    act(&running, &message, "cancel", json!({})).await.good(200);
    running.in_state("CANCELLED", "cancelled").await;
    let again = act(&running, &message, "cancel", json!({})).await;
    again.refused(409, "not-now");
    // It is the application's to know: the pair leaves OUT while the mailbox is still paused.
    eventually("the pair is in FAILED", || scene.site.alice.controls("FAILED") == 1).await;
    running.operator().post("/v1/mailboxes/X26ABC1/resume", &json!({})).await.good(200);
    scene.carries("NEXT").await;
    let all = running.nobody().ask("/v1/messages?direction=outbound").await;
    assert_eq!(scene.at_mesh(BOB).len(), 1, "only the next one: {all:#}");
    assert_eq!(all["messages"].as_array().map(Vec::len), Some(2), "nor was it taken for another: {all:#}");
    assert_eq!(scene.site.alice.names("FAILED"), ["CANCELLED.ctl", "CANCELLED.dat"]);
    let reports = scene.site.alice.reports();
    assert!(reports.len() == 1 && reports[0].contains("cancelled"), "{reports:?}");
    did(&running, "cancel", &message).await;
    running.ends_well().await;
}

/// Wherever the kill finds it: the decision is in the journal before its answer.
#[tokio::test]
async fn what_was_cancelled_is_not_sent_by_the_next_run() {
    let (scene, mut running, message) = waiting("KILLED").await;
    act(&running, &message, "cancel", json!({})).await.good(200);
    running.relay.kill();
    let running = scene.run().await;
    eventually("the pair is in FAILED", || scene.site.alice.controls("FAILED") == 1).await;
    running.operator().post("/v1/mailboxes/X26ABC1/resume", &json!({})).await.good(200);
    scene.carries("NEXT").await;
    assert_eq!(scene.at_mesh(BOB).len(), 1, "only the next one");
    assert_eq!(scene.site.alice.reports().len(), 1, "its sender is told once");
    running.ends_well().await;
}

#[tokio::test]
async fn what_waits_is_parked_with_its_reason_and_can_be_sent_again() {
    let (scene, running, message) = waiting("PARKED").await;
    act(&running, &message, "park", json!({ "reason": "the ward asks for it back" })).await.good(200);
    let parked = running.in_state("PARKED", "parked").await;
    let deed = did(&running, "park", &message).await;
    assert_eq!(deed["note"], "the ward asks for it back");
    let whole = running.nobody().ask(&format!("/v1/messages/{}", relay_id(&parked))).await;
    let last = whole["history"].as_array().and_then(|history| history.last()).expect("a change");
    let words = last["words"].as_str().expect("words");
    // Why stands with the deed, which is for operators.
    assert_eq!(words, "Parked by an operator.");
    assert_eq!(whole["deeds"].as_array().map(Vec::len), Some(0));
    running.operator().post("/v1/mailboxes/X26ABC1/resume", &json!({})).await.good(200);
    running.message("PARKED", "settled", |message| message["settled_at"].is_string()).await;
    act(&running, &parked, "resend", json!({})).await.good(200);
    running.in_state("PARKED", "accepted").await;
    assert_eq!(scene.at_mesh(BOB).len(), 1);
    did(&running, "resend", &message).await;
    running.ends_well().await;
}

#[tokio::test]
async fn what_was_sent_is_sent_once_more_as_another_message() {
    let (scene, running) = Scene::running().await;
    scene.drop_pair("TWICE", b"payload");
    let sent = running.message("TWICE", "settled", |message| {
        message["state"] == "accepted" && message["settled_at"].is_string()
    });
    let sent = sent.await;
    act(&running, &sent, "resend", json!({})).await.good(200);
    let again = running
        .message("TWICE", "sent again", |message| {
            message["relay_id"] != sent["relay_id"] && message["state"] == "accepted"
        })
        .await;
    assert_ne!(again["message_id"], sent["message_id"]);
    assert_eq!(scene.at_mesh(BOB).len(), 2, "once more, and no oftener");
    eventually("both are delivered", || scene.site.bob.received() == [b"payload", b"payload"]).await;
    did(&running, "resend", &sent).await;
    for action in ["park", "cancel", "send-again", "arrived"] {
        let why = json!({ "message_id": sent["message_id"] });
        act(&running, &sent, action, why).await.refused(409, "not-now");
    }
    running.ends_well().await;
}

/// A scene in which MESH took a message, its answer was lost, and the relay does not ask MESH by itself for a while.
async fn in_doubt(local_id: &str) -> (Scene, Running, Value) {
    let scene = Scene::new().await;
    let text = std::fs::read_to_string(scene.site.path("relay.toml")).expect("a configuration");
    scene.site.write("relay.toml", text.replace("doubt_wait = \"300ms\"", "doubt_wait = \"30m\""));
    let running = scene.run().await;
    scene.fail("lost", vec![Call::Send], Effect::LoseAnswer, Some(1));
    scene.drop_pair(local_id, b"payload");
    let message = running.in_state(local_id, "in_doubt").await;
    assert_eq!(scene.at_mesh(BOB).len(), 1, "MESH has it");
    (scene, running, message)
}

#[tokio::test]
async fn a_doubt_is_settled_by_the_id_that_mesh_gave() {
    let (scene, running, message) = in_doubt("DOUBT").await;
    let id = scene.at_mesh(BOB)[0].message_id.to_string();
    act(&running, &message, "arrived", json!({})).await.refused(400, "bad-request");
    act(&running, &message, "cancel", json!({})).await.refused(409, "not-now");
    let unknown = json!({ "message_id": "20200101000000000000_0A1B2C" });
    act(&running, &message, "arrived", unknown).await.refused(409, "not-now");
    // While MESH cannot be asked nobody is believed.
    let status = Effect::Status { status: 503, retry_after_seconds: None, body: Page::Mesh };
    scene.fail("deaf", vec![Call::Track], status, None);
    let why = json!({ "message_id": id });
    act(&running, &message, "arrived", why.clone()).await.refused(503, "unavailable");
    scene.mend("deaf");
    assert_eq!(running.in_state("DOUBT", "in_doubt").await["message_id"], Value::Null);
    assert!(running.deeds("arrived").await.is_empty(), "nothing was done so far");
    act(&running, &message, "arrived", why).await.good(200);
    let settled = running.in_state("DOUBT", "accepted").await;
    assert_eq!(settled["message_id"], id);
    assert_eq!(did(&running, "arrived", &message).await["message_id"], id);
    assert_eq!(scene.at_mesh(BOB).len(), 1, "nothing was sent twice");
    running.ends_well().await;
}

#[tokio::test]
async fn a_doubt_is_settled_by_sending_it_again_marked_as_a_possible_duplicate() {
    let (scene, running, message) = in_doubt("AGAIN").await;
    act(&running, &message, "send-again", json!({})).await.good(200);
    running.in_state("AGAIN", "accepted").await;
    assert_eq!(scene.at_mesh(BOB).len(), 2, "as the person asked for");
    did(&running, "send-again", &message).await;
    let whole = running.nobody().ask(&format!("/v1/messages/{}", relay_id(&message))).await;
    let history = whole["history"].as_array().expect("a history");
    let words: String = history.iter().filter_map(|entry| entry["words"].as_str()).collect();
    assert!(words.contains("twice") && words.contains("An operator says that it did not arrive"), "{words}");
    running.ends_well().await;
}

#[tokio::test]
async fn an_action_on_nothing_is_refused() {
    let (_scene, running) = Scene::running().await;
    let operator = running.operator();
    for (path, status, kind) in [
        ("/v1/messages/00000000-0000-0000-0000-000000000000/park", 404, "not-found"),
        ("/v1/messages/rubbish/park", 404, "not-found"),
        ("/v1/messages/00000000-0000-0000-0000-000000000000/explode", 404, "not-found"),
    ] {
        operator.post(path, &json!({})).await.refused(status, kind);
    }
    let path = "/v1/messages/00000000-0000-0000-0000-000000000000/park";
    for (kind, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "5", 422),
        ("application/json", "{\"reason\": 5}", 422),
        ("text/plain", "{}", 415),
    ] {
        let answer = operator.call("POST", path, &[("content-type", kind)], body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let large = format!("{{\"reason\": \"{}\"}}", "x".repeat(100 * 1024));
    let answer = operator.call("POST", path, &[("content-type", "application/json")], large).await;
    assert_eq!(answer.status, 413);
    running.ends_well().await;
}
