//! What a row is played on where the organisation's side is a broker: whatever broker that is.

use std::time::Duration;

use relay_testkit::wait::DEADLINE;
use tokio::time::Instant;

use crate::child::Child;
use crate::queues::account::{Account, Piece, Sent};
use crate::queues::load::Message;
use crate::queues::side::Side;
use crate::queues::tables::{Row, Tables};

/// How often the relay is started at most until nothing is with the broker.
const STARTS_MAX: usize = 3;
/// Pause between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A place with a broker, what was put into it and what came out of it.
pub struct Stage<S> {
    pub scene: S,
    pub sent: Sent,
    pub account: Account,
}

impl<S: Side> Stage<S> {
    pub fn on(scene: S) -> Self {
        Self { scene, sent: Sent::new(), account: Account::default() }
    }

    /// Puts a message in.
    pub async fn put(&mut self, message: Message) {
        let name = self.scene.put(&message).await;
        self.sent.insert(name, message.body);
    }

    pub fn start(&self, point: Option<&str>) -> Child {
        Child::spawn(&self.scene.site().path("relay.toml"), point)
    }

    /// Runs the relay until it is killed at a point, and takes what came out until then.
    pub async fn crash(&mut self, point: &str) {
        self.start(Some(point)).killed(point).await;
        // What it held is with the broker: nothing was let go early, and the broker knows that it is gone.
        let deadline = Instant::now() + DEADLINE;
        while self.scene.left().await != self.sent.len() {
            assert!(Instant::now() < deadline, "{point}: not all that it held is with the broker");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.take().await;
    }

    /// As [`Self::crash`], at a point of what is told: how far the message is by then is left to chance.
    pub async fn crash_telling(&mut self, point: &str) {
        self.start(Some(point)).killed(point).await;
        self.take().await;
    }

    pub async fn take(&mut self) {
        self.scene.take(&mut self.account).await;
    }

    /// The journal as a crash left it.
    pub fn tables(&self) -> Tables {
        self.scene.tables().expect("a journal")
    }

    /// Where the one message for MESH is, by the journal.
    pub fn state(&self) -> String {
        state(&self.tables())
    }

    /// How often a state was told, of all messages.
    pub fn times_told(&self, state: &str) -> usize {
        let told = self.account.told.values().flatten();
        told.filter(|event| event.json()["data"]["state"] == state).count()
    }

    /// Runs the relay until nothing is left to do, then counts everything.
    pub async fn finish(&mut self) -> Tables {
        for _ in 0..STARTS_MAX {
            let relay = self.start(None);
            let deadline = Instant::now() + DEADLINE;
            while !self.scene.is_done(self.sent.len()).await {
                assert!(Instant::now() < deadline, "something is left to do");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            relay.stop().await;
            // What had just come when the relay was stopped is with the broker again.
            if self.scene.left().await == 0 {
                break;
            }
        }
        assert_eq!(self.scene.left().await, 0, "nothing is left with the broker");
        self.take().await;
        let tables = self.tables();
        let faults = self.account.faults(&self.scene, &tables, &self.sent);
        assert!(faults.is_empty(), "{faults:#?}");
        tables
    }

    /// How many requests of a kind MESH saw.
    pub fn requests(&self, call: &str) -> usize {
        self.scene.sandbox().requests().iter().filter(|request| request.call == call).count()
    }

    /// The copies of the one message from MESH that came so far.
    pub fn copies(&self) -> Vec<&Piece> {
        self.account.came.values().flatten().collect()
    }

    /// The copies of the one message that was parked.
    pub fn parked(&self) -> usize {
        self.account.parked.values().map(Vec::len).sum()
    }

    pub fn at_mesh(&self) -> usize {
        self.scene.at_mesh().len()
    }

    pub fn status_at_mesh(&self) -> String {
        self.scene.at_mesh()[0].status.clone()
    }

    /// The state of the one message from MESH, by the journal.
    pub fn state_inbound(&self) -> String {
        let states: Vec<String> = self.tables().inbound.into_values().collect();
        assert_eq!(states.len(), 1);
        states[0].clone()
    }
}

/// Where the one message for MESH is.
pub fn state(tables: &Tables) -> String {
    if tables.outbound.is_empty() { "nothing".to_owned() } else { row(tables).state.clone() }
}

/// The one message for MESH.
pub fn row(tables: &Tables) -> &Row {
    let all: Vec<&Row> = tables.outbound.values().flatten().collect();
    assert_eq!(all.len(), 1, "one message");
    all[0]
}
