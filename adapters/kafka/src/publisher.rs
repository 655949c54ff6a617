//! Publishing: idempotent, by all replicas in sync, and done only when the broker has reported it
//! (`queue-bridging.md` 3.5).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer, PurgeConfig};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::aside::Aside;
use crate::client::{BrokerError, Context, advice, made};
use crate::settings::{Purpose, Settings};

/// How long a record may take until it is published or given up: what the library has for it (`message.timeout.ms`), the wait
/// for room and that for topics.
pub(crate) const PUBLISHED_WITHIN: Duration = Duration::from_secs(330);
/// How long a record may wait for room among those that have not left yet.
const ROOM_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two looks for room: the library tells nobody that there is some.
const ROOM_LOOK: Duration = Duration::from_millis(50);
/// How long records under way may take to leave when the relay stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take until the topics were looked at first. Nothing is published before.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long brokers may take to say that a topic is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A record to be published.
pub(crate) struct Publication<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: OwnedHeaders,
}

/// Why nobody can say that the broker has a record. It may have it all the same.
#[derive(Debug, Clone, Error)]
#[error("topic {topic}: {what}")]
pub(crate) struct PublishError {
    topic: String,
    what: String,
    /// Nothing but a shorter record could be published.
    pub(crate) is_too_large: bool,
}

impl PublishError {
    pub(crate) fn new(topic: &str, error: &KafkaError) -> Self {
        let is_too_large = error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge);
        Self { is_too_large, ..Self::because(topic, &advice(error)) }
    }

    pub(crate) fn because(topic: &str, what: &str) -> Self {
        Self { topic: topic.to_owned(), what: what.to_owned(), is_too_large: false }
    }

    pub(crate) fn stopping(topic: &str) -> Self {
        Self::because(topic, "the relay is stopping")
    }
}

/// Publishes for one adapter.
pub(crate) struct Publisher {
    settings: Settings,
    context: Context,
    /// `None`: given up, and made again when it is needed next.
    producer: Mutex<Option<Arc<Made>>>,
    /// Whether all topics were found to be there, once.
    ready: watch::Sender<bool>,
    /// Whether the relay is stopping, and nobody waits for reports any more.
    closed: watch::Sender<bool>,
}

/// A producer, and how often the certificate had been replaced when it was made.
struct Made {
    producer: Aside<FutureProducer<Context>>,
    replaced: u64,
}

/// Held while a report is waited for. Dropped before it came, nobody would know of the record any more: what the library still
/// has of it must not arrive later than what another instance publishes in its place.
struct Waiting<'a> {
    publisher: &'a Publisher,
    /// The producer that has the record.
    on: Option<Arc<Made>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(made) = self.on.take() {
            self.publisher.give_up(made);
        }
    }
}

impl Publisher {
    /// Nothing is waited for: the library connects when it needs to.
    pub(crate) fn new(settings: Settings, context: Context) -> Result<Self, BrokerError> {
        let publisher = Self {
            settings,
            context,
            producer: Mutex::default(),
            ready: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        };
        publisher.current().map_err(|error| made(&error))?;
        Ok(publisher)
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Made>>> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The producer to use now: another one than before once the certificate was replaced, or the last was given up.
    fn current(&self) -> Result<Arc<Made>, KafkaError> {
        let mut slot = self.slot();
        let replaced = self.settings.replaced();
        if let Some(made) = slot.as_ref().filter(|made| made.replaced == replaced) {
            return Ok(Arc::clone(made));
        }
        let producer = self.settings.of(&Purpose::Produce).create_with_context(self.context.clone())?;
        let made = Arc::new(Made { producer: Aside::new(producer), replaced });
        if let Some(old) = slot.replace(Arc::clone(&made)) {
            finish_aside(old);
        }
        Ok(made)
    }

    /// Publishes, and returns partition and offset once the broker has the record for good. The library tries again until
    /// its `message.timeout.ms` is over, without doubling it.
    pub(crate) async fn publish(&self, publication: Publication<'_>) -> Result<(i32, i64), PublishError> {
        let topic = publication.topic;
        self.ready(topic).await?;
        let mut closed = self.closed.subscribe();
        let mut waiting = Waiting { publisher: self, on: None };
        let published = tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(PublishError::stopping(topic)),
            published = self.reported(publication, &mut waiting.on) => published,
        };
        waiting.on = None;
        published
    }

