//! The way of a message: whole, in chunks, compressed, in pages.

use mesh_api::MailboxId;
use serde_json::{Value, json};

use crate::{ONE, Server, THREE, TWO, V1, V2, VERSIONS, expected, gunzip, gzip, mailbox};

#[tokio::test]
async fn a_message_goes_its_way_in_both_versions() {
    let server = Server::start().await;
    for accept in VERSIONS {
        let v2 = accept == V2;
        let v = ("accept", accept);
        let shake = [v, ("mex-clientversion", "c"), ("mex-osname", "o"), ("mex-osversion", "1")];
        for method in ["GET", "POST"] {
            let got = server.call(method, ONE, &shake, b"").await;
            let body = if v2 { Value::Null } else { json!({"mailboxId": "X26ABC1"}) };
            assert_eq!((got.status, got.json(), got.body.is_empty()), (200, body, v2));
        }

        let headers = [
            v,
            ("mex-to", " x26abc2 "),
            ("mex-workflowid", "FLOW"),
            ("mex-localid", if v2 { "batch #17 b" } else { "batch #17 a" }),
            ("mex-subject", "Results"),
            ("mex-filename", "day.csv"),
            ("mex-content-checksum", "sha256: 0a1b"),
            ("mex-content-encrypted", "yes"),
            ("content-type", "Text/CSV"),
        ];
        let got = server.call("POST", &format!("{ONE}/outbox"), &headers, b"a,b\n").await;
        assert_eq!((got.status, got.header("content-type")), (202, V1));
        let id = got.json()[if v2 { "message_id" } else { "messageID" }].as_str().expect("an id").to_owned();
        let (digits, tail) = id.split_once('_').expect("an underscore");
        assert!(digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()), "{id}");
        assert!(
            tail.len() == 6 && tail.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()),
            "{id}"
        );

        let got = server.get(&format!("{TWO}/inbox"), &[v]).await;
        let page = match v2 {
            false => json!({"messages": [&id]}),
            true => {
                json!({"messages": [&id], "links": {"self": format!("{TWO}/inbox")}, "approx_inbox_count": 1})
            }
        };
        assert_eq!((got.json(), got.header("content-type")), (page, accept));
        let count = server.get(&format!("{TWO}/count"), &[v]).await.json();
        assert_eq!((&count["count"], count.get("internalID").is_some()), (&json!(1), !v2));

        let path = format!("{TWO}/inbox/{id}");
        let got = server.get(&path.to_lowercase().replace("/x26abc2/", "/X26ABC2/"), &[v]).await;
        assert_eq!((got.status, got.body.as_ref()), (200, &b"a,b\n"[..]));
        let media_type = if v2 { "text/csv; charset=utf-8" } else { "application/octet-stream" };
        for (name, value) in [
            ("content-type", media_type),
            ("content-length", "4"),
            ("content-encoding", ""),
            ("mex-messagetype", "DATA"),
            ("mex-messageid", &id),
            ("mex-from", "X26ABC1"),
            ("mex-to", "X26ABC2"),
            ("mex-workflowid", "FLOW"),
            ("mex-localid", if v2 { "batch #17 b" } else { "batch #17 a" }),
            ("mex-subject", "Results"),
            ("mex-filename", "day.csv"),
            ("mex-partnerid", ""),
            ("mex-addresstype", "ALL"),
            ("mex-version", "1.0"),
            ("mex-chunk-range", "1:1"),
            ("mex-total-chunks", "1"),
            ("mex-content-encrypted", "Y"),
            ("mex-content-compressed", ""),
            ("mex-content-checksum", "sha256: 0a1b"),
            ("mex-content-type", "text/csv"),
            ("mex-statuscode", "00"),
            ("mex-statusevent", "TRANSFER"),
            ("mex-statusdescription", "Transferred to recipient mailbox"),
            ("mex-statussuccess", "SUCCESS"),
            ("mex-statustimestamp", &digits[..14]),
        ] {
            assert_eq!(got.header(name), value, "{name}");
        }
        assert!(got.header("last-modified").ends_with(" GMT"));

        // Metadata alone, for both parties and nobody else.
        for party in [ONE, TWO] {
            let got = server.call("HEAD", &format!("{party}/inbox/{id}"), &[v], b"").await;
            let facts = (got.status, got.header("content-length"), got.header("mex-chunk-range"));
            assert_eq!(facts, (200, "0", "1:1"));
        }
        assert_eq!(server.call("HEAD", &format!("{THREE}/inbox/{id}"), &[v], b"").await.status, 404);

        let tracking = format!("{ONE}/outbox/tracking?messageID={id}");
        let got = server.get(&tracking, &[v]).await.json();
        match v2 {
            false => {
                assert_eq!((&got["status"], &got["fileSize"]), (&json!("Accepted"), &json!(4)));
                assert_eq!((&got["dtsId"], &got["downloadTimestamp"]), (&json!(id), &json!("")));
            }
            true => {
                assert_eq!((&got["status"], &got["status_success"]), (&json!("accepted"), &json!(true)));
                assert_eq!(&got["recipient_name"], &json!("TESTMB2"));
            }
        }
        let local = format!("{ONE}/outbox/tracking/batch%20%2317%20{}", if v2 { "b" } else { "a" });
        assert_eq!(server.get(&local, &[v]).await.json()["status"], json!("Accepted"), "version 1 always");

        for _ in 0..2 {
            let got = server.call("PUT", &format!("{path}/status/acknowledged"), &[v], b"").await;
            let body = if v2 { Value::Null } else { json!({"messageId": &id}) };
            assert_eq!((got.status, got.json()), (200, body));
        }
        assert_eq!(server.get(&format!("{TWO}/inbox"), &[v]).await.json()["messages"], json!([]));
        let status = &server.get(&tracking, &[v]).await.json()["status"];
        assert_eq!(status, &json!(if v2 { "acknowledged" } else { "Acknowledged" }));
        assert_eq!(server.get(&path, &[v]).await.status, 200, "as from the official emulator");
    }
    let stored = server.sandbox.messages(&mailbox(TWO));
    let seen: Vec<_> = stored
        .iter()
        .map(|m| (m.status.as_str(), m.sender.as_ref().map(MailboxId::as_str), m.body()))
        .collect();
    assert_eq!(seen, vec![("acknowledged", Some("X26ABC1"), b"a,b\n".to_vec()); 2]);
    server.sandbox.shutdown().await;
}

