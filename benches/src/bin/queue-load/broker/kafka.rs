//! Kafka, by topics of several partitions, and the relay's adapter for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use mesh_relay_benches::load::{ALICE, BOB};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::{Adapter, Broker, FILLING, Facts, Place, Spot, Taken, Way};
use crate::message;

pub(super) const FACTS: Facts = Facts {
    name: "Kafka",
    file: "queue-load-kafka",
    queue: "topic",
    ack: "commit",
    keeping: "acks=all, in topics of 4 partitions of a Kafka of one broker, which syncs none by itself",
    has_transactions: true,
    aim_out: 0.75,
    variable: "MESH_RELAY_BENCH_KAFKA",
    place: "MESH_RELAY_TEST_KAFKA_PLACE",
    folder: "kafka",
    process: "java",
};

/// Of every topic.
const PARTITIONS: i32 = 4;
/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may take until a record comes, or the end of its partition.
const RECORD_WITHIN: Duration = Duration::from_secs(30);
/// The relay and the bare consumer move the group's offsets after so many records. The relay does it each second as well,
/// and the bare consumer at its end.
const COMMIT_RECORDS: usize = 500;

fn settings(spot: &Spot) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &spot.address);
    settings
}

/// The settings of a consumer under the name of the repetition's group, which is that of its topic.
fn consuming(spot: &Spot) -> ClientConfig {
    let mut settings = settings(spot);
    settings.set("group.id", &spot.queue).set("enable.auto.commit", "false");
    settings.set("enable.auto.offset.store", "false").set("auto.offset.reset", "earliest");
    settings
}

/// Clients of this program's, and a topic of its own, beside which there are those for events, for what is parked and for
/// the marks of transactions. What these clients are asked is answered while nothing else is to be done, so it blocks.
pub(super) struct Kafka {
    spot: Spot,
    admin: AdminClient<DefaultClientContext>,
    producer: FutureProducer,
    /// Never joins the group. Sees what is committed alone.
    reader: BaseConsumer,
}

impl Kafka {
    /// Connects when it has to.
    pub(super) fn connect(spot: &Spot) -> Self {
        let mut reading = consuming(spot);
        reading.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
        Self {
            spot: spot.clone(),
            admin: settings(spot).create().expect("an administrator"),
            producer: settings(spot).create().expect("a producer"),
            reader: reading.create().expect("a consumer"),
        }
    }

    fn names(&self) -> [String; 4] {
        [self.spot.queue.clone(), self.spot.told(), self.spot.parked(), self.seen()]
    }

    fn seen(&self) -> String {
        format!("{}.seen", self.spot.queue)
    }

    /// How many records are in a topic that no transaction wrote to.
    fn records(&self, topic: &str) -> usize {
        let records = |partition| {
            let ends = self.reader.fetch_watermarks(topic, partition, ANSWER);
            let (first, next) = ends.expect("the ends of a partition");
            next - first
        };
        count((0..PARTITIONS).map(records).sum())
    }

    /// The offsets of the group. A partition of which nothing was let go of has none.
    fn committed(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.spot.queue, 0, PARTITIONS - 1);
        self.reader.committed_offsets(list, ANSWER).expect("the group's offsets")
    }
}

fn count(records: i64) -> usize {
    usize::try_from(records).expect("a count of records")
}

#[async_trait]
impl Broker for Kafka {
    async fn make_all(&self) {
        let names = self.names();
        let topics = names.iter().map(|name| {
            let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
            if *name == self.seen() { topic.set("cleanup.policy", "compact") } else { topic }
        });
        let topics: Vec<NewTopic<'_>> = topics.collect();
        let options = AdminOptions::new().operation_timeout(Some(ANSWER));
        let made = self.admin.create_topics(&topics, &options).await.expect("an answer");
        for made in made {
            made.expect("a topic");
        }
    }

    async fn remove_all(&self) {
        let names = self.names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(ANSWER));
        let removed = self.admin.delete_topics(&names, &options).await.expect("an answer");
        for removed in removed {
            removed.expect("a topic deleted");
        }
    }

    async fn fill(&self, count: usize) {
        let put = |number| async move {
            // Of all keys, so that all partitions have some.
            publish(&self.producer, &self.spot.queue, &format!("bench-{number}"), number).await;
        };
        stream::iter(0..count).map(put).buffer_unordered(FILLING).collect::<()>().await;
    }

    async fn told(&self) -> usize {
        self.records(&self.spot.told())
    }

    async fn parked(&self) -> usize {
        self.records(&self.spot.parked())
    }

    async fn has_heard(&self, records: usize) -> bool {
        let committed = self.committed();
        let offset = |offset| match offset {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        // The topic is the repetition's own, so its offsets begin at 0; none is a transaction's, since only others write to
        // what the relay reads.
        count(committed.elements().iter().map(|element| offset(element.offset())).sum()) >= records
    }

    async fn take_all(&self) -> Vec<usize> {
        let from = self.committed();
        for mut element in from.elements() {
            if element.offset() == Offset::Invalid {
                element.set_offset(Offset::Beginning).expect("an offset");
            }
        }
        self.reader.assign(&from).expect("partitions");
        let (mut numbers, mut ended) = (Vec::new(), BTreeSet::new());
        while ended.len() < from.count() {
            match self.reader.poll(RECORD_WITHIN).expect("a record, or the end of a partition") {
                Ok(record) => numbers.push(message::number(record.payload().expect("a value"))),
                Err(KafkaError::PartitionEOF(partition)) => {
                    ended.insert(partition);
                }
                Err(error) => panic!("the topic cannot be read: {error}"),
            }
        }
        numbers
    }

    fn adapter(&self, way: Way, in_flight: usize) -> Adapter {
        let (topic, told, seen) = (&self.spot.queue, self.spot.told(), self.seen());
        // As many times as by default: the relay reads ahead of what is on its way to MESH.
        let in_work = in_flight * 4;
        let outbound =
            format!("outbound = {{ topic = \"{topic}\", group = \"{topic}\", in_work = {in_work} }}\n");
        let (mailbox, what) = match way {
            Way::Out => (ALICE, outbound),
            Way::OutTold => (ALICE, format!("{outbound}status = {{ topic = \"{told}\" }}\n")),
            Way::In => (BOB, format!("inbound = {{ topic = \"{topic}\" }}\n")),
            Way::InTransactions => {
                (BOB, format!("inbound = {{ topic = \"{topic}\", transaction = {{ seen = \"{seen}\" }} }}\n"))
            }
        };
        let text = format!(
            "[[adapter]]\nname = \"bench\"\nkind = \"kafka\"\nmailbox = \"{mailbox}\"\nbrokers = \"{brokers}\"\n\
             parked = \"{parked}\"\n{what}",
            brokers = self.spot.address,
            parked = self.spot.parked(),
        );
        Adapter { text, files: Vec::new() }
    }
}

