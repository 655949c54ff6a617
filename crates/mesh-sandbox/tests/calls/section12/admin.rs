//! 23 and 27 to 31: the admin calls, but for what a reset empties.

use mesh_sandbox::{Clock, SandboxConfig, StoreKind};
use serde_json::{Value, json};

use super::{both_versions, send};
use crate::{Got, ONE, Server, TWO, V1, expected, strict};

async fn with(store: StoreKind) -> Server {
    Server::with(SandboxConfig { store, ..SandboxConfig::loopback() }).await
}

async fn delete(server: &Server, path: &str) -> Got {
    server.open("DELETE", path, &[], b"").await
}

const READ_ONLY: &str = "reset not supported for current store mode";

#[tokio::test]
async fn s23_a_reset_of_the_canned_store_is_refused() {
    let got = delete(&with(StoreKind::Canned).await, "/messageexchange/admin/reset").await;
    assert_eq!(got.refusal(), expected(405, "", READ_ONLY));
}

#[tokio::test]
async fn s23_a_reset_of_one_canned_mailbox_is_refused() {
    let got = delete(&with(StoreKind::Canned).await, "/messageexchange/admin/reset/X26ABC1").await;
    assert_eq!(got.refusal(), expected(405, "", READ_ONLY));
}

#[tokio::test]
async fn s23_a_reset_of_an_unknown_mailbox_in_memory_is_404() {
    let got = delete(&with(StoreKind::Memory).await, "/messageexchange/admin/reset/X26NONE").await;
    assert_eq!(got.refusal(), expected(404, "", "mailbox does not exist"));
}

#[tokio::test]
async fn s23_a_reset_of_an_unknown_mailbox_in_a_folder_is_404() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = with(StoreKind::Folder(folder.path().to_owned())).await;
    let got = delete(&server, "/messageexchange/admin/reset/X26NONE").await;
    assert_eq!(got.refusal(), expected(404, "", "mailbox does not exist"));
}

/// A report to one about a message that it never sent.
async fn report(server: &Server, status: &str) -> String {
    let body = json!({
        "mailbox_id": "X26ABC1", "code": "21", "description": "no such thing", "workflow_id": "TEST_WORKFLOW",
        "subject": "a subject", "local_id": "ref-1", "file_name": "lost.csv", "status": status,
        "linked_message_id": "20260329234512345_0A1B2C",
    });
    let got = server.json("POST", "/messageexchange/admin/report", &body).await;
    assert_eq!(got.status, 200);
    got.json()["message_id"].as_str().expect("an id").to_owned()
}

