//! Incidents, to a webhook of people's alerting.
//!
//! Each beginning, each growing worse and each end is one `POST` of a CloudEvent in JSON, signed as events of messages are
//! ([`crate::events`]). `webhook-id` is the same however often it is told.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, header};
use relay_carrier::event::CONTENT_TYPE;
use relay_core::{Alert, AlertSink, Clock, Incident, TellError};

use crate::config;
use crate::webhook::{Content, HookSecrets, Secrets, Webhook, WebhookError};

/// Posts alerts.
pub struct AlertWebhook {
    webhook: Webhook,
    types: String,
    source: String,
}

impl AlertWebhook {
    /// Alerts of the relay that people call `name`, to where `events` says. Nothing is connected yet.
    ///
    /// # Errors
    /// As [`WebhookSink::new`](crate::WebhookSink::new).
    pub fn new(
        name: &str,
        events: &config::Events,
        own: &HookSecrets,
        shared: &Secrets,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        let webhook = Webhook::new(&events.url, events.timeout.get(), own, shared, clock)?;
        Ok(Self { webhook, types: events.types.clone(), source: format!("/mesh-relay/{name}") })
    }
}

#[async_trait]
impl AlertSink for AlertWebhook {
    async fn alert(&self, alert: &Alert<'_>) -> Result<(), TellError> {
        let Alert { incident, telling, at } = alert;
        let Incident { id: incident_id, kind, about, opened_at, level, grave, text } = incident;
        let telling = telling.as_str();
        let id = format!("{incident_id}/{telling}/{level}");
        let body = serde_json::json!({
            "specversion": "1.0",
            "id": id,
            "source": self.source,
            "type": format!("{}.incident.{telling}", self.types),
            "time": at.to_string(),
            "datacontenttype": "application/json",
            "data": {
                "incident": incident_id,
                "state": telling,
                "kind": kind.as_str(),
                "about": about,
                "since": opened_at.to_string(),
                "level": level,
                "grave": grave,
                "text": text,
            },
        });
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        let posted = self.webhook.post(&id, headers, Content::Whole(body.to_string().into())).await;
        posted.map(drop).map_err(|error| TellError { what: format!("alerts: {error}") })
    }
}
