//! The work on one record: read it, offer it to the engine, let it go by its outcome.

use std::sync::Arc;
use std::time::Duration;

use relay_carrier::parked;
use relay_core::happening::settle::NotSettled;
use relay_core::{
    Clock, Deferral, DeferralCause, Ended, Happening, JournalError, Offer, Outcome, RelayHandle, Shutdown,
};

use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::Shared;
use crate::config::Outbound;
use crate::gate::Gate;
use crate::happening::{Accepted, Held, NotParked, Parked, PayloadAway};
use crate::offer::ReadTrouble;
use crate::parked::{Extent, copy as parked_copy};
use crate::record::Record;

/// Pause after no broker took a record that is to be parked; doubles from there.
const PARK_RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest pause after that.
const PARK_RETRY_MAX: Duration = Duration::from_secs(60);
/// How long a record that is being parked may take when its partition goes elsewhere, or the relay stops.
const PARK_FINISH: Duration = Duration::from_secs(20);
/// Pause after a payload could not be had because its store is in trouble; doubles from there.
const CLAIM_RETRY_FIRST: Duration = Duration::from_secs(2);
/// Longest pause after that.
const CLAIM_RETRY_MAX: Duration = Duration::from_secs(60);

/// What the work on a record needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) shared: Shared,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) relay: RelayHandle,
    /// As many as records may be in work.
    pub(crate) readers: Arc<Semaphore>,
    /// Ends every wait.
    pub(crate) stop: Shutdown,
}

impl Desk {
    /// Works on a record until its end is in the journal. `false`: a stop came first, and it comes again.
    pub(crate) async fn carry(&self, record: &Record) -> bool {
        let Some(offer) = self.readable(record).await else { return false };
        let span = offer.trace().span().clone();
        self.carry_read(record, offer).instrument(span).await
    }

    async fn carry_read(&self, record: &Record, offer: Offer) -> bool {
        let mut wake = self.relay.wake();
        loop {
            if !self.gate.passed(&self.stop).await {
                return false;
            }
            let deferral = match self.relay.offer(&offer).await {
                Ok(ended) => return self.settle(record, ended).await,
                Err(deferral) => deferral,
            };
            if self.stop.is_requested() {
                return false;
            }
            if is_for_all(&deferral) {
                self.gate.shut(&deferral);
            } else {
                Held { adapter: &self.shared.name, deferral: &deferral }.tell();
                tokio::select! {
                    waited = self.wait(deferral.after) => if !waited {
                        return false;
                    },
                    () = wake.woken_for(offer.key()) => {}
                }
            }
        }
    }

    /// Reads a record, with the payload that it may name. While the store of that is in trouble, the record waits, and its
    /// key with it. `None`: a stop came first.
    async fn readable(&self, record: &Record) -> Option<Offer> {
        let mut stop = self.stop.clone();
        let mut pause = CLAIM_RETRY_FIRST;
        loop {
            let trouble = tokio::select! {
                read = self.read_in_turn(record) => match read {
                    Ok(offer) => return Some(offer),
                    Err(trouble) => trouble,
                },
                () = stop.requested() => return None,
            };
            let adapter = &self.shared.name;
            if pause == CLAIM_RETRY_FIRST {
                PayloadAway { adapter, trouble: &trouble }.tell();
            }
            record.waits();
            if !self.wait(pause).await {
                return None;
            }
            pause = (pause * 2).min(CLAIM_RETRY_MAX);
        }
    }

    /// Reads a record, with no more others at a time than may be in work: those that waited for a store all come back at once.
    async fn read_in_turn(&self, record: &Record) -> Result<Offer, ReadTrouble> {
        // It is never closed.
        let _turn = self.readers.acquire().await.ok();
        record.is_at_work();
        self.read(record).await
    }

    /// Waits. `false`: the wait was ended.
    async fn wait(&self, wait: Duration) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = stop.requested() => false,
        }
    }

    /// Lets go of a record whose end is in the journal. `false`: it could not be parked before a stop.
    async fn settle(&self, record: &Record, ended: Ended) -> bool {
        let (relay_id, adapter) = (ended.relay_id(), &self.shared.name);
        if let Outcome::Accepted(id) = ended.outcome() {
            Accepted { relay_id, adapter, message_id: id }.tell();
        } else {
            if !self.park(record, &ended).await {
                return false;
            }
            let (state, reason) = (ended.outcome().name(), parked::reason(ended.outcome()));
            let (partition, offset) = (record.partition, record.offset);
            Parked { relay_id, adapter, state, reason, partition, offset }.tell();
        }
        // Its end is known under its key for good, whether the group's offset moves or not.
        if let Err(error) = self.relay.settled(&ended).await {
            NotSettled { relay_id, adapter, error: &error }.tell();
        }
        record.ended(&ended);
        true
    }

    /// Publishes a record as a dead letter, or as much of it as the topic takes. `false`: a stop came before that was done.
    async fn park(&self, record: &Record, ended: &Ended) -> bool {
        let topic = self.shared.config.parked.as_str();
        let mut extent = Extent::first(record);
        let mut repeats = ended.was_known();
        let mut pause = PARK_RETRY_FIRST;
        loop {
            let copy = parked_copy(topic, record, ended, self.clock.now(), extent, repeats);
            let published = tokio::select! {
                published = self.shared.publisher.publish(copy) => published,
                // Whoever takes the partition over publishes it, and says that it may be there.
                () = self.stopped_for(PARK_FINISH) => return false,
            };
            let error = match published {
                Ok(_) => return true,
                Err(error) => error,
            };
            if error.is_too_large && extent != Extent::Reason {
                extent = extent.next();
                continue;
            }
            // The try before may have arrived.
            repeats = true;
            let (relay_id, adapter) = (ended.relay_id(), &self.shared.name);
            NotParked { relay_id, adapter, error: &error }.tell();
            if !self.wait(pause).await {
                return false;
            }
            pause = (pause * 2).min(PARK_RETRY_MAX);
        }
    }

    /// Returns when a stop was asked for that long ago.
    async fn stopped_for(&self, grace: Duration) {
        let mut stop = self.stop.clone();
        stop.requested().await;
        tokio::time::sleep(grace).await;
    }
}

/// Whether a deferral concerns every record, so that none is worth trying for a while. What is one message's or one
/// partition's own, such as a lease that went elsewhere, holds no other up.
fn is_for_all(deferral: &Deferral) -> bool {
    use DeferralCause::{Journal, Stopping};
    let is_own = matches!(&deferral.cause, Stopping | Journal(JournalError::Fenced { .. }));
    deferral.is_mailbox_wide() && !is_own
}
