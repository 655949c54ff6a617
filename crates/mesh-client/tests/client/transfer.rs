//! Uploads that go on where they broke off.

use mesh_api::{Classify, Effect, Envelope, FailureClass, Payload};
use mesh_client::{OtherUpload, SendFailure, SendOptions, Upload};

use crate::server::{Server, Step, say};

fn envelope() -> Envelope {
    let id = |id: &str| id.parse().expect("a mailbox");
    Envelope::new(id("X26ABC1"), "X26ABC2".parse().expect("a recipient"), "FLOW".parse().expect("a workflow"))
}

/// An upload of this payload that broke off at its second chunk.
async fn broken_off(payload: &Payload, options: &SendOptions) -> Upload {
    let cuts = (0..3).map(|_| Step::Cut);
    let first = say("202 Accepted", &[], br#"{"message_id":"ID1"}"#);
    let server = Server::start(std::iter::once(first).chain(cuts).collect()).await;
    let failure = server.mailbox().send_message(&envelope(), payload, options).await.expect_err("a failure");
    failure.upload().expect("where it stopped").clone()
}

#[tokio::test]
async fn an_upload_goes_on_as_it_began() {
    let payload = Payload::from_bytes("0123456789");
    let options = SendOptions { chunk_bytes: 4, gzip: true, two_step: false };
    let upload = broken_off(&payload, &options).await;
    let message_id = "ID1".parse().expect("an id");
    assert_eq!(upload, Upload { message_id, next: 2, length: 10, chunk_bytes: 4, gzip: true });
    let server = Server::start((0..2).map(|_| say("202 Accepted", &[], b"")).collect()).await;
    let id = server.mailbox().resume(upload, &payload, &options).await.expect("sent");
    assert_eq!((id.as_str(), server.seen().len()), ("ID1", 2));
}

/// MESH would join the chunks whatever they are, and deliver what nobody sent.
#[tokio::test]
async fn an_upload_does_not_go_on_otherwise_than_it_began() {
    let payload = Payload::from_bytes("0123456789");
    let options = SendOptions { chunk_bytes: 4, gzip: false, two_step: false };
    let upload = broken_off(&payload, &options).await;
    for (payload, options, what) in [
        ("0123456789a", options, OtherUpload::Length { before: 10, now: 11 }),
        // As many chunks, of other bytes.
        (
            "0123456789",
            SendOptions { chunk_bytes: 5, ..options },
            OtherUpload::ChunkBytes { before: 4, now: 5 },
        ),
        ("0123456789", SendOptions { gzip: true, ..options }, OtherUpload::Gzip { before: false }),
    ] {
        let server = Server::start(vec![say("202 Accepted", &[], b"")]).await;
        let payload = Payload::from_bytes(payload);
        let failure =
            server.mailbox().resume(upload.clone(), &payload, &options).await.expect_err("a refusal");
        assert!(matches!(&failure, SendFailure::Other(other) if *other == what), "{failure}");
        assert_eq!((failure.class(), failure.effect()), (FailureClass::Permanent, Effect::NotApplied));
        assert!(server.seen().is_empty());
    }
}
