//! Rows 1 to 3 and 8 to 12: what can be told apart after a crash, so that nothing is left to doubt.

use std::fs::{self, File};
use std::path::Path;

use mesh_sandbox::Call;
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::books::{Books, tellings};
use crate::process::{ALICE, BOB};
use crate::scene::{CHUNK_BYTES, NOBODY, Scene, data};

const PAIR: [&str; 2] = ["pair.ctl", "pair.dat"];

fn control() -> Control {
    Control::new(ALICE, BOB).local_id("L1")
}

fn in_chunks() -> Control {
    Control { allow_chunking: true, ..control() }
}

/// Three chunks, the last of them short.
fn three_chunks() -> Vec<u8> {
    data(2 * CHUNK_BYTES + 1_000)
}

/// A scene with a pair in OUT whose relay was killed at a point.
async fn crashed(point: &str, control: &Control, data: &[u8]) -> Scene {
    let scene = Scene::new().await;
    scene.site.alice.drop_pair("pair", control, data);
    scene.crash(point).await;
    scene
}

#[expect(clippy::disallowed_methods, reason = "a test moves a folder out of the way without ceremony")]
fn set_aside(from: &Path, to: &Path) {
    fs::rename(from, to).expect("moved");
}

/// The pair was sent and arrived, once.
async fn sent_once(scene: &Scene, data: &[u8]) -> Books {
    let books = scene.finish().await;
    assert_eq!(books.states("outbound"), ["accepted"]);
    assert!(books.sent().evidence().contains(r#""resent":"no""#), "{}", books.sent().evidence());
    assert_eq!(scene.whole(BOB).len(), 1, "MESH has one message");
    assert_eq!(scene.site.alice.names("SENT"), PAIR);
    assert!(scene.site.bob.received() == [data], "it arrived once, as it was");
    books
}

#[tokio::test]
async fn row_01_killed_before_the_first_commit_the_pair_is_taken_as_new() {
    let scene = crashed("before begin", &control(), b"payload").await;
    assert!(Books::open(&scene.site).await.outbound.is_empty(), "nothing is recorded");
    assert_eq!(scene.site.alice.names("OUT"), PAIR, "the source still holds it");
    let books = sent_once(&scene, b"payload").await;
    assert_eq!(books.sent().states(), ["received", "sending", "accepted"]);
}

#[tokio::test]
async fn row_02_killed_behind_a_commit_the_pair_in_out_meets_its_record() {
    for (point, state) in [
        ("after begin", "received"),
        ("after commit of accepted", "accepted"),
        // All of the pair is in SENT by then, and the journal does not know.
        ("before settled", "accepted"),
    ] {
        let scene = crashed(point, &control(), b"payload").await;
        assert_eq!(Books::open(&scene.site).await.states("outbound"), [state]);
        let books = sent_once(&scene, b"payload").await;
        assert_eq!(books.sent().states(), ["received", "sending", "accepted"], "{point}");
        assert_eq!(scene.requests("send"), 1, "{point}");
    }
}

#[tokio::test]
async fn row_02_killed_inside_the_move_the_rest_of_it_is_made_up_for() {
    let scene = Scene::new().await;
    let alice = &scene.site.alice;
    let relay = scene.start(None);
    eventually("the relay is at work", || relay.log().contains("handshake done")).await;
    // A pair that fails ends with a report in IN, and something is in the way there.
    set_aside(&alice.folder("IN"), &alice.folder("IN-aside"));
    File::create(alice.folder("IN")).expect("a file");
    alice.drop_pair("pair", &Control::new(ALICE, NOBODY).local_id("L1"), b"payload");
    eventually("all but the report is moved", || alice.names("FAILED") == PAIR).await;
    relay.kill();
    assert!(alice.names("OUT").is_empty());

    fs::remove_file(alice.folder("IN")).expect("removed");
    set_aside(&alice.folder("IN-aside"), &alice.folder("IN"));
    let books = scene.finish().await;
    assert_eq!(books.states("outbound"), ["rejected"]);
    assert_eq!(alice.reports().len(), 1, "the failure is told once");
    assert_eq!(scene.requests("send"), 1);
}

#[tokio::test]
async fn row_03_killed_before_the_intent_it_is_sent() {
    let scene = crashed("before commit of sending", &control(), b"payload").await;
    assert_eq!(Books::open(&scene.site).await.states("outbound"), ["received"]);
    assert_eq!(scene.requests("send"), 0);
    let books = sent_once(&scene, b"payload").await;
    assert_eq!(books.sent().states(), ["received", "sending", "accepted"]);
}

#[tokio::test]
async fn row_08_killed_with_the_first_chunks_answer_lost_the_orphan_is_never_delivered() {
    let scene = Scene::new().await;
    scene.lose_answers(Call::Send, 0, 1);
    scene.site.alice.drop_pair("pair", &in_chunks(), &three_chunks());
    scene.crash("after post").await;
    assert_eq!(Books::open(&scene.site).await.states("outbound"), ["sending"]);
    let books = sent_once(&scene, &three_chunks()).await;
    assert_eq!(books.sent().times_in("in_doubt"), 0, "there was nothing to doubt");
    let mut at_mesh: Vec<_> = scene.mesh(BOB).iter().map(|message| message.status.clone()).collect();
    at_mesh.sort();
    assert_eq!(at_mesh, ["acknowledged", "uploading"], "the orphan stays what it is");
}

#[tokio::test]
async fn row_09_killed_between_chunks_it_goes_on_at_the_next_one() {
    for (point, chunks_posted) in
        [("after commit of uploading", 2), ("before chunk 2", 2), ("after chunk 2", 3), ("before chunk 3", 2)]
    {
        let scene = crashed(point, &in_chunks(), &three_chunks()).await;
        assert_eq!(Books::open(&scene.site).await.states("outbound"), ["uploading"], "{point}");
        let books = sent_once(&scene, &three_chunks()).await;
        assert_eq!(books.sent().times_in("sending"), 1, "{point}");
        assert_eq!((scene.requests("send"), scene.requests("send-chunk")), (1, chunks_posted), "{point}");
        assert_eq!(scene.mesh(BOB).len(), 1, "{point}");
    }
}

#[tokio::test]
async fn row_10_killed_with_the_last_chunks_answer_lost_it_is_posted_again_and_counts_once() {
    let scene = Scene::new().await;
    scene.lose_answers(Call::SendChunk, 1, 1);
    scene.site.alice.drop_pair("pair", &in_chunks(), &three_chunks());
    scene.crash("after chunk 3").await;
    assert_eq!(Books::open(&scene.site).await.states("outbound"), ["uploading"]);
    assert_eq!(scene.whole(BOB).len(), 1, "MESH has all of it");
    let books = sent_once(&scene, &three_chunks()).await;
    assert!(books.sent().evidence().contains(r#""by":"already_complete""#), "{}", books.sent().evidence());
    assert_eq!((scene.requests("send"), scene.mesh(BOB).len()), (1, 1));
}

/// How often the message's acceptance was told.
fn acceptances(scene: &Scene) -> usize {
    tellings(&scene.site).iter().filter(|(_, _, state)| state == "accepted").count()
}

#[tokio::test]
async fn row_11_killed_before_an_event_is_told_it_is_told() {
    let scene = crashed("before telling of accepted", &control(), b"payload").await;
    assert_eq!(acceptances(&scene), 0);
    sent_once(&scene, b"payload").await;
    assert_eq!(acceptances(&scene), 1);
}

#[tokio::test]
async fn row_12_killed_behind_an_event_it_is_told_again_under_the_same_id() {
    let scene = crashed("after telling of accepted", &control(), b"payload").await;
    assert_eq!(acceptances(&scene), 1);
    // That a repeat has the id and the content of the first is looked at after every row.
    sent_once(&scene, b"payload").await;
    assert_eq!(acceptances(&scene), 2);
}
