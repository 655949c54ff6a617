//! What MESH takes is answered once, whatever is repeated.

use relay_core::Records;
use relay_testkit::scripted::{Fault, Made};

use super::*;

#[tokio::test]
async fn a_message_that_mesh_has_is_202_and_let_go_of() {
    let bench = Bench::new().await;
    let answer = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let delivered = bench.mesh.delivered();
    assert_eq!((delivered.len(), &delivered[0].body[..]), (1, &b"result 7"[..]));
    assert_eq!(answer.message_id(), delivered[0].id.to_string());
    assert_eq!(
        delivered[0].local_id.as_ref().map(|id| id.as_str()),
        Some("a"),
        "it can be asked about in doubt"
    );
    assert_eq!(answer.body["state"], "accepted");
    assert_eq!(answer.body.get("possible_duplicate"), None);
    let relay_id = answer.body["relay_id"].as_str().expect("an id");
    assert_eq!(answer.header("location"), Some(&*format!("/v1/messages/{relay_id}")));
    assert_eq!(bench.unsettled().await, 0);
}

#[tokio::test]
async fn a_repetition_gets_the_same_answer_and_mesh_one_message() {
    let bench = Bench::new().await;
    let first = bench.call(Call::new("a").body(b"result 7")).await;
    let again = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    // A caller that asks before it sends its body need not send it.
    let asked = Call::new("a").length(8).header("Expect", "100-continue");
    let asked = bench.call(asked).await;
    assert_eq!((asked.status, &asked.body), (202, &first.body));
    assert!(!asked.head.contains("100 Continue"), "{}", asked.head);
    // Another caller's key is another key.
    let other = bench.call(Call::new("a").body(b"result 7").caller(Some("clinic/operator"))).await;
    assert_ne!(other.message_id(), first.message_id());
    assert_eq!(bench.mesh.delivered().len(), 2);
    // Also after a start, when the source has long let go of it.
    let bench = bench.restart().await;
    let after = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((after.status, &after.body), (202, &first.body));
    assert_eq!(bench.mesh.delivered().len(), 2);
}

#[tokio::test]
async fn other_content_under_a_key_is_refused_and_leaves_no_trace() {
    let bench = Bench::new().await;
    bench.call(Call::new("a").body(b"result 7")).await.message_id();
    for other in [
        Call::new("a").body(b"result 70"),
        Call::new("a").body(b"result 7").header("Mex-Subject", "another"),
        Call::new("a").body(b"result 7").header("Content-Type", "text/plain"),
    ] {
        let answer = bench.call(other).await;
        assert_eq!((answer.status, answer.kind()), (422, "other-content"));
    }
    let counts = bench.journal.counts().await.expect("counts");
    assert_eq!(counts.iter().map(|count| count.messages).sum::<u64>(), 1);
    assert_eq!(bench.mesh.delivered().len(), 1);
}

#[tokio::test]
async fn a_second_request_while_the_first_is_at_work_is_told_so() {
    let bench = Bench::new().await;
    let mut first = Call::new("a").body(b"resu").length(8).begin(bench.address).await;
    eventually("MESH is called", || bench.mesh.made().contains(&Made::Begin)).await;
    let second = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((second.status, second.kind()), (409, "at-work"));
    assert!(second.retry_after() >= 1);
    first.send(b"lt 7").await;
    let first = first.answer().await;
    assert_eq!(bench.call(Call::new("a").body(b"result 7")).await.message_id(), first.message_id());
    assert_eq!(bench.mesh.delivered().len(), 1);
}

#[tokio::test]
async fn a_long_message_goes_in_chunks_straight_through() {
    let bench = Bench::new().await;
    let body: Vec<u8> = (0..35).collect();
    bench.call(Call::new("a").body(&body)).await.message_id();
    let delivered = bench.mesh.delivered();
    assert_eq!((delivered[0].of, &delivered[0].body), (4, &body));
}

#[tokio::test]
async fn a_lost_answer_is_resolved_within_the_request_where_there_is_time() {
    let bench = Bench::new().await;
    bench.mesh.then(Fault::AnswerLost);
    let answer = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!(answer.message_id(), bench.mesh.delivered()[0].id.to_string());
    assert_eq!(bench.mesh.delivered().len(), 1);
}

#[tokio::test]
async fn a_caller_that_does_not_wait_for_a_doubt_hears_of_its_end_later() {
    let fate = Fate::wait_at("after post");
    let mut setting = Setting { fate: Arc::clone(&fate), ..Setting::default() };
    setting.limits.answer_within = Duration::from_millis(200);
    let bench = Bench::with(setting).await;
    bench.mesh.then(Fault::AnswerLost);
    let answer = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((answer.status, answer.kind()), (503, "in-progress"));
    assert!(answer.retry_after() >= 1);
    let meanwhile = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((meanwhile.status, meanwhile.kind()), (409, "at-work"));
    // The body is gone, and is not needed.
    fate.release();
    bench.all_settled().await;
    let after = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!(after.message_id(), bench.mesh.delivered()[0].id.to_string());
    assert_eq!(bench.mesh.made(), [Made::Begin, Made::Probe]);
}

#[tokio::test]
async fn a_caller_that_hangs_up_after_its_body_leaves_no_doubt() {
    let fate = Fate::wait_at("after post");
    let bench = Bench::with(Setting { fate: Arc::clone(&fate), ..Setting::default() }).await;
    let caller = Call::new("a").body(b"result 7").begin(bench.address).await;
    fate.met().await;
    drop(caller);
    fate.release();
    bench.all_settled().await;
    let again = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!(again.message_id(), bench.mesh.delivered()[0].id.to_string());
    assert_eq!(bench.mesh.made(), [Made::Begin], "nothing was asked, and nothing sent again");
}
