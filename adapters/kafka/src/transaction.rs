//! Delivery exactly once for readers of what is committed: messages and their marks are one transaction, a successor stops
//! its predecessor by the transactional id, and reads the marks before it delivers (`queue-bridging.md` 3.5).

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use claim_check::Body;
use futures_util::future::join_all;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use relay_core::Clock;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
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
/// Messages of one transaction at most.
const TOGETHER_MAX: usize = 64;
/// Bytes of their bodies beyond which no other is taken along.
const TOGETHER_BYTES_MAX: usize = 32 * 1024 * 1024;
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

/// Delivers for one mailbox, one transaction at a time: all that wait for it together, since brokers take some 40 ms for
/// each, whatever is in it.
pub(crate) struct Transactor {
    shared: Shared,
    topic: String,
    seen: String,
    id: String,
    clock: Arc<dyn Clock>,
    waiting: Mutex<VecDeque<Waiting>>,
    open: Mutex<Option<Open>>,
}

/// A message that waits for the next transaction, and who waits for it.
struct Waiting {
    message: Marked,
    tell: oneshot::Sender<Result<Delivered, PublishError>>,
}

impl Waiting {
    /// Tells how it came out. Nobody may listen any more: the message is delivered again then, or found by its mark.
    fn tell(self, delivered: Result<Delivered, PublishError>) {
        let _ = self.tell.send(delivered);
    }
}

/// A producer that has stopped its predecessors, and what they and it delivered.
struct Open {
    producer: Aside<FutureProducer<Context>>,
    /// How often the certificate had been replaced when it was made.
    replaced: u64,
    seen: Seen,
}

/// Why a transaction failed, and whether it is known not to have come about, so that the producer can go on.
struct Failed {
    error: PublishError,
    is_over: bool,
}

impl Transactor {
    pub(crate) fn new(shared: Shared, topic: &str, transaction: Transaction, clock: Arc<dyn Clock>) -> Self {
        let id = transaction.id(&shared.config.mailbox);
        let (topic, seen) = (topic.to_owned(), transaction.seen);
        Self { topic, seen, id, clock, shared, waiting: Mutex::default(), open: Mutex::default() }
    }

    /// Delivers a message unless that was done before. After a failure that leaves open whether a transaction came about the
    /// next delivery starts from what the brokers know: nobody else can say.
    pub(crate) async fn deliver(self: Arc<Self>, message: Marked) -> Result<Delivered, PublishError> {
        let (tell, told) = oneshot::channel();
        self.waiting().push_back(Waiting { message, tell });
        let this = Arc::clone(&self);
        // Another one that is at work may take it along; then this finds nothing to do.
        tokio::task::spawn_blocking(move || this.deliver_waiting());
        told.await.unwrap_or_else(|_| Err(PublishError::new(&self.topic, &KafkaError::Canceled)))
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.shared.publisher.is_closed()
    }

    fn failed(&self, error: &KafkaError, is_over: bool) -> Failed {
        let error = match self.is_stopping() {
            true => PublishError::stopping(&self.topic),
            false => PublishError::new(&self.topic, error),
        };
        Failed { error, is_over }
    }

    /// Delivers what waits, as much as one transaction may hold.
    fn deliver_waiting(&self) {
        let mut place = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = self.take();
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.deliver_batch(&mut place, batch) {
            tracing::debug!(adapter = %self.shared.name, %error, "the transactional producer is given up");
            *place = None;
        }
    }

