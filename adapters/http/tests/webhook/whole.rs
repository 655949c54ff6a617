//! What is short enough to be signed whole.

use super::*;

#[tokio::test]
async fn a_message_is_posted_with_what_mesh_says_of_it_and_signed() {
    let receiver = Receiver::new().await;
    let sink = sink(&receiver.url);
    let download = download(&[("mex-content-type", "text/plain"), ("mex-filename", "a b.dat")]);
    let pieces = vec![Ok(Bytes::from_static(b"result")), Ok(Bytes::from_static(b" 7"))];
    let receipt = deliver(&sink, &download, body_of(pieces), 1).await.expect("a receipt");
    assert_eq!(receipt.0, format!("webhook 204 {WEBHOOK_ID}"));
    let got = &receiver.got()[0];
    assert_eq!(&got.body[..], b"result 7");
    for (name, value) in [
        ("webhook-id", WEBHOOK_ID),
        ("content-type", "text/plain"),
        ("content-length", "8"),
        ("authorization", "Bearer t0ken"),
        ("mex-messageid", ID),
        ("mex-messagetype", "DATA"),
        ("mex-from", "X26ABC1"),
        ("mex-to", "X26ABC2"),
        ("mex-workflowid", "W"),
        ("mex-localid", "L1"),
        ("mex-filename", "a b.dat"),
        ("mesh-relay-id", &RelayId(Uuid::from_u128(7)).to_string()),
        ("mesh-relay-attempt", "1"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(!got.headers.contains_key("mesh-relay-encoding") && !got.headers.contains_key("mex-subject"));
    assert_eq!(got.header("webhook-timestamp"), "1800000000");
    assert_eq!(got.header("webhook-signature"), got.signature("v1", b"result 7"));
}

#[tokio::test]
async fn a_report_is_posted_with_its_status() {
    let receiver = Receiver::new().await;
    let report = download(&[
        ("mex-messagetype", "REPORT"),
        ("mex-linkedmsgid", "20260328_1"),
        ("mex-statuscode", "12"),
        ("mex-statusevent", "SEND"),
        ("mex-statussuccess", "ERROR"),
        ("mex-statusdescription", "£ unregistered"),
    ]);
    deliver(&sink(&receiver.url), &report, body_of(Vec::new()), 1).await.expect("a receipt");
    let got = &receiver.got()[0];
    assert!(got.body.is_empty());
    for (name, value) in [
        ("mex-messagetype", "REPORT"),
        ("mex-linkedmsgid", "20260328_1"),
        ("mex-statuscode", "12"),
        ("mex-statusevent", "SEND"),
        ("mex-statussuccess", "ERROR"),
        ("mesh-relay-encoding", "percent"),
        ("mex-statusdescription", "%C2%A3 unregistered"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert_eq!(got.header("webhook-signature"), got.signature("v1", b""));
}
