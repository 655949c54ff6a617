//! 5 to 11: what an inbox lists, plainly and richly, and the canned messages.

use mesh_sandbox::{SandboxConfig, StoreKind};
use serde_json::{Value, json};

use super::{both_versions, send, status};
use crate::{ONE, Server, TWO, V1, V2, gunzip, texts};

async fn canned() -> Server {
    Server::with(SandboxConfig { store: StoreKind::Canned, ..SandboxConfig::loopback() }).await
}

async fn list(server: &Server, mailbox: &str, accept: &str) -> Vec<String> {
    let got = server.get(&format!("{mailbox}/inbox"), &[("accept", accept)]).await;
    assert_eq!((got.status, got.header("content-type")), (200, accept));
    texts(&got.json()["messages"])
}

async fn send_many(server: &Server, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(send(server, V1, &[], format!("message {number}").as_bytes()).await);
    }
    ids
}

fn ids(view: &Value) -> Vec<String> {
    let messages = view["messages"].as_array().expect("messages");
    messages.iter().map(|line| line["message_id"].as_str().expect("an id").to_owned()).collect()
}

async fn empty_and_one(accept: &str) {
    let server = Server::start().await;
    assert_eq!(list(&server, TWO, accept).await, Vec::<String>::new());
    let count = server.get(&format!("{TWO}/count"), &[("accept", accept)]).await;
    assert_eq!((count.status, &count.json()["count"]), (200, &json!(0)));

    let id = send(&server, accept, &[], b"one").await;
    let count = server.get(&format!("{TWO}/count"), &[("accept", accept)]).await.json();
    assert_eq!(count["count"], json!(1));
    let v1 = accept == V1;
    assert_eq!((count["internalID"].is_string(), count["allResultsIncluded"] == json!(true)), (v1, v1));
    assert_eq!(list(&server, TWO, accept).await, [id]);
}
both_versions!(empty_and_one: s05_an_empty_inbox_and_one_send_v1, s05_an_empty_inbox_and_one_send_v2);

#[tokio::test]
async fn s06_a_page_of_ten_is_followed_by_the_next_ten_v1() {
    let server = Server::start().await;
    let sent = send_many(&server, 30).await;
    let path = format!("{TWO}/inbox?max_results=10");
    assert_eq!(server.get(&path, &[]).await.json(), json!({"messages": sent[..10]}), "in sending order");
    let path = format!("{path}&continue_from={}", sent[9]);
    assert_eq!(server.get(&path, &[]).await.json(), json!({"messages": sent[10..20]}));
}

#[tokio::test]
async fn s06_a_page_of_ten_is_followed_by_the_next_ten_v2() {
    let server = Server::start().await;
    let sent = send_many(&server, 30).await;
    let path = format!("{TWO}/inbox?max_results=10");
    let page = server.get(&path, &[("accept", V2)]).await.json();
    assert_eq!((texts(&page["messages"]), &page["links"]["self"]), (sent[..10].to_vec(), &json!(path)));
    let next = page["links"]["next"].as_str().expect("a next page");
    let page = server.get(next, &[("accept", V2)]).await.json();
    assert_eq!(texts(&page["messages"]), sent[10..20]);
}

/// Follows the rich view of a mailbox by pages of ten.
async fn assert_pages_newest_first(server: &Server, path: &str, sent: &[String]) {
    let newest: Vec<String> = sent.iter().rev().cloned().collect();
    let first = server.get(&format!("{path}?max_results=10"), &[]).await;
    assert_eq!((first.status, first.header("content-type")), (200, V2), "always version 2");
    assert_eq!(ids(&first.json()), newest[..10]);
    let first = first.json();
    let next = first["links"]["next"].as_str().expect("a next page");
    let second = server.get(next, &[]).await.json();
    assert_eq!(ids(&second), newest[10..20]);
    let next = second["links"]["next"].as_str().expect("a last page");
    let last = server.get(next, &[]).await.json();
    assert_eq!((ids(&last), last["links"].get("next")), (newest[20..].to_vec(), None));
}

#[tokio::test]
async fn s07_the_rich_inbox_pages_newest_first() {
    let server = Server::start().await;
    let sent = send_many(&server, 25).await;
    assert_pages_newest_first(&server, &format!("{TWO}/inbox/rich"), &sent).await;
}

