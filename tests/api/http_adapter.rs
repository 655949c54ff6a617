//! An adapter of kind `http`: a program hands a message in, and another one is called with it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use mesh_sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::process::{ALICE, BOB, Site};
use crate::scene::{CAROL, OPERATOR, SENDER, Scene, console_section, hand_in, until};

/// What webhooks are signed with.
const SECRET: &str = "a signing secret of this test alone";

type Calls = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A program that is called.
struct Receiver {
    url: String,
    calls: Calls,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let calls = Calls::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&calls));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, calls }
    }

    fn calls(&self) -> Vec<(HeaderMap, Bytes)> {
        self.calls.lock().expect("a lock").clone()
    }
}

/// Takes what is signed, and nothing else.
async fn take(State(calls): State<Calls>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_signed(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    calls.lock().expect("a lock").push((headers, body));
    StatusCode::NO_CONTENT
}

/// Whether a call is signed as Standard Webhooks does.
fn is_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(body);
    let signature = Base64::encode_string(&mac.finalize().into_bytes());
    header("webhook-signature").split(' ').any(|given| given == format!("v1,{signature}"))
}

#[tokio::test]
async fn a_message_goes_from_one_program_to_another_and_its_sender_is_told() {
    let (inbox, events) = (Receiver::start().await, Receiver::start().await);
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let mut text = site.configuration(&sandbox.base_url(), "");
    text.truncate(text.find("[[mailbox]]").expect("mailboxes"));
    for mailbox in [ALICE, BOB] {
        text += &format!(
            "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n"
        );
    }
    site.write("webhook.secret", SECRET);
    text += &format!(
        "[[adapter]]\nname = \"laboratory\"\nkind = \"http\"\nmailbox = \"{ALICE}\"\nsubmit = true\n\
         events = {{ url = \"{}\", secret = {{ file = \"webhook.secret\" }} }}\n\
         [[adapter]]\nname = \"ward\"\nkind = \"http\"\nmailbox = \"{BOB}\"\n\
         inbound = {{ url = \"{}\", secret = {{ file = \"webhook.secret\" }} }}\n",
        events.url, inbox.url
    );
    text += &console_section(&site, "");
    site.write("relay.toml", text);
    let scene = Scene { sandbox, site };
    let running = scene.run().await;

    let headers = [
        ("idempotency-key", "order-1"),
        ("mex-from", ALICE),
        ("mex-to", BOB),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-localid", "order-1"),
        ("mex-subject", "Result"),
        ("content-type", "application/hl7-v2"),
    ];
    let sender = running.as_(SENDER);
    let answer = hand_in(&sender, &headers, b"payload").await;
    let taken = answer.good(202);
    assert_eq!(taken["state"], "accepted");
    let location = format!("/v1/messages/{}", taken["relay_id"].as_str().expect("an id"));
    assert_eq!(answer.header("location"), location);
    assert_eq!(running.nobody().ask(&location).await["message"]["message_id"], taken["message_id"]);

    until("the other program has it", async || !inbox.calls().is_empty()).await;
    until("the sender is told", async || told(&events).contains(&"accepted".to_owned())).await;
    let (headers_got, body) = inbox.calls()[0].clone();
    assert_eq!(&body[..], b"payload");
    for (name, value) in [
        ("mex-from", ALICE),
        ("mex-to", BOB),
        ("mex-localid", "order-1"),
        ("mex-subject", "Result"),
        ("mex-messageid", taken["message_id"].as_str().expect("an id")),
        ("content-type", "application/hl7-v2"),
    ] {
        assert_eq!(headers_got.get(name).and_then(|value| value.to_str().ok()), Some(value), "{name}");
    }
    let (event_headers, event) = events.calls().last().expect("an event").clone();
    assert_eq!(event_headers["content-type"], "application/cloudevents+json");
    let event: Value = serde_json::from_slice(&event).expect("JSON");
    assert_eq!(
        (&event["subject"], &event["data"]["mesh_message_id"]),
        (&taken["relay_id"], &taken["message_id"])
    );

    // However often it is repeated, it is the same message.
    assert_eq!(sender.call("POST", "/v1/messages", &headers, "payload").await.good(202), taken);
    let mut other = headers;
    other[5].1 = "Another";
    sender.call("POST", "/v1/messages", &other, "payload").await.refused(422, "other-content");
    // The key is the caller's own.
    let operators = running.operator().call("POST", "/v1/messages", &headers, "payload").await.good(202);
    assert_ne!(operators["relay_id"], taken["relay_id"]);
    until("the second one is delivered", async || inbox.calls().len() == 2).await;
    assert_eq!(scene.at_mesh(BOB).len(), 2);
    let deeds = running.deeds("submit").await;
    assert!(deeds.iter().all(|deed| deed["who"] == OPERATOR) && deeds.len() == 1, "{deeds:?}");
    running.ends_well().await;
}

/// The states that events told of.
fn told(events: &Receiver) -> Vec<String> {
    let state = |(_, body): &(HeaderMap, Bytes)| {
        let event: Value = serde_json::from_slice(body).expect("JSON");
        event["data"]["state"].as_str().expect("a state").to_owned()
    };
    events.calls().iter().map(state).collect()
}

#[tokio::test]
async fn a_person_hands_a_message_in_for_a_mailbox_without_such_an_adapter() {
    let (scene, running) = Scene::running().await;
    let headers = [
        ("idempotency-key", "by-hand"),
        ("mex-from", CAROL),
        ("mex-to", BOB),
        ("mex-workflowid", "TEST_WORKFLOW"),
    ];
    let sender = running.as_(SENDER);
    let taken = hand_in(&sender, &headers, b"payload").await.good(202);
    assert_eq!(sender.call("POST", "/v1/messages", &headers, "payload").await.good(202), taken);
    until("it is delivered", async || scene.site.bob.received() == [b"payload".to_vec()]).await;
    assert_eq!(scene.at_mesh(BOB).len(), 1);
    // Also after a start of the relay.
    running.ends_well().await;
    let running = scene.run().await;
    let again = hand_in(&running.as_(SENDER), &headers, b"payload").await.good(202);
    assert_eq!(again, taken);
    assert_eq!(scene.at_mesh(BOB).len(), 1);
    running.ends_well().await;
}
