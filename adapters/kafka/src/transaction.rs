//! Delivery exactly once for readers of what is committed: each message and its mark are one transaction, a successor stops
//! its predecessor by the transactional id, and reads the marks before it delivers (`queue-bridging.md` 3.5).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::Shared;
use crate::client::{Context, Purpose};
use crate::config::Transaction;
use crate::publisher::PublishError;

/// How long the broker may take to stop the predecessor and end what that left open.
const INIT_WITHIN: Duration = Duration::from_secs(60);
/// How long records of a transaction may take to be reported, and the transaction to be committed or aborted.
const COMMIT_WITHIN: Duration = Duration::from_secs(60);
/// How long a broker may take to say how far a topic goes.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long transactions of others may hide marks: somewhat longer than they may last.
const OPEN_WITHIN: Duration = Duration::from_secs(75);
/// How long no mark may come before the reading of them is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks at how far marks can be read.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A message to be delivered, with what its mark says.
pub(crate) struct Marked {
    pub(crate) message_id: String,
    pub(crate) mailbox: String,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: OwnedHeaders,
}

/// How a message was delivered.
pub(crate) enum Delivered {
    /// Now.
    At {
        /// Partition of the topic.
        partition: i32,
        /// Offset there.
        offset: i64,
    },
    /// By a transaction that came about before.
    Before,
}

/// Delivers for one mailbox, one transaction at a time.
pub(crate) struct Transactor {
    shared: Shared,
    topic: String,
    seen: String,
    id: String,
    open: Mutex<Option<Open>>,
}

/// A producer that has stopped its predecessors, and what they and it delivered.
struct Open {
    producer: FutureProducer<Context>,
    seen: HashSet<Mark>,
}

/// A message id, shortened: the first half of its SHA-256.
type Mark = [u8; 16];

fn mark(message_id: &[u8]) -> Mark {
    let digest = Sha256::digest(message_id);
    let mut mark = Mark::default();
    mark.copy_from_slice(&digest[..16]);
    mark
}

impl Transactor {
    pub(crate) fn new(shared: Shared, topic: &str, transaction: Transaction) -> Self {
        let usual = || format!("mesh-relay-{}", shared.config.mailbox);
        let id = transaction.id.unwrap_or_else(usual);
        Self { topic: topic.to_owned(), seen: transaction.seen, id, shared, open: Mutex::default() }
    }

    /// Delivers a message unless that was done before. After any failure the next delivery starts from what the brokers
    /// know: nobody else can say whether a transaction came about.
    pub(crate) async fn deliver(self: Arc<Self>, message: Marked) -> Result<Delivered, PublishError> {
        let topic = self.topic.clone();
        let delivering = tokio::task::spawn_blocking(move || {
            let mut place = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let delivered = self.deliver_with(&mut place, message);
            if delivered.is_err() {
                *place = None;
            }
            delivered
        });
        let broken = |_| PublishError::new(&topic, &KafkaError::Canceled);
        delivering.await.map_err(broken)?
    }

    fn deliver_with(&self, place: &mut Option<Open>, message: Marked) -> Result<Delivered, PublishError> {
        let failed = |error: KafkaError| PublishError::new(&self.topic, &error);
        let open = match place {
            Some(open) => open,
            None => place.insert(self.start()?),
        };
        let mark = mark(message.message_id.as_bytes());
        if open.seen.contains(&mark) {
            return Ok(Delivered::Before);
        }
        let producer = &open.producer;
        producer.begin_transaction().map_err(failed)?;
        let (partition, offset) = match self.put(producer, message) {
            Ok(at) => at,
            Err(error) => {
                // Should this fail as well, the next producer ends it.
                let _ = producer.abort_transaction(COMMIT_WITHIN);
                return Err(failed(error));
            }
        };
        commit(producer).map_err(failed)?;
        open.seen.insert(mark);
        Ok(Delivered::At { partition, offset })
    }

