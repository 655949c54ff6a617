//! A Kafka and what a test asks of it, as a producer and a consumer would.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Message, Offset, TopicPartitionList};
use relay_testkit::wait::DEADLINE;
use tokio::time::Instant;

/// Names the broker of the tests.
const VARIABLE: &str = "MESH_RELAY_TEST_KAFKA";
/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// A record as it was read from a topic.
#[derive(Debug)]
pub struct Taken {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Taken {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let pair = |header: Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.map(text).unwrap_or_default())
            };
            headers.iter().map(pair).collect()
        });
        Self { key: message.key().map(<[u8]>::to_vec), value: message.payload().map(<[u8]>::to_vec), headers }
    }

    /// The last header of this name; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().rev().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.value.as_deref().expect("a value")).expect("JSON")
    }

    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }
}

/// Clients of a test's.
#[derive(Clone)]
pub struct Kafka {
    pub address: String,
    producer: FutureProducer,
}

fn settings(address: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", address);
    settings
}

impl Kafka {
    /// The broker that all tests share.
    pub fn shared() -> Self {
        let address =
            std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} names no broker; run `make test`"));
        Self::at(&address)
    }

    /// What has these settings beside the usual.
    pub fn producer(&self, more: &[(&str, &str)]) -> FutureProducer {
        let mut settings = settings(&self.address);
        for (key, value) in more {
            settings.set(*key, *value);
        }
        settings.create().expect("a producer")
    }

    pub fn at(address: &str) -> Self {
        let mut settings = settings(address);
        settings.set("message.max.bytes", "10000000").set("partitioner", "murmur2_random");
        Self { address: address.to_owned(), producer: settings.create().expect("a producer") }
    }

    /// Makes a topic, with `more` of its settings.
    pub async fn topic(&self, name: &str, partitions: i32, more: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = settings(&self.address).create().expect("a client");
        let topic = more
            .iter()
            .fold(NewTopic::new(name, partitions, TopicReplication::Fixed(1)), |topic, (key, value)| {
                topic.set(key, value)
            });
        let options = AdminOptions::new().operation_timeout(Some(ANSWER));
        let made = admin.create_topics([&topic], &options).await.expect("an answer");
        made.into_iter().next().expect("one").expect("a topic");
    }

    /// Makes a topic whose one partition is where it is said: the first is its leader.
    pub async fn topic_on(&self, name: &str, brokers: &[i32]) {
        let admin: AdminClient<DefaultClientContext> = settings(&self.address).create().expect("a client");
        let assignment = [brokers];
        let topic = NewTopic::new(name, 1, TopicReplication::Variable(&assignment));
        let options = AdminOptions::new().operation_timeout(Some(ANSWER));
        let made = admin.create_topics([&topic], &options).await.expect("an answer");
        made.into_iter().next().expect("one").expect("a topic");
    }

    /// Makes a topic with what is usual, if that can be done now.
    pub async fn try_topic(&self, name: &str, partitions: i32) -> bool {
        let admin: AdminClient<DefaultClientContext> = settings(&self.address).create().expect("a client");
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = admin.create_topics([&topic], &AdminOptions::new()).await.expect("an answer");
        made.into_iter().all(|made| made.is_ok())
    }

    /// Lets a topic's first partition begin at an offset, as its retention does.
    pub async fn expire(&self, topic: &str, before: i64) {
        let admin: AdminClient<DefaultClientContext> = settings(&self.address).create().expect("a client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(before)).expect("a partition");
        admin.delete_records(&list, &AdminOptions::new()).await.expect("expired");
    }

    pub async fn delete(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = settings(&self.address).create().expect("a client");
        let options = AdminOptions::new().operation_timeout(Some(ANSWER));
        let gone = admin.delete_topics(&[name], &options).await.expect("an answer");
        gone.into_iter().next().expect("one").expect("deleted");
    }

    /// Puts a record into a topic, for good.
    pub async fn put(
        &self,
        topic: &str,
        key: Option<&str>,
        headers: &[(&str, &[u8])],
        value: Option<&[u8]>,
    ) -> (i32, i64) {
        let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
        let record = FutureRecord { key, payload: value, ..FutureRecord::to(topic) }.headers(headers);
        let sent = self.producer.send(record, ANSWER).await;
        let delivery = sent.map_err(|(error, _)| error).expect("published");
        (delivery.partition, delivery.offset)
    }

    /// Everything of a topic that is committed, from its beginning.
    pub fn reader(&self, topic: &str) -> Reader {
        let consumer: BaseConsumer = settings(&self.address)
            .set("group.id", "a test")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .create()
            .expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER).expect("metadata");
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("a partition");
        }
        consumer.assign(&list).expect("assigned");
        Reader { topic: topic.to_owned(), consumer }
    }

    /// Whether a topic is there.
    pub fn has(&self, topic: &str) -> bool {
        let consumer: BaseConsumer = settings(&self.address).create().expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER).expect("metadata");
        metadata.topics().iter().all(|found| found.error().is_none() && !found.partitions().is_empty())
    }

    /// How far a topic goes: the offsets behind the last records of its partitions, added up.
    pub fn end(&self, topic: &str) -> i64 {
        let consumer: BaseConsumer =
            settings(&self.address).set("group.id", "a test").create().expect("a consumer");
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER).expect("metadata");
        let partitions = metadata.topics()[0].partitions().iter();
        let end = |partition: i32| consumer.fetch_watermarks(topic, partition, ANSWER).expect("an answer").1;
        partitions.map(|partition| end(partition.id())).sum()
    }

    /// All of a topic by now, as a reader of this isolation level sees it: `read_committed` or `read_uncommitted`.
    pub fn all(&self, topic: &str, isolation: &str) -> Vec<Taken> {
        let consumer: BaseConsumer = settings(&self.address)
            .set("group.id", "a test")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            // An end is told once the broker has answered, which takes so long where nothing comes.
            .set("fetch.wait.max.ms", "10")
            .set("isolation.level", isolation)
            .create()
            .expect("a consumer");
        let mut left: HashSet<i32> = partitions(&consumer, topic).into_iter().collect();
        let list = left.iter().map(|partition| (topic.to_owned(), *partition, Offset::Beginning));
        consumer.assign(&list.collect()).expect("assigned");
        let mut taken = Vec::new();
        while !left.is_empty() {
            match consumer.poll(ANSWER) {
                Some(Ok(message)) => taken.push(Taken::of(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    left.remove(&partition);
                }
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => panic!("{topic} was not read to its end within {ANSWER:?}"),
            }
        }
        taken
    }

    /// A look at a group's offsets of a topic.
    pub fn offsets(&self, group: &str, topic: &str) -> Offsets {
        let consumer: BaseConsumer =
            settings(&self.address).set("group.id", group).create().expect("a consumer");
        let partitions = partitions(&consumer, topic);
        Offsets { topic: topic.to_owned(), partitions, consumer }
    }

    /// How many records of a topic are behind a group's offsets.
    pub fn done(&self, group: &str, topic: &str) -> i64 {
        let consumer: BaseConsumer =
            settings(&self.address).set("group.id", group).create().expect("a consumer");
        let Ok(metadata) = consumer.fetch_metadata(Some(topic), ANSWER) else { return -1 };
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition(topic, partition.id());
        }
        let Ok(committed) = consumer.committed_offsets(list, ANSWER) else { return -1 };
        let offset = |offset: Offset| match offset {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        committed.elements().iter().map(|element| offset(element.offset())).sum()
    }
}