    /// What is to be in the next transaction: not what nobody waits for any more, whose lease may have gone elsewhere.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        waiting.retain(|one| !one.tell.is_closed());
        let (mut count, mut bytes) = (0, 0);
        for one in waiting.iter().take(TOGETHER_MAX) {
            bytes += one.message.body.carried().len();
            if count > 0 && bytes > TOGETHER_BYTES_MAX {
                break;
            }
            count += 1;
        }
        waiting.drain(..count).collect()
    }

    /// Delivers a batch and tells all of it.
    ///
    /// # Errors
    /// When the producer cannot go on.
    fn deliver_batch(&self, place: &mut Option<Open>, batch: Vec<Waiting>) -> Result<(), PublishError> {
        let open = match self.ready(place) {
            Ok(open) => open,
            Err(error) => {
                batch.into_iter().for_each(|one| one.tell(Err(error.clone())));
                return Err(error);
            }
        };
        let (before, new): (Vec<Waiting>, Vec<Waiting>) =
            batch.into_iter().partition(|one| open.seen.has(one.message.message_id.as_bytes()));
        before.into_iter().for_each(|one| one.tell(Ok(Delivered::Before)));
        if new.is_empty() {
            return Ok(());
        }
        match self.transact(open, &new) {
            Ok(places) => {
                self.told(open, new.into_iter().zip(places));
                Ok(())
            }
            // It may be one that the topic does not take, and the others it does.
            Err(failed) if failed.is_over && new.len() > 1 => self.deliver_singly(open, new),
            Err(Failed { error, is_over }) => {
                new.into_iter().for_each(|one| one.tell(Err(error.clone())));
                if is_over { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Delivers each in a transaction of its own, and tells it.
    ///
    /// # Errors
    /// When the producer cannot go on.
    fn deliver_singly(&self, open: &mut Open, batch: Vec<Waiting>) -> Result<(), PublishError> {
        let mut left = batch.into_iter();
        while let Some(one) = left.next() {
            match self.transact(open, std::slice::from_ref(&one)) {
                Ok(places) => self.told(open, std::iter::once(one).zip(places)),
                Err(Failed { error, is_over }) => {
                    one.tell(Err(error.clone()));
                    if !is_over {
                        left.for_each(|one| one.tell(Err(error.clone())));
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn told(&self, open: &mut Open, delivered: impl Iterator<Item = (Waiting, (i32, i64))>) {
        let now = self.clock.now().as_millisecond();
        for (one, (partition, offset)) in delivered {
            open.seen.add(one.message.message_id.as_bytes(), now);
            one.tell(Ok(Delivered::At { partition, offset }));
        }
    }

    /// The producer, made if need be.
    fn ready<'a>(&self, place: &'a mut Option<Open>) -> Result<&'a mut Open, PublishError> {
        // Others may have taken long before this one.
        if self.is_stopping() {
            return Err(PublishError::stopping(&self.topic));
        }
        let replaced = self.shared.settings.replaced();
        place.take_if(|open| open.replaced != replaced);
        match place {
            Some(open) => Ok(open),
            None => Ok(place.insert(self.start()?)),
        }
    }

    /// Delivers messages in one transaction, and says where they are.
    fn transact(&self, open: &Open, messages: &[Waiting]) -> Result<Vec<(i32, i64)>, Failed> {
        let producer = &*open.producer;
        producer.begin_transaction().map_err(|error| self.failed(&error, false))?;
        let places = match self.put(producer, messages) {
            Ok(places) => places,
            Err(error) => {
                // Once it is aborted, it is known not to have come about.
                let is_over = !self.is_stopping() && producer.abort_transaction(ABORT_WITHIN).is_ok();
                return Err(self.failed(&error, is_over));
            }
        };
        self.commit(producer).map_err(|error| self.failed(&error, false))?;
        Ok(places)
    }

    /// Puts messages and their marks into the transaction.
    fn put(&self, producer: &FutureProducer<Context>, messages: &[Waiting]) -> KafkaResult<Vec<(i32, i64)>> {
        let (mut sent, mut marked) = (Vec::new(), Vec::new());
        for Waiting { message, .. } in messages {
            let record = FutureRecord::to(&self.topic)
                .key(&message.key)
                .payload(message.body.carried())
                .headers(message.headers.clone());
            sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
            // Not empty, which would be a tombstone.
            let marking = FutureRecord::to(&self.seen).key(&message.message_id).payload(&message.mailbox);
            marked.push(producer.send_result(marking).map_err(|(error, _)| error)?);
        }
        // The library's `flush` would look for reports every 100 ms only, since another thread takes them.
        let (sent, marked) = Handle::current().block_on(self.reports(sent, marked))?;
        // The messages' own first: when one of them was refused, the marks were thrown away with it.
        let places = sent.into_iter().map(reported).collect::<KafkaResult<_>>()?;
        marked.into_iter().map(reported).collect::<KafkaResult<Vec<_>>>()?;
        Ok(places)
    }

    /// Waits for the reports of all records.
    async fn reports(
        &self,
        sent: Vec<DeliveryFuture>,
        marked: Vec<DeliveryFuture>,
    ) -> KafkaResult<(Vec<Report>, Vec<Report>)> {
        let until = Instant::now() + COMMIT_WITHIN;
        let mut all = pin!(async { tokio::join!(join_all(sent), join_all(marked)) });
        loop {
            match timeout(SLICE, &mut all).await {
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
