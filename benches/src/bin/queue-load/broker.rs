//! RabbitMQ: all that this measurement knows of it, and the relay's adapter for it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind, Queue};
use mesh_relay_benches::load::{ALICE, BOB};
use mesh_relay_benches::report;
use tokio::sync::Mutex;

use crate::message;

/// Names the broker.
const URL: &str = "MESH_RELAY_BENCH_RABBITMQ";
/// Names the folder in which `tests/rabbitmq.sh` keeps it; without it, the one that the script takes.
const PLACE: &str = "MESH_RELAY_TEST_RABBITMQ_PLACE";

/// As this one is called in what is said.
pub(crate) const NAME: &str = "RabbitMQ";
/// Channels that a publisher of the relay has, with one unconfirmed message on each.
pub(crate) const PUBLISHERS: usize = 8;

/// Messages under way while a queue is filled.
const FILLING: usize = 256;
/// How long a broker may take to see that a consumer's process has ended.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// Persistent.
const DELIVERY_MODE: u8 = 2;

/// What the relay is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Queue to MESH, and nobody is told.
    Out,
    /// Queue to MESH, with each change told to the exchange [`told_name`].
    OutTold,
    /// MESH to the exchange of the queue's name.
    In,
}

/// A connection of this program's to the broker.
pub(crate) struct Broker {
    url: String,
    connection: Connection,
    channel: Channel,
}

impl Broker {
    /// Where the environment says that it is.
    pub(crate) fn url() -> String {
        std::env::var(URL).unwrap_or_else(|_| panic!("{URL} names no broker; run `make bench`"))
    }

    /// The broker's process.
    pub(crate) fn process() -> u32 {
        let place =
            std::env::var_os(PLACE).map_or_else(|| report::build_folder().join("rabbitmq"), PathBuf::from);
        let path = place.join("pid");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; start the broker with tests/rabbitmq.sh, or name its folder in {PLACE}",
                path.display()
            )
        });
        let id = text.trim().parse().expect("a process id");
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        assert!(name.starts_with("beam"), "process {id} is '{}', and no broker", name.trim());
        id
    }

    /// Connects.
    pub(crate) async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { url: url.to_owned(), connection, channel }
    }

    /// Makes what a repetition needs: its queue, one for events and one for what is parked, each with an exchange of its
    /// name.
    pub(crate) async fn make_all(&self, queue: &str) {
        for name in [queue, &told_name(queue), &parked_name(queue)] {
            self.make(name).await;
        }
    }

    /// Removes what was made.
    pub(crate) async fn remove_all(&self, queue: &str) {
        for name in [queue, &told_name(queue), &parked_name(queue)] {
            self.remove(name).await;
        }
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

    /// Puts so many messages for MESH into a queue, numbered from 0 on, each confirmed.
    pub(crate) async fn fill(&self, queue: &str, count: usize) {
        let put = |number| async move { publish(&self.channel, "", queue, number).await };
        stream::iter(0..count).map(put).buffer_unordered(FILLING).collect::<()>().await;
    }

    /// How many messages are in a queue and with no consumer.
    pub(crate) async fn waiting(&self, queue: &str) -> usize {
        self.declare(queue, true).await.message_count() as usize
    }

    /// How many messages are in a queue and with no consumer, once it has none.
    pub(crate) async fn left(&self, queue: &str) -> usize {
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
    pub(crate) async fn take(&self, queue: &str, count: usize) -> Vec<usize> {
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

    /// The relay's configuration of its adapter, as TOML, and the files that it names with what they hold.
    pub(crate) fn adapter(
        &self,
        way: Way,
        queue: &str,
        in_flight: usize,
    ) -> (String, [(&'static str, String); 1]) {
        let told = told_name(queue);
        let (mailbox, what) = match way {
            Way::Out => (ALICE, format!("outbound = {{ queue = \"{queue}\", prefetch = {in_flight} }}\n")),
            Way::OutTold => {
                let outbound = format!("outbound = {{ queue = \"{queue}\", prefetch = {in_flight} }}\n");
                (ALICE, format!("{outbound}status = {{ exchange = \"{told}\" }}\n"))
            }
            Way::In => (BOB, format!("inbound = {{ exchange = \"{queue}\", queue = \"{queue}\" }}\n")),
        };
        let text = format!(
            "[[adapter]]\nname = \"bench\"\nkind = \"amqp\"\nmailbox = \"{mailbox}\"\nurl = {{ file = \"broker.url\" }}\n\
             parked = \"{parked}\"\n{what}",
            parked = parked_name(queue),
        );
        (text, [("broker.url", self.url.clone())])
    }
}

/// The exchange and queue for what is told of the messages of a queue.
pub(crate) fn told_name(queue: &str) -> String {
    format!("{queue}.told")
}

/// The exchange and queue for what can never be sent.
pub(crate) fn parked_name(queue: &str) -> String {
    format!("{queue}.parked")
}

/// A bare consumer.
pub(crate) struct Intake {
    connection: Connection,
    consumer: Mutex<Consumer>,
}

impl Intake {
    /// Consumes a queue, with so many messages unacknowledged at most.
    pub(crate) async fn open(url: &str, queue: &str, prefetch: usize) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let channel = connection.create_channel().await.expect("a channel");
        let prefetch = u16::try_from(prefetch).expect("a prefetch");
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.expect("a prefetch");
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
        Self { connection, consumer: Mutex::new(consumer.expect("a consumer")) }
    }

    /// The next message.
    pub(crate) async fn next(&self) -> Delivery {
        self.consumer.lock().await.next().await.expect("a consumer that goes on").expect("a message")
    }

    /// Lets go of a message.
    pub(crate) async fn ack(delivery: &Delivery) {
        assert!(delivery.ack(BasicAckOptions::default()).await.expect("acknowledged"));
    }

    /// Ends once the broker has heard all that was said to it.
    pub(crate) async fn close(self) {
        self.connection.close(200, "done".into()).await.expect("a connection closed");
    }
}

/// A bare publisher: a few channels of one connection, each with one unconfirmed message at most.
pub(crate) struct Outlet {
    /// Kept open for the channels.
    _connection: Connection,
    channels: Vec<Mutex<Channel>>,
    turn: AtomicUsize,
}

impl Outlet {
    /// Connects.
    pub(crate) async fn open(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let mut channels = Vec::new();
        for _ in 0..PUBLISHERS {
            let channel = connection.create_channel().await.expect("a channel");
            channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
            channels.push(Mutex::new(channel));
        }
        Self { _connection: connection, channels, turn: AtomicUsize::new(0) }
    }

    /// Publishes a message to an exchange, and returns once the broker has it for good.
    pub(crate) async fn publish(&self, exchange: &str, number: usize) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let channel = self.channels[turn % PUBLISHERS].lock().await;
        publish(&channel, exchange, "bench", number).await;
    }
}

/// Publishes a persistent message, with what the relay needs to know of it, and returns once it is confirmed.
async fn publish(channel: &Channel, exchange: &str, routing_key: &str, number: usize) {
    let mut headers = FieldTable::default();
    for (name, value) in [("mesh_to", BOB), ("mesh_workflow_id", "TEST_WORKFLOW")] {
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
