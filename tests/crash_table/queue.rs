//! The same rows where the organisation's side is a broker's queue and exchanges: a delivery is kept un-acknowledged where a
//! folder keeps its pair, a confirm stands where a folder renames, and events go to an exchange.
//!
//! After each row everything is counted (`account`): what was put into the queue, what MESH has, what came out of the
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

use std::collections::BTreeMap;
use std::time::Duration;

use relay_testkit::wait::{DEADLINE, eventually};
use tokio::time::Instant;

use crate::child::Child;
use account::{Account, Tables};
use broker::Broker;
use scene::{Scene, TO_BOB};

/// How often the relay is started at most until the queue is empty.
const STARTS_MAX: usize = 3;

/// A place with a broker, what was put into its queue and what came out of it.
struct Stage {
    scene: Scene,
    sent: BTreeMap<String, Vec<u8>>,
    account: Account,
}

impl Stage {
    async fn new() -> Self {
        let scene = Scene::on(Broker::shared().await).await;
        // What is waited for only by the clock is waited for shortly.
        scene.reword(&[
            ("poll = \"200ms\"", "poll = \"50ms\""),
            ("retry_first = \"200ms\"", "retry_first = \"50ms\""),
            ("doubt_wait = \"300ms\"", "doubt_wait = \"50ms\""),
        ]);
        scene.make().await;
        Self { scene, sent: BTreeMap::new(), account: Account::default() }
    }

    /// Puts a message for Bob, or for whom the headers say, into the queue.
    async fn put(&mut self, id: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.scene.broker.put(&self.scene.outbound, id, headers, body).await;
        self.sent.insert(id.to_owned(), body.to_vec());
    }

    fn start(&self, point: Option<&str>) -> Child {
        Child::spawn(&self.scene.site.path("relay.toml"), point)
    }

    /// Runs the relay until it is killed at a point, and takes what came out until then.
    async fn crash(&mut self, point: &str) {
        self.start(Some(point)).killed(point).await;
        // What it held is in the queue again: nothing was acknowledged early, and the broker knows that it is gone.
        self.scene.broker.until_ready(&self.scene.outbound, self.sent.len() as u32).await;
        self.account.take(&self.scene).await;
    }

    /// As [`Self::crash`], at a point of what is told: how far the message is by then is left to chance.
    async fn crash_telling(&mut self, point: &str) {
        self.start(Some(point)).killed(point).await;
        self.account.take(&self.scene).await;
    }

    /// The journal as a crash left it.
    fn tables(&self) -> Tables {
        Tables::read(&self.scene).expect("a journal")
    }

    /// Where the one message of the queue is, by the journal.
    fn state(&self) -> String {
        state(&self.tables())
    }

    /// How often a state was told, of all messages.
    fn times_told(&self, state: &str) -> usize {
        let told = self.account.told.values().flatten();
        told.filter(|event| event.json()["data"]["state"] == state).count()
    }

    /// Runs the relay until nothing is left to do, then counts everything.
    async fn finish(&mut self) -> Tables {
        for _ in 0..STARTS_MAX {
            let relay = self.start(None);
            self.until_done().await;
            relay.stop().await;
            // A delivery that had just come when the relay was stopped is in the queue again.
            if self.scene.broker.ready(&self.scene.outbound).await == 0 {
                break;
            }
        }
        assert_eq!(self.scene.broker.ready(&self.scene.outbound).await, 0, "the queue is empty");
        self.account.take(&self.scene).await;
        let tables = self.tables();
        let faults = self.account.faults(&self.scene, &tables, &self.sent);
        assert!(faults.is_empty(), "{faults:#?}");
        tables
    }

    async fn until_done(&self) {
        let deadline = Instant::now() + DEADLINE;
        let done = || async {
            self.scene.broker.ready(&self.scene.outbound).await == 0
                && Tables::read(&self.scene).is_ok_and(|tables| {
                    tables.is_done()
                        && tables.outbound.len() == self.sent.len()
                        && tables.inbound.len() == self.scene.for_bob().len()
                })
        };
        while !done().await {
            assert!(Instant::now() < deadline, "something is left to do");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many requests of a kind MESH saw.
    fn requests(&self, call: &str) -> usize {
        self.scene.sandbox.requests().iter().filter(|request| request.call == call).count()
    }

    /// The copies of the one message from MESH that came so far.
    fn copies(&self) -> Vec<&broker::Taken> {
        self.account.came.values().flatten().collect()
    }
}

/// Where the one message of the queue is.
fn state(tables: &Tables) -> String {
    let all: Vec<&account::Row> = tables.outbound.values().flatten().collect();
    match all[..] {
        [] => "nothing".to_owned(),
        [row] => row.state.clone(),
        _ => panic!("{} messages", all.len()),
    }
}

#[tokio::test]
async fn without_a_fate_a_message_goes_from_the_queue_to_the_exchange() {
    let mut stage = Stage::new().await;
    stage.put("L1", &TO_BOB, b"payload").await;
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
