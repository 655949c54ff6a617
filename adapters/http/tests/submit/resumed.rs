//! A long message whose caller was lost goes on where it was, with what it was.

use base64ct::{Base64, Encoding};
use relay_testkit::scripted::Made;
use sha2::{Digest, Sha256};

use super::broken::repeated;
use super::*;

const BODY: &[u8] = b"0123456789abcdefghijABCDEFGHIJ+-*/=";

fn with_digest(call: Call<'_>) -> Call<'_> {
    let digest = format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(BODY)));
    call.header("Content-Digest", digest)
}

/// Sends up to within the second chunk, and goes away.
async fn begun(bench: &Bench, call: Call<'_>) {
    let begun = call.body(&BODY[..15]).length(BODY.len()).begin(bench.address).await;
    eventually("the second chunk is begun", || bench.mesh.made().contains(&Made::Chunk(2))).await;
    drop(begun);
}

fn begins(bench: &Bench) -> usize {
    bench.mesh.made().iter().filter(|made| **made == Made::Begin).count()
}

#[tokio::test]
async fn the_repetition_goes_on_at_the_chunk_that_is_missing() {
    let bench = Bench::new().await;
    begun(&bench, Call::new("a")).await;
    repeated(&bench, Call::new("a").body(BODY)).await.message_id();
    assert_eq!(begins(&bench), 1, "{:?}", bench.mesh.made());
    assert_eq!((bench.mesh.delivered().len(), &bench.mesh.delivered()[0].body[..]), (1, BODY));
}

#[tokio::test]
async fn another_beginning_is_not_gone_on_with() {
    let bench = Bench::new().await;
    begun(&bench, Call::new("a")).await;
    let mut other = BODY.to_vec();
    other[3] = b'X';
    let answer = repeated(&bench, Call::new("a").body(&other)).await;
    assert_eq!((answer.status, answer.kind()), (422, "other-content"));
    assert!(bench.mesh.delivered().is_empty());
    bench.call(Call::new("a").body(BODY)).await.message_id();
    assert_eq!(&bench.mesh.delivered()[0].body[..], BODY);
}

#[tokio::test]
async fn after_a_start_what_is_known_by_its_digest_goes_on() {
    let bench = Bench::new().await;
    begun(&bench, with_digest(Call::new("a"))).await;
    let bench = bench.restart().await;
    assert_eq!(bench.unsettled().await, 1, "it waits for its caller");
    bench.call(with_digest(Call::new("a").body(BODY))).await.message_id();
    assert_eq!(begins(&bench), 1);
    assert_eq!((bench.mesh.delivered().len(), &bench.mesh.delivered()[0].body[..]), (1, BODY));
}

#[tokio::test]
async fn after_a_start_what_is_known_by_nothing_ends_and_goes_under_another_key() {
    let bench = Bench::new().await;
    begun(&bench, Call::new("a")).await;
    let bench = bench.restart().await;
    let answer = bench.call(Call::new("a").body(BODY)).await;
    assert_eq!((answer.status, answer.kind()), (410, "cancelled"));
    assert_eq!(bench.unsettled().await, 0);
    bench.call(Call::new("b").body(BODY)).await.message_id();
    assert_eq!((bench.mesh.delivered().len(), &bench.mesh.delivered()[0].body[..]), (1, BODY));
}

#[tokio::test]
async fn after_a_start_a_short_message_goes_from_its_beginning() {
    let bench = Bench::new().await;
    let caller = Call::new("a").body(b"resu").length(8).begin(bench.address).await;
    eventually("MESH is called", || bench.mesh.made().contains(&Made::Begin)).await;
    drop(caller);
    let bench = bench.restart().await;
    bench.call(Call::new("a").body(b"result 7")).await.message_id();
    assert_eq!(bench.mesh.delivered().len(), 1);
}
