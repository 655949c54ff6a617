//! Rows 13 to 15, 17 and 18: messages on their way from MESH to the topic, at least once.

use super::{Mode, crashed_inbound};

#[tokio::test]
async fn row_13_killed_during_a_download_it_is_downloaded_again() {
    let mut stage = crashed_inbound(Mode::Usual, "inside chunk 1 of the download").await;
    assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", 0));
    stage.finish().await;
    assert_eq!((stage.copies().len(), stage.requests("download")), (1, 2));
}

#[tokio::test]
async fn row_14_killed_before_it_is_published_it_is_published() {
    let mut stage = crashed_inbound(Mode::Usual, "before delivery").await;
    assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", 0));
    assert_eq!(stage.status_at_mesh(), "accepted", "MESH still holds it");
    stage.finish().await;
    assert_eq!(stage.copies().len(), 1);
}

#[tokio::test]
async fn row_15_killed_with_the_report_seen_and_not_recorded_it_is_published_again_and_says_so() {
    for point in ["after delivery", "before commit of delivered"] {
        let mut stage = crashed_inbound(Mode::Usual, point).await;
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
async fn row_17_killed_behind_the_recorded_delivery_it_is_acknowledged_and_not_published_again() {
    for point in ["after commit of delivered", "before acknowledge"] {
        let mut stage = crashed_inbound(Mode::Usual, point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivered", 1), "{point}");
        assert_eq!(stage.status_at_mesh(), "accepted", "{point}: MESH still holds it");
        stage.finish().await;
        assert_eq!((stage.copies().len(), stage.requests("download")), (1, 1), "{point}");
    }
}

#[tokio::test]
async fn row_18_killed_with_the_acknowledgement_not_recorded_it_is_made_again() {
    for point in ["after acknowledge", "before commit of acknowledged"] {
        let mut stage = crashed_inbound(Mode::Usual, point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivered", 1), "{point}");
        assert_eq!(stage.status_at_mesh(), "acknowledged", "{point}");
        stage.finish().await;
        assert_eq!((stage.copies().len(), stage.requests("download")), (1, 1), "{point}");
        assert!(stage.requests("acknowledge") > 1, "{point}");
    }
}
