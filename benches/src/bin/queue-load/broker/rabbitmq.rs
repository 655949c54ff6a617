//! RabbitMQ, by quorum queues, and the relay's adapter for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind, Queue};
use mesh_relay_benches::load::{ALICE, BOB};
use tokio::sync::Mutex;

use super::{Adapter, Broker, FILLING, Facts, PUBLISHERS, Place, Spot, Taken, Way};
use crate::message;

pub(super) const FACTS: Facts = Facts {
    name: "RabbitMQ",
    file: "queue-load-rabbitmq",
    queue: "queue",
    ack: "ack",
    keeping: "persistent, in quorum queues of RabbitMQ",
    has_transactions: false,
    aim_out: 0.7,
    variable: "MESH_RELAY_BENCH_RABBITMQ",
    place: "MESH_RELAY_TEST_RABBITMQ_PLACE",
    folder: "rabbitmq",
    process: "beam",
};

/// How long a broker may take to see that a consumer's process has ended.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// Persistent.
const DELIVERY_MODE: u8 = 2;

/// A connection of this program's to the broker, and a queue of its own. The queue for events and the one for what is
/// parked have each an exchange of their name, as the queue itself has.
pub(super) struct Rabbit {
    spot: Spot,
    connection: Connection,
    channel: Channel,
}

impl Rabbit {
    /// Connects.
    pub(super) async fn connect(spot: &Spot) -> Self {
        let connection = connect(spot).await;
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { spot: spot.clone(), connection, channel }
    }

    fn names(&self) -> [String; 3] {
        [self.spot.queue.clone(), self.spot.told(), self.spot.parked()]
    }

    /// Makes a quorum queue, and an exchange of its name that leads to it.
    async fn make(&self, name: &str) {
        self.declare(name, false).await;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let made =
            self.channel.exchange_declare(name.into(), ExchangeKind::Topic, options, FieldTable::default());
        made.await.expect("an exchange");
        let options = QueueBindOptions::default();
        let bound =
            self.channel.queue_bind(name.into(), name.into(), "#".into(), options, FieldTable::default());
        bound.await.expect("a queue bound");
    }

    /// Removes a queue and its exchange.
    async fn remove(&self, name: &str) {
        let channel = &self.channel;
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.expect("a queue deleted");
        channel
            .exchange_delete(name.into(), ExchangeDeleteOptions::default())
            .await
            .expect("an exchange deleted");
    }

    /// How many messages are in a queue and with no consumer.
    async fn waiting(&self, queue: &str) -> usize {
        self.declare(queue, true).await.message_count() as usize
    }

    /// How many messages are in a queue and with no consumer, once it has none.
    async fn left(&self, queue: &str) -> usize {
        let began = Instant::now();
        loop {
            let declared = self.declare(queue, true).await;
            if declared.consumer_count() == 0 {
                return declared.message_count() as usize;
            }
            assert!(
                began.elapsed() < GONE_WITHIN,
                "{queue} has a consumer although whoever it was has ended"
            );
        }
    }

    /// Takes so many messages out of a queue and gives their numbers.
    async fn take(&self, queue: &str, count: usize) -> Vec<usize> {
        let channel = self.connection.create_channel().await.expect("a channel");
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let taking = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let messages = taking.await.expect("a consumer").take(count);
        let numbers = messages.map_ok(|delivery| message::number(&delivery.data));
        let numbers = numbers.try_collect().await.expect("messages");
        channel.close(200, "done".into()).await.expect("a channel closed");
        numbers
    }

    async fn declare(&self, name: &str, passive: bool) -> Queue {
        let options = QueueDeclareOptions { durable: true, passive, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        self.channel.queue_declare(name.into(), options, arguments).await.expect("a queue")
    }
}

#[async_trait]
impl Broker for Rabbit {
    async fn make_all(&self) {
        for name in self.names() {
            self.make(&name).await;
        }
    }

    async fn remove_all(&self) {
        for name in self.names() {
            self.remove(&name).await;
        }
    }

    async fn fill(&self, count: usize) {
        let put = |number| async move { publish(&self.channel, "", &self.spot.queue, number).await };
        stream::iter(0..count).map(put).buffer_unordered(FILLING).collect::<()>().await;
    }

    async fn told(&self) -> usize {
        self.waiting(&self.spot.told()).await
    }

    async fn parked(&self) -> usize {
        self.waiting(&self.spot.parked()).await
    }

    async fn has_heard(&self, _: usize) -> bool {
        // An ack leaves at once.
        true
    }