#[tokio::test]
async fn s07_the_rich_outbox_pages_newest_first() {
    let server = Server::start().await;
    let sent = send_many(&server, 25).await;
    assert_pages_newest_first(&server, &format!("{ONE}/outbox/rich"), &sent).await;
}

async fn canned_chunked(accept: &str) {
    let server = canned().await;
    let headers = [("accept", accept), ("accept-encoding", "gzip")];
    let path = format!("{TWO}/inbox/CHUNKED_MESSAGE_GZ");
    let first = server.get(&path, &headers).await;
    let second = server.get(&format!("{path}/2"), &headers).await;
    assert_eq!((first.status, second.status), (206, 200));
    assert_eq!((first.header("mex-chunk-range"), second.header("mex-chunk-range")), ("1:2", "2:2"));
    assert_eq!((first.header("content-encoding"), second.header("content-encoding")), ("gzip", "gzip"));
    let joined = [gunzip(&first.body), gunzip(&second.body)].concat();
    let text = String::from_utf8(joined).expect("a text");
    assert!(text.starts_with("Lorem ipsum dolor") && text.ends_with("purus finibus lorem."), "{text}");
    assert!(text.contains("mattis gravida. Integer in leo"), "the halves meet: {text}");
}
both_versions!(canned_chunked: s08_the_canned_chunked_gzip_message_v1, s08_the_canned_chunked_gzip_message_v2);

async fn canned_simple(accept: &str) {
    let got = canned().await.get(&format!("{ONE}/inbox/SIMPLE_MESSAGE"), &[("accept", accept)]).await;
    assert_eq!((got.status, got.header("mex-from")), (200, "X26ABC2"));
    assert!(got.body.starts_with(b"Lorem ipsum dolor"));
}
both_versions!(canned_simple: s08_the_canned_simple_message_v1, s08_the_canned_simple_message_v2);

async fn canned_undeliverable(accept: &str) {
    let server = canned().await;
    assert_eq!(list(&server, ONE, accept).await, ["SIMPLE_MESSAGE"]);
    let path = format!("{TWO}/outbox/tracking?messageID=UNDELIVERED_MESSAGE");
    let got = server.get(&path, &[("accept", accept)]).await;
    assert_eq!((got.status, &got.json()["status"]), (200, &json!(status(accept, "undeliverable"))));
}
both_versions!(canned_undeliverable:
    s09_the_canned_undeliverable_message_v1, s09_the_canned_undeliverable_message_v2);

async fn rich_keeps_acknowledged(accept: &str) {
    let server = Server::start().await;
    let sent = send_many(&server, 5).await;
    assert_eq!(server.acknowledge(TWO, &sent[2], &[("accept", accept)]).await.status, 200);
    let waiting: Vec<_> = sent.iter().filter(|id| **id != sent[2]).cloned().collect();
    assert_eq!(list(&server, TWO, accept).await, waiting);
    let rich = server.get(&format!("{TWO}/inbox/rich"), &[("accept", accept)]).await.json();
    assert_eq!(ids(&rich), sent.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(rich["messages"][2]["status"], json!("acknowledged"));
}
both_versions!(rich_keeps_acknowledged: s10_the_rich_inbox_keeps_an_acknowledged_message_v1,
    s10_the_rich_inbox_keeps_an_acknowledged_message_v2);

#[tokio::test]
async fn s11_the_rich_inbox_gives_the_newest_hundred() {
    let server = Server::start().await;
    let sent = send_many(&server, 105).await;
    let rich = server.get(&format!("{TWO}/inbox/rich"), &[]).await.json();
    assert_eq!(ids(&rich), sent[5..].iter().rev().cloned().collect::<Vec<_>>());
}

#[tokio::test]
async fn s11_the_rich_outbox_gives_the_newest_hundred() {
    let server = Server::start().await;
    let sent = send_many(&server, 105).await;
    let newest: Vec<_> = sent[5..].iter().rev().cloned().collect();
    let rich = server.get(&format!("{ONE}/outbox/rich"), &[]).await.json();
    assert_eq!(ids(&rich), newest);
    let rich = server.get(&format!("{ONE}/outbox/rich?max_results=2000"), &[]).await.json();
    assert_eq!(ids(&rich), newest, "never more than a hundred");
}
