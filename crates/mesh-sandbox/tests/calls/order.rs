//! The order of the checks: authorisation, send, send chunk.

use serde_json::json;

use crate::{ONE, Server, TWO, V2, VERSIONS, expected, gzip, mailbox, token};

#[tokio::test]
async fn authorisation_comes_first_and_in_order() {
    let server = Server::start().await;
    let right = token("X26ABC1", "password", "TestKey");
    let lower = right.replace("X26ABC1", "x26abc1");
    let other = token("X26ABC2", "password", "TestKey");
    let unknown = token("X26NONE", "password", "TestKey");
    let unreadable = expected(403, "", "Error reading from Authorization header");
    let mismatch = expected(403, "", "Mailbox id does not match token");
    let invalid = expected(403, "", "Invalid Authentication Token");
    for accept in VERSIONS {
        for (path, header, expected) in [
            (ONE, None, &unreadable),
            (ONE, Some(" "), &unreadable),
            (ONE, Some(&other[..]), &mismatch),
            (ONE, Some(&lower), &mismatch),
            (ONE, Some("NHSMESH X26NONE:n:x"), &mismatch),
            (ONE, Some("NHSMESH X26ABC1:n:0:202603292345"), &unreadable),
            (ONE, Some("NHSMESH X26ABC1:n:x:202603292345:h"), &unreadable),
            ("/messageexchange/X26NONE", Some("NHSMESH X26NONE:n:x:t:h"), &unreadable),
            ("/messageexchange/X26NONE", Some(&unknown), &expected(403, "EPL-151", "No mailbox matched")),
            (ONE, Some(&token("X26ABC1", "other", "TestKey")), &invalid),
            (ONE, Some(&token("X26ABC1", "password", "OtherKey")), &invalid),
        ] {
            // Nothing else about this request would pass either.
            let mut headers = vec![("accept", accept), ("mex-subject", "a\tb")];
            headers.extend(header.map(|header| ("authorization", header)));
            let got = server.open("POST", &format!("{path}/outbox"), &headers, b"").await;
            assert_eq!(&got.refusal(), expected, "{header:?}");
            assert_eq!(got.header("content-type"), accept);
        }
    }
    for (path, header) in [
        ("/messageexchange/x26abc1", right.clone()),
        (ONE, right.replace("NHSMESH", "nhsmesh")),
        (ONE, right.replace("NHSMESH ", "")),
        (ONE, right.replace("NHSMESH ", "NHSMESH-")),
    ] {
        let got = server.open("GET", &format!("{path}/inbox"), &[("authorization", &header)], b"").await;
        assert_eq!(got.status, 200, "{path} {header}");
    }
}

#[tokio::test]
async fn a_send_is_checked_in_order() {
    let server = Server::start().await;
    // Each row mends what the row before it was refused for; everything below is still wrong.
    let long = "x".repeat(501);
    let mut headers = vec![
        ("mex-subject", long.as_str()),
        ("mex-partnerid", "a\tb"),
        ("mex-content-checksum", "a+b="),
        ("accept", "application/vnd.mesh.v2+xml"),
        ("mex-to", ""),
        ("content-encoding", "br"),
        ("mex-chunk-range", "2:3"),
    ];
    let bad_accept = expected(400, "", "Accept header api format incorrect");
    let workflow = ("mex-workflowid", "FLOW");
    let path = format!("{ONE}/outbox");
    let got = server.call("POST", &path, &headers, b"").await.refusal();
    assert_eq!(got, bad_accept, "a malformed Accept wins over validation");
    let got = server.call("POST", &path, &[&headers[..3], &headers[4..]].concat(), b"").await;
    assert_eq!(
        got.json(),
        json!({"detail": [
            {"type": "missing", "loc": ["header", "mex-workflowid"], "msg": "Field required"},
            {"type": "string_too_long", "loc": ["header", "mex-subject"], "input": long,
             "msg": "String should have at most 500 characters", "ctx": {"max_length": 500}},
        ]})
    );
    headers.push(workflow);
    for (mended, expected) in [
        (("mex-subject", "s"), expected(400, "06", "MalformedControlFile")),
        (("mex-partnerid", "p"), expected(400, "Invalid checksum", "Invalid checksum")),
        (("mex-content-checksum", "md5 ab"), bad_accept),
        (("accept", V2), expected(400, "08", "TO_DTS missing")),
        (("mex-to", "NOBODY"), expected(422, "UnsupportedContentEncoding", "Unsupported content encoding")),
        (
            ("content-encoding", " GZIP "),
            expected(417, "InvalidHeaderChunks", "Invalid chunk values sent in mex-Chunk-Range header"),
        ),
        (("mex-chunk-range", "1:3"), expected(417, "12", "Unregistered to address")),
        (("mex-to", "X26ABC2"), expected(417, "02", "Data file is missing or inaccessible.")),
    ] {
        headers.retain(|(name, _)| *name != mended.0);
        headers.push(mended);
        assert_eq!(server.call("POST", &path, &headers, b"").await.refusal(), expected, "{mended:?}");
    }
    assert_eq!(server.call("POST", &path, &headers, b"x").await.status, 202);

    for (name, value) in [
        ("mex-to", "HTTP://example.test"),
        ("mex-workflowid", "https://example.test"),
        ("mex-content-checksum", "http://example.test"),
    ] {
        let mut headers = vec![("mex-to", "X26ABC2"), workflow];
        headers.retain(|(given, _)| *given != name);
        headers.push((name, value));
        let got = server.call("POST", &path, &headers, b"x").await.refusal();
        assert_eq!(got, expected(400, "06", "MalformedControlFile"), "{name}");
    }
    for range in ["1", "1:", "0:1", "1:0", "1:1:1", "a:b", "2:1"] {
        let headers = [("mex-to", "X26ABC2"), workflow, ("mex-chunk-range", range)];
        let got = server.call("POST", &path, &headers, b"x").await.refusal();
        assert_eq!((got.0, got.1.as_str()), (417, "InvalidHeaderChunks"), "{range}");
    }
}

