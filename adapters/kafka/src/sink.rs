//! Messages from MESH to a topic.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
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

    /// The whole body, if it is no longer than it may be. Claim checks would take their place here: what is longer would
    /// be put into a store, and its reference into the headers.
    async fn body(&self, message: &mut Inbound<'_>) -> Result<Vec<u8>, DeliveryError> {
        let most = usize::try_from(self.inbound.body_max.bytes()).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        loop {
            let piece = message.body.try_next().await.map_err(|error| match error.kind() {
                // As `PayloadStream` says: fetched again, it would fail in the same way.
                io::ErrorKind::InvalidData => self.failed(
                    &format!("the message cannot be received: {error}"),
                    FailureClass::Permanent,
                    Owner::Organisation,
                ),
                _ => self.failed(
                    &format!("the message did not come whole and is fetched again: {error}"),
                    FailureClass::Transient,
                    Owner::Mesh,
                ),
            })?;
            let Some(piece) = piece else { return Ok(body) };
            if body.len() + piece.len() > most {
                let what = format!(
                    "the message is longer than the {most} bytes that inbound.body_max lets through; raise it, and \
                     what the topic takes, or receive this one by hand"
                );
                return Err(self.failed(&what, FailureClass::Permanent, Owner::Operator));
            }
            body.extend_from_slice(&piece);
        }
    }
}

#[async_trait]
impl Sink for TopicSink {
    async fn deliver(&self, mut message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        let body = self.body(&mut message).await?;
        let download = message.download;
        let content_type =
            if download.content_type.is_empty() { UNKNOWN_TYPE } else { download.content_type.as_str() };
        let id = download.message_id.as_str();
        // A transaction that came about before is found by its mark, so nothing here can be a repeat.
        let repeats = message.attempt > 1 && self.transactor.is_none();
        let mut pairs = inbound::headers(download, message.relay_id, body.len() as u64, repeats);
        let (kind, now) = (inbound::type_of(download), self.clock.now());
        pairs.extend(binary::attributes(id, kind, &self.source, now, content_type));
        let headers = headers(pairs.iter().map(|(name, value)| (*name, value.as_str())));
        let key = inbound::record_key(message.mailbox.as_str(), download);
        let topic = &self.inbound.topic;
        let delivered = match &self.transactor {
            None => {
                let publication =
                    Publication { topic, key: Some(key.as_bytes()), value: Some(&body), headers };
                let at = self.shared.publisher.publish(publication).await;
                at.map(|(partition, offset)| Delivered::At { partition, offset })
            }
            Some(transactor) => {
                let mailbox = message.mailbox.to_string();
                let marked = Marked { message_id: id.to_owned(), mailbox, key, value: body, headers };
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
