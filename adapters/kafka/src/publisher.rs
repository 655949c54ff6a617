//! Publishing: idempotent, by all replicas in sync, and done only when the broker has reported it
//! (`queue-bridging.md` 3.5).

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use thiserror::Error;
use tokio::sync::watch;

use crate::client::{BrokerError, Context, Purpose, Secrets, advice, made, settings};
use crate::config::Config;

/// How long a record may wait for room among those that have not left yet.
const ROOM_WITHIN: Duration = Duration::from_secs(10);
/// How long records under way may take to leave when the relay stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

/// A record to be published.
pub(crate) struct Publication<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: OwnedHeaders,
}

/// Why nobody can say that the broker has a record. It may have it all the same.
#[derive(Debug, Error)]
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
        Self { topic: topic.to_owned(), what: advice(error), is_too_large }
    }
}

/// Publishes for one adapter.
pub(crate) struct Publisher {
    producer: FutureProducer<Context>,
    /// Whether the relay is stopping, and nobody waits for reports any more.
    closed: watch::Sender<bool>,
}

impl Publisher {
    pub(crate) fn new(
        adapter: &str,
        config: &Config,
        secrets: &Secrets,
        context: &Context,
    ) -> Result<Self, BrokerError> {
        let settings = settings(adapter, config, secrets, &Purpose::Produce);
        let producer = settings.create_with_context(context.clone()).map_err(|error| made(&error))?;
        Ok(Self { producer, closed: watch::channel(false).0 })
    }

    /// Publishes, and returns partition and offset once the broker has the record for good. The library tries again until
    /// its `message.timeout.ms` is over, without doubling it.
    pub(crate) async fn publish(&self, publication: Publication<'_>) -> Result<(i32, i64), PublishError> {
        let topic = publication.topic;
        let record = FutureRecord {
            topic,
            partition: None,
            payload: publication.value,
            key: publication.key,
            timestamp: None,
            headers: Some(publication.headers),
        };
        let mut closed = self.closed.subscribe();
        tokio::select! {
            sent = self.producer.send(record, ROOM_WITHIN) => match sent {
                Ok(delivery) => Ok((delivery.partition, delivery.offset)),
                Err((error, _)) => Err(PublishError::new(topic, &error)),
            },
            _ = closed.wait_for(|closed| *closed) => Err(PublishError {
                topic: topic.to_owned(),
                what: "the relay is stopping".to_owned(),
                is_too_large: false,
            }),
        }
    }

    /// Lets what is under way leave, for a while; whoever waits for a report then hears that there is none.
    pub(crate) async fn close(&self) {
        let producer = self.producer.clone();
        // What it could not do is published again by the next start.
        let _ = tokio::task::spawn_blocking(move || producer.flush(FLUSH_WITHIN)).await;
        self.closed.send_replace(true);
    }

    /// Waits for reports again.
    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }
}

/// Headers of texts.
pub(crate) fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> OwnedHeaders {
    pairs
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
