//! One delivery: read it, offer it to the engine, let it go by its outcome.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use relay_carrier::{Reason, header};
use relay_core::{Clock, Deferral, Ended, Outcome, RelayHandle, Shutdown};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Shared;
use crate::broker::ANSWER_WITHIN;
use crate::config::Outbound;
use crate::offer::{Offer, order_key};
use crate::properties::{PERSISTENT, put};
use crate::publisher::Publication;

/// How long a message is held that MESH does not take although it takes others: well within the time after which a broker
/// takes it back (`queue-bridging.md` 2.8).
const HELD_MAX: Duration = Duration::from_secs(10 * 60);
/// Pause after a payload could not be had because its store is in trouble; doubles from there.
const CLAIM_RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest pause after that.
const CLAIM_RETRY_MAX: Duration = Duration::from_secs(60);
/// Pause between two tries to park a message that the broker does not take.
const PARK_RETRY: Duration = Duration::from_secs(2);

/// What the work on a delivery needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) shared: Shared,
    pub(crate) outbound: Outbound,
    pub(crate) queue: Arc<str>,
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
    /// Whether the broker heard of it is not known.
    Back,
    /// It was held for long, and is to go back to the queue together with those behind it.
    Held,
}

impl Desk {
    /// Works on a delivery. What is neither acknowledged nor given back here goes back when its channel is closed.
    pub(crate) async fn carry(&self, mut delivery: Delivery) -> Done {
        let held_until = Instant::now() + HELD_MAX;
        // Shared by every attempt, however long it is.
        let body = Bytes::from(std::mem::take(&mut delivery.data));
        let offer = match self.read_until(&delivery, &body, held_until).await {
            Ok(offer) => offer,
            Err(done) => return done,
        };
        loop {
            let deferral = match self.offer(&offer).await {
                Ok((ended, reason)) => return self.settle(&delivery, &body, ended, reason).await,
                Err(deferral) => deferral,
            };
            if deferral.is_mailbox_wide() {
                return Done::Outage(deferral);
            }
            let again = Instant::now() + deferral.after;
            if again >= held_until {
                return self.give_back(&delivery).await;
            }
            tracing::debug!(adapter = %self.shared.name, %deferral, "a message of the queue is held for another try");
            if !self.wait_until(again).await {
                return Done::Back;
            }
        }
    }

    /// Reads a delivery, with the payload that it may name. While the store of that is in trouble, the delivery is held.
    async fn read_until(
        &self,
        delivery: &Delivery,
        body: &Bytes,
        held_until: Instant,
    ) -> Result<Offer, Done> {
        let adapter = &self.shared.name;
        let mut stop = self.stop.clone();
        let mut pause = CLAIM_RETRY_FIRST;
        loop {
            let read = tokio::select! {
                read = timeout_at(held_until, self.read(delivery, body)) => read,
                () = stop.requested() => return Err(Done::Back),
            };
            match read {
                Ok(Ok(offer)) => return Ok(offer),
                Ok(Err(trouble)) => {
                    tracing::warn!(%adapter, %trouble, "the payload of a message cannot be had; it is held for another try");
                }
                Err(_) => {
                    tracing::warn!(%adapter, "the payload of a message was not read in time; it goes back");
                }
            }
            let again = Instant::now() + pause;
            if again >= held_until {
                return Err(self.give_back(delivery).await);
            }
            if !self.wait_until(again).await {
                return Err(Done::Back);
            }
            pause = (pause * 2).min(CLAIM_RETRY_MAX);
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
                return Ok((self.relay.refuse((**refused).clone()).await?, *reason));
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

    /// Lets go of a delivery whose end is in the journal.
    async fn settle(&self, delivery: &Delivery, body: &[u8], ended: Ended, reason: Reason) -> Done {
        let (relay_id, adapter) = (ended.relay_id(), &self.shared.name);
        match ended.outcome() {
            Outcome::Accepted(id) => {
                tracing::info!(%relay_id, %adapter, message_id = %id, "message of the queue accepted by MESH");
            }
            outcome => {
                let state = outcome.name();
                tracing::warn!(%relay_id, %adapter, state, %reason, "message of the queue parked");
                while let Err(error) = self.park(delivery, body, &ended, reason).await {
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
        body: &[u8],
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
        put(&mut headers, header::PARKED_SOURCE, &self.queue);
        put(&mut headers, header::PARKED_AT, &self.clock.now().to_string());
        put(&mut headers, header::RELAY_ID, &ended.relay_id().to_string());
        let properties = delivery.properties.clone().with_headers(headers).with_delivery_mode(PERSISTENT);
        let publication =
            Publication { exchange: &self.shared.config.parked, routing_key: &self.queue, properties, body };
        self.shared.publisher.publish(publication).await
    }

    async fn give_back(&self, delivery: &Delivery) -> Done {
        // By itself it would come again behind others of its key.
        if order_key(delivery).is_some() {
            return Done::Held;
        }
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        match timeout(ANSWER_WITHIN, delivery.nack(options)).await {
            Ok(Ok(true)) => Done::Settled,
            _ => Done::Back,
        }
    }
}
