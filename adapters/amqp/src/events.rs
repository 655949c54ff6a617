//! What became of messages, to a status exchange and to whoever a message names.

use async_trait::async_trait;
use lapin::types::FieldTable;
use relay_carrier::event::CONTENT_TYPE;
use relay_carrier::{CloudEvent, Reply, inbound};
use relay_core::{DeliveryEvent, EventSink, TellError};

use crate::Shared;
use crate::config;
use crate::properties::{put, short};
use crate::publisher::{Publication, PublishError, properties};

/// Publishes events.
pub struct StatusExchange {
    shared: Shared,
    status: config::Status,
    source: String,
}

impl StatusExchange {
    /// Events of an adapter to where `status` says.
    pub fn new(shared: Shared, status: config::Status) -> Self {
        let source = format!("/mesh-relay/{}", shared.name);
        Self { shared, status, source }
    }

    async fn publish(
        &self,
        exchange: &str,
        key: &str,
        event: &CloudEvent,
        reply: &Reply,
    ) -> Result<(), TellError> {
        let mut properties = properties(&event.id, &event.kind, CONTENT_TYPE);
        // As headers too, where whoever traces looks for them.
        let mut headers = FieldTable::default();
        for (name, value) in inbound::trace_headers(reply.trace().as_ref()) {
            put(&mut headers, name, &value);
        }
        if !headers.inner().is_empty() {
            properties = properties.with_headers(headers);
        }
        if let Some(id) = reply.message_id.as_deref().and_then(short) {
            properties = properties.with_correlation_id(id);
        }
        let publication = Publication { exchange, routing_key: key, properties, body: &event.body };
        match self.shared.publisher.publish(publication).await {
            Ok(()) => Ok(()),
            // Nobody wants to hear of it, and waiting for somebody would keep back what others want to hear.
            Err(error @ PublishError::Unroutable { .. }) => {
                let adapter = &self.shared.name;
                tracing::debug!(%adapter, %error, "an event is told to nobody");
                Ok(())
            }
            Err(error) => Err(TellError { what: error.to_string() }),
        }
    }
}

#[async_trait]
impl EventSink for StatusExchange {
    async fn tell(&self, event: &DeliveryEvent) -> Result<(), TellError> {
        let reply = Reply::from_text(event.reply.as_deref());
        let told = CloudEvent::of(event, &reply, &self.status.types, &self.source);
        let queue = reply.reply_to.as_ref().filter(|queue| self.status.reply_to.contains(queue));
        let replied = match queue {
            Some(queue) => self.publish("", queue, &told, &reply).await,
            None => Ok(()),
        };
        // Each for itself; if one has to be told again, so is the other, under the same id.
        self.publish(&self.status.exchange, &told.routing_key, &told, &reply).await.and(replied)
    }
}
