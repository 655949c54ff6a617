//! Outcomes of sending, row by row of `queue-bridging.md` 4.2.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use mesh_api::chunk::REQUEST_BYTES_MAX;
use mesh_api::{
    ChunkPlan, Classify, Effect, Envelope, FailureClass, MessageId, OpenPayload, Owner, Payload,
    PayloadStream,
};
use mesh_client::{CallError, ConnectFault, ErrorKind, SendOptions, SendOutcome, TlsConfig};

use relay_testkit::wait::eventually;
use tokio::sync::Notify;

use crate::server::{SILENCE, Server, Step, answer, mailbox, say};

const REFUSED: &[u8] =
    br#"{"message_id":"ID1","detail":[{"event":"SEND","code":"12","msg":"Unregistered to address"}]}"#;
const BUSY: &[u8] = br#"{"detail":[{"event":"","code":"","msg":"Service Unavailable"}]}"#;
/// More than socket buffers of both sides hold.
const LARGE: usize = 32 * 1024 * 1024;

fn envelope() -> Envelope {
    let mut envelope = Envelope::new(
        "X26ABC1".parse().expect("a mailbox"),
        "X26ABC2".parse().expect("a recipient"),
        "TEST_WORKFLOW".parse().expect("a workflow"),
    );
    envelope.local_id = Some("canäry".parse().expect("a local id"));
    envelope
}

async fn send(server: &Server, bytes: Vec<u8>, gzip: bool) -> Result<MessageId, CallError> {
    let plan = ChunkPlan::whole(bytes.len() as u64).expect("a plan");
    server.mailbox().send(&envelope(), &Payload::from_bytes(bytes), &plan, gzip).await
}

