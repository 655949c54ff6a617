//! Delivery exactly once for readers of what is committed: each message and its mark are one transaction, a successor stops
//! its predecessor by the transactional id, and reads the marks before it delivers (`queue-bridging.md` 3.5).

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use claim_check::Body;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use relay_core::Clock;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::Shared;
use crate::aside::Aside;
use crate::client::{Context, made};
use crate::config::Transaction;
use crate::marks::{self, Seen};
use crate::publisher::PublishError;
use crate::settings::Purpose;

/// How long the broker may take to stop the predecessor and end what that left open.
const INIT_WITHIN: Duration = Duration::from_secs(60);
/// How long records of a transaction may take to be reported, and the transaction to be committed.
const COMMIT_WITHIN: Duration = Duration::from_secs(60);
/// How long a transaction may take to be aborted. Otherwise the next producer does it.
const ABORT_WITHIN: Duration = Duration::from_secs(10);
/// How long anything of it waits before it looks whether the relay is stopping.
const SLICE: Duration = Duration::from_secs(2);

/// A message to be delivered, with what its mark says.
pub(crate) struct Marked {
    pub(crate) message_id: String,
    pub(crate) mailbox: String,
    pub(crate) key: String,
    pub(crate) body: Body,
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
    clock: Arc<dyn Clock>,
    open: Mutex<Option<Open>>,
}

/// A producer that has stopped its predecessors, and what they and it delivered.
struct Open {
    producer: Aside<FutureProducer<Context>>,
    /// How often the certificate had been replaced when it was made.
    replaced: u64,
    seen: Seen,
}

/// Why a delivery failed, and whether the producer can go on all the same.
struct Failed {
    error: PublishError,
    is_over: bool,
}

impl Transactor {
    pub(crate) fn new(shared: Shared, topic: &str, transaction: Transaction, clock: Arc<dyn Clock>) -> Self {
        let id = transaction.id(&shared.config.mailbox);
        Self { topic: topic.to_owned(), seen: transaction.seen, id, clock, shared, open: Mutex::default() }
    }

    /// Delivers a message unless that was done before. After a failure that leaves open whether a transaction came about the
    /// next delivery starts from what the brokers know: nobody else can say.
    pub(crate) async fn deliver(self: Arc<Self>, message: Marked) -> Result<Delivered, PublishError> {
        let topic = self.topic.clone();
        let delivering = tokio::task::spawn_blocking(move || {
            let mut place = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let delivered = self.deliver_with(&mut place, message);
            delivered.map_err(|Failed { error, is_over }| {
                if !is_over {
                    *place = None;
                }
                error
            })
        });
        delivering.await.map_err(|_| PublishError::new(&topic, &KafkaError::Canceled))?
    }

    fn is_stopping(&self) -> bool {
        self.shared.publisher.is_closed()
    }

    fn deliver_with(&self, place: &mut Option<Open>, message: Marked) -> Result<Delivered, Failed> {
        let failed = |error: KafkaError, is_over| Failed {
            error: match self.is_stopping() {
                true => PublishError::stopping(&self.topic),
                false => PublishError::new(&self.topic, &error),
            },
            is_over,
        };
        // Others may have waited long before this one.
        if self.is_stopping() {
            return Err(failed(KafkaError::Canceled, true));
        }
        let replaced = self.shared.settings.replaced();
        if place.as_ref().is_some_and(|open| open.replaced != replaced) {
            *place = None;
        }
        let open = match place {
            Some(open) => open,
            None => place.insert(self.start().map_err(|error| Failed { error, is_over: false })?),
        };
        if open.seen.has(message.message_id.as_bytes()) {
            return Ok(Delivered::Before);
        }
        let producer = &*open.producer;
        producer.begin_transaction().map_err(|error| failed(error, false))?;
        let id = message.message_id.clone();
        let (partition, offset) = match self.put(producer, &message) {
            Ok(at) => at,
            Err(error) => {
                // Once it is aborted, it is known not to have come about.
                let is_over = !self.is_stopping() && producer.abort_transaction(ABORT_WITHIN).is_ok();
                return Err(failed(error, is_over));
            }
        };
        self.commit(producer).map_err(|error| failed(error, false))?;
        open.seen.add(id.as_bytes(), self.clock.now().as_millisecond());
        Ok(Delivered::At { partition, offset })
    }