#[tokio::test]
async fn gzip_is_the_transports_affair() {
    let server = Server::start().await;
    let packed = server.send(&[("content-encoding", "gzip")], &gzip(b"text")).await;
    let plain = server.send(&[], b"text").await;
    let junk = server.send(&[("content-encoding", "gzip")], b"no gzip").await;
    let accepting = [("accept", V1), ("accept-encoding", "deflate, gzip;q=0")];
    for (id, headers, gzipped) in [
        (&packed, &accepting[..], true),
        (&packed, &[("accept", V2)], false),
        (&plain, &accepting, false),
        (&plain, &[("accept", V2), ("accept-encoding", "gzip")], true),
        (&plain, &[("accept", V2)], false),
    ] {
        let got = server.get(&format!("{TWO}/inbox/{id}"), headers).await;
        let marks = (got.header("content-encoding"), got.header("mex-content-compressed"));
        assert_eq!(marks, if gzipped { ("gzip", "Y") } else { ("", "") }, "{headers:?}");
        let body = if gzipped { gunzip(&got.body) } else { got.body.to_vec() };
        assert_eq!(body, b"text");
    }
    let got = server.get(&format!("{TWO}/inbox/{junk}"), &[]).await;
    assert_eq!(got.refusal(), expected(500, "", "bare"));
    let got = server.get(&format!("{TWO}/inbox/{junk}"), &accepting).await;
    assert_eq!(got.body.as_ref(), b"no gzip", "what came is what is kept");
}

#[tokio::test]
async fn an_inbox_is_listed_in_pages_and_filtered() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for n in 0..25 {
        ids.push(server.send(&[("mex-localid", if n < 2 { "twice" } else { "" })], b"x").await);
    }
    let inbox = |query: &str| format!("{TWO}/inbox?{query}");
    let first = server.get(&inbox("max_results=10"), &[]).await.json();
    assert_eq!(first, json!({"messages": ids[..10]}));
    let next = format!("max_results=10&continue_from={}", ids[9]);
    assert_eq!(server.get(&inbox(&next), &[]).await.json(), json!({"messages": ids[10..20]}));

    let mut seen = Vec::new();
    let mut path = inbox("max_results=10&workflow_filter=%21OTHER%2A");
    for size in [10, 10, 5] {
        let page = server.get(&path, &[("accept", V2)]).await.json();
        assert_eq!(page["messages"].as_array().map(Vec::len), Some(size));
        assert_eq!(page["approx_inbox_count"], json!(25));
        assert_eq!(page["links"]["self"], json!(inbox("max_results=10&workflow_filter=%21OTHER%2A")));
        seen.extend(page["messages"].as_array().cloned().unwrap_or_default());
        path = page["links"]["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((json!(seen), path.as_str()), (json!(ids), ""));
    let none = server.get(&inbox("workflow_filter=OTHER"), &[]).await.json();
    assert_eq!(none, json!({"messages": []}));

    let got = server.get(&inbox("continue_from=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), &[("accept", V2)]).await;
    assert_eq!(got.status, 400, "a token of someone else's");
    let got = server.get(&inbox("max_results=9&continue_from=s&workflow_filter=a"), &[]).await;
    let kinds: Vec<_> = got.json()["detail"].as_array().into_iter().flatten().cloned().collect();
    let kinds: Vec<_> = kinds.iter().map(|fault| (fault["loc"][1].clone(), fault["type"].clone())).collect();
    let fault = |name: &str, kind: &str| (json!(name), json!(kind));
    assert_eq!(
        kinds,
        [
            fault("max_results", "greater_than_equal"),
            fault("continue_from", "string_too_short"),
            fault("workflow_filter", "string_too_short"),
        ]
    );
    let twice = server.get(&format!("{ONE}/outbox/tracking/twice"), &[("accept", V2)]).await;
    assert_eq!(twice.refusal(), expected(300, "", "Multiple Choices"));
}
