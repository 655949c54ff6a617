//! What time does: `inbox-expiry`, `deletion`.

use jiff::SignedDuration;
use mesh_sandbox::Rule;
use serde_json::json;

use super::{all_but, strict};
use crate::section12::{both_versions, status};
use crate::{ONE, Server, TWO, V2, expected, mailbox};

const DAY: i64 = 24;

/// A message sent five days ago but for a second.
async fn nearly_expired(server: &Server) -> String {
    let id = server.send(&[("mex-localid", "ref-1"), ("mex-subject", "Results")], b"x").await;
    let nearly = SignedDuration::from_hours(5 * DAY) - SignedDuration::from_secs(1);
    server.sandbox.advance(nearly).expect("forward");
    id
}

fn a_second(server: &Server) {
    server.sandbox.advance(SignedDuration::from_secs(1)).expect("forward");
}

async fn expires(accept: &str) {
    let server = strict().await;
    let id = nearly_expired(&server).await;
    assert_eq!(server.inbox(TWO).await, [id.as_str()]);
    a_second(&server);
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
    let got = server.get(&format!("{TWO}/inbox/{id}"), &[("accept", accept)]).await;
    let text = "Message no longer available for download";
    assert_eq!(got.refusal(), expected(410, "Message already accepted", text));
    let tracked = server.track(&id, accept).await.json();
    assert_eq!(tracked["status"], json!(status(accept, "undeliverable")));
    match accept {
        V2 => assert_eq!(tracked["status_success"], json!(false)),
        _ => {
            assert_eq!(tracked["statusSuccess"], json!("ERROR"));
            assert_eq!(tracked["failureDate"], json!("20260403120000"));
            let words = json!("Message not collected by recipient after 5 days");
            assert_eq!(tracked["failureDiagnostic"], words);
        }
    }
}
both_versions!(expires: inbox_expiry_after_five_days_v1, inbox_expiry_after_five_days_v2);

async fn reports_once(accept: &str) {
    let server = strict().await;
    let id = nearly_expired(&server).await;
    assert_eq!(server.inbox(ONE).await, Vec::<String>::new());
    a_second(&server);
    for _ in 0..3 {
        a_second(&server);
        assert_eq!(server.inbox(ONE).await.len(), 1, "one report and no other");
    }
    let report = format!("{ONE}/inbox/{}", server.inbox(ONE).await[0]);
    let got = server.get(&report, &[("accept", accept)]).await;
    assert_eq!((got.status, got.header("content-length")), (200, "0"));
    for (name, value) in [
        ("mex-messagetype", "REPORT"),
        ("mex-linkedmsgid", &id),
        ("mex-to", "X26ABC1"),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-localid", "ref-1"),
        ("mex-subject", "NDR: Results"),
        ("mex-statuscode", "14"),
        ("mex-statusevent", "SEND"),
        ("mex-statusdescription", "Message not collected by recipient after 5 days"),
        ("mex-statussuccess", "ERROR"),
        ("mex-statustimestamp", "20260403120000"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
}
both_versions!(reports_once: inbox_expiry_reports_once_v1, inbox_expiry_reports_once_v2);

#[tokio::test]
async fn inbox_expiry_of_a_report_is_not_reported() {
    let server = strict().await;
    nearly_expired(&server).await;
    a_second(&server);
    assert_eq!(server.inbox(ONE).await.len(), 1);
    server.advance(5 * DAY);
    assert_eq!((server.inbox(ONE).await.len(), server.inbox(TWO).await.len()), (0, 0));
    let states =
        |path| server.sandbox.messages(&mailbox(path)).into_iter().map(|m| m.status).collect::<Vec<_>>();
    assert_eq!(
        (states(ONE), states(TWO)),
        (vec!["undeliverable".to_owned()], vec!["undeliverable".to_owned()])
    );
}

#[tokio::test]
async fn inbox_expiry_leaves_what_was_acknowledged() {
    let server = strict().await;
    let id = server.send(&[], b"x").await;
    server.acknowledge(TWO, &id, &[]).await;
    server.advance(6 * DAY);
    assert_eq!(server.track(&id, V2).await.json()["status"], json!("acknowledged"));
    assert_eq!(server.inbox(ONE).await, Vec::<String>::new());
}

#[tokio::test]
async fn inbox_expiry_is_undone_by_the_event_accepted() {
    let server = strict().await;
    let id = nearly_expired(&server).await;
    a_second(&server);
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
    let path = format!("/messageexchange/admin/message/{id}/event");
    assert_eq!(server.json("POST", &path, &json!({"status": "accepted"})).await.status, 200);
    assert_eq!(server.inbox(TWO).await, [id.as_str()]);
    let got = server.get(&format!("{TWO}/inbox/{id}"), &[]).await;
    assert_eq!((got.status, got.body.as_ref()), (200, &b"x"[..]));
    assert_eq!(server.track(&id, V2).await.json()["status"], json!("accepted"));
    server.advance(5 * DAY);
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new(), "it has five days more and no longer");
}

#[tokio::test]
async fn inbox_expiry_off_lets_a_message_wait() {
    let server = all_but(Rule::InboxExpiry).await;
    let id = server.send(&[], b"x").await;
    server.advance(29 * DAY);
    assert_eq!((server.inbox(TWO).await, server.inbox(ONE).await), (vec![id.clone()], Vec::new()));
    assert_eq!(server.get(&format!("{TWO}/inbox/{id}"), &[]).await.status, 200);
}

async fn deletes(accept: &str) {
    let server = strict().await;
    let id = nearly_expired(&server).await;
    server.advance(25 * DAY);
    assert_eq!(server.track(&id, accept).await.status, 200, "a second before the thirty days");
    a_second(&server);
    assert_eq!(server.track(&id, accept).await.refusal(), expected(404, "", "Not Found"));
    let got = server.get(&format!("{TWO}/inbox/{id}"), &[("accept", accept)]).await;
    assert_eq!(got.refusal(), expected(404, "20", "Message does not exist"));
    let local = server.get(&format!("{ONE}/outbox/tracking/ref-1"), &[("accept", accept)]).await;
    assert_eq!(local.refusal(), expected(404, "", "Not Found"));
    assert!(server.sandbox.messages(&mailbox(TWO)).is_empty());
}
both_versions!(deletes: deletion_after_thirty_days_v1, deletion_after_thirty_days_v2);

async fn deletion_off(accept: &str) {
    let server = all_but(Rule::Deletion).await;
    let id = nearly_expired(&server).await;
    server.advance(365 * DAY);
    let tracked = server.track(&id, accept).await;
    assert_eq!((tracked.status, &tracked.json()["status"]), (200, &json!(status(accept, "undeliverable"))));
}
both_versions!(deletion_off: deletion_off_keeps_a_message_v1, deletion_off_keeps_a_message_v2);
