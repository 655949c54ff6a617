//! What became of messages, to a webhook.
//!
//! Each change of a message is one `POST` of a CloudEvent in JSON (structured mode), signed whole as messages are
//! ([`crate::sink`]). `webhook-id` is the event's id, the same however often it is told. Events of one message come in their
//! order: a later one is not told before the receiver has answered 2xx to the one before.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, header};
use relay_carrier::event::CONTENT_TYPE;
use relay_carrier::{CloudEvent, Reply};
use relay_core::{Clock, DeliveryEvent, EventSink, TellError, TraceContext};

use crate::config;
use crate::webhook::{Content, Secrets, Webhook, WebhookError};

/// Posts events.
pub struct EventWebhook {
    adapter: String,
    webhook: Webhook,
    types: String,
    source: String,
}

impl EventWebhook {
    /// Events of the adapter `name` to where `events` says. Nothing is connected yet.
    ///
    /// # Errors
    /// As [`WebhookSink::new`](crate::WebhookSink::new).
    pub fn new(
        name: &str,
        events: &config::Events,
        secrets: &Secrets,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        let webhook = Webhook::new(&events.url, events.timeout.get(), &secrets.events, secrets, clock)?;
        let (types, source) = (events.types.clone(), format!("/mesh-relay/{name}"));
        Ok(Self { adapter: name.to_owned(), webhook, types, source })
    }
}

#[async_trait]
impl EventSink for EventWebhook {
    async fn tell(&self, event: &DeliveryEvent) -> Result<(), TellError> {
        let reply = Reply::from_text(event.reply.as_deref());
        let told = CloudEvent::of(event, &reply, &self.types, &self.source);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        for (name, value) in reply.trace().iter().flat_map(TraceContext::headers) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        let posted = self.webhook.post(&told.id, headers, Content::Whole(told.body.into())).await;
        posted.map(drop).map_err(|error| TellError { what: format!("adapter {}: {error}", self.adapter) })
    }
}
