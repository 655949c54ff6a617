//! Waiting for a condition, with a deadline.

use std::time::Duration;

use tokio::time::Instant;

/// Longest wait for a condition that must come true.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Returns once the condition is true.
///
/// # Panics
/// When it is not by the deadline; `what` says what was waited for.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
