//! The adapter under load, killed again and again (`queues::kills`), in each of its modes.

use crate::account::{Mode, killed};

/// How often; more often by `make prove`.
const KILLS: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn through_kills_under_load_nothing_is_lost_and_nothing_doubled_unmarked() {
    killed(Mode::Usual, KILLS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_kills_under_load_readers_of_what_is_committed_see_each_message_once() {
    killed(Mode::Transactions, KILLS).await;
}
