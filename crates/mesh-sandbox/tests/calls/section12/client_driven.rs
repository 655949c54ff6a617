//! 33, by the cycle of the Java client in version 1, and what of 34 is about the server.

use mesh_sandbox::{SandboxConfig, StoreKind};
use serde_json::json;

use super::{both_versions, send};
use crate::{ONE, Server, TWO, V1, V2, expected, texts, token};

/// What the Java client calls itself.
const JAVA: [(&str, &str); 6] = [
    ("accept", V1),
    ("mex-clientversion", "mesh-client==6.3.6"),
    ("mex-osname", "Linux"),
    ("mex-osversion", "6.8"),
    ("mex-osarchitecture", "amd64"),
    ("mex-javaversion", "17.0.2"),
];

#[tokio::test]
async fn s33_an_update_is_taken_and_answered_with_nothing() {
    let server = Server::start().await;
    let got = server.call("POST", &format!("{ONE}/update"), &JAVA, b"{}").await;
    assert_eq!((got.status, got.body.len()), (200, 0));
    let got = server.open("POST", &format!("{ONE}/update"), &JAVA, b"{}").await;
    assert_eq!(got.refusal(), expected(403, "", "Error reading from Authorization header"));
}

#[tokio::test]
async fn s33_a_data_file_with_its_control_headers_is_collected_and_equal() {
    let server = Server::start().await;
    for mailbox in [ONE, TWO] {
        let got = server.call("POST", mailbox, &JAVA, b"").await;
        assert_eq!((got.status, got.json()["mailboxId"].as_str()), (200, mailbox.split('/').nth(2)));
        assert_eq!(server.call("POST", &format!("{mailbox}/update"), &JAVA, b"{}").await.status, 200);
    }
    let data: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let control = [
        ("mex-from", "X26ABC1"),
        ("mex-to", "X26ABC2"),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-messagetype", "DATA"),
        ("mex-version", "1.0"),
        ("mex-addresstype", "DTS"),
        ("mex-localid", "java-1"),
        ("mex-subject", "from the java client"),
        ("mex-filename", "data.dat"),
        ("mex-processid", "p1"),
        ("mex-content-compress", "Y"),
        ("content-type", "application/octet-stream"),
    ];
    let headers = [&JAVA[..], &control].concat();
    let sent = server.call("POST", &format!("{ONE}/outbox"), &headers, &data).await;
    let id = super::sent_id(V1, &sent);

    let listed = server.get(&format!("{TWO}/inbox"), &JAVA).await;
    assert_eq!(texts(&listed.json()["messages"]), [id.as_str()]);
    let got = server.get(&format!("{TWO}/inbox/{id}"), &JAVA).await;
    assert_eq!((got.status, got.body.as_ref()), (200, &data[..]));
    for (name, value) in [
        ("mex-from", "X26ABC1"),
        ("mex-to", "X26ABC2"),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-localid", "java-1"),
        ("mex-subject", "from the java client"),
        ("mex-filename", "data.dat"),
        ("mex-messagetype", "DATA"),
        ("mex-statussuccess", "SUCCESS"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let done = server.acknowledge(TWO, &id, &JAVA).await;
    assert_eq!((done.status, done.json()), (200, json!({"messageId": id})));
    assert_eq!(server.get(&format!("{TWO}/inbox"), &JAVA).await.json(), json!({"messages": []}));
}

async fn no_mailbox_matched(accept: &str) {
    let server = Server::start().await;
    let header = token("X26NONE", "password", "TestKey");
    let headers = [("authorization", header.as_str()), ("accept", accept)];
    let got = server.open("GET", "/messageexchange/X26NONE/inbox", &headers, b"").await;
    let body = match accept {
        V2 => json!({"detail": [{"event": "SEND", "code": "EPL-151", "msg": "No mailbox matched"}]}),
        _ => {
            json!({"errorEvent": "SEND", "errorCode": "EPL-151", "errorDescription": "No mailbox matched"})
        }
    };
    assert_eq!((got.status, got.json()), (403, body));
}
both_versions!(no_mailbox_matched: s34_no_mailbox_matched_v1, s34_no_mailbox_matched_v2);

async fn error_names_message(accept: &str) {
    let server = Server::start().await;
    let id = send(&server, accept, &[("mex-chunk-range", "1:2")], b"x").await;
    let path = format!("{ONE}/outbox/{id}/2");
    let got = server.call("POST", &path, &[("accept", accept), ("mex-chunk-range", "1:2")], b"x").await;
    let (code, text) = ("InvalidHeaderChunks", "Invalid chunk values sent in mex-Chunk-Range header");
    let body = match accept {
        V2 => json!({"message_id": id, "detail": [{"event": "SEND", "code": code, "msg": text}]}),
        _ => json!({"messageID": id, "errorEvent": "SEND", "errorCode": code, "errorDescription": text}),
    };
    assert_eq!((got.status, got.json()), (417, body));
}
both_versions!(error_names_message: s34_an_error_names_its_message_v1, s34_an_error_names_its_message_v2);

#[tokio::test]
async fn s34_a_message_survives_being_written_and_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let config =
        || SandboxConfig { store: StoreKind::Folder(folder.path().to_owned()), ..SandboxConfig::loopback() };
    let before = Server::with(config()).await;
    let headers = [
        ("mex-localid", "ref #1"),
        ("mex-subject", "a subject"),
        ("mex-filename", "a.csv"),
        ("mex-partnerid", "partner"),
        ("mex-content-checksum", "md5 0a1b"),
        ("mex-content-encrypted", "Y"),
        ("content-type", "text/csv"),
    ];
    let id = send(&before, V2, &headers, b"a,b\n").await;
    let path = format!("/admin/message/{id}");
    let written = before.open("GET", &path, &[], b"").await.json();
    let got = before.get(&format!("{TWO}/inbox/{id}"), &[("accept", V2)]).await;
    before.sandbox.shutdown().await;

    let after = Server::with(config()).await;
    assert_eq!(after.open("GET", &path, &[], b"").await.json(), written);
    let again = after.get(&format!("{TWO}/inbox/{id}"), &[("accept", V2)]).await;
    let no_date = |mut headers: hyper::HeaderMap| {
        headers.remove("date");
        headers
    };
    assert_eq!((again.body, no_date(again.headers)), (got.body, no_date(got.headers)));
}
