//! 12 to 15 and 18 to 20: the way of a message, and headers that are taken or refused.

use serde_json::{Value, json};

use super::{both_versions, send, status};
use crate::{ONE, Server, TWO, V1, V2, expected};

async fn sent_is_received(accept: &str) {
    let server = Server::start().await;
    let headers = [("mex-localid", "batch-17"), ("mex-subject", "Results"), ("content-type", "text/csv")];
    let id = send(&server, accept, &headers, b"a,b\n1,2\n").await;
    let path = format!("{TWO}/inbox/{id}");
    let head = server.call("HEAD", &path, &[("accept", accept)], b"").await;
    let got = server.get(&path, &[("accept", accept)]).await;
    assert_eq!((head.status, got.status), (200, 200));
    for answer in [&head, &got] {
        for (name, value) in [
            ("mex-from", "X26ABC1"),
            ("mex-to", "X26ABC2"),
            ("mex-localid", "batch-17"),
            ("mex-workflowid", "TEST_WORKFLOW"),
            ("mex-subject", "Results"),
            ("mex-messageid", &id),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
    assert_eq!((head.body.as_ref(), got.body.as_ref()), (&b""[..], &b"a,b\n1,2\n"[..]));
    assert_eq!((head.header("content-length"), got.header("content-length")), ("0", "8"));
}
both_versions!(sent_is_received: s12_what_is_sent_is_what_is_received_v1, s12_what_is_sent_is_what_is_received_v2);

async fn tracking(accept: &str) {
    let server = Server::start().await;
    let id = send(&server, accept, &[("mex-localid", "batch-17")], b"12345").await;
    let by_id = server.track(&id, accept).await;
    assert_eq!((by_id.status, &by_id.json()["status"]), (200, &json!(status(accept, "accepted"))));
    let figures = by_id.json();
    match accept {
        V1 => assert_eq!(
            (&figures["messageId"], &figures["dtsId"], &figures["fileSize"], &figures["statusSuccess"]),
            (&json!(id), &json!(id), &json!(5), &json!("SUCCESS"))
        ),
        _ => assert_eq!(
            (&figures["message_id"], &figures["local_id"], &figures["status_success"]),
            (&json!(id), &json!("batch-17"), &json!(true))
        ),
    }
    let by_local_id = server.get(&format!("{ONE}/outbox/tracking/batch-17"), &[("accept", accept)]).await;
    assert_eq!((by_local_id.status, by_local_id.header("content-type")), (200, V1), "version 1 always");
    let local = by_local_id.json();
    assert_eq!((&local["status"], &local["messageId"]), (&json!("Accepted"), &json!(id)));
}
both_versions!(tracking: s13_tracking_by_id_and_local_id_v1, s13_tracking_by_id_and_local_id_v2);

async fn workflow_filter(accept: &str) {
    let server = Server::start().await;
    let id = send(&server, accept, &[("mex-workflowid", "FLOW_ONE")], b"x").await;
    let other = send(&server, accept, &[("mex-workflowid", "FLOW_ONE_ACK")], b"x").await;
    for (filter, found) in
        [("FLOW_ONE", json!([id])), ("FLOW_ONE_ACK", json!([other])), ("FLOW_TWO", json!([]))]
    {
        let path = format!("{TWO}/inbox?workflow_filter={filter}");
        let got = server.get(&path, &[("accept", accept)]).await;
        assert_eq!((got.status, &got.json()["messages"]), (200, &found), "{filter}");
    }
}
both_versions!(workflow_filter: s14_a_workflow_filter_finds_the_message_v1, s14_a_workflow_filter_finds_the_message_v2);

async fn acknowledge(accept: &str) {
    let server = Server::start().await;
    let id = send(&server, accept, &[], b"x").await;
    let got = server.acknowledge(TWO, &id, &[("accept", accept)]).await;
    let body = if accept == V2 { Value::Null } else { json!({"messageId": id}) };
    assert_eq!((got.status, got.json(), got.body.is_empty()), (200, body, accept == V2));
    let inbox = server.get(&format!("{TWO}/inbox"), &[("accept", accept)]).await.json();
    assert_eq!(inbox["messages"], json!([]));
    let tracked = server.track(&id, accept).await.json();
    assert_eq!(tracked["status"], json!(status(accept, "acknowledged")));
}
both_versions!(acknowledge: s15_acknowledge_empties_the_inbox_v1, s15_acknowledge_empties_the_inbox_v2);

/// Flags that senders write, with sense and without.
const FLAGS: [&str; 23] = [
    "Y", "y", "YES", "yes", "T", "TRUE", "true", "ON", "1", "N", "n", "NO", "no", "F", "FALSE", "false",
    "OFF", "0", "", " ", ".#!,", "N/A", "null",
];

async fn flags(accept: &str) {
    let server = Server::start().await;
    for flag in FLAGS {
        for name in ["mex-content-compress", "mex-content-encrypted", "mex-content-compressed"] {
            let id = send(&server, accept, &[(name, flag)], b"x").await;
            let set = matches!(&flag.to_uppercase()[..], "Y" | "YES" | "T" | "TRUE" | "ON" | "1");
            let told = if set && name != "mex-content-compress" { "Y" } else { "" };
            let head = server.call("HEAD", &format!("{TWO}/inbox/{id}"), &[("accept", accept)], b"").await;
            assert_eq!((head.status, head.header(name)), (200, told), "{name}: {flag:?}");
        }
    }
}
both_versions!(flags: s18_any_flag_is_taken_v1, s18_any_flag_is_taken_v2);

async fn checksums(accept: &str) {
    let server = Server::start().await;
    for checksum in ["", "0a1b2c", "sha256:0a1b", "sha256: 0a1b", "sha256 - 0a1b", "sha256/0a1b"] {
        let id = send(&server, accept, &[("mex-content-checksum", checksum)], b"x").await;
        let head = server.call("HEAD", &format!("{TWO}/inbox/{id}"), &[("accept", accept)], b"").await;
        assert_eq!((head.status, head.header("mex-content-checksum")), (200, checksum));
    }
}
both_versions!(checksums: s19_checksums_taken_and_given_back_v1, s19_checksums_taken_and_given_back_v2);

async fn bad_checksum(accept: &str) {
    let server = Server::start().await;
    let headers = [
        ("accept", accept),
        ("mex-to", "X26ABC2"),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-content-checksum", "!\"$%^&*()_+={}[]"),
    ];
    let got = server.call("POST", &format!("{ONE}/outbox"), &headers, b"x").await;
    assert_eq!(got.refusal(), expected(400, "Invalid checksum", "Invalid checksum"));
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
}
both_versions!(bad_checksum:
    s19_a_checksum_of_punctuation_is_refused_v1, s19_a_checksum_of_punctuation_is_refused_v2);

async fn hash_and_space(accept: &str) {
    let server = Server::start().await;
    let headers = [("mex-localid", "week #13"), ("mex-workflowid", "FLOW WITH SPACES")];
    let id = send(&server, accept, &headers, b"x").await;
    let got = server.get(&format!("{TWO}/inbox/{id}"), &[("accept", accept)]).await;
    assert_eq!((got.header("mex-localid"), got.header("mex-workflowid")), ("week #13", "FLOW WITH SPACES"));
    let tracked = server.get(&format!("{ONE}/outbox/tracking/week%20%2313"), &[("accept", accept)]).await;
    assert_eq!((tracked.status, &tracked.json()["messageId"]), (200, &json!(id)));
}
both_versions!(hash_and_space: s20_a_hash_in_the_local_id_and_a_space_in_the_workflow_v1,
    s20_a_hash_in_the_local_id_and_a_space_in_the_workflow_v2);