    /// Puts a message and its mark into the transaction.
    fn put(&self, producer: &FutureProducer<Context>, message: &Marked) -> KafkaResult<(i32, i64)> {
        let record = FutureRecord::to(&self.topic)
            .key(&message.key)
            .payload(message.body.carried())
            .headers(message.headers.clone());
        let sent = producer.send_result(record).map_err(|(error, _)| error)?;
        // Not empty, which would be a tombstone.
        let marking = FutureRecord::to(&self.seen).key(&message.message_id).payload(&message.mailbox);
        let marked = producer.send_result(marking).map_err(|(error, _)| error)?;
        // The library's `flush` would look for reports every 100 ms only, since another thread takes them.
        let (sent, marked) = Handle::current().block_on(self.reports(sent, marked))?;
        // The message's own first: when that was refused, the mark was thrown away with it.
        let at = reported(sent)?;
        reported(marked).map(|_| at)
    }

    /// Waits for the reports of both records.
    async fn reports(&self, sent: DeliveryFuture, marked: DeliveryFuture) -> KafkaResult<(Report, Report)> {
        let until = Instant::now() + COMMIT_WITHIN;
        let mut both = pin!(async { tokio::join!(sent, marked) });
        loop {
            match timeout(SLICE, &mut both).await {
                Ok(reports) => return Ok(reports),
                Err(_) if Instant::now() >= until || self.is_stopping() => {
                    return Err(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut));
                }
                Err(_) => {}
            }
        }
    }

    /// Stops predecessors, whatever they were at, and learns what was delivered.
    fn start(&self) -> Result<Open, PublishError> {
        let failed = |error: KafkaError| PublishError::new(&self.topic, &error);
        let replaced = self.shared.settings.replaced();
        let settings = self.shared.settings.of(&Purpose::Transact(&self.id));
        let producer: FutureProducer<Context> = settings
            .create_with_context(self.shared.context.clone())
            .map_err(|error| PublishError::because(&self.topic, &made(&error).to_string()))?;
        let producer = Aside::new(producer);
        self.again_within(INIT_WITHIN, |slice| producer.init_transactions(slice)).map_err(failed)?;
        let now = self.clock.now().as_millisecond();
        let mailbox = self.shared.config.mailbox.as_str();
        let seen = marks::read(&self.shared, &self.seen, mailbox, now, &|| self.is_stopping())
            .map_err(|error| PublishError::new(&self.seen, &error))?;
        let (adapter, marks) = (&self.shared.name, seen.len());
        tracing::info!(%adapter, marks, "delivering in transactions");
        Ok(Open { producer, replaced, seen })
    }

    /// Commits. What may be tried again is, for a while.
    fn commit(&self, producer: &FutureProducer<Context>) -> KafkaResult<()> {
        let done = self.again_within(COMMIT_WITHIN, |slice| producer.commit_transaction(slice));
        if let Err(KafkaError::Transaction(error)) = &done
            && error.txn_requires_abort()
            && !self.is_stopping()
        {
            // Should this fail as well, the next producer ends it.
            let _ = producer.abort_transaction(ABORT_WITHIN);
        }
        done
    }

    /// Does what the library says may be done again, until it is done, time is up or the relay is stopping.
    fn again_within(&self, within: Duration, act: impl Fn(Duration) -> KafkaResult<()>) -> KafkaResult<()> {
        let until = Instant::now() + within;
        loop {
            match act(SLICE) {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && Instant::now() < until && !self.is_stopping() => {}
                done => return done,
            }
        }
    }
}

/// What was said of a record.
type Report = <DeliveryFuture as Future>::Output;

/// Where a record is, by its report.
fn reported(report: Report) -> KafkaResult<(i32, i64)> {
    match report {
        Ok(Ok(delivery)) => Ok((delivery.partition, delivery.offset)),
        Ok(Err((error, _))) => Err(error),
        Err(_) => Err(KafkaError::Canceled),
    }
}
