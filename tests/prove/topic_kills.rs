//! The adapter for Kafka, killed hundreds of times in each of its modes. `MESH_RELAY_PROVE_KAFKA_KILLS` says how often.

#[path = "../kafka/account.rs"]
mod account;
#[path = "../kafka/broker.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod broker;
#[path = "../kafka/scene.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod scene;

use crate::queues::kills::number;
use account::Mode;

/// Unless the variable says otherwise.
const KILLS_USUALLY: u64 = 300;

fn kills() -> u64 {
    number("MESH_RELAY_PROVE_KAFKA_KILLS").unwrap_or(KILLS_USUALLY)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_carried_however_often_the_relay_is_killed() {
    account::killed(Mode::Usual, kills()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_transactions_each_message_is_seen_once_however_often_the_relay_is_killed() {
    account::killed(Mode::Transactions, kills()).await;
}
