//! Listing and downloading.

use std::io::{self, Write};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::TryStreamExt;
use mesh_api::{Classify, FailureClass, Held, MessageId, MessageKind, Owner};
use mesh_client::{CallError, ClientConfig, ErrorKind, Mailbox, TlsConfig};

use crate::server::{Server, Step, config, of, say};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

async fn read(mailbox: &Mailbox) -> Result<Vec<u8>, CallError> {
    let id: MessageId = "ID1".parse().expect("an id");
    let mut opened = mailbox.open(&id).await?;
    let mut whole = Vec::new();
    loop {
        match opened.body.try_next().await {
            Ok(Some(piece)) => whole.extend_from_slice(&piece),
            Ok(None) => return Ok(whole),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<CallError>());
                return Err(inner.expect("a call's error").clone());
            }
        }
    }
}

async fn fails(steps: Vec<Step>) -> CallError {
    let server = Server::start(steps).await;
    read(&server.mailbox()).await.expect_err("a failure")
}

#[tokio::test]
async fn links_are_followed_over_empty_pages_until_they_repeat() {
    let next = r#"{"messages":[],"links":{"self":"/s","next":"/messageexchange/X26ABC1/inbox?c=1"}}"#;
    let again = r#"{"messages":["B","A"],"links":{"self":"/s","next":"/messageexchange/X26ABC1/inbox?c=1"}}"#;
    let first = r#"{"messages":["A"],"links":{"self":"/s","next":"/messageexchange/X26ABC1/inbox?c=0"}}"#;
    let server =
        Server::start([first, next, again].iter().map(|page| say("200 OK", &[], page)).collect()).await;
    let ids: Vec<_> = server.mailbox().list().await.expect("ids").iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["A", "B"]);
    assert_eq!(server.seen()[1].line(), "GET /messageexchange/X26ABC1/inbox?c=0 HTTP/1.1");
}

#[tokio::test]
async fn links_elsewhere_are_not_followed() {
    let page = r#"{"messages":[],"links":{"next":"https://elsewhere.example.test/messageexchange/"}}"#;
    let server = Server::start(vec![say("200 OK", &[], page)]).await;
    let error = server.mailbox().list().await.expect_err("a failure");
    assert!(matches!(error.kind(), ErrorKind::Unusable(_)));
}

