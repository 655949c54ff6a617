//! Rows 19 to 21: the journal is lost with its disk, or the right to write in it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use relay_core::JournalError;
use relay_testkit::failing::Fate;
use relay_testkit::pairs::{Control, element};
use relay_testkit::wait::eventually;

use crate::books::Books;
use crate::inbound::take_everything;
use crate::process::{ALICE, BOB};
use crate::relay::Relay;
use crate::scene::Scene;

/// Short, so that a lost lease is noticed soon.
const TTL: Duration = Duration::from_millis(1_500);

/// The journal's disk is gone, and a new one is in its place.
fn lose_journal(scene: &Scene) {
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let path = scene.site.path(name);
        if path.exists() {
            fs::remove_file(path).expect("removed");
        }
    }
}

fn control() -> Control {
    Control::new(ALICE, BOB).local_id("L1")
}

#[tokio::test]
async fn row_19_with_the_journal_lost_what_is_not_acknowledged_is_delivered_again_under_its_id() {
    for taken in [false, true] {
        let scene = Scene::new().await;
        let id = scene.seed(b"payload").await;
        scene.crash("before acknowledge").await;
        assert_eq!(scene.site.bob.controls("IN"), 1, "it was delivered");
        lose_journal(&scene);
        if taken {
            take_everything(&scene);
        }
        // In IN it takes the place of itself. One that was taken comes again: its id is what tells.
        let books = scene.finish().await;
        assert_eq!(books.received().states(), ["delivering", "delivered", "acknowledged"]);
        assert_eq!(scene.site.bob.received(), [b"payload"]);
        let control = scene.site.bob.text("IN", &format!("{id}.ctl"));
        assert_eq!(element(&control, "DTSId"), id.as_str());
    }
}

#[tokio::test]
async fn row_19_with_the_journal_lost_a_delivery_that_was_not_recorded_is_not_shown_twice() {
    let scene = Scene::new().await;
    scene.seed(b"payload").await;
    scene.crash("after delivery").await;
    lose_journal(&scene);
    take_everything(&scene);
    let relay = scene.start(None);
    eventually("MESH is told", || scene.mesh(BOB)[0].status == "acknowledged").await;
    relay.stop().await;
    assert_eq!(scene.site.bob.names("IN"), [""; 0], "the folder's own work in TEMP tells");
}

#[tokio::test]
async fn row_20_with_the_journal_lost_a_message_is_unknown_and_a_report_on_it_says_so() {
    let scene = Scene::new().await;
    scene.site.alice.drop_pair("pair", &control(), b"payload");
    scene.finish().await;
    let id = scene.whole(BOB)[0].message_id.clone();
    lose_journal(&scene);
    scene.report(&id).await;

    let relay = scene.start(None);
    scene.until_done().await;
    assert!(relay.log().contains("MESH reports on a message that this journal does not know"));
    relay.stop().await;
    let books = Books::open(&scene.site).await;
    assert!(books.outbound.is_empty(), "lost tracking");
    let notes: Vec<_> = books.received().history.iter().filter_map(|entry| entry.note.as_deref()).collect();
    assert!(notes.iter().any(|note| note.contains(id.as_str())), "{notes:?}");
    assert_eq!(scene.site.alice.reports().len(), 1, "the organisation has the report all the same");
}

#[tokio::test]
async fn row_20_with_the_journal_lost_what_the_source_still_holds_is_sent_as_new() {
    for (point, at_mesh) in [
        // The intent was lost, and nothing had left.
        ("before post", 1),
        // MESH had it, and the only record of that is lost: a second one, of the same local id. This is why an operator
        // who loses the journal must restore it, and why the relay does not begin a new one by itself while it can tell.
        ("after commit of accepted", 2),
    ] {
        let scene = Scene::new().await;
        scene.site.alice.drop_pair("pair", &control(), b"payload");
        scene.crash(point).await;
        lose_journal(&scene);
        let books = scene.finish().await;
        assert_eq!(
            books.sent().states(),
            ["received", "sending", "accepted"],
            "{point}: it is a new message"
        );
        assert_eq!(scene.whole(BOB).len(), at_mesh, "{point}");
        assert!(scene.whole(BOB).iter().all(|message| message.local_id == "L1"), "{point}");
        assert_eq!(scene.site.alice.names("SENT"), ["pair.ctl", "pair.dat"], "{point}");
    }
}

