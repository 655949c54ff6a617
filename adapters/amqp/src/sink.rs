//! Messages from MESH to an exchange.

use async_trait::async_trait;
use claim_check::{Claim, ClaimCheck, PutError};
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::types::FieldTable;
use relay_carrier::inbound;
use relay_core::{Clock, DeliveryError, FailureClass, Inbound, Owner, Receipt, Sink, SinkHealth};
use std::io;
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

    fn unread(&self, error: &io::Error) -> DeliveryError {
        match error.kind() {
            // As `PayloadStream` says: fetched again, it would fail in the same way.
            io::ErrorKind::InvalidData => self.failed(
                format!("the message cannot be received: {error}"),
                FailureClass::Permanent,
                Owner::Organisation,
            ),
            _ => self.failed(
                format!("the message did not come whole and is fetched again: {error}"),
                FailureClass::Transient,
                Owner::Mesh,
            ),
        }
    }

    /// The whole body, if it is no longer than it may be, or where it was put.
    async fn body(&self, message: &mut Inbound<'_>) -> Result<Body, DeliveryError> {
        let claims = self.shared.claims.as_ref().filter(|claims| claims.writes());
        let most = claims.map_or(u64::MAX, ClaimCheck::inline_max).min(self.inbound.body_max.bytes());
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        loop {
            let piece = message.body.try_next().await.map_err(|error| self.unread(&error))?;
            let Some(piece) = piece else { return Ok(Body::Carried(body)) };
            if body.len() + piece.len() > most {
                if let Some(claims) = claims {
                    let begun = stream::iter([Ok(body.into()), Ok(piece)]);
                    let rest = std::mem::replace(&mut message.body, Box::pin(stream::empty()));
                    let whole = Box::pin(begun.chain(rest));
                    let put = claims.put(message.mailbox, &message.download.message_id, whole).await;
                    return put.map(Body::Claimed).map_err(|error| match error {
                        PutError::Body(error) => self.unread(&error),
                        PutError::Store(_) => {
                            self.failed(error.to_string(), FailureClass::Transient, Owner::Operator)
                        }
                    });
                }
                let what = format!(
                    "the message is longer than the {most} bytes that inbound.body_max lets through; this one waits at \
                     MESH for somebody to fetch it by hand (mesh-relay get); for those to come set claim_check.write, or \
                     raise inbound.body_max and what the broker takes"
                );
                return Err(self.failed(what, FailureClass::Permanent, Owner::Operator));
            }
            body.extend_from_slice(&piece);
        }
    }
}

/// A body as it is published.
enum Body {
    /// With the message.
    Carried(Vec<u8>),
    /// Elsewhere, durably; the message names it.
    Claimed(Claim),
}

#[async_trait]
impl Sink for ExchangeSink {
    async fn deliver(&self, mut message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        // First, so that nothing is fetched while there is nowhere to put it.
        let place = self.shared.publisher.place().await.map_err(|error| self.refused(&error))?;
        let body = self.body(&mut message).await?;
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
        let (size, body, claim) = match body {
            Body::Carried(body) => (body.len() as u64, body, None),
            Body::Claimed(claim) => (claim.size, Vec::new(), Some(claim)),
        };
        for (name, value) in inbound::headers(download, message.relay_id, size, repeats) {
            put(&mut headers, name, &value);
        }
        if let Some(claim) = claim {
            for (name, value) in inbound::claim_headers(&claim.reference, &claim.sha256, claim.size) {
                put(&mut headers, name, &value);
            }
        }
        let publication = Publication {
            exchange: &self.inbound.exchange,
            routing_key: &inbound::routing_key(message.mailbox.as_str(), download),
            properties: properties.with_timestamp(seconds).with_headers(headers),
            body: &body,
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
