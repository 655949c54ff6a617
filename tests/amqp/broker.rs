//! A RabbitMQ and what a test asks of it, as a producer and a consumer would.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use relay_testkit::wait::DEADLINE;

/// Names the broker of the tests.
const VARIABLE: &str = "MESH_RELAY_TEST_RABBITMQ";

/// A message as it was taken from a queue.
#[derive(Debug)]
pub struct Taken {
    pub properties: BasicProperties,
    pub body: Vec<u8>,
    pub redelivered: bool,
}

impl Taken {
    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> String {
        let table = self.properties.headers().as_ref();
        match table.and_then(|table| table.inner().get(name)) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            Some(other) => format!("{other:?}"),
            None => String::new(),
        }
    }

    pub fn message_id(&self) -> String {
        self.properties.message_id().as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What a producer says of a message.
pub fn properties(id: &str, headers: &[(&str, &str)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), AMQPValue::LongString((*value).into()));
    }
    let mut properties = BasicProperties::default().with_delivery_mode(2).with_headers(table);
    if !id.is_empty() {
        properties = properties.with_message_id(id.into()).with_correlation_id(format!("about {id}").into());
    }
    properties
}

/// A connection of a test's.
pub struct Broker {
    pub url: String,
    /// Kept open for the channel.
    _connection: Connection,
    channel: Channel,
}

impl Broker {
    /// The broker that all tests share.
    pub async fn shared() -> Self {
        let url =
            std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} names no broker; run `make test`"));
        Self::connect(&url).await
    }

    pub async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { url: url.to_owned(), _connection: connection, channel }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let (_, rest) = self.url.split_once('@').expect("a login");
        let (address, _) = rest.split_once('/').expect("a virtual host");
        address.parse().expect("an address")
    }

    /// Its URL by way of another address.
    pub fn url_by(&self, address: SocketAddr) -> String {
        self.url.replace(&self.address().to_string(), &address.to_string())
    }

    /// Puts a message into a queue, for good.
    pub async fn put(&self, queue: &str, id: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.put_as(queue, properties(id, headers), body).await;
    }

    pub async fn put_as(&self, queue: &str, properties: BasicProperties, body: &[u8]) {
        assert!(self.offer(queue, properties, body).await, "queue {queue} took it");
    }

    /// Offers a message to a queue until it is taken, as a careful producer does.
    pub async fn put_at_last(&self, queue: &str, properties: BasicProperties, body: &[u8]) {
        let putting = async {
            while !self.offer(queue, properties.clone(), body).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        assert!(tokio::time::timeout(DEADLINE, putting).await.is_ok(), "queue {queue} took it");
    }

    /// Whether a queue takes a message.
    async fn offer(&self, queue: &str, properties: BasicProperties, body: &[u8]) -> bool {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self.channel.basic_publish("".into(), queue.into(), options, body, properties).await;
        let confirmed = confirm.expect("published").await.expect("confirmed");
        confirmed.is_ack() && confirmed.take_message().is_none()
    }

    /// Takes a message from a queue, if there is one now.
    pub async fn take(&self, queue: &str) -> Option<Taken> {
        let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("a queue")?;
        let delivery = got.delivery;
        delivery.ack(BasicAckOptions::default()).await.expect("acknowledged");
        Some(Taken {
            properties: delivery.properties,
            body: delivery.data,
            redelivered: delivery.redelivered,
        })
    }

    /// Takes so many messages from a queue, waiting for them.
    pub async fn take_all(&self, queue: &str, count: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        let taking = async {
            while taken.len() < count {
                match self.take(queue).await {
                    Some(message) => taken.push(message),
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let done = tokio::time::timeout(DEADLINE, taking).await;
        assert!(done.is_ok(), "{} of {count} messages came to {queue}", taken.len());
        taken
    }

    /// How many messages wait in a queue and are with no consumer.
    pub async fn ready(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        declared.expect("a queue").message_count()
    }

    /// Waits until so many messages wait in a queue.
    pub async fn until_ready(&self, queue: &str, count: u32) {
        let waiting = async {
            while self.ready(queue).await != count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let done = tokio::time::timeout(DEADLINE, waiting).await;
        assert!(done.is_ok(), "{queue} has not {count} messages");
    }

    /// Makes a durable queue.
    pub async fn queue(&self, name: &str) {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        self.channel.queue_declare(name.into(), options, arguments).await.expect("a queue");
    }

    pub async fn exchange(&self, name: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared =
            self.channel.exchange_declare(name.into(), ExchangeKind::Topic, options, FieldTable::default());
        declared.await.expect("an exchange");
    }

    pub async fn bind(&self, queue: &str, exchange: &str) {
        self.bind_to(queue, exchange, "#").await;
    }

    pub async fn bind_to(&self, queue: &str, exchange: &str, key: &str) {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let bound = self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments);
        bound.await.expect("bound");
    }

    pub async fn unbind(&self, queue: &str, exchange: &str) {
        let unbound =
            self.channel.queue_unbind(queue.into(), exchange.into(), "#".into(), FieldTable::default());
        unbound.await.expect("unbound");
    }

    pub async fn delete_exchange(&self, exchange: &str) {
        let deleted = self.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await;
        deleted.expect("deleted");
    }

    pub async fn delete(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
    }
}

/// A broker of one test's own, which it may stop. Removed when dropped.
pub struct OwnBroker {
    place: tempfile::TempDir,
    settings: String,
    plugins: &'static str,
}

impl OwnBroker {
    pub fn new() -> Self {
        Self::with(String::new(), "")
    }

    /// With more lines of its configuration, and plugins.
    pub fn with(settings: String, plugins: &'static str) -> Self {
        Self { place: tempfile::tempdir().expect("a folder"), settings, plugins }
    }

    fn script(&self, action: &[&str]) -> String {
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("rabbitmq.sh");
        let done = Command::new(script)
            .args(action)
            .env("MESH_RELAY_TEST_RABBITMQ_PLACE", self.place.path().join("broker"))
            .env("MESH_RELAY_TEST_RABBITMQ_CONF", &self.settings)
            .env("MESH_RELAY_TEST_RABBITMQ_PLUGINS", self.plugins)
            .output()
            .expect("the script");
        assert!(done.status.success(), "{action:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Starts it, or starts it again with what it had, and says where it is.
    pub fn start(&self) -> String {
        self.script(&["start"])
    }

    /// Where it listens for TLS, without a login.
    pub fn tls(&self) -> String {
        self.script(&["tls"])
    }

    /// `kill -9`.
    pub fn halt(&self) {
        self.script(&["halt"]);
    }

    /// Runs rabbitmqctl, and says what it said.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        self.script(&[&["ctl"], arguments].concat())
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        self.script(&["stop"]);
    }
}