    async fn reported(
        &self,
        publication: Publication<'_>,
        on: &mut Option<Arc<Made>>,
    ) -> Result<(i32, i64), PublishError> {
        let topic = publication.topic;
        let until = Instant::now() + ROOM_WITHIN;
        let sent = loop {
            match self.send(&publication, on) {
                Err(error)
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                        && Instant::now() < until =>
                {
                    sleep(ROOM_LOOK).await;
                }
                sent => break sent,
            }
        };
        let error = match sent {
            Ok(report) => match report.await {
                Ok(Ok(delivery)) => return Ok((delivery.partition, delivery.offset)),
                Ok(Err((error, _))) => error,
                Err(_) => KafkaError::Canceled,
            },
            Err(error) => error,
        };
        self.look_for_its_end();
        Err(PublishError::new(topic, &error))
    }

    fn send(
        &self,
        publication: &Publication<'_>,
        on: &mut Option<Arc<Made>>,
    ) -> Result<DeliveryFuture, KafkaError> {
        let record = FutureRecord {
            topic: publication.topic,
            partition: None,
            payload: publication.value,
            key: publication.key,
            timestamp: None,
            headers: Some(publication.headers.clone()),
        };
        let made = self.current()?;
        let report = made.producer.send_result(record).map_err(|(error, _)| error)?;
        *on = Some(made);
        Ok(report)
    }

    /// A producer that met what it cannot get over, such as a right that it had not, publishes nothing any more, whatever
    /// is mended: another one takes its place.
    fn look_for_its_end(&self) {
        let made = self.slot().clone();
        let Some(made) = made else { return };
        if let Some((code, what)) = made.producer.client().fatal_error() {
            let (adapter, advice) = (&self.settings.adapter, advice(&KafkaError::Global(code)));
            tracing::warn!(%adapter, what, "Kafka: the producer gave up and is made anew: {advice}");
            self.give_up(made);
        }
    }

    /// Gives a producer up, with all that it has not published; whoever waits for a report hears that there is none.
    fn give_up(&self, made: Arc<Made>) {
        self.slot().take_if(|current| Arc::ptr_eq(current, &made));
        // Whoever holds it besides must not publish either.
        made.producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// All topics are there.
    pub(crate) fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Waits until the topics were looked at, for a while.
    pub(crate) async fn ready(&self, topic: &str) -> Result<(), PublishError> {
        let (mut ready, mut closed) = (self.ready.subscribe(), self.closed.subscribe());
        tokio::select! {
            _ = ready.wait_for(|ready| *ready) => Ok(()),
            _ = closed.wait_for(|closed| *closed) => Err(PublishError::stopping(topic)),
            () = sleep(READY_WITHIN) => {
                let what = "whether the adapter's topics are there could not be seen yet; the log says why";
                Err(PublishError::because(topic, what))
            }
        }
    }

    /// Whether a topic can be found.
    pub(crate) async fn finds(self: &Arc<Self>, topic: &str) -> Result<(), PublishError> {
        let (this, name) = (Arc::clone(self), topic.to_owned());
        let looking = tokio::task::spawn_blocking(move || {
            let made = this.current()?;
            let metadata = made.producer.client().fetch_metadata(Some(&name), ANSWER_WITHIN)?;
            let error = metadata.topics().iter().find_map(rdkafka::metadata::MetadataTopic::error);
            error.map_or(Ok(()), |error| Err(KafkaError::MetadataFetch(error.into())))
        });
        let looked = looking.await.unwrap_or(Err(KafkaError::Canceled));
        looked.map_err(|error| PublishError::new(topic, &error))
    }

    /// Lets what is under way leave, for a while.
    pub(crate) async fn flush(&self) {
        let made = self.slot().clone();
        if let Some(made) = made {
            // What it could not do is published again by the next start.
            let _ = tokio::task::spawn_blocking(move || made.producer.flush(FLUSH_WITHIN)).await;
        }
    }

    /// Whoever waits for a report hears that there is none, and nothing is published any more.
    pub(crate) fn set_closed(&self) {
        self.closed.send_replace(true);
        let made = self.slot().take();
        if let Some(made) = made {
            self.give_up(made);
        }
    }

    /// Waits for reports again.
    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }

    /// Whether nobody is to wait any more.
    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
}

/// Lets a producer whose place another takes publish what it has.
fn finish_aside(made: Arc<Made>) {
    let finish = move || {
        // What it could not do is tried again by whoever hears of it.
        let _ = made.producer.flush(FLUSH_WITHIN);
        made.producer.purge(PurgeConfig::default().queue().inflight());
    };
    let _ = std::thread::Builder::new().name("kafka replaced".to_owned()).spawn(finish);
}

/// Headers of texts.
pub(crate) fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> OwnedHeaders {
    pairs
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