#[tokio::test]
async fn a_chunk_is_checked_in_order() {
    let server = Server::start().await;
    let id = server.send(&[("mex-chunk-range", "1:3"), ("content-encoding", "gzip")], &gzip(b"one ")).await;
    let done = server.send(&[], b"x").await;
    let invalid = |id: &str| {
        json!({"messageID": id, "errorEvent": "SEND", "errorCode": "InvalidHeaderChunks",
        "errorDescription": "Invalid chunk values sent in mex-Chunk-Range header"})
    };
    let path = |id: &str, n: &str| format!("{ONE}/outbox/{id}/{n}");

    let got = server.call("POST", &path(&id, "x"), &[("accept", "application/vnd.mesh.x")], b"").await;
    assert_eq!(got.refusal(), expected(400, "", "Accept header api format incorrect"));
    let got = server.call("POST", &path(&id, "x"), &[], b"").await;
    assert_eq!(got.refusal(), expected(400, "chunk_number", "int_parsing"));
    for (n, range) in [("2", None), ("2", Some("")), ("2", Some("x")), ("2", Some("3:3")), ("0", Some("0:3"))]
    {
        let headers: Vec<_> = range.map(|range| ("mex-chunk-range", range)).into_iter().collect();
        let got = server.call("POST", &path("unknown", n), &headers, b"").await;
        assert_eq!((got.status, got.json()), (417, invalid("UNKNOWN")), "{n} {range:?}");
    }
    let range = |range| [("mex-chunk-range", range), ("accept", V2)];
    let refusal = server.call("POST", &path("unknown", "2"), &range("2:3"), b"").await.refusal();
    assert_eq!(refusal, expected(404, "", "Not Found"));
    let others = format!("{TWO}/outbox/{done}/9");
    let refusal = server.call("POST", &others, &range("9:9"), b"").await.refusal();
    assert_eq!(refusal, expected(403, "", "Forbidden"));
    let refusal = server.call("POST", &path(&done, "9"), &range("9:9"), b"").await.refusal();
    assert_eq!(refusal, expected(423, "", "bare"));
    let refusal = server.call("POST", &path(&id, "4"), &range("4:4"), b"").await.refusal();
    assert_eq!(refusal, expected(406, "", "bare"));
    for encoding in ["", "br"] {
        let headers = [&range("2:3")[..], &[("content-encoding", encoding)]].concat();
        let refusal = server.call("POST", &path(&id, "2"), &headers, b"").await.refusal();
        assert_eq!(refusal, expected(417, "", "cannot change content encoding"));
    }

    let gone = expected(410, "Message already accepted", "Message no longer available for download");
    let download = format!("{TWO}/inbox/{id}");
    assert_eq!(server.get(&download, &[]).await.refusal(), gone);
    assert_eq!(server.call("HEAD", &download, &[], b"").await.status, 410);
    assert_eq!(server.call("HEAD", &format!("{ONE}/inbox/{id}"), &[], b"").await.status, 200);
    let headers = [("mex-chunk-range", "2:9"), ("content-encoding", "gzip")];
    let got = server.call("POST", &path(&id, "2"), &headers, &gzip(b"two ")).await;
    assert_eq!((got.status, got.json()), (202, json!({"messageID": id, "blockID": 2})));
    let headers = [("mex-chunk-range", "3:3"), ("content-encoding", "gzip"), ("accept", V2)];
    let got = server.call("POST", &path(&id, "3"), &headers, &gzip(b"three")).await;
    assert_eq!((got.status, got.json()), (202, json!({"message_id": id})));

    let mut joined = Vec::new();
    for (n, status) in [("1", 206), ("2", 206), ("3", 200)] {
        let got = server.get(&format!("{download}/{n}"), &[("accept", V2)]).await;
        let facts = (got.status, got.header("mex-chunk-range"), got.header("content-type"));
        assert_eq!(facts, (status, &format!("{n}:3")[..], "application/octet-stream"));
        joined.extend_from_slice(&got.body);
    }
    assert_eq!(joined, b"one two three");
    assert_eq!(server.get(&download, &[]).await.status, 206);
    let unknown = expected(404, "20", "Message does not exist");
    assert_eq!(server.get(&format!("{download}/4"), &[]).await.refusal(), unknown);
    let got = server.get(&format!("{download}/0"), &[]).await.refusal();
    assert_eq!(got, expected(400, "chunk_number", "greater_than_equal"));
    let stored = server.sandbox.messages(&mailbox(TWO));
    assert_eq!((stored[0].body(), stored[0].chunk_count), (joined, 3));
}
