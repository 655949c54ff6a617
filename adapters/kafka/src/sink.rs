//! Messages from MESH to a topic.

use std::sync::Arc;

use async_trait::async_trait;
use claim_check::Body;
use relay_carrier::{binary, inbound};
use relay_core::metric::KAFKA_DELIVERIES;
use relay_core::{Clock, DeliveryError, FailureClass, Inbound, Owner, Receipt, Sink, SinkHealth};

use crate::Shared;
use crate::config;
use crate::publisher::{Publication, PublishError, headers};
use crate::transaction::{Delivered, Marked, Transactor};

/// Type of a payload of which MESH says none.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Publishes one mailbox's messages.
pub struct TopicSink {
    shared: Shared,
    inbound: config::Inbound,
    clock: Arc<dyn Clock>,
    transactor: Option<Arc<Transactor>>,
    source: String,
}

impl TopicSink {
    /// A sink for what `inbound` says.
    pub fn new(shared: Shared, inbound: config::Inbound, clock: Arc<dyn Clock>) -> Self {
        let source = format!("/mesh-relay/{}", shared.name);
        let transaction = inbound.transaction.clone();
        let transactor = transaction
            .map(|transaction| Arc::new(Transactor::new(shared.clone(), &inbound.topic, transaction)));
        Self { shared, inbound, clock, transactor, source }
    }

    fn failed(&self, what: &str, class: FailureClass, owner: Owner) -> DeliveryError {
        DeliveryError { what: format!("adapter {}: {what}", self.shared.name), class, owner }
    }

    fn not_published(&self, error: &PublishError) -> DeliveryError {
        KAFKA_DELIVERIES.count("failed");
        if error.is_too_large {
            let what =
                format!("{error}; raise max.message.bytes of the topic, or receive this message by hand");
            return self.failed(&what, FailureClass::Permanent, Owner::Operator);
        }
        self.failed(&error.to_string(), FailureClass::Transient, Owner::Operator)
    }
}

#[async_trait]
impl Sink for TopicSink {
    async fn deliver(&self, mut message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        let (claims, most) = (self.shared.claims.as_ref(), self.inbound.body_max.bytes());
        let body = Body::read(claims, &self.shared.name, most, &mut message).await?;
        let download = message.download;
        let content_type =
            if download.content_type.is_empty() { UNKNOWN_TYPE } else { download.content_type.as_str() };
        let id = download.message_id.as_str();
        // A transaction that came about before is found by its mark, so nothing here can be a repeat.
        let repeats = message.attempt > 1 && self.transactor.is_none();
        let mut pairs = inbound::headers(download, message.relay_id, body.size(), repeats);
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
        match delivered.map_err(|error| self.not_published(&error))? {
            Delivered::At { partition, offset } => {
                KAFKA_DELIVERIES.count(if repeats { "repeated" } else { "delivered" });
                Ok(Receipt(format!("kafka:{topic}/{partition}/{offset}")))
            }
            Delivered::Before => {
                KAFKA_DELIVERIES.count("seen");
                Ok(Receipt(format!("kafka:{topic} by an earlier transaction")))
            }
        }
    }

    async fn recorded(&self, _: &Receipt) {}

    async fn check(&self) -> SinkHealth {
        SinkHealth::Ready
    }
}
