//! The work on one record: read it, offer it to the engine, let it go by its outcome.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::Header;
use relay_carrier::{Given, Reason, Reply, Submission, Unfit, binary, header, parked};
use relay_core::metric::KAFKA_RECORDS;
use relay_core::{
    Clock, Deferral, Ended, Outcome, Payload, Refused, RelayHandle, Shutdown, SourceKey, SourceMessage,
};
use sha2::{Digest, Sha256};

use crate::Shared;
use crate::config::{Order, Outbound};
use crate::gate::Gate;
use crate::publisher::{Publication, PublishError};
use crate::record::Record;

/// Pause between two tries to park a record that no broker takes.
const PARK_RETRY: Duration = Duration::from_secs(2);

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

/// A record and what it is to the engine.
pub(crate) struct Offer {
    record: Record,
    read: Read,
}

enum Read {
    /// It can be sent, after others of the key that it asks for.
    Send(Box<SourceMessage>, Option<Vec<u8>>),
    /// It can never be sent.
    Refuse(Box<Refused>),
}

impl Offer {
    /// Records of one key go one after the other.
    pub(crate) fn order_key(&self, order: Order) -> Option<Vec<u8>> {
        let Read::Send(_, given) = &self.read else { return None };
        match order {
            Order::None => given.clone(),
            Order::Key => given.clone().or_else(|| self.record.key.clone()),
        }
    }
}

impl Desk {
    /// Works on a record until its end is in the journal. `false`: a stop came first, and it comes again.
    pub(crate) async fn carry(&self, offer: &Offer) -> bool {
        loop {
            if !self.gate.passed(&self.stop).await {
                return false;
            }
            let deferral = match self.offer(offer).await {
                Ok(ended) => return self.settle(&offer.record, ended).await,
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

    /// Waits. `false`: the wait was ended.
    async fn wait(&self, wait: Duration) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = stop.requested() => false,
        }
    }

    async fn offer(&self, offer: &Offer) -> Result<Ended, Deferral> {
        match &offer.read {
            Read::Send(message, _) => self.relay.send((**message).clone()).await,
            Read::Refuse(refused) => self.relay.refuse((**refused).clone()).await,
        }
    }

    /// What a record is to the engine.
    pub(crate) fn read(&self, record: Record) -> Offer {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let given = binary::given(headers);
        let id = given.as_ref().ok().and_then(|given| given.message_id.clone());
        let reply = given.as_ref().ok().map(|given| Reply::of(given).to_text());
        let key = |message| SourceKey { adapter: self.shared.name.to_string(), message };
        let submission = match given.and_then(|given| self.submission(given, &record)) {
            Ok(submission) => submission,
            Err(unfit) => {
                // By its place alone: it must neither be taken for another one of its id, nor be in the way of a corrected one.
                let (key, mailbox) = (key(record.known_by(None)), self.shared.config.mailbox.clone());
                let refused = Refused { key, mailbox, rejection: unfit.rejection(), reply };
                return Offer { record, read: Read::Refuse(Box::new(refused)) };
            }
        };
        let key = key(record.known_by(id.as_deref()));
        let value = record.value.clone().unwrap_or_default();
        let headers = submission.envelope.headers();
        let parts = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let message = SourceMessage {
            key,
            fingerprint: Some(digest(std::iter::once(&value[..]).chain(parts))),
            reply,
            not_after: submission.not_after,
            // A partition keeps its keys in order itself: a record that another instance took over would never come here
            // again, and would hold up its key.
            order_key: None,
            envelope: submission.envelope,
            payload: Payload::from_bytes(value),
            gzip: submission.gzip,
            allow_chunking: true,
        };
        let read = Read::Send(Box::new(message), submission.order_key.map(String::into_bytes));
        Offer { record, read }
    }

    fn submission(&self, mut given: Given, record: &Record) -> Result<Submission, Unfit> {
        let unfit = |reason, sentence: &str| Unfit { reason, sentence: sentence.to_owned() };
        let Some(value) = &record.value else {
            return Err(unfit(Reason::Empty, "it has no value: a tombstone says nothing to MESH"));
        };
        if value.is_empty() {
            return Err(unfit(Reason::Empty, "its value is empty, and MESH takes none that is"));
        }
        if value.len() as u64 > self.outbound.body_max.bytes() {
            let most = self.outbound.body_max.bytes();
            let sentence =
                format!("its value is longer than the {most} bytes that outbound.body_max lets through");
            return Err(unfit(Reason::TooLarge, &sentence));
        }
        // Events name it so, and by it MESH can be asked whether it has the message.
        given.message_id.get_or_insert_with(|| record.own_id());
        let submission = Submission::read(&given, &self.shared.config.mailbox)?;
        if submission.claim.is_some() {
            let sentence =
                "payloads by reference are not taken from a topic yet; send the payload as the value";
            return Err(unfit(Reason::BadReference, sentence));
        }
        Ok(submission)
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

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
