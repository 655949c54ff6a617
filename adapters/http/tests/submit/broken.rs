//! Requests that break, are refused or cannot be met for now: MESH never has a whole message for them, and the same request
//! made again goes well.

use base64ct::{Base64, Encoding};
use relay_testkit::scripted::Made;
use sha2::{Digest, Sha256};

use super::*;

fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(body)))
}

#[tokio::test]
async fn a_cut_off_upload_is_nothing_at_mesh_and_goes_well_when_it_is_repeated() {
    let bench = Bench::new().await;
    let caller = Call::new("a").body(b"resu").length(8).begin(bench.address).await;
    eventually("MESH is called", || bench.mesh.made().contains(&Made::Begin)).await;
    drop(caller);
    let answer = repeated(&bench, Call::new("a").body(b"result 7")).await;
    assert_eq!(answer.message_id(), bench.mesh.delivered()[0].id.to_string());
    assert_eq!((bench.mesh.delivered().len(), &bench.mesh.delivered()[0].body[..]), (1, &b"result 7"[..]));
}

/// Makes a request until the one before is not at work any more.
pub(crate) async fn repeated(bench: &Bench, call: Call<'_>) -> Answer {
    bench.call_until(call, |answer| answer.status != 409 || answer.kind() != "at-work").await
}

#[tokio::test]
async fn a_body_that_is_not_what_its_digest_says_never_ends_at_mesh() {
    let bench = Bench::new().await;
    for body in [&b"result 8"[..], b"a result of more than one chunk"] {
        let key = format!("wrong {}", body.len()).replace(' ', "-");
        let call = Call::new(&key).body(body).header("Content-Digest", digest(b"another"));
        let answer = bench.call(call).await;
        assert_eq!((answer.status, answer.kind()), (400, "digest-mismatch"));
    }
    assert!(bench.mesh.delivered().is_empty());
    assert!(bench.mesh.made().len() >= 3, "they were begun: {:?}", bench.mesh.made());
    let right = Call::new("right").body(b"result 7").header("Content-Digest", digest(b"result 7"));
    bench.call(right).await.message_id();
}

#[tokio::test]
async fn while_mesh_is_away_the_message_stays_with_its_caller() {
    let bench = Bench::new().await;
    bench.mesh.set_reachable(false);
    let answer = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((answer.status, answer.kind()), (503, "unavailable"));
    assert!((1..=3600).contains(&answer.retry_after()));
    assert!(bench.mesh.made().is_empty());
    bench.mesh.set_reachable(true);
    let answer = bench.call_until(Call::new("a").body(b"result 7"), |answer| answer.status != 503).await;
    answer.message_id();
    assert_eq!(bench.mesh.delivered().len(), 1);
}

#[tokio::test]
async fn a_request_that_says_too_little_is_refused_before_its_body() {
    let bench = Bench::new().await;
    let call = || Call::new("a").body(b"result 7");
    let no_length = call().no_length().header("Transfer-Encoding", "chunked");
    for (call, status, kind) in [
        (no_length, 411, "no-length"),
        (call().length(0).header("Expect", "100-continue"), 400, "empty"),
        (call().header("Mex-To", ""), 400, "bad-request"),
        (call().header("Mex-From", "X26ABC9"), 404, "no-such-mailbox"),
        (call().header("Content-Encoding", "gzip"), 415, "content-encoding"),
        (Call::new("").body(b"result 7"), 400, "bad-request"),
        (call().caller(Some("ward/viewer")), 403, "not-allowed"),
        (call().caller(None), 401, "sign-in-needed"),
    ] {
        let answer = bench.call(call).await;
        assert_eq!((answer.status, answer.kind()), (status, kind), "{answer:?}");
    }
    assert_eq!(bench.unsettled().await, 0, "nothing was recorded");
    bench.call(call().header("Mex-From", "x26abc1")).await.message_id();
}

#[tokio::test]
async fn of_several_mailboxes_one_must_be_named() {
    let other: MailboxId = "X26ABC7".parse().expect("a mailbox");
    let bench = Bench::with(Setting { mailboxes: vec![mailbox(), other], ..Setting::default() }).await;
    let answer = bench.call(Call::new("a").body(b"result 7")).await;
    assert_eq!((answer.status, answer.kind()), (400, "bad-request"));
    bench.call(Call::new("a").body(b"result 7").header("Mex-From", "X26ABC1")).await.message_id();
}

#[tokio::test]
async fn a_caller_that_stops_sending_is_let_go() {
    let mut setting = Setting::default();
    setting.limits.body_quiet = Duration::from_secs(1);
    let bench = Bench::with(setting).await;
    let slow = Call::new("a").body(b"resu").length(8).begin(bench.address).await;
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.kind()), (408, "too-slow"));
    assert!(bench.mesh.delivered().is_empty());
    bench.call(Call::new("a").body(b"result 7")).await.message_id();
}

#[tokio::test]
async fn more_requests_than_may_be_are_turned_away() {
    let mut setting = Setting::default();
    setting.limits.requests = 1;
    let bench = Bench::with(setting).await;
    let mut first = Call::new("a").body(b"resu").length(8).begin(bench.address).await;
    eventually("MESH is called", || bench.mesh.made().contains(&Made::Begin)).await;
    let second = bench.call(Call::new("b").body(b"result 8")).await;
    assert_eq!((second.status, second.kind()), (503, "busy"));
    assert!(second.retry_after() >= 1);
    first.send(b"lt 7").await;
    first.answer().await.message_id();
    bench.call(Call::new("b").body(b"result 8")).await.message_id();
}

#[tokio::test]
async fn a_source_that_does_not_run_takes_nothing() {
    let bench = Bench::new().await;
    bench.trigger.request();
    let answer = bench.call_until(Call::new("a").body(b"result 7"), |answer| answer.status != 202).await;
    assert_eq!((answer.status, answer.kind()), (503, "unavailable"));
    assert!(answer.retry_after() >= 1);
}