#[tokio::test]
async fn row_20_with_the_journal_gone_from_beside_its_log_the_relay_does_not_start() {
    let scene = Scene::new().await;
    scene.site.alice.drop_pair("pair", &control(), b"payload");
    scene.crash("after commit of accepted").await;
    fs::remove_file(scene.site.path("journal.db")).expect("removed");
    let mut relay = scene.start(None);
    let status = relay.wait("it does not start").await;
    assert!(!status.success());
    assert!(relay.log().contains("could send messages twice"), "{}", relay.log());
    assert_eq!(scene.whole(BOB).len(), 1, "nothing was sent twice");
}

/// The row is about the writes of a tenure that is over, so the relay runs in this process, and another instance takes
/// the lease while a step is held up at `point`. Returns once the work of the old tenure is over.
async fn lose_lease(scene: &Scene, point: &str, lease: &str) -> Relay {
    let fate = Fate::wait_at(point);
    let relay = Relay::start(&scene.site.path("relay.toml"), &fate, TTL).await;
    fate.met().await;
    relay.journal.take_away(lease).await;
    fate.release();
    let journal = Arc::clone(&relay.journal);
    eventually("the old tenure is over", || journal.asked_in_vain() > 0).await;
    relay
}

/// The other instance goes; whatever was written under the lost lease meanwhile was refused.
fn all_refused(relay: &Relay, lease: &str) {
    let late = relay.journal.give_back();
    assert!(!late.is_empty(), "something was tried");
    let refused = |written: &Result<(), JournalError>| matches!(written, Err(JournalError::Fenced { lease: named }) if **named == *lease);
    assert!(late.iter().all(refused), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_21_with_its_lease_lost_behind_a_delivery_nothing_is_recorded_or_acknowledged() {
    let scene = Scene::new().await;
    scene.seed(b"payload").await;
    let lease = format!("mailbox:{BOB}");
    let relay = lose_lease(&scene, "after delivery", &lease).await;
    assert_eq!(scene.inbound("delivering"), 1);
    assert_eq!(scene.requests("acknowledge"), 0);
    assert_eq!(scene.mesh(BOB)[0].status, "accepted", "MESH still holds it");

    // Whoever has the lease next goes on as after a crash.
    all_refused(&relay, &lease);
    scene.until_done().await;
    relay.stop().await;
    let books = Books::open(&scene.site).await;
    books.audit(&scene);
    assert_eq!(books.received().states(), ["delivering", "delivering", "delivered", "acknowledged"]);
    assert_eq!(scene.site.bob.received(), [b"payload"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_21_with_its_lease_lost_behind_a_send_the_next_tenure_finds_the_message() {
    let scene = Scene::new().await;
    scene.site.alice.drop_pair("pair", &control(), b"payload");
    let relay = lose_lease(&scene, "after post", "adapter:alice").await;
    assert_eq!(scene.site.outbound("sending"), 1, "the answer is not recorded");
    assert_eq!(scene.site.alice.names("OUT"), ["pair.ctl", "pair.dat"], "and nothing is settled");

    all_refused(&relay, "adapter:alice");
    scene.until_done().await;
    relay.stop().await;
    let books = Books::open(&scene.site).await;
    books.audit(&scene);
    assert_eq!(books.sent().states(), ["received", "sending", "in_doubt", "accepted"]);
    assert_eq!((scene.requests("send"), scene.whole(BOB).len()), (1, 1));
}
