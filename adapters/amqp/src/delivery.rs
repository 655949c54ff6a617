//! One delivery: read it, offer it to the engine, let it go by its outcome.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use relay_carrier::parked;
use relay_core::happening::settle::NotSettled;
use relay_core::policy::backoff;
use relay_core::{Clock, Deferral, DeferralCause, Ended, Happening, Offer, Outcome, RelayHandle, Shutdown};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use crate::Shared;
use crate::broker::ANSWER_WITHIN;
use crate::config::Outbound;
use crate::happening::{Accepted, Held, NotParked, Parked, PayloadAway, PayloadSlow};
use crate::offer::order_key;
use crate::parked::{Parked as ParkedCopy, Place};

/// How long a message is held that MESH does not take although it can be reached, or that waits for others of its key: within
/// the 30 minutes after which a broker takes it back (`queue-bridging.md` 2.8), with as much again as a doubt may last.
const HELD_MAX: Duration = Duration::from_secs(15 * 60);
/// Pause after a payload could not be had because its store is in trouble; doubles from there.
const CLAIM_RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest pause after that.
const CLAIM_RETRY_MAX: Duration = Duration::from_secs(60);
/// Pause after the broker did not take a message that is to be parked; doubles from there.
const PARK_RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest pause after that.
const PARK_RETRY_MAX: Duration = Duration::from_secs(60);

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
    /// Works on a delivery that was taken at a time. What is neither acknowledged nor given back here goes back when its
    /// channel is closed.
    pub(crate) async fn carry(&self, mut delivery: Delivery, taken: Instant) -> Done {
        // Shared by every attempt, however long it is.
        let body = Bytes::from(std::mem::take(&mut delivery.data));
        // One that waited for others of its key has its time for a payload that it names all the same.
        let offer = match self.read_until(&delivery, &body, Instant::now() + HELD_MAX).await {
            Ok(offer) => offer,
            Err(done) => return done,
        };
        let span = offer.trace().span().clone();
        self.carry_read(&delivery, &body, offer, taken + HELD_MAX).instrument(span).await
    }

    async fn carry_read(&self, delivery: &Delivery, body: &Bytes, offer: Offer, held_until: Instant) -> Done {
        let mut wake = self.relay.wake();
        loop {
            let deferral = match self.relay.offer(&offer).await {
                Ok(ended) => return self.settle(delivery, body, ended, held_until).await,
                Err(deferral) => deferral,
            };
            // Nothing that goes back can be tried meanwhile, and each return may count with the broker. So what MESH or
            // the journal may take in a moment is held, and goes back only while MESH cannot be reached at all.
            if deferral.is_mailbox_wide()
                && let Err(outage) = self.relay.reachable(&self.shared.config.mailbox).await
                && !matches!(outage.cause, DeferralCause::Journal(_))
            {
                return Done::Outage(outage);
            }
            // Never given back before its time, however far off the next try is: it would come again at once.
            let again = (Instant::now() + deferral.after).min(held_until);
            Held { adapter: &self.shared.name, deferral: &deferral }.tell();
            let woken = tokio::select! {
                waited = self.wait_until(again) => match waited {
                    true => false,
                    false => return Done::Back,
                },
                () = wake.woken_for(offer.key()) => true,
            };
            if !woken && again == held_until {
                return self.give_back(delivery).await;
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
                Ok(Err(trouble)) => PayloadAway { adapter, trouble: &trouble }.tell(),
                Err(_) => PayloadSlow { adapter, within: HELD_MAX }.tell(),
            }
            let again = (Instant::now() + pause).min(held_until);
            if !self.wait_until(again).await {
                return Err(Done::Back);
            }
            if again >= held_until {
                return Err(self.give_back(delivery).await);
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

    /// Lets go of a delivery whose end is in the journal.
    async fn settle(&self, delivery: &Delivery, body: &[u8], ended: Ended, held_until: Instant) -> Done {
        let (relay_id, adapter) = (ended.relay_id(), &self.shared.name);
        if let Outcome::Accepted(id) = ended.outcome() {
            Accepted { relay_id, adapter, message_id: id }.tell();
        } else {
            let (mut failures, mut copy) = (0, self.parked(delivery, body, &ended));
            // Not broken off by a stop: whatever of it arrives would be there once more. The publisher's own limits bound it.
            while let Err(error) = self.shared.publisher.publish(copy.publication()).await {
                failures += 1;
                let wait = backoff(failures, PARK_RETRY_FIRST, PARK_RETRY_MAX, &*self.shared.chance);
                NotParked { relay_id, adapter, error: &error }.tell();
                let again = (Instant::now() + wait).min(held_until.max(Instant::now()));
                if !self.wait_until(again).await {
                    return Done::Back;
                }
                if again >= held_until {
                    return self.give_back(delivery).await;
                }
                // The try before may have arrived.
                copy.repeats();
            }
            let (state, reason) = (ended.outcome().name(), parked::reason(ended.outcome()));
            Parked { relay_id, adapter, state, reason }.tell();
        }
        // Its end is known for good, whether the broker hears of it or not.
        if let Err(error) = self.relay.settled(&ended).await {
            NotSettled { relay_id, adapter, error: &error }.tell();
        }
        match timeout(ANSWER_WITHIN, delivery.ack(BasicAckOptions::default())).await {
            Ok(Ok(true)) => Done::Settled,
            // It comes again, and gets the recorded outcome.
            _ => Done::Back,
        }
    }

    /// The copy of a message that is parked.
    fn parked<'a>(&'a self, delivery: &Delivery, body: &'a [u8], ended: &Ended) -> ParkedCopy<'a> {
        let mut copy = ParkedCopy::new(
            Place {
                exchange: &self.shared.config.parked,
                queue: &self.queue,
                at: self.clock.now(),
                relay_id: ended.relay_id(),
            },
            &delivery.properties,
            body,
            ended.outcome(),
        );
        if delivery.redelivered {
            copy.repeats();
        }
        copy
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
