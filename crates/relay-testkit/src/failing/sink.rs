//! The organisation's side with a fate: where messages go, and where events go.

use std::sync::Arc;

use async_trait::async_trait;
use mesh_api::{Held, MessageId};
use relay_core::{DeliveryError, DeliveryEvent, EventSink, Inbound, Receipt, Sink, SinkHealth, TellError};

use super::Fate;

/// A real sink, but for its fate.
pub struct FailingSink {
    inner: Arc<dyn Sink>,
    fate: Arc<Fate>,
}

impl FailingSink {
    /// This sink with this fate.
    pub fn new(inner: Arc<dyn Sink>, fate: &Arc<Fate>) -> Self {
        Self { inner, fate: Arc::clone(fate) }
    }
}

#[async_trait]
impl Sink for FailingSink {
    async fn held(&self, message_id: &MessageId) -> Held {
        self.inner.held(message_id).await
    }

    async fn has_begun(&self, message_id: &MessageId) -> bool {
        self.inner.has_begun(message_id).await
    }

    async fn deliver(&self, message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        self.fate.reach("before delivery").await;
        let delivered = self.inner.deliver(message).await;
        let point = if delivered.is_ok() { "after delivery" } else { "after a failed delivery" };
        self.fate.reach(point).await;
        delivered
    }

    async fn recorded(&self, receipt: &Receipt) {
        self.inner.recorded(receipt).await;
    }

    async fn check(&self) -> SinkHealth {
        self.inner.check().await
    }
}

/// A real event sink, but for its fate.
pub struct FailingEventSink {
    inner: Arc<dyn EventSink>,
    fate: Arc<Fate>,
}

impl FailingEventSink {
    /// This event sink with this fate.
    pub fn new(inner: Arc<dyn EventSink>, fate: &Arc<Fate>) -> Self {
        Self { inner, fate: Arc::clone(fate) }
    }
}

#[async_trait]
impl EventSink for FailingEventSink {
    async fn tell(&self, event: &DeliveryEvent) -> Result<(), TellError> {
        let state = event.state.name();
        self.fate.reach(&format!("before telling of {state}")).await;
        let told = self.inner.tell(event).await;
        self.fate.reach(&format!("after telling of {state}")).await;
        told
    }
}
