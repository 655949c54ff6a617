//! Rows 4 to 7: killed at a moment after which nobody here can know whether MESH has the message. What is done then is
//! the route's choice, and what was sent again is marked.

use mesh_sandbox::Call;
use relay_testkit::pairs::Control;

use crate::books::Books;
use crate::process::{ALICE, BOB};
use crate::scene::{Scene, data};

/// Sends once more what nobody can be asked about.
const RESEND: &str = "in_doubt = \"resend\"";
/// Asks, and leaves what nobody can be asked about to a person.
const PROBE: &str = "in_doubt = \"probe\"";

/// Whether MESH can be asked about the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Local {
    Id,
    None,
}

/// How the row ends.
struct End {
    /// State of the message, and what its evidence says.
    state: (&'static str, &'static str),
    /// How often MESH has the message.
    at_mesh: usize,
}

const SENT_AGAIN_AFTER_ASKING: End = End { state: ("accepted", r#""resent":"probed""#), at_mesh: 1 };
const SENT_AGAIN_BLINDLY: End = End { state: ("accepted", r#""resent":"blindly""#), at_mesh: 1 };
const ADOPTED: End = End { state: ("accepted", r#""by":"probe","resent":"no""#), at_mesh: 1 };
const LEFT_TO_A_PERSON: (&str, &str) = ("parked", "ask the recipient");

/// Kills the relay at a point, looks that the journal has nothing but the intent, and lets it end.
async fn row(send: &str, local: Local, lose_answer: bool, point: &str, payload: &[u8], end: End) -> Scene {
    let scene = Scene::with(send).await;
    if lose_answer {
        scene.lose_answers(Call::Send, 0, 1);
    }
    let control = Control::new(ALICE, BOB);
    let control = if local == Local::Id { control.local_id("L1") } else { control };
    scene.site.alice.drop_pair("pair", &control, payload);
    scene.crash(point).await;
    assert_eq!(Books::open(&scene.site).await.states("outbound"), ["sending"], "the intent is on disk");

    let books = scene.finish().await;
    let described = format!("{point}, {send}, {local:?}: {:?}", books.sent().states());
    let (state, evidence) = end.state;
    assert_eq!(books.states("outbound"), [state], "{described}");
    assert_eq!(
        books.sent().times_in("in_doubt"),
        if local == Local::Id { probes(&end) } else { 1 },
        "{described}"
    );
    let said = books.sent().evidence();
    assert!(said.contains(evidence), "{described}: {said}");
    assert_eq!(scene.whole(BOB).len(), end.at_mesh, "{described}");
    let received = scene.site.bob.received();
    assert!(received.len() == end.at_mesh && received.iter().all(|body| body == payload), "{described}");
    let folder = if state == "accepted" { "SENT" } else { "FAILED" };
    assert_eq!(scene.site.alice.names(folder), ["pair.ctl", "pair.dat"], "{described}");
    scene
}

/// How often the doubt is recorded: once, and once more when MESH was asked the first of two times in vain.
fn probes(end: &End) -> usize {
    if end.state == ADOPTED.state { 1 } else { 2 }
}

#[tokio::test]
async fn row_04_killed_before_the_first_byte_mesh_is_asked_and_it_is_sent_again_marked() {
    let scene = row(PROBE, Local::Id, false, "before post", b"payload", SENT_AGAIN_AFTER_ASKING).await;
    assert_eq!((scene.requests("send"), scene.requests("track-local-id")), (1, 2));
}

#[tokio::test]
async fn row_04_killed_before_the_first_byte_without_a_local_id_a_person_decides() {
    let end = End { state: LEFT_TO_A_PERSON, at_mesh: 0 };
    let scene = row(PROBE, Local::None, false, "after commit of sending", b"payload", end).await;
    assert_eq!((scene.requests("send"), scene.requests("track-local-id")), (0, 0));
}

#[tokio::test]
async fn row_04_killed_before_the_first_byte_without_a_local_id_the_route_may_send_again_marked() {
    row(RESEND, Local::None, false, "before post", b"payload", SENT_AGAIN_BLINDLY).await;
}

#[tokio::test]
async fn row_05_killed_inside_the_body_mesh_is_asked_and_it_is_sent_again_marked() {
    let payload = data(4_000_000);
    let scene = row(PROBE, Local::Id, false, "inside post", &payload, SENT_AGAIN_AFTER_ASKING).await;
    let requests = scene.sandbox.requests();
    let first = requests.iter().find(|request| request.call == "send").expect("a request");
    assert_ne!(first.status, Some(202), "the first request was not taken");
    assert!(first.body_bytes < payload.len() as u64, "MESH saw a part of the body");
}

#[tokio::test]
async fn row_05_killed_inside_the_body_without_a_local_id_the_route_decides() {
    let end = End { state: LEFT_TO_A_PERSON, at_mesh: 0 };
    row(PROBE, Local::None, false, "inside post", &data(4_000_000), end).await;
    row(RESEND, Local::None, false, "inside post", &data(4_000_000), SENT_AGAIN_BLINDLY).await;
}

#[tokio::test]
async fn row_06_killed_with_the_body_complete_and_no_answer_the_message_is_found_and_adopted() {
    let scene = row(PROBE, Local::Id, true, "after post", b"payload", ADOPTED).await;
    assert_eq!((scene.requests("send"), scene.requests("track-local-id")), (1, 1));
}

#[tokio::test]
async fn row_06_killed_with_the_body_complete_the_policy_resend_leaves_a_marked_duplicate() {
    let end = End { at_mesh: 2, ..SENT_AGAIN_BLINDLY };
    row(RESEND, Local::None, true, "after post", b"payload", end).await;
}

#[tokio::test]
async fn row_06_killed_with_the_body_complete_and_nothing_to_ask_by_a_person_decides() {
    let end = End { state: LEFT_TO_A_PERSON, at_mesh: 1 };
    row(PROBE, Local::None, true, "after post", b"payload", end).await;
}

#[tokio::test]
async fn row_07_killed_with_the_answer_read_and_not_recorded_the_message_is_found_and_adopted() {
    row(PROBE, Local::Id, false, "after post", b"payload", ADOPTED).await;
    row(PROBE, Local::Id, false, "before commit of accepted", b"payload", ADOPTED).await;
}

#[tokio::test]
async fn row_07_killed_with_the_answer_read_and_nothing_to_ask_by_the_route_decides() {
    let end = End { state: LEFT_TO_A_PERSON, at_mesh: 1 };
    row(PROBE, Local::None, false, "after post", b"payload", end).await;
    let end = End { at_mesh: 2, ..SENT_AGAIN_BLINDLY };
    row(RESEND, Local::None, false, "after post", b"payload", end).await;
}
