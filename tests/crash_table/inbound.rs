//! Rows 13, 16 to 18 and 22: messages and reports on their way from MESH to IN.

use std::fs;

use mesh_api::MessageId;
use mesh_sandbox::Call;
use relay_testkit::pairs::{Control, element};
use relay_testkit::wait::eventually;

use crate::books::Books;
use crate::process::{ALICE, BOB};
use crate::scene::{CHUNK_BYTES, Scene, data};

/// A scene with a message for Bob at MESH whose relay was killed at a point.
async fn crashed(point: &str, data: &[u8]) -> (Scene, MessageId) {
    let scene = Scene::new().await;
    let id = scene.seed(data).await;
    scene.crash(point).await;
    (scene, id)
}

/// The message arrived once, and MESH was told.
async fn received_once(scene: &Scene, data: &[u8]) -> Books {
    let books = scene.finish().await;
    assert_eq!(books.states("inbound"), ["acknowledged"]);
    assert!(scene.site.bob.received() == [data], "it arrived once, as it was");
    assert_eq!(scene.mesh(BOB)[0].status, "acknowledged");
    books
}

fn status_at_mesh(scene: &Scene) -> String {
    scene.mesh(BOB)[0].status.clone()
}

/// How many chunks were asked for.
fn fetched(scene: &Scene) -> usize {
    scene.requests("download") + scene.requests("download-chunk")
}

#[tokio::test]
async fn row_13_killed_during_a_download_it_is_downloaded_again() {
    let (scene, _) = crashed("inside chunk 1 of the download", b"payload").await;
    assert_eq!(Books::open(&scene.site).await.states("inbound"), ["delivering"]);
    assert!(scene.site.bob.names("IN").is_empty());
    let books = received_once(&scene, b"payload").await;
    assert_eq!(books.received().states(), ["delivering", "delivering", "delivered", "acknowledged"]);
    assert_eq!(fetched(&scene), 2);
}

#[tokio::test]
async fn row_13_killed_during_a_download_in_chunks_it_goes_on_at_the_chunk_it_was_at() {
    let five_chunks = data(4 * CHUNK_BYTES + 1_000);
    // Between two chunks nothing is fetched twice; inside the third one it is that one.
    for (point, fetched_in_all) in
        [("behind chunk 2 of the download", 5), ("inside chunk 3 of the download", 5 + 1)]
    {
        let (scene, _) = crashed(point, &five_chunks).await;
        assert_eq!(Books::open(&scene.site).await.states("inbound"), ["delivering"], "{point}");
        received_once(&scene, &five_chunks).await;
        assert_eq!(fetched(&scene), fetched_in_all, "{point}");
    }
}

#[tokio::test]
async fn row_16_killed_with_the_data_moved_and_the_control_file_not_the_move_is_finished() {
    let scene = Scene::new().await;
    let id = scene.seed(b"payload").await;
    // Something is in the way of the control file and of nothing else.
    let (inbox, control) = (scene.site.bob.folder("IN"), format!("{id}.ctl"));
    fs::create_dir_all(inbox.join(&control)).expect("a folder");
    scene.crash("after a failed delivery").await;
    assert_eq!(scene.site.bob.names("IN"), [control.clone(), format!("{id}.dat")]);
    assert_eq!(Books::open(&scene.site).await.states("inbound"), ["delivering"]);
    assert_eq!(status_at_mesh(&scene), "accepted", "MESH still holds it");

    fs::remove_dir(inbox.join(&control)).expect("removed");
    received_once(&scene, b"payload").await;
}

#[tokio::test]
async fn row_17_killed_behind_the_delivery_it_is_acknowledged_and_nothing_else() {
    for (point, state) in [
        // The receipt is lost with the process; the folder knows what it has.
        ("after delivery", "delivering"),
        ("after commit of delivered", "delivered"),
        ("before acknowledge", "delivered"),
    ] {
        let (scene, _) = crashed(point, b"payload").await;
        assert_eq!(Books::open(&scene.site).await.states("inbound"), [state], "{point}");
        assert_eq!(status_at_mesh(&scene), "accepted", "{point}: MESH still holds it");
        let books = received_once(&scene, b"payload").await;
        assert_eq!(books.received().times_in("delivered"), 1, "{point}");
        let opened_again = usize::from(state == "delivering");
        assert_eq!(fetched(&scene), 1 + opened_again, "{point}");
    }
}

#[tokio::test]
async fn row_17_killed_behind_the_delivery_what_the_application_took_does_not_come_again() {
    for point in ["after delivery", "before acknowledge"] {
        let (scene, _) = crashed(point, b"payload").await;
        take_everything(&scene);
        let relay = scene.start(None);
        eventually("MESH is told", || status_at_mesh(&scene) == "acknowledged").await;
        relay.stop().await;
        assert_eq!(Books::open(&scene.site).await.states("inbound"), ["acknowledged"], "{point}");
        assert_eq!(scene.site.bob.names("IN"), [""; 0], "{point}");
    }
}

/// The application takes what is in Bob's IN.
pub fn take_everything(scene: &Scene) {
    for name in scene.site.bob.names("IN") {
        fs::remove_file(scene.site.bob.folder("IN").join(name)).expect("taken");
    }
}

#[tokio::test]
async fn row_18_killed_with_the_acknowledgements_answer_lost_it_is_made_again() {
    let scene = Scene::new().await;
    scene.seed(b"payload").await;
    scene.lose_answers(Call::Acknowledge, 0, 1);
    scene.crash("after acknowledge").await;
    assert_eq!(status_at_mesh(&scene), "acknowledged", "MESH was told and its answer was lost");
    assert_eq!(Books::open(&scene.site).await.states("inbound"), ["delivered"]);
    // MESH lists it no more, so the journal must bring it up: until then it is a message that has not ended.
    let relay = scene.start(None);
    eventually("it is acknowledged again and recorded", || scene.inbound("acknowledged") == 1).await;
    relay.stop().await;
    received_once(&scene, b"payload").await;
    assert!(scene.requests("acknowledge") > 1);
}

#[tokio::test]
async fn row_22_killed_behind_a_report_it_is_acknowledged_and_told_once() {
    for point in ["after commit of undelivered", "after delivery", "before acknowledge"] {
        let scene = Scene::new().await;
        scene.site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
        scene.finish().await;
        let id = scene.whole(BOB)[0].message_id.clone();
        scene.report(&id).await;
        scene.crash(point).await;
        let books = Books::open(&scene.site).await;
        assert_eq!(books.states("outbound"), ["undelivered"], "{point}: the report is processed");
        assert_eq!(scene.mesh(ALICE)[0].status, "accepted", "{point}: MESH still holds it");

        let books = scene.finish().await;
        assert_eq!(books.sent().states(), ["received", "sending", "accepted", "undelivered"], "{point}");
        assert_eq!(scene.mesh(ALICE)[0].status, "acknowledged", "{point}");
        let reports = scene.site.alice.reports();
        assert_eq!(reports.len(), 1, "{point}");
        assert_eq!(element(&reports[0], "PartnerId"), id.as_str(), "{point}: it names its message");
    }
}
