//! One mailbox's messages to several adapters, by the routes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mesh_api::{FailureClass, Held, MailboxId, MessageId, Owner};

use crate::pause::Pauses;
use crate::route::{Arrival, Router};
use crate::sink::{DeliveryError, Inbound, Polled, Receipt, Sink, SinkHealth};

/// One of the adapters to which a mailbox's messages may go.
#[derive(Clone)]
pub struct Taker {
    /// Its configured name.
    pub name: String,
    /// Where it puts messages.
    pub sink: Arc<dyn Sink>,
    /// Whether it is for this very mailbox. One that is for another takes what a route leads to it, and is not told how
    /// looks into this mailbox went.
    pub at_home: bool,
}

/// A sink that hands each message to one of several adapters. Its receipts say which; one that was given before there were
/// routes is every adapter's to recognise.
pub struct RoutedSink {
    mailbox: MailboxId,
    router: Arc<Router>,
    takers: Vec<Taker>,
    pauses: Pauses,
}

impl RoutedSink {
    /// A sink for a mailbox's messages. `takers` are all adapters to which `router` may lead them; while one is paused,
    /// its messages stay at MESH and the others' go on.
    pub fn new(mailbox: MailboxId, router: Arc<Router>, takers: Vec<Taker>, pauses: Pauses) -> Self {
        Self { mailbox, router, takers, pauses }
    }

    /// The adapter at which an earlier attempt left something of the message.
    async fn begun(&self, message_id: &MessageId) -> Option<&Taker> {
        for taker in &self.takers {
            if taker.sink.has_begun(message_id).await {
                return Some(taker);
            }
        }
        None
    }

    /// The adapter that takes a message of which `held` is left out.
    async fn taker(&self, arrival: Arrival<'_>, id: &MessageId, held: Held) -> Result<&Taker, DeliveryError> {
        if let Some(taker) = self.begun(id).await {
            // A body that does not begin at the beginning is good for the one who holds the rest, and nobody else.
            let goes_on = held.chunks == 0 || taker.sink.held(id).await == held;
            return if goes_on { Ok(taker) } else { Err(self.moved()) };
        }
        if held.chunks > 0 {
            return Err(self.moved());
        }
        let chosen = self.router.choose(&arrival).adapter();
        let taker = chosen.and_then(|name| self.takers.iter().find(|taker| taker.name == name));
        taker.ok_or_else(|| {
            let what = format!(
                "mailbox {}: no route takes the message; add a [[route]] that does, and it is delivered",
                self.mailbox
            );
            transient(what)
        })
    }

    fn moved(&self) -> DeliveryError {
        let what = format!(
            "mailbox {}: the beginning of the message is no longer where it was; it is fetched from its beginning",
            self.mailbox
        );
        transient(what)
    }
}

fn transient(what: String) -> DeliveryError {
    DeliveryError { what, class: FailureClass::Transient, owner: Owner::Operator }
}

#[async_trait]
impl Sink for RoutedSink {
    async fn held(&self, message_id: &MessageId) -> Held {
        match self.begun(message_id).await {
            Some(taker) => taker.sink.held(message_id).await,
            None => Held::default(),
        }
    }

    async fn has_begun(&self, message_id: &MessageId) -> bool {
        self.begun(message_id).await.is_some()
    }

    async fn deliver(&self, message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        let Inbound { mailbox, download, held, .. } = message;
        let arrival = Arrival {
            mailbox,
            from: &download.from,
            workflow: &download.workflow,
            reports_to: message.reported_adapter.as_deref(),
        };
        let taker = self.taker(arrival, &download.message_id, held).await?;
        if let Some(pause) = self.pauses.of_adapter(&taker.name) {
            return Err(transient(format!("{pause}; the message stays at MESH until that is ended")));
        }
        Ok(taker.sink.deliver(message).await?.of_adapter(&taker.name))
    }

    async fn recorded(&self, receipt: &Receipt) {
        let (by, said) = receipt.split();
        let said = Receipt(said.to_owned());
        for taker in self.takers.iter().filter(|taker| by.is_none_or(|name| name == taker.name)) {
            taker.sink.recorded(&said).await;
        }
    }

    fn patience(&self) -> Duration {
        self.takers.iter().map(|taker| taker.sink.patience()).max().unwrap_or_default()
    }

    async fn polled(&self, polled: Polled<'_>) {
        let told = |taker: &&Taker| taker.at_home && self.pauses.of_adapter(&taker.name).is_none();
        for taker in self.takers.iter().filter(told) {
            taker.sink.polled(polled).await;
        }
    }

    async fn check(&self) -> SinkHealth {
        let mut failing = Vec::new();
        for taker in &self.takers {
            if let SinkHealth::Failing(why) = taker.sink.check().await {
                failing.push(format!("adapter {}: {why}", taker.name));
            }
        }
        if failing.is_empty() { SinkHealth::Ready } else { SinkHealth::Failing(failing.join("; ")) }
    }
}
