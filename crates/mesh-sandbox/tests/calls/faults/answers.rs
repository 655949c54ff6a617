//! Slow answers and answers in the place of MESH's: `delay`, `slow-body`, `status`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{fault, fired, strike};
use crate::{Got, ONE, Server, TWO, V1, V2};

#[tokio::test]
async fn delay_waits_before_the_call() {
    let server = Server::start().await;
    fault(&server, "wait", json!({"effect": "delay", "millis": 300, "call": "count", "times": 1})).await;
    let began = Instant::now();
    let got = server.get(&format!("{TWO}/count"), &[]).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((got.status, &got.json()["count"], got.note()), (200, &json!(0), "fault wait"));
    assert_eq!(fired(&server).await, [strike("wait", "count", "X26ABC2", "delay")]);
}

#[tokio::test]
async fn slow_body_trickles() {
    let server = Server::start().await;
    let id = server.send(&[], &[7; 100]).await;
    fault(&server, "narrow", json!({"effect": "slow-body", "bytes_per_second": 200, "call": "download"}))
        .await;
    let began = Instant::now();
    let got = server.get(&format!("{TWO}/inbox/{id}"), &[]).await;
    // The last of the five parts is not waited for.
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert_eq!((got.status, got.body.as_ref(), got.header("content-length")), (200, &[7; 100][..], "100"));
    assert_eq!((got.note(), fired(&server).await.len()), ("fault narrow", 1));
}

/// A listing that is answered with a status instead.
async fn instead(keys: Value, accept: &str) -> Got {
    let server = Server::start().await;
    let mut fault_keys = json!({"effect": "status", "call": "list"});
    fault_keys.as_object_mut().expect("an object").extend(keys.as_object().expect("keys").clone());
    fault(&server, "gateway", fault_keys).await;
    let got = server.get(&format!("{TWO}/inbox"), &[("accept", accept)]).await;
    assert_eq!(got.note(), "fault gateway");
    assert_eq!(fired(&server).await, [strike("gateway", "list", "X26ABC2", "status")]);
    got
}

#[tokio::test]
async fn status_with_retry_after() {
    for (status, seconds) in [(429, 60), (503, 5), (503, 0)] {
        let got = instead(json!({"status": status, "retry_after_seconds": seconds}), V2).await;
        assert_eq!((got.status, got.header("retry-after")), (status, &seconds.to_string()[..]));
    }
}

#[tokio::test]
async fn status_without_retry_after() {
    let got = instead(json!({"status": 503}), V2).await;
    assert_eq!((got.status, got.headers.get("retry-after")), (503, None));
}

#[tokio::test]
async fn status_with_meshs_own_error_v1() {
    let got = instead(json!({"status": 503, "body": "mesh"}), V1).await;
    let error = json!({"errorEvent": "", "errorCode": "", "errorDescription": "Service Unavailable"});
    assert_eq!((got.status, got.header("content-type"), got.json()), (503, V1, error));
}

#[tokio::test]
async fn status_with_meshs_own_error_v2() {
    let got = instead(json!({"status": 503, "body": "mesh"}), V2).await;
    let error = json!({"detail": [{"event": "", "code": "", "msg": "Service Unavailable"}]});
    assert_eq!((got.status, got.header("content-type"), got.json()), (503, V2, error));
}

#[tokio::test]
async fn status_with_an_empty_body() {
    let got = instead(json!({"status": 502, "body": "empty"}), V1).await;
    assert_eq!((got.status, got.body.len(), got.header("content-type")), (502, 0, ""));
}

#[tokio::test]
async fn status_with_an_html_page() {
    let got = instead(json!({"status": 502, "body": "html"}), V2).await;
    assert_eq!((got.status, got.header("content-type")), (502, "text/html"));
    let page = String::from_utf8_lossy(&got.body).into_owned();
    assert!(page.starts_with("<html>") && page.contains("<h1>Bad Gateway</h1>"), "{page}");
}

#[tokio::test]
async fn status_with_a_soap_fault() {
    let got = instead(json!({"status": 500, "body": "soap"}), V2).await;
    assert_eq!((got.status, got.header("content-type")), (500, "text/xml"));
    let page = String::from_utf8_lossy(&got.body).into_owned();
    assert!(page.starts_with("<?xml version=\"1.0\"?><soap:Envelope "), "{page}");
    assert!(page.contains("<faultstring>Internal Server Error</faultstring>"), "{page}");
}

#[tokio::test]
async fn status_is_answered_instead_of_the_call() {
    let server = Server::start().await;
    fault(&server, "down", json!({"effect": "status", "status": 503, "call": "send", "times": 1})).await;
    let headers = [("mex-to", "X26ABC2"), ("mex-workflowid", "TEST_WORKFLOW")];
    let path = format!("{ONE}/outbox");
    assert_eq!(server.call("POST", &path, &headers, b"x").await.status, 503);
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new(), "nothing was carried out");
    assert_eq!(server.call("POST", &path, &headers, b"x").await.status, 202);
    assert_eq!(server.inbox(TWO).await.len(), 1);
}

#[tokio::test]
async fn status_403_comes_and_goes_by_skip_and_times() {
    let server = Server::start().await;
    let keys = json!({"effect": "status", "status": 403, "call": "handshake", "skip": 2, "times": 1});
    fault(&server, "flap", keys).await;
    let shake = [("mex-clientversion", "test==1"), ("mex-osname", "Linux"), ("mex-osversion", "6.8")];
    let mut seen = Vec::new();
    for _ in 0..5 {
        let got = server.call("POST", ONE, &shake, b"").await;
        seen.push((got.status, got.note().to_owned()));
    }
    let (good, bad) = ((200, String::new()), (403, "fault flap".to_owned()));
    assert_eq!(seen, [good.clone(), good.clone(), bad, good.clone(), good]);
    assert_eq!(fired(&server).await, [strike("flap", "handshake", "X26ABC1", "status")]);
}
