//! One delivery: read it, offer it to the engine, let it go by its outcome.

use std::sync::Arc;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use relay_carrier::{Given, Reason, Submission, Unfit, header};
use relay_core::{
    Clock, Deferral, Ended, Outcome, Payload, Refused, Rejection, RelayHandle, Shutdown, SourceKey,
    SourceMessage,
};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use crate::Shared;
use crate::broker::ANSWER_WITHIN;
use crate::config::Outbound;
use crate::properties::{PERSISTENT, put, read};
use crate::publisher::Publication;

/// How long a message is held that MESH does not take although it takes others: well within the time after which a broker
/// takes it back (`queue-bridging.md` 2.8).
const HELD_MAX: Duration = Duration::from_secs(10 * 60);
/// Pause between two tries to park a message that the broker does not take.
const PARK_RETRY: Duration = Duration::from_secs(2);

/// What the work on a delivery needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) shared: Shared,
    pub(crate) outbound: Outbound,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) relay: RelayHandle,
    /// Ends every wait.
    pub(crate) stop: Shutdown,
}

/// How the work on a delivery ended.
pub(crate) enum Done {
    /// It left the queue, or will come again: the broker knows.
    Settled,
    /// It is to go back to the queue, and no other is worth trying for a while.
    Outage(Deferral),
    /// It is to go back to the queue.
    Back,
}

impl Desk {
    /// Works on a delivery. What is neither acknowledged nor given back here goes back when its channel is closed.
    pub(crate) async fn carry(&self, delivery: &Delivery) -> Done {
        let held_until = Instant::now() + HELD_MAX;
        let offer = self.read(delivery);
        loop {
            let deferral = match self.offer(&offer).await {
                Ok((ended, reason)) => return self.settle(delivery, ended, reason).await,
                Err(deferral) => deferral,
            };
            if deferral.is_mailbox_wide() {
                return Done::Outage(deferral);
            }
            let again = Instant::now() + deferral.after;
            if again >= held_until {
                return self.give_back(delivery).await;
            }
            tracing::debug!(adapter = %self.shared.name, %deferral, "a message of the queue is held for another try");
            if !self.wait_until(again).await {
                return Done::Back;
            }
        }
    }

