//! Rules, clock and mailboxes over HTTP do what the library calls do.

use jiff::SignedDuration;
use mesh_sandbox::Rule;
use serde_json::{Value, json};

use super::{noon, strict};
use crate::{ONE, Server, TWO, V2, mailbox};

/// A control call's status and body.
async fn control(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let got = server.json(method, path, body).await;
    (got.status, got.json())
}

/// The sentence that refuses a control call.
async fn refused(server: &Server, method: &str, path: &str, body: &str) -> String {
    let got = server.open(method, path, &[], body.as_bytes()).await;
    assert_eq!(got.status, 400, "{body}");
    got.json()["error"].as_str().expect("a sentence").to_owned()
}

#[tokio::test]
async fn rules_are_switched_over_http() {
    let server = Server::start().await;
    let (status, rules) = control(&server, "GET", "/sandbox/rules", &json!({})).await;
    let rules = rules.as_object().expect("rules").clone();
    assert_eq!((status, rules.len(), rules.values().all(|on| on == false)), (200, 16, true));
    let switched = json!({"read-once": true, "inbox-expiry": true});
    let (status, rules) = control(&server, "PUT", "/sandbox/rules", &switched).await;
    assert_eq!((status, &rules["read-once"], &rules["deletion"]), (200, &json!(true), &json!(false)));
    assert!(server.sandbox.rules().hold(Rule::ReadOnce) && server.sandbox.rules().hold(Rule::InboxExpiry));

    let id = server.send(&[], b"x").await;
    server.acknowledge(TWO, &id, &[]).await;
    assert_eq!(server.get(&format!("{TWO}/inbox/{id}"), &[]).await.status, 410);
    control(&server, "PUT", "/sandbox/rules", &json!({"read-once": false})).await;
    assert_eq!(server.get(&format!("{TWO}/inbox/{id}"), &[]).await.status, 200);
    server.sandbox.rules().switch(Rule::ReadOnce, true);
    assert_eq!(server.get(&format!("{TWO}/inbox/{id}"), &[]).await.status, 410, "the library's way");
}

#[tokio::test]
async fn rules_that_cannot_be_are_refused_with_a_sentence_and_switch_nothing() {
    let server = Server::start().await;
    let text = refused(&server, "PUT", "/sandbox/rules", r#"{"deletion": true, "read-twice": true}"#).await;
    assert!(text.starts_with("there is no rule \"read-twice\"; the rules are token-replay, "), "{text}");
    let text = refused(&server, "PUT", "/sandbox/rules", r#"{"deletion": true, "read-once": "on"}"#).await;
    assert_eq!(text, "`read-once` is neither true nor false");
    for body in ["", "deletion", "[\"deletion\"]", "{\"deletion\": true"] {
        let text = refused(&server, "PUT", "/sandbox/rules", body).await;
        assert!(text.starts_with("the body is not a JSON object; send one"), "{text}");
    }
    assert!(Rule::ALL.into_iter().all(|rule| !server.sandbox.rules().hold(rule)));
}

#[tokio::test]
async fn the_clock_is_moved_over_http() {
    let server = strict().await;
    let id = server.send(&[], b"x").await;
    let (status, clock) = control(&server, "POST", "/sandbox/clock", &json!({"advance": "5 days"})).await;
    assert_eq!((status, &clock), (200, &json!({"now": "2026-04-03T12:00:00Z", "ahead_seconds": 432_000})));
    assert_eq!(server.clock.now(), noon() + SignedDuration::from_hours(120));
    assert_eq!(server.track(&id, V2).await.json()["status"], json!("undeliverable"));
    assert_eq!((server.inbox(TWO).await.len(), server.inbox(ONE).await.len()), (0, 1));

    control(&server, "POST", "/sandbox/clock", &json!({"advance": "P1DT1H"})).await;
    server.sandbox.advance(SignedDuration::from_mins(30)).expect("the library's way");
    let (_, clock) = control(&server, "GET", "/sandbox/clock", &json!({})).await;
    assert_eq!(clock, json!({"now": "2026-04-04T13:30:00Z", "ahead_seconds": 523_800}));
}

#[tokio::test]
async fn moves_that_cannot_be_are_refused_with_a_sentence_and_move_nothing() {
    let server = strict().await;
    for (body, words) in [
        (r#"{"advance": "a while"}"#, "`advance` is no duration; write one such as \"90 minutes\""),
        (r#"{"advance": 5}"#, "`advance` is no duration"),
        ("{}", "`advance` is no duration"),
        (r#"{"advance": "0 days"}"#, "a clock is moved forward only; give a duration above zero"),
        (r#"{"advance": "-1 hour"}"#, "a clock is moved forward only"),
        (r#"{"advance": "4000 days"}"#, "the clock cannot be more than ten years ahead"),
        ("5 days", "the body is not a JSON object; send one, such as {\"advance\": \"5 days\"}"),
    ] {
        let text = refused(&server, "POST", "/sandbox/clock", body).await;
        assert!(text.starts_with(words), "{body}: {text}");
    }
    assert_eq!(server.clock.now(), noon());
}

#[tokio::test]
async fn mailboxes_are_switched_over_http() {
    let server = strict().await;
    let path = "/sandbox/mailboxes/x26abc2";
    let (status, all) = control(&server, "PUT", path, &json!({"active": false})).await;
    let states: Vec<_> = all.as_array().expect("mailboxes").iter().map(|state| &state["active"]).collect();
    assert_eq!((status, states), (200, vec![&json!(true), &json!(false), &json!(true)]));
    assert_eq!(server.sandbox.habit(&mailbox(TWO)).active, Some(false));
    assert_eq!(server.get(&format!("{TWO}/inbox"), &[]).await.note(), "rule inactive-mailbox");
    control(&server, "PUT", path, &json!({"active": true})).await;
    assert_eq!(server.get(&format!("{TWO}/inbox"), &[]).await.status, 200);

    assert_eq!(refused(&server, "PUT", path, "{}").await, "`active` is neither true nor false");
    let (status, body) =
        control(&server, "PUT", "/sandbox/mailboxes/X26NONE", &json!({"active": true})).await;
    let text = "there is no such mailbox; GET /sandbox/mailboxes lists them";
    assert_eq!((status, body), (404, json!({"error": text})));
}