/// The partitions of a topic.
fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).expect("metadata");
    metadata.topics()[0].partitions().iter().map(MetadataPartition::id).collect()
}

/// A group's offsets of a topic.
pub struct Offsets {
    topic: String,
    partitions: Vec<i32>,
    consumer: BaseConsumer,
}

impl Offsets {
    /// How many records of each partition are not behind the group's offset. Below zero: the offset is beyond the end.
    pub fn left(&self) -> Vec<i64> {
        let list = self.partitions.iter().map(|partition| (self.topic.clone(), *partition, Offset::Invalid));
        let committed = self.consumer.committed_offsets(list.collect(), ANSWER).expect("offsets");
        let left = |element: &TopicPartitionListElem<'_>| {
            let ends = self.consumer.fetch_watermarks(&self.topic, element.partition(), ANSWER);
            let (_, end) = ends.expect("an end");
            match element.offset() {
                Offset::Offset(offset) => end - offset,
                _ => end,
            }
        };
        committed.elements().iter().map(left).collect()
    }
}

/// Reads a topic.
pub struct Reader {
    topic: String,
    consumer: BaseConsumer,
}

impl Reader {
    /// A record, if there is one now.
    pub fn next(&self) -> Option<Taken> {
        loop {
            match self.consumer.poll(Duration::from_millis(20)) {
                Some(Ok(message)) => return Some(Taken::of(&message)),
                // Passing faults of a broker that comes back.
                Some(Err(_)) => {}
                None => return None,
            }
        }
    }

    /// So many records, waiting for them.
    pub async fn take(&self, count: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        while taken.len() < count {
            match self.next() {
                Some(record) => taken.push(record),
                None => {
                    assert!(Instant::now() < deadline, "{} of {count} came to {}", taken.len(), self.topic);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        taken
    }
}

/// A broker of one test's own, which it may stop. Removed when dropped.
pub struct OwnBroker {
    place: tempfile::TempDir,
    /// The folder of another one whose cluster it belongs to.
    joins: Option<PathBuf>,
}

impl OwnBroker {
    pub fn new() -> Self {
        Self { place: tempfile::tempdir().expect("a folder"), joins: None }
    }

    /// A second one in the cluster of another, which must have been started once.
    pub fn beside(other: &Self) -> Self {
        Self { place: tempfile::tempdir().expect("a folder"), joins: Some(other.path("broker")) }
    }

    fn script(&self, action: &[&str]) -> String {
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka.sh");
        let done = Command::new(script)
            .args(action)
            .env("MESH_RELAY_TEST_KAFKA_PLACE", self.path("broker"))
            .envs(self.joins.as_ref().map(|joins| ("MESH_RELAY_TEST_KAFKA_JOINS", joins)))
            .output()
            .expect("the script");
        assert!(done.status.success(), "{action:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Adds to its properties before it is started first, and says where the further listener is.
    pub fn extra(&self, file: &Path) -> String {
        self.script(&["extra", file.to_str().expect("a path")])
    }

    /// Starts it, or starts it again with what it had, and says where it is.
    pub fn start(&self) -> String {
        self.script(&["start"])
    }

    /// `kill -9`.
    pub fn halt(&self) {
        self.script(&["halt"]);
    }

    /// Has it hang: it keeps its connections and answers nothing. Or go on.
    pub fn hang(&self, hangs: bool) {
        let id = std::fs::read_to_string(self.path("broker/pid")).expect("it runs");
        let signal = if hangs { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, id.trim()]).status().expect("kill").success());
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        self.script(&["stop"]);
    }
}