    /// Waits. `false`: the wait was ended.
    async fn wait_until(&self, until: Instant) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep_until(until) => true,
            () = stop.requested() => false,
        }
    }

    async fn offer(&self, offer: &Offer) -> Result<(Ended, Reason), Deferral> {
        let (message, submission) = match offer {
            Offer::Send(message, submission) => (message, submission),
            Offer::Refuse(refused, reason) => {
                return Ok((self.relay.refuse(refused.clone()).await?, *reason));
            }
        };
        if let Err(unfit) = submission.check_time(self.clock.now()) {
            let refused = self.refused(message.key.clone(), &unfit, message.reply.clone());
            return Ok((self.relay.refuse(refused).await?, unfit.reason));
        }
        let ended = self.relay.send((**message).clone()).await?;
        let reason = match ended.outcome() {
            Outcome::Expired => Reason::Expired,
            Outcome::Cancelled => Reason::Cancelled,
            Outcome::Parked(reason) if relay_core::outbound::is_other_content(reason) => Reason::OtherContent,
            Outcome::Parked(_) => Reason::InDoubt,
            Outcome::Accepted(_) | Outcome::Rejected(_) => Reason::Refused,
        };
        Ok((ended, reason))
    }

    /// Takes the delivery's place among those of its order key. To be called in the order of the deliveries: the work on
    /// them goes on at the same time, and whose first step is made first is left to chance.
    pub(crate) fn line_up(&self, delivery: &Delivery) {
        let mailbox = &self.shared.config.mailbox;
        let Ok(given) = read(&delivery.properties) else { return };
        let Ok(submission) = Submission::read(&given, mailbox) else { return };
        if let (Some(id), Some(order_key)) = (&given.message_id, &submission.order_key) {
            self.relay.line_up(&self.key(id), mailbox, order_key);
        }
    }

    fn key(&self, message: &str) -> SourceKey {
        let message = format!("{}/{message}", self.outbound.queue);
        SourceKey { adapter: self.shared.name.to_string(), message }
    }

    /// What a delivery is to the engine.
    fn read(&self, delivery: &Delivery) -> Offer {
        let given = read(&delivery.properties);
        let known = given.as_ref().ok().and_then(|given| given.message_id.clone());
        let content = digest(&[&delivery.data]);
        let key = match &known {
            Some(id) => self.key(id),
            // It has to be told from others, and cannot be sent.
            None => self.key(&format!("without an id {content}")),
        };
        let read = given.and_then(|given| self.submission(&given, delivery).map(|read| (given, read)));
        let (given, submission) = match read {
            Ok(read) => read,
            Err(unfit) => return Offer::Refuse(self.refused(key, &unfit, None), unfit.reason),
        };
        let headers = submission.envelope.headers();
        let parts: Vec<&[u8]> =
            headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
        drop(given);
        let message = SourceMessage {
            key,
            fingerprint: Some(digest(&[&[content.as_bytes()], &parts[..]].concat())),
            reply: Some(submission.reply.to_text()),
            order_key: submission.order_key.clone(),
            envelope: submission.envelope.clone(),
            payload: Payload::from_bytes(delivery.data.clone()),
            gzip: submission.gzip,
            allow_chunking: true,
        };
        Offer::Send(Box::new(message), Box::new(submission))
    }

    fn submission(&self, given: &Given, delivery: &Delivery) -> Result<Submission, Unfit> {
        let unfit = |reason, sentence: String| Unfit { reason, sentence };
        if given.message_id.is_none() {
            let sentence =
                "it has no message_id, by which it would be known if it came again; set one".to_owned();
            return Err(unfit(Reason::NoMessageId, sentence));
        }
        if delivery.data.is_empty() {
            return Err(unfit(Reason::Empty, "it has no body, and MESH takes none without".to_owned()));
        }
        if delivery.data.len() as u64 > self.outbound.body_max.bytes() {
            let most = self.outbound.body_max.bytes();
            let sentence =
                format!("its body is longer than the {most} bytes that outbound.body_max lets through");
            return Err(unfit(Reason::TooLarge, sentence));
        }
        Submission::read(given, &self.shared.config.mailbox)
    }

    fn refused(&self, key: SourceKey, unfit: &Unfit, reply: Option<String>) -> Refused {
        let rejection = Rejection {
            event: "TRANSFER".to_owned(),
            code: unfit.reason.as_str().to_owned(),
            description: unfit.sentence.clone(),
            message_id: None,
        };
        Refused { key, mailbox: self.shared.config.mailbox.clone(), rejection, reply }
    }

    /// Lets go of a delivery whose end is in the journal.
    async fn settle(&self, delivery: &Delivery, ended: Ended, reason: Reason) -> Done {
        let (relay_id, adapter) = (ended.relay_id(), &self.shared.name);
        match ended.outcome() {
            Outcome::Accepted(id) => {
                tracing::info!(%relay_id, %adapter, message_id = %id, "message of the queue accepted by MESH");
            }
            outcome => {
                let state = outcome.name();
                tracing::warn!(%relay_id, %adapter, state, %reason, "message of the queue parked");
                while let Err(error) = self.park(delivery, &ended, reason).await {
                    tracing::error!(%relay_id, %adapter, %error, "a message cannot be parked; it stays in its queue");
                    if !self.wait_until(Instant::now() + PARK_RETRY).await {
                        return Done::Back;
                    }
                }
            }
        }
        // Its end is known under its id for good, whether the broker hears of it or not.
        if let Err(error) = self.relay.settled(&ended).await {
            tracing::warn!(%relay_id, %adapter, %error, "that a message is settled was not recorded");
        }
        match timeout(ANSWER_WITHIN, delivery.ack(BasicAckOptions::default())).await {
            Ok(Ok(true)) => Done::Settled,
            // It comes again, and gets the recorded outcome.
            _ => Done::Back,
        }
    }

    async fn park(
        &self,
        delivery: &Delivery,
        ended: &Ended,
        reason: Reason,
    ) -> Result<(), crate::publisher::PublishError> {
        let description = match ended.outcome() {
            Outcome::Rejected(rejection) if reason == Reason::Refused => {
                format!("{} {}: {}", rejection.event, rejection.code, rejection.description)
            }
            Outcome::Rejected(rejection) => rejection.description.clone(),
            Outcome::Parked(reason) => reason.clone(),
            Outcome::Expired => "MESH did not take it in time".to_owned(),
            Outcome::Accepted(_) | Outcome::Cancelled => "it was cancelled".to_owned(),
        };
        let mut headers = delivery.properties.headers().clone().unwrap_or_default();
        put(&mut headers, header::PARKED_REASON, reason.as_str());
        put(&mut headers, header::PARKED_DESCRIPTION, &description);
        put(&mut headers, header::PARKED_SOURCE, &self.outbound.queue);
        put(&mut headers, header::PARKED_AT, &self.clock.now().to_string());
        put(&mut headers, header::RELAY_ID, &ended.relay_id().to_string());
        let properties = delivery.properties.clone().with_headers(headers).with_delivery_mode(PERSISTENT);
        let publication = Publication {
            exchange: &self.shared.config.parked,
            routing_key: &self.outbound.queue,
            properties,
            body: &delivery.data,
        };
        self.shared.publisher.publish(publication).await
    }

    async fn give_back(&self, delivery: &Delivery) -> Done {
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        match timeout(ANSWER_WITHIN, delivery.nack(options)).await {
            Ok(Ok(true)) => Done::Settled,
            _ => Done::Back,
        }
    }
}

/// What a delivery is to the engine.
enum Offer {
    /// It can be sent.
    Send(Box<SourceMessage>, Box<Submission>),
    /// It can never be sent.
    Refuse(Refused, Reason),
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
