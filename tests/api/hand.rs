//! An inbox by hand: for operators, each look recorded.

use relay_testkit::wait::eventually;
use serde_json::json;

use crate::process::{ALICE, BOB};
use crate::scene::{CAROL, OPERATOR, Running, Scene, VIEWER, letter, relay_id};

/// Sends a payload to Carol, whose messages nobody takes, and returns its id at MESH.
async fn waits_for_carol(scene: &Scene, payload: &[u8]) -> String {
    let mut control = letter("HAND");
    CAROL.clone_into(&mut control.to);
    control.allow_chunking = true;
    scene.site.alice.drop_pair("HAND", &control, payload);
    let mut id = String::new();
    eventually("it waits at MESH", || {
        let found = scene.at_mesh(CAROL);
        let found = found.iter().find(|message| message.status == "accepted");
        id = found.map(|message| message.message_id.to_string()).unwrap_or_default();
        !id.is_empty()
    })
    .await;
    id
}

async fn is_recorded(running: &Running, kind: &str, message_id: Option<&str>) {
    let deeds = running.deeds(kind).await;
    assert_eq!(deeds.len(), 1, "{deeds:?}");
    assert_eq!((&deeds[0]["who"], &deeds[0]["mailbox"]), (&json!(OPERATOR), &json!(CAROL)));
    assert_eq!(deeds[0]["message_id"], json!(message_id));
}

#[tokio::test]
async fn a_message_is_listed_looked_into_fetched_and_acknowledged_by_hand() {
    let (scene, running) = Scene::running().await;
    let payload: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let id = waits_for_carol(&scene, &payload).await;
    let operator = running.operator();
    let inbox = format!("/v1/mailboxes/{CAROL}/inbox");
    assert_eq!(operator.ask(&inbox).await, json!({ "messages": [id] }));
    is_recorded(&running, "list-inbox", None).await;

    let item = operator.ask(&format!("{inbox}/{id}")).await;
    assert_eq!((&item["from"], &item["workflow"]), (&json!(ALICE), &json!("TEST_WORKFLOW")), "{item}");
    assert_eq!((&item["local_id"], &item["subject"]), (&json!("HAND"), &json!("Invented")));
    assert_eq!(item["report"], false);
    is_recorded(&running, "look-into", Some(&id)).await;

    let fetched = operator.get(&format!("{inbox}/{id}/payload")).await;
    assert_eq!(fetched.status, 200);
    assert!(fetched.body == payload, "byte for byte");
    assert_eq!(fetched.header("content-type"), "application/octet-stream");
    assert!(fetched.header("content-disposition").starts_with("attachment"));
    assert!(fetched.header("content-security-policy").contains("sandbox"), "it is never run");
    assert_eq!(fetched.header("x-content-type-options"), "nosniff");
    is_recorded(&running, "fetch", Some(&id)).await;
    assert_eq!(scene.at_mesh(CAROL)[0].status, "accepted", "fetching leaves it there");

    let path = format!("{inbox}/{id}/acknowledge");
    operator.post(&path, &json!({})).await.good(200);
    is_recorded(&running, "acknowledge", Some(&id)).await;
    assert_eq!(scene.at_mesh(CAROL)[0].status, "acknowledged");
    assert_eq!(operator.ask(&inbox).await, json!({ "messages": [] }));
    let found = operator.ask(&format!("/v1/messages?q={id}&direction=inbound")).await;
    assert_eq!(found["messages"][0]["state"], "acknowledged", "{found}");
    let whole = operator.ask(&format!("/v1/messages/{}", relay_id(&found["messages"][0]))).await;
    assert!(whole["history"].to_string().contains("on the word of an operator"), "{whole}");
    running.ends_well().await;
}

#[tokio::test]
async fn subjects_and_payloads_are_not_for_those_who_only_look() {
    let (scene, running) = Scene::running().await;
    let id = waits_for_carol(&scene, b"payload").await;
    let inbox = format!("/v1/mailboxes/{CAROL}/inbox");
    for path in
        [inbox.clone(), format!("{inbox}/{id}"), format!("{inbox}/{id}/payload"), "/v1/deeds".to_owned()]
    {
        running.as_(VIEWER).get(&path).await.refused(403, "not-allowed");
        running.nobody().get(&path).await.refused(401, "sign-in-needed");
    }
    let acknowledge = format!("{inbox}/{id}/acknowledge");
    running.as_(VIEWER).post(&acknowledge, &json!({})).await.refused(403, "not-allowed");
    running.nobody().post(&acknowledge, &json!({})).await.refused(401, "sign-in-needed");
    assert_eq!(scene.at_mesh(CAROL)[0].status, "accepted");
    for kind in ["list-inbox", "look-into", "fetch", "acknowledge"] {
        assert!(running.deeds(kind).await.is_empty(), "{kind}");
    }
    running.ends_well().await;
}

#[tokio::test]
async fn what_is_not_in_an_inbox_is_told() {
    let (_scene, running) = Scene::running().await;
    let operator = running.operator();
    for path in [
        format!("/v1/mailboxes/{BOB}/inbox/20200101000000000000_0A1B2C"),
        format!("/v1/mailboxes/{BOB}/inbox/20200101000000000000_0A1B2C/payload"),
        format!("/v1/mailboxes/{BOB}/inbox/..%2F..%2Fetc"),
        "/v1/mailboxes/X26ABC9/inbox".to_owned(),
        "/v1/mailboxes/%2e%2e/inbox".to_owned(),
    ] {
        operator.get(&path).await.refused(404, "not-found");
    }
    let path = format!("/v1/mailboxes/{BOB}/inbox/20200101000000000000_0A1B2C/acknowledge");
    operator.post(&path, &json!({})).await.refused(404, "not-found");
    running.ends_well().await;
}
