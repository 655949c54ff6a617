//! A record as something to be sent, or as something that can never be.

use claim_check::{StoreTrouble, Unclaimed};
use relay_carrier::{Given, Reason, Reply, Submission, Unfit, binary, digest};
use relay_core::{DeferralCause, Offer, Payload, Refused, SourceKey, SourceMessage, Trace};
use thiserror::Error;

use crate::config::Order;
use crate::desk::Desk;
use crate::record::Record;

/// Why a record cannot be read for now.
#[derive(Debug, Error)]
pub(crate) enum ReadTrouble {
    /// The store of its payload is in trouble.
    #[error(transparent)]
    Store(#[from] StoreTrouble),
    /// The journal cannot be asked about it.
    #[error(transparent)]
    Journal(#[from] DeferralCause),
}

/// The key within which a record is to be kept in order.
pub(crate) fn order_key(record: &Record, order: Order) -> Option<Vec<u8>> {
    let given = given(record).ok();
    let asked = given.and_then(|given| given.order_key().map(|key| key.as_bytes().to_vec()));
    match order {
        Order::None => asked,
        Order::Key => asked.or_else(|| record.key.clone()),
    }
}

impl Desk {
    /// Reads a record, which has its payload as its value or names it.
    ///
    /// # Errors
    /// When that cannot be told for now.
    pub(crate) async fn read(&self, record: &Record) -> Result<Offer, ReadTrouble> {
        let (mut given, unfit) = match given(record) {
            Ok(given) => (given, Ok(())),
            Err(unfit) => (Given::default(), Err(unfit)),
        };
        let key = self.key(&known_by(record, &given));
        // Events name it so, and by it MESH can be asked whether it has the message.
        given.message_id.get_or_insert_with(|| record.own_id());
        let trace = self.relay.arrival(given.trace());
        let reply = Some(Reply::of(&given, &trace).to_text());
        let value = record.value();
        let submission = match unfit.and_then(|()| Unfit::guard(|| self.submission(&given, record))) {
            Ok(submission) => submission,
            Err(unfit) => return Ok(self.refuse(record, &unfit, reply, trace)),
        };
        let fingerprint = submission.fingerprint(&value);
        let payload = match &submission.claim {
            None => Payload::from_bytes(value),
            Some(claim) => match claim_check::payload(self.shared.claims.as_ref(), claim).await {
                Ok(payload) => payload,
                Err(Unclaimed::Store(trouble)) => return Err(trouble.into()),
                // Whoever was told that MESH has it may have taken its payload away since.
                Err(Unclaimed::Unfit(unfit)) if self.relay.knows(&key, &fingerprint).await? => {
                    return Ok(self.refused(key, &unfit, reply, trace));
                }
                Err(Unclaimed::Unfit(unfit)) => return Ok(self.refuse(record, &unfit, reply, trace)),
            },
        };
        Ok(Offer::Send(Box::new(SourceMessage {
            key,
            fingerprint: Some(fingerprint),
            reply,
            trace,
            not_after: submission.not_after,
            // A partition keeps its keys in order itself: a record that another instance took over would never come here
            // again, and would hold up its key.
            order_key: None,
            envelope: submission.envelope,
            payload,
            gzip: submission.gzip,
            allow_chunking: true,
        })))
    }

    fn submission(&self, given: &Given, record: &Record) -> Result<Submission, Unfit> {
        let (value, most) = (record.value(), self.outbound.body_max.bytes());
        if value.len() as u64 > most {
            let sentence =
                format!("its value is longer than the {most} bytes that outbound.body_max lets through");
            return Err(Unfit { reason: Reason::TooLarge, sentence });
        }
        let submission = Submission::read(given, &self.shared.config.mailbox)?;
        if record.value.is_none() && submission.claim.is_none() {
            let sentence = "it has no value: a tombstone says nothing to MESH".to_owned();
            return Err(Unfit { reason: Reason::Empty, sentence });
        }
        submission.with_body(&value)
    }

    /// How the journal knows what is known by a text.
    fn key(&self, message: &str) -> SourceKey {
        SourceKey { adapter: self.shared.name.to_string(), message: message.to_owned() }
    }

    /// One that can never be sent is known by its place alone: it must neither be taken for another one of its id, nor be in
    /// the way of a corrected one.
    fn refuse(&self, record: &Record, unfit: &Unfit, reply: Option<String>, trace: Trace) -> Offer {
        self.refused(self.key(&placed(record)), unfit, reply, trace)
    }

    fn refused(&self, key: SourceKey, unfit: &Unfit, reply: Option<String>, trace: Trace) -> Offer {
        let mailbox = self.shared.config.mailbox.clone();
        Offer::Refuse(Box::new(Refused { key, mailbox, rejection: unfit.rejection(), reply, trace }))
    }
}

/// What a record says of itself.
fn given(record: &Record) -> Result<Given, Unfit> {
    let Some(headers) = &record.headers else {
        let sentence = "the name of a header is no text in UTF-8".to_owned();
        return Err(Unfit { reason: Reason::NotText, sentence });
    };
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    Unfit::guard(|| binary::given(headers))
}

/// What makes a record known when it comes again: its id, which is its producer's own, and without one where it stands.
fn known_by(record: &Record, given: &Given) -> String {
    match (&given.message_id, &given.source) {
        (Some(id), None) => format!("{}/id/{id}", record.topic),
        // As CloudEvents has it, the same id of another source is another event. Hashed, since either may hold a slash.
        (Some(id), Some(source)) => format!("{}/id of {}/{id}", record.topic, digest([source.as_bytes()])),
        (None, _) => placed(record),
    }
}

/// Where a record stands, and when it came there: in a topic that was made anew it is another one.
fn placed(record: &Record) -> String {
    let Record { topic, partition, offset, timestamp, .. } = record;
    format!("{topic}/{partition}/{offset}@{timestamp}")
}