    async fn take_all(&self) -> Vec<usize> {
        let left = self.left(&self.spot.queue).await;
        self.take(&self.spot.queue, left).await
    }

    fn adapter(&self, way: Way, in_flight: usize) -> Adapter {
        let (queue, told) = (&self.spot.queue, self.spot.told());
        let outbound = format!("outbound = {{ queue = \"{queue}\", prefetch = {in_flight} }}\n");
        let (mailbox, what) = match way {
            Way::Out => (ALICE, outbound),
            Way::OutTold => (ALICE, format!("{outbound}status = {{ exchange = \"{told}\" }}\n")),
            Way::In => (BOB, format!("inbound = {{ exchange = \"{queue}\", queue = \"{queue}\" }}\n")),
            Way::InTransactions => unreachable!("{} has no such row", FACTS.name),
        };
        let text = format!(
            "[[adapter]]\nname = \"bench\"\nkind = \"amqp\"\nmailbox = \"{mailbox}\"\nurl = {{ file = \"broker.url\" }}\n\
             parked = \"{parked}\"\n{what}",
            parked = self.spot.parked(),
        );
        Adapter { text, files: vec![("broker.url", self.spot.address.clone())] }
    }
}

async fn connect(spot: &Spot) -> Connection {
    Connection::connect(&spot.address, ConnectionProperties::default()).await.expect("a broker")
}

/// Consumes a queue.
pub(super) struct Intake {
    connection: Connection,
    channel: Channel,
    consumer: Mutex<Consumer>,
}

impl Intake {
    /// Consumes a queue, with so many messages unacknowledged at most.
    pub(super) async fn open(spot: &Spot, prefetch: usize) -> Self {
        let connection = connect(spot).await;
        let channel = connection.create_channel().await.expect("a channel");
        let prefetch = u16::try_from(prefetch).expect("a prefetch");
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.expect("a prefetch");
        let queue = spot.queue.as_str().into();
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
        Self { connection, channel, consumer: Mutex::new(consumer.expect("a consumer")) }
    }
}

#[async_trait]
impl super::Intake for Intake {
    async fn next(&self) -> Taken {
        let next = self.consumer.lock().await.next().await;
        let delivery = next.expect("a consumer that goes on").expect("a message");
        let place = Place { partition: 0, number: delivery.delivery_tag };
        Taken { body: delivery.data.into(), place }
    }

    async fn ack(&self, place: Place) {
        let acked = self.channel.basic_ack(place.number, BasicAckOptions::default());
        acked.await.expect("acknowledged");
    }

    async fn close(&self) {
        self.connection.close(200, "done".into()).await.expect("a connection closed");
    }
}

/// Publishes to an exchange: a few channels of one connection, each with one unconfirmed message at most.
pub(super) struct Outlet {
    /// Kept open for the channels.
    _connection: Connection,
    channels: Vec<Mutex<Channel>>,
    turn: AtomicUsize,
    exchange: String,
}

impl Outlet {
    /// Connects.
    pub(super) async fn open(spot: &Spot) -> Self {
        let connection = connect(spot).await;
        let mut channels = Vec::new();
        for _ in 0..PUBLISHERS {
            let channel = connection.create_channel().await.expect("a channel");
            channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
            channels.push(Mutex::new(channel));
        }
        let (turn, exchange) = (AtomicUsize::new(0), spot.queue.clone());
        Self { _connection: connection, channels, turn, exchange }
    }
}

#[async_trait]
impl super::Outlet for Outlet {
    async fn publish(&self, number: usize) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let channel = self.channels[turn % PUBLISHERS].lock().await;
        publish(&channel, &self.exchange, "bench", number).await;
    }
}

/// Publishes a persistent message, with what the relay needs to know of it, and returns once it is confirmed.
async fn publish(channel: &Channel, exchange: &str, routing_key: &str, number: usize) {
    let mut headers = FieldTable::default();
    for (name, value) in [("mesh_to", BOB), ("mesh_workflow_id", message::WORKFLOW)] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let properties = BasicProperties::default()
        .with_delivery_mode(DELIVERY_MODE)
        .with_message_id(format!("bench-{number}").into())
        .with_headers(headers);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let body = message::body(number);
    let sent = channel.basic_publish(exchange.into(), routing_key.into(), options, &body, properties).await;
    let confirmed = sent.expect("published").await.expect("an answer");
    assert!(confirmed.is_ack() && confirmed.take_message().is_none(), "a queue took the message");
}
