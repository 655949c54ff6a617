//! What an answer means for the message.

use relay_core::{FailureClass, SinkHealth};

use super::receiver::Does;
use super::*;

#[tokio::test]
async fn every_attempt_has_the_same_id_until_one_is_taken() {
    let receiver = Receiver::new().await;
    let sink = sink_that_waits(&receiver.url, "2s");
    receiver.then(Does::Answers(500));
    receiver.then(Does::KeepsSilent);
    receiver.then(Does::Answers(401));
    for attempt in 1..=3 {
        let error = deliver(&sink, &download(&[]), body(b"result 7"), attempt).await.expect_err("not taken");
        assert_eq!(error.class, FailureClass::Transient, "{error}");
        assert!(matches!(sink.check().await, SinkHealth::Failing(_)));
    }
    deliver(&sink, &download(&[]), body(b"result 7"), 4).await.expect("a receipt");
    assert_eq!(sink.check().await, SinkHealth::Ready);
    let got = receiver.got();
    let attempts: Vec<_> =
        got.iter().map(|got| (got.header("webhook-id"), got.header("mesh-relay-attempt"))).collect();
    assert_eq!(attempts, [(WEBHOOK_ID, "1"), (WEBHOOK_ID, "2"), (WEBHOOK_ID, "3"), (WEBHOOK_ID, "4")]);
}

#[tokio::test]
async fn what_the_receiver_will_never_take_is_not_tried_again() {
    let receiver = Receiver::new().await;
    for status in [413, 422] {
        receiver.then(Does::Answers(status));
        let ended = deliver(&sink(&receiver.url), &download(&[]), body(b"result 7"), 1).await;
        let error = ended.expect_err("it is refused");
        assert_eq!(error.class, FailureClass::Permanent);
        let text = error.to_string();
        assert!(text.contains("127.0.0.1") && text.contains(&status.to_string()), "{text}");
        assert!(!text.contains("private"), "neither the answer nor the query: {text}");
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let receiver = Receiver::new().await;
    receiver.then(Does::Answers(307));
    let ended = deliver(&sink(&receiver.url), &download(&[]), body(b"result 7"), 1).await;
    let error = ended.expect_err("it is no receipt");
    assert_eq!((error.class, receiver.got().len()), (FailureClass::Transient, 1));
    assert!(error.to_string().contains("redirection"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_for_a_while() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let ended = deliver(&sink(&format!("http://{address}/")), &download(&[]), body(b"result 7"), 1).await;
    let error = ended.expect_err("nobody is there");
    assert_eq!(error.class, FailureClass::Transient);
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}
