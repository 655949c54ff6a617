//! The same rows where the organisation's side is a broker's queue and exchanges: a delivery is kept un-acknowledged where a
//! folder keeps its pair, a confirm stands where a folder renames, and events go to an exchange.
//!
//! After each row everything is counted (`queues::account`): what was put into the queue, what MESH has, what came out of the
//! exchanges, what the journal says. Only what a row has of its own is said in its test.

#[path = "../amqp/account.rs"]
mod account;
#[path = "../amqp/broker.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod broker;
mod inbound;
mod outbound;
#[path = "../amqp/scene.rs"]
#[expect(dead_code, reason = "shared with the adapter's other tests, which use more of it")]
mod scene;

use relay_testkit::wait::eventually;

use crate::queues::load::Message;
use crate::stage::{self, state};
use broker::Broker;
use scene::{Scene, TO_BOB};

type Stage = stage::Stage<Scene>;

impl Stage {
    async fn new() -> Self {
        let scene = Scene::on(Broker::shared().await).await;
        scene.hasten();
        scene.make().await;
        Self::on(scene)
    }
}

#[tokio::test]
async fn without_a_fate_a_message_goes_from_the_queue_to_the_exchange() {
    let mut stage = Stage::new().await;
    stage.put(Message::new("L1", &TO_BOB, b"payload")).await;
    let tables = stage.finish().await;
    assert_eq!(state(&tables), "accepted");
    assert_eq!((stage.copies().len(), stage.times_told("accepted")), (1, 1));
    assert_eq!(stage.copies()[0].header("mesh_redelivery"), "");
}

/// Waits until a message is in the queue behind the exchange for messages from MESH.
async fn published(stage: &Stage) {
    stage.scene.broker.until_ready(&stage.scene.inbound, 1).await;
}

/// Waits until MESH was told of all of Bob's messages.
async fn acknowledged(stage: &Stage) {
    eventually("MESH is told", || {
        stage.scene.for_bob().iter().all(|message| message.status == "acknowledged")
    })
    .await;
}
