//! The adapter for RabbitMQ, killed hundreds of times. `MESH_RELAY_PROVE_AMQP_KILLS` says how often.

#[path = "../amqp/account.rs"]
mod account;
#[path = "../amqp/broker.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod broker;
#[path = "../amqp/kills.rs"]
mod kills;
#[path = "../amqp/scene.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod scene;

use crate::queues::kills::number;

/// Unless the variable says otherwise.
const KILLS_USUALLY: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_carried_however_often_the_relay_is_killed() {
    kills::run(number("MESH_RELAY_PROVE_AMQP_KILLS").unwrap_or(KILLS_USUALLY)).await;
}
