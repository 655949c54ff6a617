//! Reports that misbehave: `late-report`, `report-out-of-order`.

use jiff::SignedDuration;
use serde_json::json;

use super::{fault, fired, strike};
use crate::strict;
use crate::{ONE, Server};
use mesh_sandbox::{Clock, SandboxConfig};

async fn server() -> Server {
    let clock = Clock::new(strict::noon);
    Server::with(SandboxConfig { clock, ..SandboxConfig::loopback() }).await
}

/// Has a report put into the inbox of one; its words come back as the description.
async fn report(server: &Server, words: &str) {
    let body = json!({"mailbox_id": "X26ABC1", "code": "21", "description": words,
        "workflow_id": "TEST_WORKFLOW", "status": "error"});
    let got = server.json("POST", "/messageexchange/admin/report", &body).await;
    assert_eq!(got.status, 200);
}

/// The words of the reports in the inbox of one, in the order of the listing.
async fn reports(server: &Server) -> Vec<String> {
    let mut words = Vec::new();
    for id in server.inbox(ONE).await {
        let got = server.get(&format!("{ONE}/inbox/{id}"), &[]).await;
        words.push(got.header("mex-statusdescription").to_owned());
    }
    words
}

#[tokio::test]
async fn late_report_comes_when_the_clock_has_moved() {
    let server = server().await;
    fault(&server, "late", json!({"effect": "late-report", "seconds": 3_600, "times": 1})).await;
    report(&server, "the first").await;
    assert_eq!(reports(&server).await, Vec::<String>::new());
    report(&server, "the second").await;
    assert_eq!(reports(&server).await, ["the second"], "its times are over");
    server.sandbox.advance(SignedDuration::from_secs(3_599)).expect("forward");
    assert_eq!(reports(&server).await, ["the second"]);
    server.sandbox.advance(SignedDuration::from_secs(1)).expect("forward");
    assert_eq!(reports(&server).await, ["the second", "the first"]);
    assert_eq!(fired(&server).await, [strike("late", "report", "X26ABC1", "late-report")]);
}

#[tokio::test]
async fn report_out_of_order_comes_after_the_next_one() {
    let server = server().await;
    fault(&server, "swapped", json!({"effect": "report-out-of-order", "times": 1})).await;
    report(&server, "the first").await;
    assert_eq!(reports(&server).await, Vec::<String>::new());
    report(&server, "the second").await;
    assert_eq!(reports(&server).await, ["the second", "the first"]);
    report(&server, "the third").await;
    assert_eq!(reports(&server).await, ["the second", "the first", "the third"]);
    assert_eq!(fired(&server).await, [strike("swapped", "report", "X26ABC1", "report-out-of-order")]);
}

#[tokio::test]
async fn report_out_of_order_waits_for_a_report_of_its_own_mailbox() {
    let server = server().await;
    fault(&server, "swapped", json!({"effect": "report-out-of-order", "mailbox": "X26ABC1", "times": 1}))
        .await;
    report(&server, "the first").await;
    let body = json!({"mailbox_id": "X26ABC2", "code": "21", "description": "another's",
        "workflow_id": "TEST_WORKFLOW", "status": "error"});
    assert_eq!(server.json("POST", "/messageexchange/admin/report", &body).await.status, 200);
    assert_eq!(reports(&server).await, Vec::<String>::new());
    report(&server, "the second").await;
    assert_eq!(reports(&server).await, ["the second", "the first"]);
}