/// Consumes a topic as the only member of its group.
pub(super) struct Intake {
    consumer: StreamConsumer,
    topic: String,
    /// One record at a time is taken, so that none is let go of before an earlier one of its partition is known.
    turn: tokio::sync::Mutex<()>,
    progress: Mutex<Progress>,
}

/// How far the partitions are done.
#[derive(Default)]
struct Progress {
    parts: BTreeMap<i32, Part>,
    /// Records that were let go of since the group's offsets were moved.
    done: usize,
}

#[derive(Default)]
struct Part {
    /// Taken, and not let go of.
    open: BTreeSet<u64>,
    /// Behind the last that was taken.
    next: u64,
}

impl Intake {
    /// Joins the group.
    pub(super) fn open(spot: &Spot) -> Self {
        let consumer: StreamConsumer = consuming(spot).create().expect("a consumer");
        consumer.subscribe(&[&spot.queue]).expect("a subscription");
        let (topic, turn, progress) = (spot.queue.clone(), tokio::sync::Mutex::default(), Mutex::default());
        Self { consumer, topic, turn, progress }
    }

    /// Moves the group's offsets to the first record of each partition that was not let go of.
    fn commit(&self, progress: &mut Progress, mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for (partition, part) in &progress.parts {
            let offset = part.open.first().map_or(part.next, |first| *first);
            let offset = Offset::Offset(i64::try_from(offset).expect("an offset"));
            list.add_partition_offset(&self.topic, *partition, offset).expect("a partition");
        }
        self.consumer.commit(&list, mode).expect("offsets moved");
        progress.done = 0;
    }
}

#[async_trait]
impl super::Intake for Intake {
    async fn next(&self) -> Taken {
        let _turn = self.turn.lock().await;
        let record = self.consumer.recv().await.expect("a record");
        let place = Place {
            partition: record.partition(),
            number: u64::try_from(record.offset()).expect("an offset"),
        };
        let mut progress = self.progress.lock().expect("no lane broke off");
        let part = progress.parts.entry(place.partition).or_default();
        part.open.insert(place.number);
        part.next = place.number + 1;
        Taken { body: Bytes::copy_from_slice(record.payload().expect("a value")), place }
    }

    async fn ack(&self, place: Place) {
        let mut progress = self.progress.lock().expect("no lane broke off");
        progress.parts.get_mut(&place.partition).expect("its partition").open.remove(&place.number);
        progress.done += 1;
        if progress.done >= COMMIT_RECORDS {
            self.commit(&mut progress, CommitMode::Async);
        }
    }

    async fn close(&self) {
        let mut progress = self.progress.lock().expect("no lane broke off");
        self.commit(&mut progress, CommitMode::Sync);
    }
}

/// Publishes to a topic: idempotent, by all replicas in sync, and without waiting for others to go along.
pub(super) struct Outlet {
    producer: FutureProducer,
    topic: String,
    key: String,
}

impl Outlet {
    /// Connects when it has to.
    pub(super) fn open(spot: &Spot) -> Self {
        let mut settings = settings(spot);
        settings.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "0");
        let producer = settings.create().expect("a producer");
        // As the relay's records have it, so that all go to one partition.
        let key = format!("{BOB}|{ALICE}|{}", message::WORKFLOW);
        Self { producer, topic: spot.queue.clone(), key }
    }
}

#[async_trait]
impl super::Outlet for Outlet {
    async fn publish(&self, number: usize) {
        publish(&self.producer, &self.topic, &self.key, number).await;
    }
}

/// Publishes a record with what the relay needs to know of it, and returns once the broker has reported it.
async fn publish(producer: &FutureProducer, topic: &str, key: &str, number: usize) {
    let (id, body) = (format!("bench-{number}"), message::body(number));
    let headers = [("mesh_to", BOB), ("mesh_workflow_id", message::WORKFLOW), ("ce_id", &id)];
    let headers = headers.into_iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    });
    let record = FutureRecord::to(topic).key(key).payload(&body[..]).headers(headers);
    producer.send(record, ANSWER).await.map_err(|(error, _)| error).expect("published");
}
