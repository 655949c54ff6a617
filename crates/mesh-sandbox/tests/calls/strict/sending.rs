//! What may be sent: `body-limit`, `chunk-order`, `header-limits`, `from-address`, `message-type`.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use mesh_sandbox::{REQUEST_BODY_BYTES_MAX, Rule};

use super::{all_but, post, strict, to_two};
use crate::{Got, ONE, Server, TWO, expected};

const PART_BYTES: u64 = 1_000_000;

/// Sends a body of zeros in pieces, its length not announced.
async fn stream_up(server: &Server, bytes: u64) -> Got {
    let part = Bytes::from(vec![0; usize::try_from(PART_BYTES).expect("a size")]);
    let pieces = (0..bytes.div_ceil(PART_BYTES)).map(move |piece| {
        let length = usize::try_from(PART_BYTES.min(bytes - piece * PART_BYTES)).expect("a size");
        Ok::<_, Infallible>(Frame::data(part.slice(..length)))
    });
    let token = server.token("X26ABC1");
    let headers = [&[("authorization", token.as_str())], &to_two(&[])[..]].concat();
    let body = StreamBody::new(stream::iter(pieces));
    server.attempt("POST", &format!("{ONE}/outbox"), &headers, body).await.expect("an answer").got
}

const TOO_LARGE: &str = "The request body is larger than 100000000 bytes.";

fn assert_too_large(got: &Got) {
    assert_eq!((got.status, got.json()["message"].as_str()), (413, Some(TOO_LARGE)));
    assert_eq!(got.note(), "rule body-limit");
}

#[tokio::test]
async fn body_limit_refuses_what_is_announced_above_it_without_reading_it() {
    let server = strict().await;
    assert_eq!(REQUEST_BODY_BYTES_MAX, 100_000_000);
    let token = server.token("X26ABC1");
    let more = [("authorization", token.as_str()), ("content-length", "100000001")];
    let nothing = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let attempt = server.attempt("POST", &format!("{ONE}/outbox"), &to_two(&more), nothing).await;
    assert_too_large(&attempt.expect("an answer").got);
    let seen = server.sandbox.requests().pop().expect("a request");
    assert_eq!((seen.status, seen.body_bytes), (Some(413), 0));
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
}

#[tokio::test]
async fn body_limit_holds_for_a_later_chunk_and_the_chunk_can_be_sent_smaller() {
    let server = strict().await;
    let id = server.send(&[("mex-chunk-range", "1:2")], b"one ").await;
    let token = server.token("X26ABC1");
    let headers =
        [("authorization", &token[..]), ("content-length", "100000001"), ("mex-chunk-range", "2:2")];
    let nothing = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let attempt = server.attempt("POST", &format!("{ONE}/outbox/{id}/2"), &headers, nothing).await;
    assert_too_large(&attempt.expect("an answer").got);
    assert_eq!(server.chunk(&id, "2:2", &[], b"two").await.status, 202);
}

#[tokio::test]
async fn body_limit_refuses_what_turns_out_to_be_above_it() {
    let server = strict().await;
    assert_too_large(&stream_up(&server, REQUEST_BODY_BYTES_MAX + 1).await);
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
}

#[tokio::test]
async fn body_limit_lets_its_last_byte_through() {
    assert_eq!(stream_up(&strict().await, REQUEST_BODY_BYTES_MAX).await.status, 202);
}

#[tokio::test]
async fn body_limit_off_takes_larger_ones() {
    let got = stream_up(&all_but(Rule::BodyLimit).await, REQUEST_BODY_BYTES_MAX + 1).await;
    assert_eq!((got.status, got.note()), (202, ""));
}

const BAD_CHUNK: &str = "Invalid chunk values sent in mex-Chunk-Range header";

