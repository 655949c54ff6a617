//! Where faults meet: each other, empty answers, callers who may not call, and the store's own limits.

use jiff::SignedDuration;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{attempt, fault, fired, strike, try_send};
use crate::{ONE, Server, TWO, V2, texts};

#[tokio::test]
async fn an_empty_answer_is_cut_by_ending_the_connection() {
    let server = Server::start().await;
    let id = server.send(&[], b"x").await;
    let cut = json!({"effect": "cut-answer", "after_bytes": 0, "call": "acknowledge"});
    fault(&server, "cut", cut).await;
    let path = format!("{TWO}/inbox/{id}/status/acknowledged");
    assert!(attempt(&server, "PUT", &path, &[("accept", V2)], b"").await.is_none());
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new(), "it was carried out");
}

#[tokio::test]
async fn a_short_answer_is_cut_at_its_last_byte() {
    let server = Server::start().await;
    let cut = json!({"effect": "cut-answer", "after_bytes": 1000, "call": "count"});
    fault(&server, "cut", cut).await;
    let got = attempt(&server, "GET", &format!("{TWO}/count"), &[("accept", V2)], b"").await;
    let got = got.expect("an answer");
    let announced: usize = got.got.header("content-length").parse().expect("a length");
    assert_eq!((got.whole, got.got.body.len()), (false, announced - 1));
}

#[tokio::test]
async fn a_streamed_body_is_truncated_and_its_length_says_so() {
    let server = Server::start().await;
    let id = server.send(&[], &[7; 600_000]).await;
    let truncate = json!({"effect": "truncate-body", "bytes": 400_000, "call": "download"});
    fault(&server, "short", truncate).await;
    let got = server.get(&format!("{TWO}/inbox/{id}"), &[]).await;
    assert_eq!((got.header("content-length"), got.body.len()), ("400000", 400_000));
}

#[tokio::test]
async fn what_does_not_decide_a_call_is_carried_out_beside_what_does() {
    let server = Server::start().await;
    fault(&server, "busy", json!({"effect": "status", "status": 503, "call": "list", "times": 1})).await;
    let clog = json!({"effect": "clog-inbox", "messages": 3, "workflow_id": "STRANGE", "times": 1});
    fault(&server, "clog", clog).await;
    assert_eq!(server.get(&format!("{TWO}/inbox"), &[]).await.status, 503);
    assert_eq!(server.inbox(TWO).await.len(), 3);
    let strikes =
        [strike("busy", "list", "X26ABC2", "status"), strike("clog", "list", "X26ABC2", "clog-inbox")];
    assert_eq!(fired(&server).await, strikes);
}

#[tokio::test]
async fn a_caller_who_is_not_let_in_meets_no_fault() {
    let server = Server::start().await;
    fault(&server, "lost", json!({"effect": "lose-answer", "call": "send", "times": 1})).await;
    let got = server.open("POST", &format!("{ONE}/outbox"), &[], b"x").await;
    assert_eq!(got.status, 403);
    assert!(try_send(&server, &[], b"x").await.is_none(), "it waited for one who may");
}

#[tokio::test]
async fn a_late_report_releases_the_one_that_waited_for_another() {
    let server = Server::start().await;
    let report = |words: &'static str| {
        json!({"mailbox_id": "X26ABC1", "code": "21", "description": words, "workflow_id": "W",
            "status": "error"})
    };
    let put = async |words| {
        let got = server.json("POST", "/messageexchange/admin/report", &report(words)).await;
        assert_eq!(got.status, 200);
    };
    fault(&server, "order", json!({"effect": "report-out-of-order", "times": 1})).await;
    put("first").await;
    fault(&server, "late", json!({"effect": "late-report", "seconds": 60, "times": 1})).await;
    put("second").await;
    assert_eq!(server.inbox(ONE).await.len(), 0);
    server.sandbox.advance(SignedDuration::from_secs(60)).expect("forward");
    assert_eq!(server.inbox(ONE).await.len(), 2);
}

#[tokio::test]
async fn a_reset_forgets_the_reports_that_were_held() {
    let server = Server::start().await;
    fault(&server, "late", json!({"effect": "late-report", "seconds": 60})).await;
    let report = json!({"mailbox_id": "X26ABC1", "code": "21", "description": "d", "workflow_id": "W"});
    assert_eq!(server.json("POST", "/messageexchange/admin/report", &report).await.status, 200);
    let reset = server.open("DELETE", "/admin/reset/X26ABC1", &[], b"").await;
    assert_eq!(reset.status, 200);
    server.sandbox.advance(SignedDuration::from_secs(61)).expect("forward");
    assert_eq!(server.inbox(ONE).await.len(), 0);
}

/// A client that asks before it sends a large body is answered before it sends it.
#[tokio::test]
async fn a_refused_body_is_not_asked_for() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.sandbox.address()).await.expect("a connection");
    let head = "POST /messageexchange/X26ABC1/outbox HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\
                expect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer and the end of the connection");
    assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("100 Continue"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_page_goes_on_after_its_last_message_was_acknowledged() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..15 {
        ids.push(server.send(&[], b"x").await);
    }
    let first = server.get(&format!("{TWO}/inbox?max_results=10"), &[("accept", V2)]).await.json();
    server.acknowledge(TWO, &ids[9], &[]).await;
    let next = first["links"]["next"].as_str().expect("a link");
    let second = server.get(next, &[("accept", V2)]).await.json();
    assert_eq!(texts(&second["messages"]), ids[10..]);
}
