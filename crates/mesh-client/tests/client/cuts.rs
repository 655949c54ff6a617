//! Answers that end at every byte, and calls that rest.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use mesh_api::{ChunkPlan, Classify, Effect, Envelope, FailureClass, MessageId, Payload, SharedKey};
use mesh_client::{
    BreakerConfig, CallError, Client, ClientConfig, ErrorKind, Mailbox, Resting, Timeouts, TlsConfig,
};

use crate::server::{Server, Step, answer, say};

async fn send(mailbox: &Mailbox) -> Result<MessageId, CallError> {
    let to = "X26ABC2".parse().expect("a recipient");
    let envelope = Envelope::new(mailbox.id().clone(), to, "FLOW".parse().expect("a workflow"));
    let plan = ChunkPlan::whole(5).expect("a plan");
    mailbox.send(&envelope, &Payload::from_bytes("hello"), &plan, false).await
}

#[tokio::test]
async fn a_send_whose_answer_ends_early_is_in_doubt_at_every_byte() {
    let whole = answer("202 Accepted", &["x: y"], br#"{"message_id":"ID1"}"#);
    for cut in 0..whole.len() {
        let server = Server::start(vec![Step::AnswerAndClose(whole[..cut].to_vec())]).await;
        let error = send(&server.mailbox()).await.expect_err("no id");
        assert_eq!(error.effect(), Effect::Unknown, "cut at {cut}: {error}");
        assert_eq!(server.seen().len(), 1, "and never sent again");
    }
    let server = Server::start(vec![Step::AnswerAndClose(whole)]).await;
    assert_eq!(send(&server.mailbox()).await.expect("an id").as_str(), "ID1");
}

#[tokio::test]
async fn an_acknowledgement_whose_answer_ends_early_is_repeated_and_never_called_done() {
    let whole = answer("200 OK", &["x: y"], b"");
    let id: MessageId = "ID1".parse().expect("an id");
    // All at once, because each waits between its attempts.
    join_all((0..whole.len()).map(async |cut| {
        let cuts = (0..3).map(|_| Step::AnswerAndClose(whole[..cut].to_vec())).collect();
        let server = Server::start(cuts).await;
        let error = server.mailbox().acknowledge(&id).await.expect_err("no answer");
        assert_eq!(error.effect(), Effect::Unknown, "cut at {cut}: {error}");
        assert_eq!(server.seen().len(), 3);
    }))
    .await;
}

#[tokio::test]
async fn a_listing_that_ends_early_is_no_shorter_listing() {
    let whole = answer("200 OK", &["x: y"], br#"{"messages":["A","B"]}"#);
    join_all((0..whole.len()).map(async |cut| {
        let cuts = (0..3).map(|_| Step::AnswerAndClose(whole[..cut].to_vec())).collect();
        let server = Server::start(cuts).await;
        assert!(server.mailbox().list().await.is_err(), "cut at {cut}");
    }))
    .await;
}

/// A doubt that one attempt left is not taken back by the failure of the next.
#[tokio::test]
async fn a_doubt_outlives_the_attempts_after_it() {
    let id: MessageId = "ID1".parse().expect("an id");
    let refused = say("403 Forbidden", &[], br#"{"detail":[{"event":"","code":"","msg":"x"}]}"#);
    let server = Server::start(vec![Step::Cut, refused]).await;
    let error = server.mailbox().acknowledge(&id).await.expect_err("a failure");
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::CredentialsRefused, Effect::Unknown));
    let gone = say("404 Not Found", &[], br#"{"detail":[{"event":"RECEIVE","code":"20","msg":"x"}]}"#);
    let server = Server::start(vec![Step::Cut, gone]).await;
    let error = server.mailbox().acknowledge(&id).await.expect_err("a failure");
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::NoSuchMessage, Effect::NotApplied));
}

fn resting(server: &Server, failures: u32) -> Mailbox {
    let client = Client::new(ClientConfig {
        base_url: server.base_url(),
        shared_key: SharedKey::new("TestKey"),
        tls: TlsConfig::default(),
        proxy: None,
        timeouts: Timeouts::default(),
        breaker: BreakerConfig { failures, first: Duration::from_secs(60), longest: Duration::from_secs(60) },
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: "test==1".to_owned(),
        now: || Timestamp::UNIX_EPOCH,
    });
    client.expect("a client").mailbox("X26ABC1".parse().expect("a mailbox"), "password".into())
}

#[tokio::test]
async fn refused_credentials_rest_the_mailbox_alone() {
    let refused = || say("403 Forbidden", &[], br#"{"detail":[{"event":"","code":"","msg":"x"}]}"#);
    let fine = say("200 OK", &[], b"");
    let server = Server::start(vec![refused(), refused(), fine]).await;
    let mailbox = resting(&server, 2);
    for _ in 0..2 {
        let error = mailbox.handshake().await.expect_err("refused");
        assert_eq!(error.kind(), &ErrorKind::CredentialsRefused);
    }
    let error = mailbox.handshake().await.expect_err("resting");
    assert!(matches!(error.kind(), ErrorKind::Resting { what: Resting::Mailbox, .. }), "{error}");
    assert!(matches!(error.class(), FailureClass::Throttled { .. }));
    assert!(error.to_string().contains("check mailbox id, password"), "the cause is told: {error}");
    assert_eq!((error.effect(), server.seen().len()), (Effect::NotApplied, 2), "it was not made");
}

#[tokio::test]
async fn a_server_in_trouble_rests_for_every_call() {
    let trouble = || say("500 Internal Server Error", &[], b"<html>");
    let server = Server::start(vec![trouble(), trouble(), say("200 OK", &[], b"")]).await;
    let mailbox = resting(&server, 2);
    let error = send(&mailbox).await.expect_err("trouble");
    assert_eq!(error.effect(), Effect::Unknown);
    assert!(mailbox.handshake().await.is_err());
    let error = send(&mailbox).await.expect_err("resting");
    assert!(matches!(error.kind(), ErrorKind::Resting { what: Resting::Environment, .. }), "{error}");
    assert_eq!((error.effect(), server.seen().len()), (Effect::NotApplied, 2));
}

#[tokio::test]
async fn the_distance_to_meshs_clock_is_measured() {
    let server = Server::start(vec![say("200 OK", &["date: Thu, 01 Jan 1970 03:00:00 GMT"], b"")]).await;
    let mailbox = resting(&server, 0);
    assert_eq!(mailbox.client().clock_skew(), None);
    mailbox.handshake().await.expect("an answer");
    assert_eq!(mailbox.client().clock_skew().map(|skew| skew.as_hours()), Some(3));
}
