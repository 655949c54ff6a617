//! The same rows where the organisation's side is Kafka: a group's offset stays before a record where a folder keeps its
//! pair, a report of the broker's stands where a folder renames, and events go to a topic. And those of delivery in
//! transactions: readers of what is committed see each message once, and unmarked.
//!
//! After each row everything is counted (`queues::account`): what was put into the topic, what MESH has, what came out of
//! the topics, where the group's offsets are, what the journal says. Only what a row has of its own is said in its test.

#[path = "../kafka/account.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod account;
#[path = "../kafka/broker.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod broker;
mod cut;
mod inbound;
mod outbound;
#[path = "../kafka/scene.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod scene;
mod transactions;
mod unanswered;

use crate::process::BOB;
use crate::queues::load::{Message, TO_BOB};
use crate::stage::{self, row, state};
use crate::stranger::Stranger;
use account::{Counted, Mode};
use broker::Kafka;

type Stage = stage::Stage<Counted>;

impl Stage {
    async fn new(mode: Mode) -> Self {
        Self::on(Counted::new(Kafka::shared(), mode).await)
    }

    /// Puts a message for Bob at MESH.
    async fn seed(&self, body: &[u8]) {
        Stranger::new(&self.scene.sandbox.base_url()).send(BOB, body.to_vec(), false).await;
    }

    /// How many records of a topic there are, committed or not.
    fn written(&self, what: &str) -> usize {
        self.scene.kafka.all(&self.scene.name(what), "read_uncommitted").len()
    }
}

/// A stage with a message for Bob at MESH whose relay was killed at a point.
async fn crashed_inbound(mode: Mode, point: &str) -> Stage {
    let mut stage = Stage::new(mode).await;
    stage.seed(b"payload").await;
    stage.crash(point).await;
    stage
}

#[tokio::test]
async fn without_a_fate_a_message_goes_from_the_topic_to_the_topic() {
    for mode in [Mode::Usual, Mode::Transactions] {
        let mut stage = Stage::new(mode).await;
        stage.put(Message::new("L1", &TO_BOB, b"payload")).await;
        let tables = stage.finish().await;
        assert_eq!(state(&tables), "accepted");
        assert_eq!((stage.copies().len(), stage.times_told("accepted")), (1, 1));
        assert_eq!(stage.copies()[0].header("mesh_redelivery"), "");
    }
}
