//! What can never be sent: parked with a word for programs and a sentence for people, and the queue goes on.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use relay_testkit::wait::eventually;

use crate::process::BOB;
use crate::scene::{Scene, TO_BOB};

/// An id and headers, and the reason and a part of the description with which such a message is parked.
type Case = (&'static str, Vec<(&'static str, String)>, &'static str, &'static str);

#[tokio::test]
async fn bad_messages_are_parked_with_a_reason_and_the_others_go() {
    let (scene, relay) = Scene::running().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    let long = "s".repeat(501);
    let workflow = "w".repeat(301);
    let and = |more: (&'static str, &str)| {
        vec![TO_BOB[0], TO_BOB[1], (more.0, more.1)]
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect::<Vec<_>>()
    };
    let only = |headers: &[(&'static str, &str)]| {
        headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    let cases: Vec<Case> = vec![
        ("no-recipient", only(&TO_BOB[1..]), "missing-header", "mesh_to"),
        ("no-workflow", only(&TO_BOB[..1]), "missing-header", "mesh_workflow_id"),
        ("empty-recipient", only(&[("mesh_to", " "), TO_BOB[1]]), "missing-header", "mesh_to"),
        ("other-mailbox", and(("mesh_from", "X26ABC9")), "other-mailbox", "X26ABC1"),
        ("long-subject", and(("mesh_subject", &long)), "bad-header", "mesh_subject"),
        (
            "long-workflow",
            only(&[TO_BOB[0], ("mesh_workflow_id", &workflow)]),
            "bad-header",
            "mesh_workflow_id",
        ),
        ("unknown-header", and(("mesh_recipient", BOB)), "unknown-header", "mesh_order_key"),
        ("bad-flag", and(("mesh_compress", "maybe")), "bad-header", "neither true nor false"),
        ("too-late", and(("mesh_not_after", "2020-01-01T00:00:00Z")), "too-late", "2020-01-01"),
        ("unregistered", only(&[("mesh_to", "NOSUCHBOX"), TO_BOB[1]]), "refused", "SEND 12"),
        ("twice", [only(&TO_BOB), only(&[("Mex-To", "X26ABC3")])].concat(), "bad-header", "given twice"),
    ];
    for (id, headers, ..) in &cases {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        scene.broker.put(&scene.outbound, id, &headers, b"payload").await;
    }
    scene.broker.put(&scene.outbound, "", &TO_BOB, b"without an id").await;
    scene.broker.put(&scene.outbound, "empty", &TO_BOB, b"").await;
    scene.broker.put(&scene.outbound, "too-large", &TO_BOB, &vec![0; 1_000_001]).await;
    let mut table = FieldTable::default();
    table.insert("mesh_to".into(), AMQPValue::LongString([0xFF, 0xFE].as_slice().into()));
    let not_text = BasicProperties::default().with_message_id("not-text".into()).with_headers(table);
    scene.broker.put_as(&scene.outbound, not_text, b"payload").await;
    scene.put("good", b"payload").await;

    scene.broker.take_all(&scene.inbound, 1).await;
    let parked = scene.broker.take_all(&scene.parked, cases.len() + 4).await;
    let found = |id: &str| parked.iter().find(|message| message.message_id() == id).expect("it is parked");
    let more = [
        ("", "no-message-id", "message_id"),
        ("empty", "empty", "no body"),
        ("too-large", "too-large", "1000000 bytes"),
        ("not-text", "not-text", "no text"),
    ];
    for (id, reason, says) in cases.iter().map(|(id, _, reason, says)| (*id, *reason, *says)).chain(more) {
        let message = found(id);
        assert_eq!(message.header("mesh_parked_reason"), reason, "{id}");
        let description = message.header("mesh_parked_description");
        assert!(description.contains(says), "{id}: {description}");
        assert_eq!(message.header("mesh_parked_source"), scene.outbound, "{id}");
        assert!(!message.header("mesh_parked_at").is_empty() && !message.header("mesh_relay_id").is_empty());
    }
    assert_eq!(found("unregistered").body, b"payload");
    assert_eq!(scene.for_bob().len(), 1);
    assert_eq!(scene.broker.ready(&scene.outbound).await, 0);
    // Each of them is told as well, and counted.
    eventually("all are in the journal", || scene.site.outbound("rejected") == cases.len() as i64 + 4).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn an_unfit_message_is_not_taken_for_another_one_of_its_id_nor_keeps_a_corrected_one_away() {
    let (scene, relay) = Scene::running().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    scene.put("A", b"payload").await;
    scene.broker.take_all(&scene.inbound, 1).await;
    // The same id, and nothing that was ever sent.
    scene.broker.put(&scene.outbound, "A", &[TO_BOB[0], TO_BOB[1], ("mesh_recipient", "x")], b"other").await;
    scene.broker.put(&scene.outbound, "A", &TO_BOB, b"").await;
    let parked = scene.broker.take_all(&scene.parked, 2).await;
    let mut reasons: Vec<String> =
        parked.iter().map(|message| message.header("mesh_parked_reason")).collect();
    reasons.sort();
    assert_eq!(reasons, ["empty", "unknown-header"]);
    assert!(
        parked.iter().any(|message| message.header("mesh_parked_description").contains("mesh_recipient"))
    );
    // One that is corrected goes under the id that it had.
    scene.broker.put(&scene.outbound, "B", &TO_BOB[..1], b"payload").await;
    scene.broker.take_all(&scene.parked, 1).await;
    scene.put("B", b"payload").await;
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!(came.header("mesh_local_id"), "B");
    assert_eq!(scene.for_bob().len(), 2);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_parked_message_waits_for_a_person_whoever_sent_it_and_however_much_it_says() {
    let (scene, relay) = Scene::running().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    let mut table = FieldTable::default();
    table.insert("theirs".into(), AMQPValue::LongString("x".repeat(120_000).as_str().into()));
    table.insert("mesh_to".into(), AMQPValue::Void);
    let unfit = BasicProperties::default()
        .with_message_id("A".into())
        .with_user_id("guest".into())
        .with_expiration("60000".into())
        .with_headers(table);
    scene.broker.put_as(&scene.outbound, unfit, b"payload").await;
    let parked = scene.broker.take_all(&scene.parked, 1).await.remove(0);
    assert_eq!(parked.header("mesh_parked_reason"), "missing-header", "an absent value is none");
    assert_eq!(parked.header("mesh_parked_left_out"), "1");
    assert!(parked.properties.expiration().is_none() && parked.properties.user_id().is_none());
    assert_eq!(parked.body, b"payload");
    // And the others go.
    scene.put("B", b"payload").await;
    scene.broker.take_all(&scene.inbound, 1).await;
    assert!(!relay.log().contains("cannot be parked"), "{}", relay.log());
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_workflow_too_long_for_a_routing_key_goes_all_the_way() {
    let (scene, relay) = Scene::running().await;
    eventually("the relay consumes", || relay.log().contains("consuming")).await;
    let workflow = "W".repeat(300);
    scene.broker.put(&scene.outbound, "A", &[TO_BOB[0], ("mesh_workflow_id", &workflow)], b"payload").await;
    let came = scene.broker.take_all(&scene.inbound, 1).await.remove(0);
    assert_eq!(came.header("mesh_workflow_id"), workflow);
    scene.broker.take_all(&scene.status, 3).await;
    assert!(relay.stop().await.0.success());
}