#[tokio::test]
async fn version_1_continues_after_the_last_id() {
    let page = |from: usize, to: usize| {
        let ids: Vec<_> = (from..to).map(|n| format!("\"ID{n}\"")).collect();
        format!(r#"{{"messages":[{}]}}"#, ids.join(","))
    };
    let pages = [page(0, 500), page(500, 501)];
    let server = Server::start(pages.iter().map(|page| say("200 OK", &[], page)).collect()).await;
    assert_eq!(server.mailbox().list().await.expect("ids").len(), 501);
    assert!(server.seen()[1].line().contains("continue_from=ID499"));
    // A server that always starts again is not followed for ever.
    let server = Server::start((0..3).map(|_| say("200 OK", &[], &pages[0])).collect()).await;
    assert_eq!(server.mailbox().list().await.expect("ids").len(), 500);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn chunks_are_joined_each_by_its_own_encoding() {
    let members = [gzip(b"two "), gzip(b"members ")].concat();
    let server = Server::start(vec![
        say("206 Partial Content", &["Mex-Chunk-Range: 1:3", "content-encoding: gzip"], gzip(b"one ")),
        say("206 Partial Content", &["Mex-Chunk-Range: 2:3", "content-encoding: gzip"], members),
        say("200 OK", &["Mex-Chunk-Range: 3:3"], b"three"),
    ])
    .await;
    assert_eq!(read(&server.mailbox()).await.expect("bytes"), b"one two members three");
    let seen = server.seen();
    assert_eq!(seen[0].header("accept-encoding"), Some("gzip"));
    assert_eq!(seen[2].line(), "GET /messageexchange/X26ABC1/inbox/ID1/3 HTTP/1.1");
}

#[tokio::test]
async fn reports_and_bare_messages_are_read() {
    let report = ["mex-messagetype: REPORT", "mex-chunk-range: 1:0", "content-encoding: gzip"];
    let mut latin1 = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nmex-subject: caf\xe9\r\n\r\n".to_vec();
    latin1.extend_from_slice(b"hi");
    let server = Server::start(vec![say("200 OK", &report, b""), Step::Answer(latin1)]).await;
    let mailbox = server.mailbox();
    let id = "ID1".parse().expect("an id");
    let mut opened = mailbox.open(&id).await.expect("a report");
    assert_eq!(opened.download.kind, MessageKind::Report);
    assert!(opened.body.try_next().await.expect("an end").is_none());
    let opened = mailbox.open(&id).await.expect("a message");
    assert_eq!(opened.download.subject, "café");
    let pieces: Vec<_> = opened.body.try_collect().await.expect("bytes");
    assert_eq!(pieces.concat(), b"hi");
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let code20 = br#"{"detail":[{"event":"RECEIVE","code":"20","msg":"Message does not exist"}]}"#;
    let gone = fails(vec![say("404 Not Found", &[], code20)]).await;
    assert_eq!(gone.kind(), &ErrorKind::NoSuchMessage);
    let expired = fails(vec![say("410 Gone", &["content-encoding: gzip"], gzip(code20))]).await;
    assert_eq!(expired.kind(), &ErrorKind::NoLongerAvailable);
    assert_eq!(expired.service().map(|service| service.code.as_str()), Some("20"));
}

#[tokio::test]
async fn cut_bodies_are_errors() {
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_vec();
    assert_eq!(fails(vec![Step::AnswerAndClose(short)]).await.kind(), &ErrorKind::Broken);
    let silent = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_vec();
    // It is asked again, three times in a row.
    let silences = (0..4).map(|_| Step::Answer(silent.clone())).collect();
    assert_eq!(fails(silences).await.kind(), &ErrorKind::TimedOut);
    let whole = gzip(&[b'a'; 1000]);
    for damaged in [whole[..whole.len() - 4].to_vec(), [&whole[..], b"rest"].concat()] {
        let error = fails(vec![say("200 OK", &["content-encoding: gzip"], damaged)]).await;
        assert!(matches!(error.kind(), ErrorKind::Unusable(_)), "{error}");
    }
    let endless = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello".to_vec();
    assert!(matches!(fails(vec![Step::AnswerAndClose(endless)]).await.kind(), ErrorKind::Unusable(_)));
}

#[tokio::test]
async fn a_broken_chunk_is_fetched_again_and_goes_on_where_it_broke() {
    let cut = |range: &str, status: &str, body: &str| {
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: 9\r\nmex-chunk-range: {range}\r\n\r\n{body}");
        Step::AnswerAndClose(head.into_bytes())
    };
    let partial = "206 Partial Content";
    let server = Server::start(vec![
        cut("1:2", partial, "one "),
        // Breaks off before it comes to anything new, then behind that.
        cut("1:2", partial, "on"),
        cut("1:2", partial, "one two"),
        say(partial, &["mex-chunk-range: 1:2"], b"one two 3"),
        cut("2:2", "200 OK", ""),
        say("200 OK", &["mex-chunk-range: 2:2", "content-encoding: gzip"], gzip(b" and more")),
    ])
    .await;
    assert_eq!(read(&server.mailbox()).await.expect("bytes"), b"one two 3 and more");
    let lines: Vec<_> = server.seen().iter().map(|seen| seen.line().to_owned()).collect();
    assert_eq!(lines[1], "GET /messageexchange/X26ABC1/inbox/ID1/1 HTTP/1.1");
    assert_eq!(lines.iter().filter(|line| line.contains("/ID1/2 ")).count(), 2);
}

#[tokio::test]
async fn a_chunk_that_is_another_one_when_fetched_again_is_an_error() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfive5".to_vec();
    let error =
        fails(vec![Step::AnswerAndClose(cut), say("200 OK", &["mex-chunk-range: 1:1"], b"four")]).await;
    assert!(error.to_string().contains("shorter than it was before"), "{error}");
}

#[tokio::test]
async fn metadata_counts_and_mailboxes_are_read_in_both_versions() {
    let code20 = br#"{"detail":[{"event":"RECEIVE","code":"20","msg":"Message does not exist"}]}"#;
    let v1 =
        br#"{"query_id":"q","results":[{"address":"X26ABC2","description":"TWO","endpoint_type":"MESH"}]}"#;
    let v2 = br#"{"results":[{"mailbox_id":"X26ABC2","mailbox_name":"TWO"}]}"#;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nmex-from: X26ABC2\r\nmex-chunk-range: 1:3\r\n\r\n";
    let server = Server::start(vec![
        Step::Answer(head.to_vec()),
        Step::Answer(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()),
        say("200 OK", &[], br#"{"count":3,"internalID":"x","allResultsIncluded":true}"#),
        say("200 OK", &[], v1),
        say("200 OK", &[], v2),
        say("404 Not Found", &[], code20),
        say("200 OK", &[], b"null"),
    ])
    .await;
    let mailbox = server.mailbox();
    let id = "ID1".parse().expect("an id");
    let workflow = "FLOW".parse().expect("a workflow");
    assert_eq!(mailbox.head(&id).await.expect("metadata").chunk.of, 3);
    assert_eq!(mailbox.head(&id).await.expect_err("none").kind(), &ErrorKind::NoSuchMessage);
    assert_eq!(mailbox.count().await.expect("a count"), 3);
    let one = mailbox.lookup("X26", &workflow).await.expect("mailboxes");
    assert_eq!(mailbox.workflow_search(&workflow).await.expect("mailboxes"), one);
    let nowhere = mailbox.lookup("X26", &workflow).await.expect_err("a path that is not there");
    assert!(matches!(nowhere.kind(), ErrorKind::NotMesh(_)));
    let error = mailbox.workflow_search(&workflow).await.expect_err("no answer");
    assert!(matches!(error.kind(), ErrorKind::Unusable(_)));
    let error = mailbox.lookup("X26/..", &workflow).await.expect_err("no code");
    assert!(matches!(error.kind(), ErrorKind::Unsendable(_)));
    let seen = server.seen();
    assert_eq!(seen[0].line(), "HEAD /messageexchange/X26ABC1/inbox/ID1 HTTP/1.1");
    assert_eq!(seen[3].line(), "GET /messageexchange/endpointlookup/X26/FLOW HTTP/1.1");
    assert_eq!(seen.len(), 7, "what cannot be sent is not");
}

#[tokio::test]
async fn status_and_range_must_agree() {
    for steps in [
        vec![say("206 Partial Content", &[], b"x")],
        vec![say("206 Partial Content", &["mex-chunk-range: 1:1"], b"x")],
        vec![say("200 OK", &["mex-chunk-range: 1:2"], b"x")],
        vec![say("200 OK", &["mex-chunk-range: 2:2"], b"x")],
        vec![say("200 OK", &["mex-total-chunks: 2"], b"x")],
        vec![
            say("206 Partial Content", &["mex-chunk-range: 1:2"], b"x"),
            say("206 Partial Content", &["mex-chunk-range: 2:3"], b"x"),
        ],
        vec![say("206 Partial Content", &["mex-chunk-range: 1:3"], b"x"), say("200 OK", &[], b"x")],
        vec![say("200 OK", &["mex-messageid: ID2"], b"x")],
        vec![say("200 OK", &["content-encoding: br"], b"x")],
    ] {
        let error = fails(steps).await;
        assert!(matches!(error.kind(), ErrorKind::Unusable(_)), "{error}");
    }
}

#[tokio::test]
async fn bombs_are_stopped() {
    const MAX: u64 = 1_000_000;
    // Twice as much of one byte, a thousandth of that when encoded.
    let bomb = gzip(&[0; 2 * MAX as usize]);
    let server = Server::start(vec![say("200 OK", &["content-encoding: gzip"], bomb)]).await;
    let config = config(None, &server.base_url(), TlsConfig::default(), Duration::from_secs(5));
    let mailbox = of(ClientConfig { expanded_bytes_max: MAX, ..config });
    let opened = mailbox.open(&"ID1".parse().expect("an id")).await.expect("a message");
    let failed = opened.body.try_collect::<Vec<_>>().await.expect_err("a failure");
    // Whoever does not know this crate's errors sees by the kind that the bytes are at fault.
    assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
    let error = failed.get_ref().and_then(|inner| inner.downcast_ref::<CallError>()).expect("a call's error");
    assert_eq!(error.kind(), &ErrorKind::ExpandsTooFar);
    assert_eq!((error.class(), error.owner()), (FailureClass::Permanent, Owner::Organisation));
}

/// Records padded with blanks come close to what deflate can do at all.
#[tokio::test]
async fn what_honest_senders_compress_well_is_taken() {
    let padded = vec![b' '; 120_000_000];
    let server = Server::start(vec![say("200 OK", &["content-encoding: gzip"], gzip(&padded))]).await;
    assert!(read(&server.mailbox()).await.expect("bytes") == padded);
}

#[tokio::test]
async fn content_encodings_count_over_all_lines() {
    for headers in [
        ["content-encoding: gzip", "content-encoding: br"],
        ["content-encoding: gzip", "content-encoding: gzip"],
        ["content-encoding: identity", "content-encoding: gzip, br"],
    ] {
        let error = fails(vec![say("200 OK", &headers, gzip(b"hello"))]).await;
        assert!(matches!(error.kind(), ErrorKind::Unusable(_)), "{error}");
    }
    let headers = ["content-encoding: identity", "content-encoding: GZip"];
    let server = Server::start(vec![say("200 OK", &headers, gzip(b"hello"))]).await;
    assert_eq!(read(&server.mailbox()).await.expect("bytes"), b"hello");
}

#[tokio::test]
async fn bodies_that_end_with_the_connection_are_refused_whatever_their_transfer_coding() {
    let with = |headers: &str, body: &str| {
        Step::AnswerAndClose(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{body}").into_bytes())
    };
    const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";
    for step in [
        with("transfer-encoding: gzip", "hello"),
        with("transfer-encoding: gzip, chunked", CHUNKS),
        with("transfer-encoding: gzip\r\ntransfer-encoding: chunked", CHUNKS),
        with("transfer-encoding: chunked, gzip", CHUNKS),
    ] {
        let error = fails(vec![step]).await;
        assert!(matches!(error.kind(), ErrorKind::Unusable(_)), "{error}");
    }
    let server = Server::start(vec![with("transfer-encoding: Chunked", CHUNKS)]).await;
    assert_eq!(read(&server.mailbox()).await.expect("bytes"), b"hello");
}

#[tokio::test]
async fn an_empty_body_is_no_damaged_gzip() {
    let empty = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-encoding: gzip\r\n\r\n0\r\n\r\n";
    let server = Server::start(vec![Step::Answer(empty.to_vec())]).await;
    assert_eq!(read(&server.mailbox()).await.expect("bytes"), b"");
}

#[tokio::test]
async fn the_number_of_chunks_may_come_without_a_range() {
    let server = Server::start(vec![
        Step::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nmex-total-chunks: 2\r\n\r\n".to_vec()),
        say("200 OK", &[], b"two"),
    ])
    .await;
    let held = Held { chunks: 1, bytes: 3 };
    let opened = server.mailbox().open_behind(&"ID1".parse().expect("an id"), held).await.expect("the rest");
    let pieces: Vec<_> = opened.body.try_collect().await.expect("bytes");
    assert_eq!(pieces.concat(), b"two");
}
