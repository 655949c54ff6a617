//! Messages from MESH to a topic.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use claim_check::Body;
use relay_carrier::{binary, inbound};
use relay_core::{Clock, DeliveryError, FailureClass, Happening, Inbound, Owner, Receipt, Sink, SinkHealth};

use crate::Shared;
use crate::config;
use crate::happening::Delivery;
use crate::publisher::{PUBLISHED_WITHIN, Publication, PublishError, headers};
use crate::transaction::{Delivered, Marked, Transactor};

/// How long a delivery within a transaction may take until it is done or given up: marks are read for ten minutes at most
/// after a transaction that was left open (`marks`, `transaction`).
const TRANSACTED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Type of a payload of which MESH says none.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Publishes one mailbox's messages.
pub struct TopicSink {
    shared: Shared,
    inbound: config::Inbound,
    clock: Arc<dyn Clock>,
    transactor: Option<Arc<Transactor>>,
    source: String,
    /// Why the last delivery failed, if it did and another message would not have gone.
    trouble: Mutex<Option<String>>,
}

impl TopicSink {
    /// A sink for what `inbound` says.
    pub fn new(shared: Shared, inbound: config::Inbound, clock: Arc<dyn Clock>) -> Self {
        let source = format!("/mesh-relay/{}", shared.name);
        let transaction = inbound.transaction.clone();
        let transactor = transaction.map(|transaction| {
            let clock = Arc::clone(&clock);
            Arc::new(Transactor::new(shared.clone(), &inbound.topic, transaction, clock))
        });
        Self { shared, inbound, clock, transactor, source, trouble: Mutex::default() }
    }

    fn failed(&self, what: &str, class: FailureClass, owner: Owner) -> DeliveryError {
        DeliveryError { what: format!("adapter {}: {what}", self.shared.name), class, owner }
    }

    fn not_published(&self, error: &PublishError) -> DeliveryError {
        Delivery::Failed.tell();
        if error.is_too_large {
            self.set_trouble(None);
            let what =
                format!("{error}; raise max.message.bytes of the topic, or receive this message by hand");
            return self.failed(&what, FailureClass::Permanent, Owner::Operator);
        }
        self.set_trouble(Some(error.to_string()));
        self.failed(&error.to_string(), FailureClass::Transient, Owner::Operator)
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the topics were looked at, and after a failure sees that the topic can be found again: what is fetched
    /// from MESH while there is no place for it is fetched once more.
    async fn place(&self) -> Result<(), PublishError> {
        let (publisher, topic) = (&self.shared.publisher, &self.inbound.topic);
        publisher.ready(topic).await?;
        match self.trouble() {
            None => Ok(()),
            Some(_) => publisher.finds(topic).await,
        }
    }
}

#[async_trait]
impl Sink for TopicSink {
    fn patience(&self) -> Duration {
        if self.transactor.is_some() { TRANSACTED_WITHIN } else { PUBLISHED_WITHIN }
    }

    async fn deliver(&self, mut message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        self.place().await.map_err(|error| self.not_published(&error))?;
        let (claims, most) = (self.shared.claims.as_ref(), self.inbound.body_max.bytes());
        let body = Body::read(claims, &self.shared.name, most, &mut message).await?;
        let download = message.download;
        let content_type =
            if download.content_type.is_empty() { UNKNOWN_TYPE } else { download.content_type.as_str() };
        let id = download.message_id.as_str();
        // A transaction that came about before is found by its mark, so nothing here can be a repeat.
        let repeats = message.attempt > 1 && self.transactor.is_none();
        let mut pairs = inbound::headers(download, message.relay_id, body.size(), repeats);
        pairs.extend(inbound::trace_headers(message.trace.as_ref()));
        if let Some(claim) = body.claim() {
            pairs.extend(inbound::claim_headers(&claim.reference, &claim.sha256, claim.size));
        }
        let (kind, now) = (inbound::type_of(download), self.clock.now());
        pairs.extend(binary::attributes(id, kind, &self.source, now, content_type));
        let headers = headers(pairs.iter().map(|(name, value)| (*name, value.as_str())));
        let key = inbound::record_key(message.mailbox.as_str(), download);
        let topic = &self.inbound.topic;
        let delivered = match &self.transactor {
            None => {
                let publication =
                    Publication { topic, key: Some(key.as_bytes()), value: Some(body.carried()), headers };
                let at = self.shared.publisher.publish(publication).await;
                at.map(|(partition, offset)| Delivered::At { partition, offset })
            }
            Some(transactor) => {
                let mailbox = message.mailbox.to_string();
                let marked = Marked { message_id: id.to_owned(), mailbox, key, body, headers };
                Arc::clone(transactor).deliver(marked).await
            }
        };
        let delivered = delivered.map_err(|error| self.not_published(&error))?;
        self.set_trouble(None);
        match delivered {
            Delivered::At { partition, offset } => {
                if repeats { Delivery::Repeated } else { Delivery::Delivered }.tell();
                Ok(Receipt(format!("kafka:{topic}/{partition}/{offset}")))
            }
            Delivered::Before => {
                Delivery::Seen.tell();
                Ok(Receipt(format!("kafka:{topic} by an earlier transaction")))
            }
        }
    }

    async fn recorded(&self, _: &Receipt) {}

    async fn check(&self) -> SinkHealth {
        self.trouble().map_or(SinkHealth::Ready, SinkHealth::Failing)
    }
}
