//! Events to a webhook, in order, by the teller that mesh-relay uses.

use http_adapter::EventWebhook;
use relay_core::{
    Envelope, EventSink, KeyReuse, Lease, MeshMailbox, Payload, RelayHandle, SendPolicy, Shutdown, SourceKey,
    SourceMessage, Surroundings, Teller, Terms,
};
use relay_journal::SqliteJournal;
use relay_testkit::scripted::ScriptedMesh;
use relay_testkit::wait::eventually;
use relay_testkit::world::TestChance;
use serde_json::Value;

use super::receiver::Does;
use super::*;

fn message(key: &str) -> SourceMessage {
    let (from, to) = ("X26ABC1".parse().expect("a mailbox"), "X26ABC2".parse().expect("a recipient"));
    SourceMessage {
        key: SourceKey { adapter: "lab".to_owned(), message: format!("ward/{key}") },
        fingerprint: None,
        reply: Some(json!({ "message_id": key }).to_string()),
        trace: relay_core::Trace::default(),
        not_after: None,
        order_key: None,
        envelope: Envelope::new(from, to, "W".parse().expect("a workflow")),
        payload: Payload::from_bytes(&b"result 7"[..]),
        gzip: false,
        allow_chunking: true,
    }
}

#[tokio::test]
async fn events_come_signed_in_order_and_again_until_they_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("a journal");
    let clock = Arc::new(TestClock::default());
    let surroundings =
        Surroundings::new(Arc::new(journal.clone()), clock.clone(), Arc::new(TestChance::default()));
    let mesh: Arc<dyn MeshMailbox> =
        Arc::new(ScriptedMesh::new(&"X26ABC1".parse().expect("a mailbox"), clock.clone()));
    let (_trigger, shutdown) = Shutdown::channel();
    let relay = RelayHandle::new(surroundings.clone(), [mesh], SendPolicy::default(), shutdown)
        .on_terms(Terms { reuse: KeyReuse::Never, tell: true });
    relay.send(message("a")).await.expect("an end");

    let receiver = Receiver::new().await;
    // The first is not taken at first, and no later one may overtake it.
    receiver.then(Does::Answers(503));
    let hook = EventWebhook::new("lab", &events_config(&receiver.url), &secrets(), clock).expect("a webhook");
    let teller = Teller::new(&surroundings, "lab", Arc::new(hook) as Arc<dyn EventSink>);
    let lease = Lease::new(surroundings.journal, "events:lab", "one");
    let (trigger, shutdown) = Shutdown::channel();
    let tell = |tenure, stop| {
        let teller = &teller;
        async move {
            teller.run(tenure, stop).await;
            Ok::<(), ()>(())
        }
    };
    let last = |got: &[Got]| got.last().is_some_and(|got| got.header("webhook-id").ends_with(":3"));
    let waited = async {
        eventually("all is told", || last(&receiver.got())).await;
        trigger.request();
    };
    let (ended, ()) = tokio::join!(lease.while_held(shutdown, tell), waited);
    ended.expect("no error");

    let got = receiver.got();
    let bodies: Vec<Value> =
        got.iter().map(|got| serde_json::from_slice(&got.body).expect("an event")).collect();
    let states: Vec<_> = bodies.iter().map(|body| body["data"]["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["received", "received", "sending", "accepted"]);
    for (got, body) in got.iter().zip(&bodies) {
        assert_eq!(got.header("content-type"), "application/cloudevents+json");
        assert_eq!(got.header("webhook-id"), body["id"].as_str().expect("an id"));
        assert_eq!(got.header("webhook-signature"), got.signature("v1", &got.body));
        assert_eq!(got.header("authorization"), "Bearer t0ken");
        assert_eq!(body["source"], "/mesh-relay/lab");
        assert_eq!(body["data"]["submission_id"], "a");
        assert!(body["type"].as_str().expect("a type").starts_with("mesh-relay.message."));
    }
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"), "told again, it is the same event");
    journal.close().await;
}
