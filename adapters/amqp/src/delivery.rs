//! One delivery: read it, offer it to the engine, let it go by its outcome.

use std::sync::Arc;
use std::time::Duration;

use claim_check::{Checked, ClaimError, StoreTrouble};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use relay_carrier::{ClaimHeaders, Given, Reason, Submission, Unfit, header};
use relay_core::{
    Clock, Deferral, Ended, Outcome, Payload, Refused, Rejection, RelayHandle, Shutdown, SourceKey,
    SourceMessage,
};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Shared;
use crate::broker::ANSWER_WITHIN;
use crate::config::Outbound;
use crate::properties::{PERSISTENT, put, read};
use crate::publisher::Publication;
use crate::turns::Turn;

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
        let (offer, mut turn) = match self.read_until(delivery, held_until).await {
            Ok(read) => read,
            Err(done) => return done,
        };
        loop {
            let offered = self.offer(&offer).await;
            // From here on it has its place in the engine's line.
            drop(turn.take());
            let deferral = match offered {
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

    /// Reads a delivery, with the payload that it may name. While the store of that is in trouble, the delivery is held, and
    /// those behind it of the same order key wait.
    async fn read_until(
        &self,
        delivery: &Delivery,
        held_until: Instant,
    ) -> Result<(Offer, Option<Turn>), Done> {
        let adapter = &self.shared.name;
        let (key, submission) = match self.read(delivery) {
            Ok(read) => read,
            Err(refuse) => return Ok((refuse, None)),
        };
        let mut stop = self.stop.clone();
        let turn = async {
            match &submission.order_key {
                Some(order_key) => Some(self.shared.turns.of(order_key).await),
                None => None,
            }
        };
        let turn = tokio::select! {
            turn = timeout_at(held_until, turn) => turn,
            () = stop.requested() => return Err(Done::Back),
        };
        let Ok(turn) = turn else { return Err(self.give_back(delivery).await) };
        let mut pause = CLAIM_RETRY_FIRST;
        loop {
            let read = tokio::select! {
                read = timeout_at(held_until, self.whole(delivery, &key, &submission)) => read,
                () = stop.requested() => return Err(Done::Back),
            };
            match read {
                Ok(Ok(offer)) => return Ok((offer, turn)),
                Ok(Err(trouble)) => {
                    tracing::warn!(%adapter, %trouble, "the payload of a message cannot be had; it is held for another try");
                }
                Err(_) => {
                    tracing::warn!(%adapter, "the payload of a message was not read in time; it goes back")
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

    /// What a delivery says of itself, or that it can never be sent.
    fn read(&self, delivery: &Delivery) -> Result<(SourceKey, Submission), Offer> {
        let key = |message: &str| SourceKey {
            adapter: self.shared.name.to_string(),
            message: format!("{}/{message}", self.outbound.queue),
        };
        let given = read(&delivery.properties);
        let key = match given.as_ref().ok().and_then(|given| given.message_id.as_deref()) {
            Some(id) => key(id),
            // It has to be told from others, and cannot be sent.
            None => key(&format!("without an id {}", digest(&[&delivery.data]))),
        };
        match given.and_then(|given| self.submission(&given, delivery)) {
            Ok(submission) => Ok((key, submission)),
            Err(unfit) => Err(Offer::Refuse(Box::new(self.refused(key, &unfit, None)), unfit.reason)),
        }
    }

    /// What a delivery is to the engine, with its payload.
    ///
    /// # Errors
    /// When that cannot be told, since the store of its payload is in trouble.
    async fn whole(
        &self,
        delivery: &Delivery,
        key: &SourceKey,
        submission: &Submission,
    ) -> Result<Offer, StoreTrouble> {
        let (content, payload) = match &submission.claim {
            None => (digest(&[&delivery.data]), Payload::from_bytes(delivery.data.clone())),
            Some(claim) => match self.claimed(claim).await {
                Ok(checked) => (checked.sha256, checked.payload),
                Err(ClaimError::Store(trouble)) => return Err(trouble),
                Err(error) => {
                    let reason = match error {
                        ClaimError::TooLarge { .. } => Reason::TooLarge,
                        _ => Reason::BadReference,
                    };
                    let unfit = Unfit { reason, sentence: error.to_string() };
                    let reply = Some(submission.reply.to_text());
                    return Ok(Offer::Refuse(Box::new(self.refused(key.clone(), &unfit, reply)), reason));
                }
            },
        };
        let headers = submission.envelope.headers();
        let parts: Vec<&[u8]> =
            headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
        let message = SourceMessage {
            key: key.clone(),
            fingerprint: Some(digest(&[&[content.as_bytes()], &parts[..]].concat())),
            reply: Some(submission.reply.to_text()),
            order_key: submission.order_key.clone(),
            envelope: submission.envelope.clone(),
            payload,
            gzip: submission.gzip,
            allow_chunking: true,
        };
        Ok(Offer::Send(Box::new(message), Box::new(submission.clone())))
    }

    /// The payload that a message names.
    async fn claimed(&self, claim: &ClaimHeaders) -> Result<Checked, ClaimError> {
        let claims = self.shared.claims.as_ref().ok_or(ClaimError::Off)?;
        claims.fetch(&claim.reference, &claim.sha256, claim.size).await
    }

    fn submission(&self, given: &Given, delivery: &Delivery) -> Result<Submission, Unfit> {
        let unfit = |reason, sentence: String| Unfit { reason, sentence };
        if given.message_id.is_none() {
            let sentence =
                "it has no message_id, by which it would be known if it came again; set one".to_owned();
            return Err(unfit(Reason::NoMessageId, sentence));
        }
        if delivery.data.len() as u64 > self.outbound.body_max.bytes() {
            let most = self.outbound.body_max.bytes();
            let sentence =
                format!("its body is longer than the {most} bytes that outbound.body_max lets through");
            return Err(unfit(Reason::TooLarge, sentence));
        }
        let submission = Submission::read(given, &self.shared.config.mailbox)?;
        match (&submission.claim, delivery.data.is_empty()) {
            (None, true) => {
                let sentence = format!(
                    "it has no body, and MESH takes none without; if its payload lies elsewhere, name it in {}",
                    header::DATA_REF
                );
                Err(unfit(Reason::Empty, sentence))
            }
            (Some(_), false) => {
                let sentence = format!(
                    "it has a body, and names another one in {}; send one of the two",
                    header::DATA_REF
                );
                Err(unfit(Reason::BadReference, sentence))
            }
            _ => Ok(submission),
        }
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
    Refuse(Box<Refused>, Reason),
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