async fn error_report(accept: &str) {
    let server = Server::start().await;
    let id = report(&server, "error").await;
    assert_eq!(server.inbox(ONE).await, [id.as_str()]);
    let got = server.get(&format!("{ONE}/inbox/{id}"), &[("accept", accept)]).await;
    assert_eq!((got.status, got.body.len(), got.header("content-length")), (200, 0, "0"));
    for (name, value) in [
        ("mex-to", "X26ABC1"),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-messagetype", "REPORT"),
        ("mex-statuscode", "21"),
        ("mex-statusevent", "TRANSFER"),
        ("mex-statusdescription", "no such thing"),
        ("mex-statussuccess", "ERROR"),
        ("mex-filename", "lost.csv"),
        ("mex-linkedmsgid", "20260329234512345_0A1B2C"),
        ("mex-localid", "ref-1"),
        ("mex-subject", "a subject"),
        ("mex-from", ""),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert_eq!(server.acknowledge(ONE, &id, &[("accept", accept)]).await.status, 200);
    assert_eq!(server.inbox(ONE).await, Vec::<String>::new());
}
both_versions!(error_report: s27_an_error_report_v1, s27_an_error_report_v2);

async fn put_back(accept: &str) {
    let server = Server::start().await;
    let id = send(&server, accept, &[], b"x").await;
    server.acknowledge(TWO, &id, &[("accept", accept)]).await;
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
    let path = format!("/messageexchange/admin/message/{id}/event");
    let got = server.json("POST", &path, &json!({"status": "accepted"})).await;
    assert_eq!((got.status, got.body.len()), (200, 0));
    assert_eq!(server.inbox(TWO).await, [id.as_str()]);
    let unknown = server.json("POST", "/admin/message/NONE/event", &json!({"status": "accepted"})).await;
    assert_eq!(unknown.status, 404);
}
both_versions!(put_back: s28_an_accepted_event_puts_a_message_back_v1, s28_an_accepted_event_puts_a_message_back_v2);

#[tokio::test]
async fn s29_mailbox_details_on_three_paths() {
    let server = Server::start().await;
    for path in ["/admin/mailbox", "/messageexchange/admin/mailbox", "/messageexchange/mailbox"] {
        let got = server.open("GET", &format!("{path}/X26ABC1"), &[], b"").await;
        let details = json!({
            "mailbox_id": "X26ABC1", "mailbox_name": "TESTMB1", "billing_entity": "England",
            "ods_code": "X26", "org_code": "X26", "org_name": "", "active": true,
        });
        assert_eq!((got.status, got.json()), (200, details), "these seven keys and no password");
        for unknown in ["X26NONE", "x26abc1"] {
            let got = server.open("GET", &format!("{path}/{unknown}"), &[], b"").await;
            assert_eq!(got.status, 404, "{path}/{unknown}");
        }
    }
}

async fn details(server: &Server, path: &str, id: &str) -> (u16, Value) {
    let got = server.open("GET", &format!("{path}/{id}"), &[], b"").await;
    (got.status, got.json())
}

const DETAILS: [&str; 2] = ["/admin/message", "/messageexchange/admin/message"];

#[tokio::test]
async fn s30_details_of_a_message() {
    let clock = Clock::new(strict::noon);
    let server = Server::with(SandboxConfig { clock, ..SandboxConfig::loopback() }).await;
    let id = send(&server, V1, &[("mex-filename", "day.csv")], b"fifteen bytes..").await;
    let sent = json!({
        "checksum": "", "chunk_count": 1, "content_encoding": "", "filename": "day.csv", "file_size": 15,
        "is_compressed": false, "is_encrypted": false, "local_id": "", "message_id": id,
        "message_type": "Data", "recipient": "X26ABC2", "recipient_name": "TESTMB2",
        "recipient_ods_code": "X26", "recipient_org_code": "X26", "recipient_org_name": "",
        "sender": "X26ABC1", "sender_name": "TESTMB1", "sender_ods_code": "X26", "sender_org_code": "X26",
        "sender_org_name": "", "status": "Accepted", "status_success": "SUCCESS", "subject": "",
        "workflow_id": "TEST_WORKFLOW",
    });
    for path in DETAILS {
        let (status, mut found) = details(&server, path, &id).await;
        let fields = found.as_object_mut().expect("an object");
        let (uploaded, expires) = (fields.remove("upload_timestamp"), fields.remove("expiry_time"));
        let times =
            [uploaded, expires].map(|time| time.expect("a time").as_str().expect("a text").to_owned());
        assert_eq!((status, found), (200, sent.clone()));
        assert!(times[0].starts_with("2026-03-29T12:00:00"), "{times:?}");
        assert!(times[1].starts_with("2026-04-03T12:00:00"), "five days on: {times:?}");
    }
}

#[tokio::test]
async fn s30_details_of_a_report() {
    let server = Server::start().await;
    let id = report(&server, "error").await;
    for path in DETAILS {
        let (status, found) = details(&server, path, &id).await;
        assert_eq!(status, 200);
        for (key, value) in [
            ("message_id", id.as_str()),
            ("message_type", "Report"),
            ("recipient", "X26ABC1"),
            ("linked_msg_id", "20260329234512345_0A1B2C"),
            ("status_code", "21"),
            ("status_success", "ERROR"),
        ] {
            assert_eq!(found[key], json!(value), "{key}");
        }
    }
}

#[tokio::test]
async fn s30_details_of_an_unknown_message() {
    let server = Server::start().await;
    for path in ["/admin/message", "/messageexchange/admin/message", "/messageexchange/message"] {
        assert_eq!(details(&server, path, "UNKNOWN").await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn s31_an_undeliverable_report_has_the_words_of_mesh() {
    let server = Server::start().await;
    let id = report(&server, "undeliverable").await;
    let (status, found) = details(&server, "/messageexchange/admin/message", &id).await;
    let words = json!("Message not collected by recipient after 5 days");
    assert_eq!((status, &found["status"], &found["status_description"]), (200, &json!("Accepted"), &words));
    assert_eq!((&found["status_code"], &found["status_event"]), (&json!("14"), &json!("SEND")));
    assert_eq!(found["subject"], json!("NDR: a subject"));
}
