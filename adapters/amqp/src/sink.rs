//! Messages from MESH to an exchange.

use async_trait::async_trait;
use claim_check::Body;
use lapin::types::FieldTable;
use relay_carrier::inbound;
use relay_core::{Clock, DeliveryError, FailureClass, Inbound, Owner, Receipt, Sink, SinkHealth};
use std::sync::Arc;

use crate::Shared;
use crate::config;
use crate::properties::{put, short};
use crate::publisher::{Publication, PublishError, properties};

/// Type of a payload of which MESH says none.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Publishes one mailbox's messages.
pub struct ExchangeSink {
    shared: Shared,
    inbound: config::Inbound,
    clock: Arc<dyn Clock>,
}

impl ExchangeSink {
    /// A sink for what `inbound` says.
    pub fn new(shared: Shared, inbound: config::Inbound, clock: Arc<dyn Clock>) -> Self {
        Self { shared, inbound, clock }
    }

    fn failed(&self, what: String, class: FailureClass, owner: Owner) -> DeliveryError {
        DeliveryError { what: format!("adapter {}: {what}", self.shared.name), class, owner }
    }

    fn refused(&self, error: &PublishError) -> DeliveryError {
        let class = match error {
            PublishError::TooLarge { .. } | PublishError::Name => FailureClass::Permanent,
            _ => FailureClass::Transient,
        };
        self.failed(error.to_string(), class, Owner::Operator)
    }
}

#[async_trait]
impl Sink for ExchangeSink {
    async fn deliver(&self, mut message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        // First, so that nothing is fetched while there is nowhere to put it.
        let place = self.shared.publisher.place().await.map_err(|error| self.refused(&error))?;
        let (claims, most) = (self.shared.claims.as_ref(), self.inbound.body_max.bytes());
        let body = Body::read(claims, &self.shared.name, most, &mut message).await?;
        let download = message.download;
        let content_type =
            if download.content_type.is_empty() { UNKNOWN_TYPE } else { download.content_type.as_str() };
        let mut properties =
            properties(download.message_id.as_str(), inbound::type_of(download), content_type);
        if let Some(local_id) = short(&download.local_id).filter(|id| !id.as_str().is_empty()) {
            properties = properties.with_correlation_id(local_id);
        }
        let at = inbound::taken_at(download).unwrap_or_else(|| self.clock.now());
        let seconds = u64::try_from(at.as_second()).unwrap_or_default();
        let mut headers = FieldTable::default();
        let repeats = message.attempt > 1;
        for (name, value) in inbound::headers(download, message.relay_id, body.size(), repeats) {
            put(&mut headers, name, &value);
        }
        for (name, value) in inbound::trace_headers(message.trace.as_ref()) {
            put(&mut headers, name, &value);
        }
        if let Some(claim) = body.claim() {
            for (name, value) in inbound::claim_headers(&claim.reference, &claim.sha256, claim.size) {
                put(&mut headers, name, &value);
            }
        }
        let publication = Publication {
            exchange: &self.inbound.exchange,
            routing_key: &inbound::routing_key(message.mailbox.as_str(), download),
            properties: properties.with_timestamp(seconds).with_headers(headers),
            body: body.carried(),
        };
        place.publish(publication).await.map_err(|error| self.refused(&error))?;
        Ok(Receipt(format!("amqp:{}", self.inbound.exchange)))
    }

    async fn recorded(&self, _: &Receipt) {}

    async fn check(&self) -> SinkHealth {
        match self.shared.publisher.trouble() {
            None => SinkHealth::Ready,
            Some(error) => SinkHealth::Failing(error.to_string()),
        }
    }
}