    /// Puts a message and its mark into the transaction.
    fn put(&self, producer: &FutureProducer<Context>, message: Marked) -> KafkaResult<(i32, i64)> {
        let record =
            FutureRecord::to(&self.topic).key(&message.key).payload(&message.value).headers(message.headers);
        let sent = producer.send_result(record).map_err(|(error, _)| error)?;
        // Not empty, which would be a tombstone.
        let marking = FutureRecord::to(&self.seen).key(&message.message_id).payload(&message.mailbox);
        let marked = producer.send_result(marking).map_err(|(error, _)| error)?;
        // The library's `flush` would look for reports every 100 ms only, since another thread takes them.
        let both = async { tokio::join!(marked, sent) };
        let reports = Handle::current().block_on(async { timeout(COMMIT_WITHIN, both).await });
        let (marked, sent) = reports.map_err(|_| KafkaError::Global(RDKafkaErrorCode::OperationTimedOut))?;
        reported(marked)?;
        reported(sent)
    }

    /// Stops predecessors, whatever they were at, and learns what was delivered.
    fn start(&self) -> Result<Open, PublishError> {
        let failed = |error: KafkaError| PublishError::new(&self.topic, &error);
        let settings = self.shared.settings(&Purpose::Transact(&self.id));
        let producer: FutureProducer<Context> =
            settings.create_with_context(self.shared.context.clone()).map_err(failed)?;
        producer.init_transactions(INIT_WITHIN).map_err(failed)?;
        let seen = self.marks().map_err(|error| PublishError::new(&self.seen, &error))?;
        let (adapter, marks) = (&self.shared.name, seen.len());
        tracing::info!(%adapter, marks, "delivering in transactions");
        Ok(Open { producer, seen })
    }

    /// Every mark that was committed before now.
    fn marks(&self) -> KafkaResult<HashSet<Mark>> {
        let reader = |isolation: &str| -> KafkaResult<BaseConsumer<Context>> {
            let mut settings = self.shared.settings(&Purpose::Look);
            settings.set("isolation.level", isolation).set("enable.partition.eof", "true");
            // Never joined; without one the library reads nothing.
            settings.set("group.id", "mesh-relay-marks");
            self.shared.looker(&settings)
        };
        let (committed, all) = (reader("read_committed")?, reader("read_uncommitted")?);
        let metadata = committed.fetch_metadata(Some(&self.seen), ANSWER_WITHIN)?;
        let mut left: HashMap<i32, ()> = HashMap::new();
        let mut list = TopicPartitionList::new();
        for topic in metadata.topics() {
            if let Some(error) = topic.error() {
                return Err(KafkaError::MetadataFetch(error.into()));
            }
            for partition in topic.partitions() {
                left.insert(partition.id(), ());
                list.add_partition_offset(&self.seen, partition.id(), Offset::Beginning)?;
            }
        }
        // A mark of ours may stand behind what another mailbox's transaction has not committed yet, and is hidden so long.
        let until = Instant::now() + OPEN_WITHIN;
        for partition in left.keys() {
            let (_, end) = all.fetch_watermarks(&self.seen, *partition, ANSWER_WITHIN)?;
            while committed.fetch_watermarks(&self.seen, *partition, ANSWER_WITHIN)?.1 < end {
                if Instant::now() >= until {
                    return Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut));
                }
                // It has no partitions yet, so that this is a wait that serves the connection.
                let _ = committed.poll(LOOK_AGAIN);
            }
        }
        committed.assign(&list)?;
        let mut marks = HashSet::new();
        while !left.is_empty() {
            match committed.poll(SILENCE_MAX) {
                Some(Ok(message)) => {
                    // A tombstone takes a mark back: that is for operators.
                    if let (Some(key), Some(_)) = (message.key(), message.payload()) {
                        marks.insert(mark(key));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    left.remove(&partition);
                }
                Some(Err(error)) => return Err(error),
                None => return Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut)),
            }
        }
        Ok(marks)
    }
}

/// Where a record is, by its report.
fn reported(report: <DeliveryFuture as Future>::Output) -> KafkaResult<(i32, i64)> {
    match report {
        Ok(Ok(delivery)) => Ok((delivery.partition, delivery.offset)),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}

/// Commits. What may be tried again is, for a while.
fn commit(producer: &FutureProducer<Context>) -> KafkaResult<()> {
    let until = Instant::now() + COMMIT_WITHIN;
    loop {
        match producer.commit_transaction(until.saturating_duration_since(Instant::now())) {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {}
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                let _ = producer.abort_transaction(COMMIT_WITHIN);
                return Err(KafkaError::Transaction(error));
            }
            done => return done,
        }
    }
}