#[tokio::test]
async fn chunk_order_refuses_gaps_and_other_totals_and_goes_on_with_the_right_chunk() {
    let server = strict().await;
    let id = server.send(&[("mex-chunk-range", "1:3")], b"one ").await;
    for range in ["3:3", "2:4", "2:2"] {
        let got = server.chunk(&id, range, &[], b"wrong").await;
        assert_eq!(got.refusal(), expected(417, "InvalidHeaderChunks", BAD_CHUNK), "{range}");
        assert_eq!((got.note(), got.json()["messageID"].as_str()), ("rule chunk-order", Some(id.as_str())));
    }
    for (range, body) in [("1:3", &b"uno "[..]), ("2:3", b"two "), ("2:3", b"dos "), ("3:3", b"three")] {
        let got = server.chunk(&id, range, &[], body).await;
        assert_eq!((got.status, got.note()), (202, ""), "{range}");
    }
    let mut joined = Vec::new();
    for number in 1..=3 {
        joined.extend(server.get(&format!("{TWO}/inbox/{id}/{number}"), &[]).await.body);
    }
    assert_eq!(joined, b"uno dos three", "an earlier chunk may come again");
}

#[tokio::test]
async fn chunk_order_off_takes_gaps_and_other_totals() {
    let server = all_but(Rule::ChunkOrder).await;
    let id = server.send(&[("mex-chunk-range", "1:4")], b"one").await;
    for range in ["2:9", "4:4"] {
        let got = server.chunk(&id, range, &[], b"x").await;
        assert_eq!((got.status, got.note()), (202, ""), "{range}");
    }
    assert_eq!(server.inbox(TWO).await, [id.as_str()], "the last-numbered chunk delivers");
    assert_eq!(server.get(&format!("{TWO}/inbox/{id}/3"), &[]).await.status, 404);
}

#[tokio::test]
async fn header_limits_want_ascii_and_a_workflow() {
    let not_ascii = to_two(&[("mex-subject", "Größe")]);
    let no_workflow = [("mex-to", "X26ABC2"), ("mex-workflowid", " ")];
    let server = strict().await;
    for headers in [&not_ascii[..], &no_workflow] {
        let got = post(&server, headers, b"x").await;
        assert_eq!(got.refusal(), expected(400, "06", "MalformedControlFile"));
        assert_eq!(got.note(), "rule header-limits");
    }
    let server = all_but(Rule::HeaderLimits).await;
    let got = post(&server, &not_ascii, b"x").await;
    assert_eq!((got.status, got.note()), (202, ""));
    let got = post(&server, &no_workflow, b"x").await;
    assert_eq!((got.refusal().1, got.note()), ("16".to_owned(), "rule registered-workflow"), "the next rule");
}

#[tokio::test]
async fn from_address_is_the_caller_or_left_out() {
    let server = strict().await;
    let others = to_two(&[("mex-from", "X26ABC3")]);
    let got = post(&server, &others, b"x").await;
    assert_eq!(got.refusal(), expected(417, "07", "Invalid From Address in the control file"));
    assert_eq!(got.note(), "rule from-address");
    for own in ["X26ABC1", "x26abc1"] {
        assert_eq!(post(&server, &to_two(&[("mex-from", own)]), b"x").await.status, 202, "{own}");
    }
    let got = post(&all_but(Rule::FromAddress).await, &others, b"x").await;
    assert_eq!((got.status, got.note()), (202, ""));
}

#[tokio::test]
async fn message_type_is_data_or_left_out() {
    let server = strict().await;
    let report = to_two(&[("mex-messagetype", "REPORT")]);
    let got = post(&server, &report, b"x").await;
    assert_eq!(got.refusal(), expected(417, "11", "Invalid Message Type for the transfer"));
    assert_eq!(got.note(), "rule message-type");
    assert_eq!(post(&server, &to_two(&[("mex-messagetype", "DATA")]), b"x").await.status, 202);
    let got = post(&all_but(Rule::MessageType).await, &report, b"x").await;
    assert_eq!((got.status, got.note()), (202, ""));
}
