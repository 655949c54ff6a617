//! What became of messages, to a status topic and, where one is configured, to a compacted one of last states.

use std::time::Duration;

use async_trait::async_trait;
use relay_carrier::event::CONTENT_TYPE;
use relay_carrier::{CloudEvent, Reply, binary};
use relay_core::{DeliveryEvent, EventSink, TellError, TraceContext};

use crate::Shared;
use crate::config;
use crate::publisher::{PUBLISHED_WITHIN, Publication, headers};

/// Publishes events. All of a message have its relay id as their key, so they are in one partition, in order.
pub struct StatusTopic {
    shared: Shared,
    status: config::Status,
    source: String,
}

impl StatusTopic {
    /// Events of an adapter to where `status` says.
    pub fn new(shared: Shared, status: config::Status) -> Self {
        let source = format!("/mesh-relay/{}", shared.name);
        Self { shared, status, source }
    }
}

#[async_trait]
impl EventSink for StatusTopic {
    /// Two topics at most, one after the other.
    fn patience(&self) -> Duration {
        PUBLISHED_WITHIN * 2
    }

    async fn tell(&self, event: &DeliveryEvent) -> Result<(), TellError> {
        let reply = Reply::from_text(event.reply.as_deref());
        let told = CloudEvent::of(event, &reply, &self.status.types, &self.source);
        let key = event.id.relay_id.to_string();
        let trace = reply.trace();
        let pairs = trace.iter().flat_map(TraceContext::headers);
        let pairs: Vec<_> = std::iter::once((binary::CONTENT_TYPE, CONTENT_TYPE)).chain(pairs).collect();
        for topic in [Some(&self.status.topic), self.status.latest.as_ref()].into_iter().flatten() {
            let publication = Publication {
                topic,
                key: Some(key.as_bytes()),
                value: Some(&told.body),
                headers: headers(pairs.iter().copied()),
            };
            let published = self.shared.publisher.publish(publication).await;
            published.map_err(|error| TellError { what: error.to_string() })?;
        }
        Ok(())
    }
}
