//! Pauses last until somebody ends them, over a start, too.

use relay_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::scene::{OPERATOR, Scene};

async fn paused(running: &crate::scene::Running, list: &str, name: &str) -> Value {
    let all = running.nobody().ask(&format!("/v1/{list}")).await;
    let key = if list == "mailboxes" { "id" } else { "name" };
    let one = all[list].as_array().expect("a list").iter().find(|one| one[key] == name).cloned();
    one.expect("it is there")["paused"].clone()
}

#[tokio::test]
async fn a_paused_mailbox_sends_nothing_over_a_start_until_it_is_resumed() {
    let (scene, running) = Scene::running().await;
    let why = json!({ "reason": "the ward moves" });
    let done = running.operator().post("/v1/mailboxes/X26ABC1/pause", &why).await.good(200);
    assert_eq!(done["done"], "mailbox X26ABC1 is paused; what is under way is finished");
    scene.drop_pair("WAITS", b"payload");
    let waits = running.in_state("WAITS", "received").await;
    running.ends_well().await;

    let running = scene.run().await;
    let words = paused(&running, "mailboxes", "X26ABC1").await;
    let words = words.as_str().expect("it is still paused");
    assert!(words.contains(OPERATOR) && words.contains("the ward moves"), "{words}");
    assert_eq!(paused(&running, "mailboxes", "X26ABC2").await, Value::Null);
    // Others go on: what Bob's side is asked for is answered after the start.
    scene.site.bob.drop_pair(
        "REPLY",
        &relay_testkit::pairs::Control::new("X26ABC2", "X26ABC2"),
        b"to himself",
    );
    eventually("Bob's is carried", || scene.site.bob.received() == [b"to himself".to_vec()]).await;
    assert_eq!(scene.at_mesh("X26ABC2").len(), 1, "nothing of Alice's was sent");
    assert_eq!(running.in_state("WAITS", "received").await["relay_id"], waits["relay_id"]);

    let done = running.operator().post("/v1/mailboxes/X26ABC1/resume", &json!({})).await.good(200);
    assert_eq!(done["done"], "mailbox X26ABC1 goes on");
    running.in_state("WAITS", "accepted").await;
    eventually("it is delivered", || scene.site.bob.controls("IN") == 2).await;
    assert_eq!(scene.at_mesh("X26ABC2").len(), 2, "once");
    assert_eq!(paused(&running, "mailboxes", "X26ABC1").await, Value::Null);
    let done = running.operator().post("/v1/mailboxes/X26ABC1/resume", &json!({})).await.good(200);
    assert_eq!(done["done"], "mailbox X26ABC1 was not paused");
    assert!(running.deeds("pause").await.iter().all(|deed| deed["who"] == OPERATOR));
    running.ends_well().await;
}

#[tokio::test]
async fn a_paused_adapter_is_given_nothing_over_a_start_until_it_is_resumed() {
    let (scene, running) = Scene::running().await;
    running.operator().post("/v1/adapters/bob/pause", &json!({})).await.good(200);
    running.ends_well().await;

    let running = scene.run().await;
    assert!(paused(&running, "adapters", "bob").await.is_string());
    scene.drop_pair("HELD", b"payload");
    running.in_state("HELD", "accepted").await;
    assert_eq!(scene.site.bob.controls("IN"), 0);
    running.operator().post("/v1/adapters/bob/resume", &json!({})).await.good(200);
    eventually("it is delivered", || scene.site.bob.received() == [b"payload".to_vec()]).await;
    running.ends_well().await;
}

#[tokio::test]
async fn what_is_not_here_cannot_be_paused() {
    let (_scene, running) = Scene::running().await;
    let operator = running.operator();
    for path in [
        "/v1/mailboxes/X26ABC9/pause",
        "/v1/mailboxes/X26ABC9/resume",
        "/v1/adapters/carol/pause",
        "/v1/adapters/%00/resume",
    ] {
        operator.post(path, &json!({})).await.refused(404, "not-found");
    }
    let long = json!({ "reason": "x".repeat(501) });
    operator.post("/v1/mailboxes/X26ABC1/pause", &long).await.refused(400, "bad-request");
    assert!(running.deeds("pause").await.is_empty(), "nothing was done");
    running.ends_well().await;
}