async fn fails(step: Step) -> (CallError, usize) {
    let server = Server::start(vec![step, say("202 Accepted", &[], br#"{"message_id":"ID2"}"#)]).await;
    let error = send(&server, b"hello".to_vec(), false).await.expect_err("a failure");
    assert!(
        !format!("{error:?}").contains("äry") && !format!("{error:?}").contains("canary"),
        "{error} shows the local id"
    );
    (error, server.seen().len())
}

#[tokio::test]
async fn a_plain_send_is_exact() {
    let server = Server::start(vec![say("202 Accepted", &[], br#"{"message_id":"ID1"}"#)]).await;
    let id = send(&server, b"hello".to_vec(), false).await.expect("an id");
    assert_eq!(id.as_str(), "ID1");
    let seen = server.seen();
    assert_eq!(seen[0].line(), "POST /messageexchange/X26ABC1/outbox HTTP/1.1");
    assert_eq!(seen[0].body, b"hello");
    for (name, value) in [
        ("content-length", Some("5")),
        ("content-type", Some("application/octet-stream")),
        ("accept", Some("application/vnd.mesh.v2+json")),
        ("user-agent", Some("mesh-relay==0.1.0")),
        ("mex-chunk-range", Some("1:1")),
        ("mex-from", Some("X26ABC1")),
        ("mex-localid", Some("canäry")),
        ("content-encoding", None),
        ("expect", None),
    ] {
        assert_eq!(seen[0].header(name), value, "{name}");
    }
}

#[tokio::test]
async fn a_gzipped_send_is_chunked_and_marked() {
    let server = Server::start(vec![say("202 Accepted", &[], br#"{"messageID":"ID1"}"#)]).await;
    send(&server, vec![b'a'; 300_000], true).await.expect("an id");
    let seen = server.seen();
    assert_eq!(seen[0].header("content-encoding"), Some("gzip"));
    assert_eq!(seen[0].header("content-length"), None);
    let mut plain = Vec::new();
    GzDecoder::new(&seen[0].body[..]).read_to_end(&mut plain).expect("gzip");
    assert_eq!(plain, vec![b'a'; 300_000]);
}

#[tokio::test]
async fn chunks_carry_their_part() {
    let server = Server::start(vec![say("202 Accepted", &[], b"null")]).await;
    let plan = ChunkPlan::chunked(5, 2).expect("a plan");
    let payload = Payload::from_bytes(&b"abcde"[..]);
    let id = "ID1".parse().expect("an id");
    server.mailbox().send_chunk(&id, &payload, &plan, false, 3).await.expect("a chunk");
    let seen = server.seen();
    assert_eq!(seen[0].line(), "POST /messageexchange/X26ABC1/outbox/ID1/3 HTTP/1.1");
    assert_eq!((seen[0].header("mex-chunk-range"), &seen[0].body[..]), (Some("3:3"), &b"e"[..]));
}

#[tokio::test]
async fn answers_are_classified() {
    let throttled = FailureClass::Throttled { retry_after: Duration::from_secs(7) };
    use Effect::{NotApplied, Unknown};
    use FailureClass::{Permanent, Transient};
    for (step, effect, class, owner) in [
        (say("417 Expectation Failed", &[], REFUSED), NotApplied, Permanent, Owner::Organisation),
        (say("403 Forbidden", &[], b"{}"), NotApplied, Transient, Owner::Operator),
        (say("429 Too Many", &["retry-after: 7"], b""), NotApplied, throttled, Owner::Mesh),
        (say("503 Busy", &["retry-after: 7"], BUSY), NotApplied, throttled, Owner::Mesh),
        (say("503 Busy", &["retry-after: 7"], b"busy"), Unknown, Transient, Owner::Mesh),
        (say("500 Oops", &[], b"<html>canary</html>"), Unknown, Transient, Owner::Mesh),
        (say("202 Accepted", &[], b"{}"), Unknown, Transient, Owner::Mesh),
        (say("307 Moved", &["location: /x"], b""), NotApplied, Transient, Owner::Operator),
        (Step::Answer(b"SSH-2.0-x\r\n\r\n".to_vec()), Unknown, Transient, Owner::Mesh),
        (Step::Cut, Unknown, Transient, Owner::Mesh),
        (Step::Hang, Unknown, Transient, Owner::Mesh),
    ] {
        let (error, requests) = fails(step).await;
        assert_eq!((error.effect(), error.class(), error.owner()), (effect, class, owner), "{error:?}");
        assert_eq!(requests, 1, "a send was repeated after {error:?}");
    }
}

#[tokio::test]
async fn a_refusal_holds_meshs_words() {
    let (error, _) = fails(say("417 Expectation Failed", &[], REFUSED)).await;
    let service = error.service().expect("its words");
    assert_eq!((error.kind(), error.status()), (&ErrorKind::Refused, Some(417)));
    assert_eq!((service.event.as_str(), service.code.as_str()), ("SEND", "12"));
    assert_eq!(service.message_id.as_ref().map(MessageId::as_str), Some("ID1"));
}

/// Bytes that gzip does not make small.
fn noise() -> Vec<u8> {
    let mut state = 1u64;
    let eight = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..LARGE / 8).flat_map(eight).collect()
}

#[tokio::test]
async fn a_cut_inside_the_body_was_not_applied() {
    for gzip in [false, true] {
        let server = Server::start(vec![Step::CutInBody]).await;
        let error = send(&server, noise(), gzip).await.expect_err("a failure");
        assert_eq!((error.kind(), error.effect()), (&ErrorKind::Broken, Effect::NotApplied));
        assert_eq!(server.seen().len(), 1);
    }
}

/// The next attempt would otherwise share the line with the rest of this one.
#[tokio::test]
async fn after_an_early_answer_no_more_of_the_body_is_sent() {
    for (status, gzip) in [("503 Busy", false), ("503 Busy", true), ("202 Accepted", false)] {
        let go_on = Arc::new(Notify::new());
        let early = Step::AnswerEarly(answer(status, &[], br#"{"message_id":"ID1"}"#), Arc::clone(&go_on));
        let server = Server::start(vec![early]).await;
        let error = send(&server, noise(), gzip).await.expect_err("a failure");
        assert_eq!(error.effect(), Effect::Unknown, "{error}");
        go_on.notify_one();
        eventually("the connection ends", || !server.seen().is_empty()).await;
        let got = server.seen()[0].body.len();
        assert!(got < LARGE, "{got} bytes came after {status}");
    }
}

#[tokio::test]
async fn no_connection_was_not_applied() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let mailbox = mailbox(&format!("http://127.0.0.1:{closed}"), TlsConfig::default());
    let plan = ChunkPlan::whole(1).expect("a plan");
    let error = mailbox.send(&envelope(), &Payload::from_bytes(&b"x"[..]), &plan, false).await;
    let error = error.expect_err("a failure");
    assert_eq!(error.kind(), &ErrorKind::Connect(ConnectFault::Network(io::ErrorKind::ConnectionRefused)));
    assert_eq!(error.effect(), Effect::NotApplied);
}

struct Broken(u64);

impl OpenPayload for Broken {
    fn open(&self, _: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let good = bytes::Bytes::from(vec![0; usize::try_from(self.0).expect("a length")]);
        let pieces = [Ok(good), Err(io::Error::new(io::ErrorKind::InvalidData, "canary"))];
        let stream: PayloadStream = Box::pin(futures_util::stream::iter(pieces));
        Box::pin(async move { Ok(stream) })
    }
}

#[tokio::test]
async fn a_payload_that_fails_at_its_very_end_was_not_applied() {
    for gzip in [false, true] {
        let server = Server::start(vec![say("202 Accepted", &[], br#"{"message_id":"ID1"}"#)]).await;
        let payload = Payload::new(5, Arc::new(Broken(5)));
        let plan = ChunkPlan::whole(5).expect("a plan");
        let error = server.mailbox().send(&envelope(), &payload, &plan, gzip).await.expect_err("a failure");
        assert_eq!(error.kind(), &ErrorKind::PayloadUnreadable(io::ErrorKind::InvalidData));
        assert_eq!((error.effect(), error.owner()), (Effect::NotApplied, Owner::Organisation));
    }
}

/// Yields its bytes one by one, each after a rest.
struct Slow(&'static [u8]);

impl OpenPayload for Slow {
    fn open(&self, _: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let pieces = futures_util::stream::iter(self.0.chunks(1)).then(|piece| async move {
            tokio::time::sleep(SILENCE / 3).await;
            Ok(bytes::Bytes::from_static(piece))
        });
        let stream: PayloadStream = Box::pin(pieces);
        Box::pin(async move { Ok(stream) })
    }
}

#[tokio::test]
async fn a_slow_source_may_take_longer_than_a_silent_server_would() {
    let server = Server::start(vec![say("202 Accepted", &[], br#"{"message_id":"ID1"}"#)]).await;
    let payload = Payload::new(5, Arc::new(Slow(b"12345")));
    let plan = ChunkPlan::whole(5).expect("a plan");
    server.mailbox().send(&envelope(), &payload, &plan, true).await.expect("an id");
}

#[tokio::test]
async fn what_could_outgrow_its_request_when_compressed_is_not_sent() {
    let server = Server::start(vec![]).await;
    let mailbox = server.mailbox();
    let payload = Payload::new(REQUEST_BYTES_MAX, Arc::new(Broken(0)));
    let plan = ChunkPlan::whole(REQUEST_BYTES_MAX).expect("a plan");
    let error = mailbox.send(&envelope(), &payload, &plan, true).await.expect_err("a refusal");
    assert!(matches!(error.kind(), ErrorKind::Unsendable(_)), "{error}");
    // As it is, it fits; this one's source fails.
    let error = mailbox.send(&envelope(), &payload, &plan, false).await.expect_err("a failure");
    assert!(matches!(error.kind(), ErrorKind::PayloadUnreadable(_)), "{error}");
}

/// The rows of `queue-bridging.md` 4.2, in its order.
#[tokio::test]
async fn the_table_of_outcomes_holds_row_by_row() {
    let bad_headers: &[u8] = br#"{"detail":[{"event":"TRANSFER","code":"06","msg":"MalformedControlFile"}]}"#;
    for (step, outcome) in [
        (Step::CutInBody, SendOutcome::InDoubt),
        (say("202 Accepted", &[], b"{}"), SendOutcome::InDoubt),
        (say("200 OK", &[], b"<html>"), SendOutcome::InDoubt),
        (say("400 Bad Request", &[], b"<html>"), SendOutcome::PauseMailbox),
        (say("403 Forbidden", &[], BUSY), SendOutcome::PauseMailbox),
        (say("400 Bad Request", &[], bad_headers), SendOutcome::Rejected),
        (say("417 Expectation Failed", &[], REFUSED), SendOutcome::Rejected),
        (say("413 Payload Too Large", &[], b""), SendOutcome::Rejected),
        (say("415 Unsupported Media Type", &[], b""), SendOutcome::Rejected),
        (say("422 Unprocessable Entity", &[], REFUSED), SendOutcome::Rejected),
        (say("408 Request Timeout", &[], BUSY), SendOutcome::NotTaken),
        // Not MESH's: a gateway that lost patience after the whole request had gone through it.
        (say("408 Request Timeout", &[], b""), SendOutcome::InDoubt),
        (say("425 Too Early", &[], b""), SendOutcome::NotTaken),
        (say("429 Too Many Requests", &["retry-after: 5"], b""), SendOutcome::NotTaken),
        (say("503 Service Unavailable", &[], BUSY), SendOutcome::NotTaken),
        (say("500 Internal Server Error", &[], BUSY), SendOutcome::InDoubt),
        (say("502 Bad Gateway", &[], b"<html>"), SendOutcome::InDoubt),
        (say("504 Gateway Timeout", &[], b"<html>"), SendOutcome::InDoubt),
        (say("503 Service Unavailable", &[], b"<html>"), SendOutcome::InDoubt),
        (Step::Cut, SendOutcome::InDoubt),
        (Step::Hang, SendOutcome::InDoubt),
    ] {
        let (error, _) = fails(step).await;
        assert_eq!(error.send_outcome(), outcome, "{error}");
    }
    let nowhere = mailbox("http://127.0.0.1:1", TlsConfig::default());
    let plan = ChunkPlan::whole(1).expect("a plan");
    let error =
        nowhere.send(&envelope(), &Payload::from_bytes("x"), &plan, false).await.expect_err("no connection");
    assert_eq!(error.send_outcome(), SendOutcome::NotTaken);
}

/// Gzip makes noise a little longer, and the request must not outgrow what MESH takes.
#[test]
fn a_chunk_that_will_be_gzipped_leaves_room_in_its_request() {
    let chunks = |gzip| {
        let options = SendOptions { chunk_bytes: REQUEST_BYTES_MAX, gzip, two_step: false };
        options.plan(REQUEST_BYTES_MAX).expect("a plan").of()
    };
    assert_eq!((chunks(false), chunks(true)), (1, 2));
}
