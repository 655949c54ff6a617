//! MESH is away, hangs, or leaves a message in doubt for longer than the broker waits for an acknowledgement: the broker takes
//! the consumer's channel away, and neither loses nor dead-letters a message, nor changes the order within a key.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use mesh_sandbox::{Call, Effect, Fault};
use relay_testkit::wait::{DEADLINE, eventually};
use relay_testkit::wire::{State, Wire};
use tokio::time::{Instant, timeout};

use crate::broker::{Broker, OwnBroker};
use crate::order::Keyed;
use crate::process::Relay;
use crate::queues::account::Account;
use crate::queues::side::Side;
use crate::scene::Scene;

/// How long the broker waits for an acknowledgement. Usually it is half an hour.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long MESH is away.
const OUTAGE: Duration = Duration::from_secs(6);
/// Times that a message may go back to the queue before the broker takes it out: RabbitMQ 4 has it unless told otherwise.
const DELIVERY_LIMIT: u32 = 20;
/// Where the broker puts what it takes out.
const DEAD: &str = "test.dead";

/// A broker that is short of patience, and a scene whose MESH is behind a wire.
struct Impatient {
    own: OwnBroker,
    scene: Scene,
    wire: Wire,
    load: Keyed,
    account: Account,
}

impl Impatient {
    async fn new(words: &[(&str, &str)]) -> Self {
        let own = OwnBroker::new();
        let broker = Broker::connect(&own.start()).await;
        // Read when a channel is opened.
        let millis = CONSUMER_TIMEOUT.as_millis();
        own.ctl(&["eval", &format!("application:set_env(rabbit, consumer_timeout, {millis}).")]);
        own.ctl(&["eval", "application:set_env(rabbit, channel_tick_interval, 200)."]);
        let policy = format!(r#"{{"delivery-limit":{DELIVERY_LIMIT},"dead-letter-exchange":"{DEAD}"}}"#);
        own.ctl(&["set_policy", "limit", r"^test\..*\.outbound$", &policy, "--apply-to", "queues"]);
        broker.exchange(DEAD).await;
        broker.queue(DEAD).await;
        broker.bind(DEAD, DEAD).await;
        loses_its_channel(&broker).await;
        let scene = Scene::on(broker).await;
        let mesh: SocketAddr = scene.sandbox.address();
        let wire = Wire::start(mesh).await;
        scene.configure(&format!("http://{}", wire.address()), true);
        scene.reword(words);
        scene.make().await;
        Self { own, scene, wire, load: Keyed::new(6), account: Account::default() }
    }

    /// Waits until the relay has done all, and counts.
    async fn finish(mut self, relay: Relay) {
        let deadline = Instant::now() + 2 * DEADLINE;
        loop {
            self.scene.take(&mut self.account).await;
            if self.scene.is_done(self.load.sent.len()).await {
                break;
            }
            assert!(Instant::now() < deadline, "something is never done:\n{}", relay.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(relay.stop().await.0.success());
        self.scene.take(&mut self.account).await;
        let tables = self.scene.tables().expect("a journal");
        let faults = self.account.faults(&self.scene, &tables, &self.load.sent);
        assert!(faults.is_empty(), "{faults:#?}");
        assert_eq!(self.load.overtakers(&self.scene), [""; 0], "the order within each key");
        assert_eq!(self.scene.broker.ready(DEAD).await, 0, "the broker took no message out");
        drop(self.own);
    }

    /// Waits until so many messages are at MESH.
    async fn at_mesh(&self, count: usize) {
        eventually("messages are at MESH", || self.scene.for_bob().len() >= count).await;
    }
}

/// Shows that this broker does as it is told: a consumer that holds a message loses its channel.
async fn loses_its_channel(broker: &Broker) {
    let queue = "held";
    broker.queue(queue).await;
    broker.put(queue, "held", &[], b"payload").await;
    let connection =
        Connection::connect(&broker.url, ConnectionProperties::default()).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    channel.basic_qos(1, BasicQosOptions::default()).await.expect("a prefetch");
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    let mut consumer = consumer.expect("a consumer");
    let held = consumer.next().await.expect("a message").expect("a message");
    let lost = timeout(DEADLINE, consumer.next()).await.expect("the broker loses patience");
    assert!(!matches!(lost, Some(Ok(_))), "the channel is closed");
    assert!(!channel.status().connected());
    drop(held);
    broker.until_ready(queue, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_mesh_is_away_or_hangs_for_long_the_broker_takes_no_message_out() {
    let mut stage = Impatient::new(&[]).await;
    // In the middle of the load, each time.
    let slow = Fault { calls: vec![Call::Send], ..Fault::new("slow", Effect::Delay { millis: 50 }) };
    stage.scene.sandbox.faults().add(slow).expect("a fault");
    let relay = stage.scene.site.run().await;
    for state in [State::Broken, State::Held] {
        let before = stage.scene.for_bob().len();
        stage.load.put(&stage.scene, 60).await;
        stage.at_mesh(before + 5).await;
        stage.wire.set(state);
        stage.load.put(&stage.scene, 30).await;
        // It is the length of the outage that is tried.
        tokio::time::sleep(OUTAGE).await;
        assert!(stage.scene.for_bob().len() < stage.load.sent.len(), "{state:?}: MESH is away");
        stage.wire.set(State::Whole);
        stage.at_mesh(stage.load.sent.len()).await;
    }
    stage.finish(relay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_that_lasts_longer_than_the_broker_waits_costs_no_message_and_no_order() {
    let wait = format!("doubt_wait = \"{}s\"", 2 * CONSUMER_TIMEOUT.as_secs());
    let mut stage = Impatient::new(&[("doubt_wait = \"300ms\"", &wait)]).await;
    // One has arrived and nobody says so; another one has not.
    for (name, effect, skip) in
        [("lost", Effect::LoseAnswer, 10), ("cut", Effect::CutRequest { after_bytes: 100 }, 20)]
    {
        let fault = Fault { calls: vec![Call::Send], skip, times: Some(1), ..Fault::new(name, effect) };
        stage.scene.sandbox.faults().add(fault).expect("a fault");
    }
    let relay = stage.scene.site.run().await;
    stage.load.put(&stage.scene, 60).await;
    stage.at_mesh(60).await;
    let asked =
        stage.scene.sandbox.requests().iter().filter(|request| request.call == "track-local-id").count();
    assert!(asked >= 1, "there was a doubt");
    assert!(relay.log().contains("messages stay in the queue"), "the broker took the channel away");
    stage.finish(relay).await;
}
