//! The work on one record: read it, offer it to the engine, let it go by its outcome.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::Header;
use relay_carrier::{Reason, header, parked};
use relay_core::metric::KAFKA_RECORDS;
use relay_core::{Clock, Deferral, Ended, Outcome, RelayHandle, Shutdown};

use crate::Shared;
use crate::config::Outbound;
use crate::gate::Gate;
use crate::offer::Offer;
use crate::publisher::{Publication, PublishError};
use crate::record::Record;

/// Pause between two tries to park a record that no broker takes.
const PARK_RETRY: Duration = Duration::from_secs(2);
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
    /// Ends every wait.
    pub(crate) stop: Shutdown,
}

impl Desk {
    /// Works on a record until its end is in the journal. `false`: a stop came first, and it comes again.
    pub(crate) async fn carry(&self, record: &Record) -> bool {
        let Some(offer) = self.readable(record).await else { return false };
        loop {
            if !self.gate.passed(&self.stop).await {
                return false;
            }
            let deferral = match self.offer(&offer).await {
                Ok(ended) => return self.settle(record, ended).await,
                Err(deferral) => deferral,
            };
            if self.stop.is_requested() {
                return false;
            }
            if deferral.is_mailbox_wide() {
                self.gate.shut(&deferral);
            } else {
                tracing::debug!(adapter = %self.shared.name, %deferral, "a record is held for another try");
                if !self.wait(deferral.after).await {
                    return false;
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
                read = self.read(record) => match read {
                    Ok(offer) => return Some(offer),
                    Err(trouble) => trouble,
                },
                () = stop.requested() => return None,
            };
            let adapter = &self.shared.name;
            tracing::warn!(%adapter, %trouble, "the payload of a record cannot be had; it is held for another try");
            if !self.wait(pause).await {
                return None;
            }
            pause = (pause * 2).min(CLAIM_RETRY_MAX);
        }
    }

    /// Waits. `false`: the wait was ended.
    async fn wait(&self, wait: Duration) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = stop.requested() => false,
        }
    }

    async fn offer(&self, offer: &Offer) -> Result<Ended, Deferral> {
        match offer {
            Offer::Send(message) => self.relay.send((**message).clone()).await,
            Offer::Refuse(refused) => self.relay.refuse((**refused).clone()).await,
        }
    }

    /// Lets go of a record whose end is in the journal. `false`: it could not be parked before a stop.
    async fn settle(&self, record: &Record, ended: Ended) -> bool {
        let (relay_id, adapter) = (ended.relay_id(), &self.shared.name);
        let reason = parked::reason(ended.outcome());
        match ended.outcome() {
            Outcome::Accepted(id) => {
                KAFKA_RECORDS.count("accepted");
                tracing::info!(%relay_id, %adapter, message_id = %id, "record of the topic accepted by MESH");
            }
            outcome => {
                let (state, partition, offset) = (outcome.name(), record.partition, record.offset);
                tracing::warn!(%relay_id, %adapter, state, %reason, partition, offset, "record of the topic parked");
                while let Err(error) = self.park(record, &ended, reason).await {
                    tracing::error!(%relay_id, %adapter, %error, "a record cannot be parked; its partition waits for it");
                    if !self.wait(PARK_RETRY).await {
                        return false;
                    }
                }
                KAFKA_RECORDS.count(reason.as_str());
            }
        }
        // Its end is known under its key for good, whether the group's offset moves or not.
        if let Err(error) = self.relay.settled(&ended).await {
            tracing::warn!(%relay_id, %adapter, %error, "that a message is settled was not recorded");
        }
        record.ended(&ended);
        true
    }

    /// Publishes a record as a dead letter: whole, or without its value where that is more than the topic takes.
    async fn park(&self, record: &Record, ended: &Ended, reason: Reason) -> Result<(), PublishError> {
        let description = parked::description(ended.outcome());
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        let (at, relay_id) = (self.clock.now().to_string(), ended.relay_id().to_string());
        let why = [
            (header::PARKED_REASON, reason.as_str()),
            (header::PARKED_DESCRIPTION, &description),
            (header::PARKED_SOURCE, &record.topic),
            (header::PARKED_PARTITION, &partition),
            (header::PARKED_OFFSET, &offset),
            (header::PARKED_AT, &at),
            (header::RELAY_ID, &relay_id),
        ];
        let headers = || {
            why.iter().fold(record.headers_again(), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(*value) })
            })
        };
        let (topic, key) = (self.shared.config.parked.as_str(), record.key.as_deref());
        let whole = Publication { topic, key, value: record.value.as_deref(), headers: headers() };
        match self.shared.publisher.publish(whole).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_too_large => {
                let length = record.value.as_ref().map_or(0, bytes::Bytes::len).to_string();
                let header = Header { key: header::PARKED_WITHOUT, value: Some(length.as_str()) };
                let without = Publication { topic, key, value: None, headers: headers().insert(header) };
                self.shared.publisher.publish(without).await.map(|_| ())
            }
            Err(error) => Err(error),
        }
    }
}
