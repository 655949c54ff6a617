//! Delivery in transactions: killed anywhere, readers of what is committed see each message once, and nothing says that it
//! is a repetition. What happens inside of a transaction is tried in `unanswered`.

use super::{Mode, Stage, crashed_inbound};

/// The message came once and was marked once, whatever stands in the topic that did not come about: the account looks at
/// that. Here that readers see no more than that.
async fn came_once(stage: &mut Stage, point: &str) {
    stage.finish().await;
    assert_eq!((stage.copies().len(), stage.account.marks.len()), (1, 1), "{point}");
    assert_eq!(stage.copies()[0].header("mesh_redelivery"), "", "{point}");
}

#[tokio::test]
async fn killed_before_the_transaction_it_is_delivered() {
    for point in ["before delivery", "inside chunk 1 of the download"] {
        let mut stage = crashed_inbound(Mode::Transactions, point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.written("inbound")), ("delivering", 0), "{point}");
        assert_eq!(stage.status_at_mesh(), "accepted", "{point}: MESH still holds it");
        came_once(&mut stage, point).await;
    }
}

#[tokio::test]
async fn killed_behind_the_commit_with_nothing_recorded_it_is_found_by_its_mark() {
    for point in ["after delivery", "before commit of delivered"] {
        let mut stage = crashed_inbound(Mode::Transactions, point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivering", 1), "{point}");
        assert_eq!(stage.status_at_mesh(), "accepted", "{point}: MESH still holds it");
        came_once(&mut stage, point).await;
        // Not even one that was taken back.
        assert_eq!((stage.written("inbound"), stage.written("seen")), (1, 1), "{point}");
    }
}

#[tokio::test]
async fn killed_behind_the_recorded_delivery_it_is_acknowledged_and_no_more() {
    for (point, at_mesh) in [
        ("after commit of delivered", "accepted"),
        ("before acknowledge", "accepted"),
        ("after acknowledge", "acknowledged"),
        ("before commit of acknowledged", "acknowledged"),
    ] {
        let mut stage = crashed_inbound(Mode::Transactions, point).await;
        assert_eq!((stage.state_inbound().as_str(), stage.copies().len()), ("delivered", 1), "{point}");
        assert_eq!(stage.status_at_mesh(), at_mesh, "{point}");
        came_once(&mut stage, point).await;
        assert_eq!((stage.written("inbound"), stage.requests("download")), (1, 1), "{point}");
    }
}
