//! What is too long to be signed whole.

use base64ct::{Base64, Encoding};
use http_adapter::sink::WHOLE_BYTES_MAX;
use relay_core::{FailureClass, SinkHealth};
use relay_testkit::wait::eventually;
use sha2::{Digest, Sha256};

use super::receiver::Does;
use super::*;

/// Pieces of which the first two are just too long to be kept, and no end.
fn pieces(many: usize) -> Vec<io::Result<Bytes>> {
    (0..many).map(|at| Ok(Bytes::from(vec![at as u8; WHOLE_BYTES_MAX / 2 + 1]))).collect()
}

fn joined(pieces: &[io::Result<Bytes>]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| piece.as_ref().expect("bytes").to_vec()).collect()
}

#[tokio::test]
async fn a_long_body_is_streamed_with_its_digest_behind_it() {
    let receiver = Receiver::new().await;
    let (pieces, download) = (pieces(8), download(&[("mex-subject", "Größe: 7")]));
    let whole = joined(&pieces);
    deliver(&sink(&receiver.url), &download, body_of(pieces), 2).await.expect("a receipt");
    let got = &receiver.got()[0];
    assert!(got.is_whole && got.body == whole);
    assert!(!got.headers.contains_key("content-length"));
    assert_eq!(got.header("webhook-id"), WEBHOOK_ID);

    // As the documentation of `sink` has it, and not as the code does it.
    let id = RelayId(Uuid::from_u128(7));
    let signed = format!(
        "content-type:application/octet-stream\nmesh-relay-attempt:2\nmesh-relay-encoding:percent\nmesh-relay-id:{id}\n\
         mex-from:X26ABC1\nmex-localid:L1\nmex-messageid:{ID}\nmex-messagetype:DATA\n\
         mex-subject:Gr%C3%B6%C3%9Fe: 7\nmex-to:X26ABC2\nmex-workflowid:W\nbody:streamed\n"
    );
    assert_eq!(got.header("webhook-signature"), got.signature("v1m", signed.as_bytes()));
    let trailers = got.trailers.as_ref().expect("trailers");
    let digest = format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(&whole)));
    assert_eq!(trailers["content-digest"], digest);
    assert_eq!(trailers["webhook-body-signature"], got.signature("v1d", digest.as_bytes()));
}

#[tokio::test]
async fn the_longest_body_that_is_signed_whole_is() {
    let receiver = Receiver::new().await;
    let longest = Bytes::from(vec![7; WHOLE_BYTES_MAX]);
    deliver(&sink(&receiver.url), &download(&[]), body_of(vec![Ok(longest.clone())]), 1)
        .await
        .expect("a receipt");
    let got = &receiver.got()[0];
    assert_eq!(got.header("webhook-signature"), got.signature("v1", &longest));
    assert_eq!(got.header("content-length"), WHOLE_BYTES_MAX.to_string());
}

#[tokio::test]
async fn a_body_that_breaks_never_looks_whole() {
    for (kind, class) in [
        (io::ErrorKind::ConnectionReset, FailureClass::Transient),
        (io::ErrorKind::InvalidData, FailureClass::Permanent),
    ] {
        let receiver = Receiver::new().await;
        let sink = sink(&receiver.url);
        let mut long = pieces(4);
        long.push(Err(kind.into()));
        for pieces in [vec![Ok(Bytes::from_static(b"result")), Err(kind.into())], long] {
            let ended = deliver(&sink, &download(&[]), body_of(pieces), 1).await;
            assert_eq!(ended.expect_err("it broke").class, class);
        }
        assert_eq!(sink.check().await, SinkHealth::Ready, "the webhook has no part in it");
        // The short one was never posted.
        eventually("the receiver sees the end", || receiver.got().len() == 1).await;
        assert!(!receiver.got()[0].is_whole && receiver.got()[0].trailers.is_none());
    }
}

#[tokio::test]
async fn an_answer_before_the_whole_body_is_no_receipt() {
    let receiver = Receiver::new().await;
    receiver.then(Does::AnswersAtOnce);
    let ended = deliver(&sink(&receiver.url), &download(&[]), body_of(pieces(64)), 1).await;
    let error = ended.expect_err("it cannot have it");
    assert_eq!(error.class, FailureClass::Transient);
    assert!(error.to_string().contains("before it had the whole body"), "{error}");
}

#[tokio::test]
async fn a_long_body_may_take_long_as_long_as_it_moves() {
    let receiver = Receiver::new().await;
    let sink = sink_that_waits(&receiver.url, "2s");
    let slow = stream::unfold(0, |at| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let piece = Bytes::from(vec![7; WHOLE_BYTES_MAX / 2 + 1]);
        (at < 10).then_some((Ok(piece), at + 1))
    });
    deliver(&sink, &download(&[]), Box::pin(slow), 1).await.expect("a receipt");
}
