//! Connections that break: `lose-answer`, `cut-request`, `cut-answer`, `truncate-body`.

use serde_json::json;

use super::{attempt, fault, fired, strike, try_send};
use crate::{ONE, Server, TWO, V2, mailbox};

#[tokio::test]
async fn lose_answer_delivers_and_says_nothing() {
    let server = Server::start().await;
    fault(&server, "lost", json!({"effect": "lose-answer", "call": "send", "times": 1})).await;
    assert!(try_send(&server, &[], b"once").await.is_none(), "no answer");
    let inbox = server.inbox(TWO).await;
    assert_eq!(inbox.len(), 1, "and yet it is there");
    let got = server.get(&format!("{TWO}/inbox/{}", inbox[0]), &[]).await;
    assert_eq!((got.status, got.body.as_ref()), (200, &b"once"[..]));
    assert_eq!(fired(&server).await, [strike("lost", "send", "X26ABC1", "lose-answer")]);
    let seen = &server.sandbox.requests()[0];
    assert_eq!((seen.call, seen.status, &seen.notes[..]), ("send", None, &["fault lost".to_owned()][..]));
    assert!(try_send(&server, &[], b"again").await.is_some(), "its times are over");
}

#[tokio::test]
async fn lose_answer_acknowledges_and_says_nothing() {
    let server = Server::start().await;
    let id = server.send(&[], b"x").await;
    fault(&server, "lost", json!({"effect": "lose-answer", "call": "acknowledge"})).await;
    let path = format!("{TWO}/inbox/{id}/status/acknowledged");
    assert!(attempt(&server, "PUT", &path, &[], b"").await.is_none());
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
}

#[tokio::test]
async fn cut_request_keeps_nothing_of_a_message() {
    let server = Server::start().await;
    fault(&server, "cut", json!({"effect": "cut-request", "after_bytes": 10, "call": "send", "times": 1}))
        .await;
    assert!(try_send(&server, &[], &[7; 100_000]).await.is_none());
    assert!(server.sandbox.messages(&mailbox(TWO)).is_empty());
    let seen = &server.sandbox.requests()[0];
    assert!(seen.status.is_none() && seen.body_bytes >= 10, "{seen:?}");
    assert_eq!(fired(&server).await, [strike("cut", "send", "X26ABC1", "cut-request")]);
}

#[tokio::test]
async fn cut_request_keeps_nothing_of_a_chunk_and_the_chunk_can_be_sent_again() {
    let server = Server::start().await;
    let id = server.send(&[("mex-chunk-range", "1:2")], b"one ").await;
    fault(
        &server,
        "cut",
        json!({"effect": "cut-request", "after_bytes": 0, "call": "send-chunk", "times": 1}),
    )
    .await;
    let path = format!("{ONE}/outbox/{id}/2");
    assert!(attempt(&server, "POST", &path, &[("mex-chunk-range", "2:2")], b"two").await.is_none());
    let stored = &server.sandbox.messages(&mailbox(TWO))[0];
    assert_eq!((stored.status.as_str(), stored.body()), ("uploading", b"one ".to_vec()));
    assert_eq!(server.chunk(&id, "2:2", &[], b"two").await.status, 202);
    assert_eq!(server.sandbox.messages(&mailbox(TWO))[0].body(), b"one two");
}

#[tokio::test]
async fn cut_answer_ends_after_so_many_bytes_of_those_announced() {
    let server = Server::start().await;
    let sent: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    let id = server.send(&[], &sent).await;
    let path = format!("{TWO}/inbox/{id}");
    for bytes in [0, 1, 300, 999] {
        fault(&server, "cut", json!({"effect": "cut-answer", "after_bytes": bytes, "call": "download"}))
            .await;
        let cut = attempt(&server, "GET", &path, &[], b"").await.expect("the answer's head");
        assert!(!cut.whole, "the connection ended within the body");
        assert_eq!(
            (cut.got.status, cut.got.header("content-length"), cut.got.note()),
            (200, "1000", "fault cut")
        );
        assert_eq!(cut.got.body, sent[..bytes]);
    }
    assert_eq!(server.json("DELETE", "/sandbox/faults/cut", &json!({})).await.status, 200);
    assert_eq!(server.get(&path, &[]).await.body, sent);
}

#[tokio::test]
async fn cut_answer_ends_within_a_streamed_body() {
    let server = Server::start().await;
    let sent: Vec<u8> = (0..=250).cycle().take(400_000).collect();
    let id = server.send(&[], &sent).await;
    fault(&server, "cut", json!({"effect": "cut-answer", "after_bytes": 200_000, "call": "download"})).await;
    let cut =
        attempt(&server, "GET", &format!("{TWO}/inbox/{id}"), &[], b"").await.expect("the answer's head");
    assert_eq!((cut.whole, cut.got.header("content-length"), cut.got.body.len()), (false, "400000", 200_000));
    assert!(cut.got.body == sent[..200_000]);
}

#[tokio::test]
async fn truncate_body_gives_less_and_announces_less() {
    let server = Server::start().await;
    let id = server.send(&[], b"0123456789").await;
    fault(&server, "short", json!({"effect": "truncate-body", "bytes": 4, "call": "download"})).await;
    for accept in [V2, "application/json"] {
        let got = server.get(&format!("{TWO}/inbox/{id}"), &[("accept", accept)]).await;
        assert_eq!((got.status, got.header("content-length"), got.body.as_ref()), (200, "4", &b"0123"[..]));
        assert_eq!(got.note(), "fault short");
    }
    let twice = strike("short", "download", "X26ABC2", "truncate-body");
    assert_eq!(fired(&server).await, [twice.clone(), twice]);
}
