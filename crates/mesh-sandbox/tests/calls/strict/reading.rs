//! How an inbox is read: `poll-rate`, `read-once`.

use jiff::SignedDuration;
use mesh_sandbox::Rule;

use super::{all_but, strict};
use crate::section12::both_versions;
use crate::{Server, TWO, V2, expected, mailbox};

/// Lists an inbox by tens, and gives what is noted about it.
async fn listing(server: &Server) -> String {
    let got = server.get(&format!("{TWO}/inbox?max_results=10"), &[("accept", V2)]).await;
    assert_eq!(got.status, 200, "never refused");
    got.note().to_owned()
}

#[tokio::test]
async fn poll_rate_notes_and_counts_a_listing_within_five_minutes() {
    let server = strict().await;
    let minutes = |minutes| server.sandbox.advance(SignedDuration::from_mins(minutes)).expect("forward");
    assert_eq!(listing(&server).await, "");
    assert_eq!(listing(&server).await, "rule poll-rate");
    minutes(4);
    assert_eq!(listing(&server).await, "rule poll-rate", "a listing too soon starts the five minutes anew");
    minutes(5);
    assert_eq!(listing(&server).await, "");
    let habit = server.sandbox.habit(&mailbox(TWO));
    assert_eq!((habit.listings, habit.listed_too_soon), (4, 2));
}

#[tokio::test]
async fn poll_rate_lets_a_listing_follow_one_that_told_of_more() {
    let server = strict().await;
    for _ in 0..11 {
        server.send(&[], b"x").await;
    }
    assert_eq!(listing(&server).await, "");
    assert_eq!(listing(&server).await, "", "one more was known to wait");
    let page = server.get(&format!("{TWO}/inbox?max_results=10"), &[("accept", V2)]).await;
    let last =
        server.get(page.json()["links"]["next"].as_str().expect("a next page"), &[("accept", V2)]).await;
    assert_eq!((last.note(), last.json()["links"].get("next")), ("", None));
    assert_eq!(listing(&server).await, "rule poll-rate", "the last page told of no more");
    assert_eq!(server.sandbox.habit(&mailbox(TWO)).listed_too_soon, 1);
}

#[tokio::test]
async fn poll_rate_off_counts_and_says_nothing() {
    let server = all_but(Rule::PollRate).await;
    assert_eq!((listing(&server).await, listing(&server).await), (String::new(), String::new()));
    assert_eq!(server.sandbox.habit(&mailbox(TWO)).listed_too_soon, 1);
}

async fn once(accept: &str) {
    let server = strict().await;
    let v = ("accept", accept);
    let id = server.send(&[], b"x").await;
    let path = format!("{TWO}/inbox/{id}");
    for _ in 0..2 {
        assert_eq!(server.get(&path, &[v]).await.status, 200, "downloading changes nothing");
    }
    assert_eq!(server.acknowledge(TWO, &id, &[v]).await.status, 200);
    for path in [&path, &format!("{path}/1")] {
        let got = server.get(path, &[v]).await;
        let text = "Message no longer available for download";
        assert_eq!(got.refusal(), expected(410, "Message already accepted", text));
        assert_eq!(got.note(), "rule read-once");
    }
    assert_eq!(server.call("HEAD", &path, &[v], b"").await.status, 410);
    assert_eq!(server.acknowledge(TWO, &id, &[v]).await.status, 200, "acknowledging again is no reading");
}
both_versions!(once: read_once_refuses_an_acknowledged_message_v1, read_once_refuses_an_acknowledged_message_v2);

async fn once_off(accept: &str) {
    let server = all_but(Rule::ReadOnce).await;
    let id = server.send(&[], b"x").await;
    server.acknowledge(TWO, &id, &[]).await;
    let got = server.get(&format!("{TWO}/inbox/{id}"), &[("accept", accept)]).await;
    assert_eq!((got.status, got.note(), got.body.as_ref()), (200, "", &b"x"[..]));
}
both_versions!(once_off: read_once_off_gives_an_acknowledged_message_v1, read_once_off_gives_an_acknowledged_message_v2);
