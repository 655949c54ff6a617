//! Rows 13 to 15, 17 and 18: messages on their way from MESH to the exchange.

use relay_testkit::wire::{State, Wire};

use super::{Stage, acknowledged, published};
use crate::process::BOB;
use crate::stranger::Stranger;

/// A stage with a message for Bob at MESH whose relay was killed at a point.
async fn crashed(point: &str) -> Stage {
    let mut stage = Stage::new().await;
    seed(&stage, b"payload").await;
    stage.crash(point).await;
    stage
}

async fn seed(stage: &Stage, body: &[u8]) {
    Stranger::new(&stage.scene.sandbox.base_url()).send(BOB, body.to_vec(), false).await;
}

#[tokio::test]
async fn row_13_killed_during_a_download_it_is_downloaded_again() {
    let mut stage = crashed("inside chunk 1 of the download").await;
    assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", 0));
    stage.finish().await;
    assert_eq!((stage.copies().len(), stage.requests("download")), (1, 2));
}

#[tokio::test]
async fn row_14_killed_before_it_is_published_it_is_published() {
    let mut stage = crashed("before delivery").await;
    assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", 0));
    assert_eq!(stage.status_at_mesh(), "accepted", "MESH still holds it");
    stage.finish().await;
    assert_eq!(stage.copies().len(), 1);
}

#[tokio::test]
async fn row_15_killed_with_the_confirm_seen_and_not_recorded_it_is_published_again_and_says_so() {
    for point in ["after delivery", "before commit of delivered"] {
        let mut stage = crashed(point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", 1), "{point}");
        assert_eq!(stage.copies()[0].header("mesh_redelivery"), "", "{point}");
        assert_eq!(stage.status_at_mesh(), "accepted", "{point}: MESH still holds it");
        stage.finish().await;
        let copies = stage.copies();
        let redelivery: Vec<&str> = copies.iter().map(|copy| copy.header("mesh_redelivery")).collect();
        assert_eq!(redelivery, ["", "true"], "{point}");
        assert_eq!(copies[0].id, copies[1].id, "{point}");
    }
}

#[tokio::test]
async fn row_15_killed_with_the_confirm_not_seen_it_is_published_again_and_says_so() {
    let mut stage = Stage::new().await;
    let wire = Wire::start(stage.scene.broker.address()).await;
    stage.scene.site.write("broker.url", stage.scene.broker.url_by(wire.address()));
    let relay = stage.start(None);
    // One to begin with, so that all is connected before nothing comes back any more.
    seed(&stage, b"first").await;
    published(&stage).await;
    acknowledged(&stage).await;
    stage.take().await;
    wire.set(State::Silent);
    seed(&stage, b"second").await;
    published(&stage).await;
    relay.kill();
    stage.take().await;
    assert_eq!(stage.tables().inbound.values().filter(|state| *state == "delivering").count(), 1);
    assert_eq!(stage.scene.for_bob()[1].status, "accepted", "MESH still holds it");

    stage.scene.site.write("broker.url", &stage.scene.broker.url);
    stage.finish().await;
    let mut counts: Vec<usize> = stage.account.came.values().map(Vec::len).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
}

#[tokio::test]
async fn row_17_killed_behind_the_recorded_delivery_it_is_acknowledged_and_not_published_again() {
    for point in ["after commit of delivered", "before acknowledge"] {
        let mut stage = crashed(point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivered", 1), "{point}");
        assert_eq!(stage.status_at_mesh(), "accepted", "{point}: MESH still holds it");
        stage.finish().await;
        assert_eq!((stage.copies().len(), stage.requests("download")), (1, 1), "{point}");
    }
}

#[tokio::test]
async fn row_18_killed_with_the_acknowledgement_not_recorded_it_is_made_again() {
    for point in ["after acknowledge", "before commit of acknowledged"] {
        let mut stage = crashed(point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivered", 1), "{point}");
        assert_eq!(stage.status_at_mesh(), "acknowledged", "{point}");
        stage.finish().await;
        assert_eq!((stage.copies().len(), stage.requests("download")), (1, 1), "{point}");
        assert!(stage.requests("acknowledge") > 1, "{point}");
    }
}
