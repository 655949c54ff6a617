//! A delivery as something to be sent, or as something that can never be.

use bytes::Bytes;
use claim_check::{Checked, ClaimError, StoreTrouble};
use lapin::message::Delivery;
use relay_carrier::header::Meaning;
use relay_carrier::{ClaimHeaders, Given, Reason, Reply, Submission, Unfit, header};
use relay_core::{DeferralCause, Payload, Refused, SourceKey, SourceMessage};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::delivery::Desk;
use crate::properties::read;

/// What a delivery is to the engine.
pub(crate) enum Offer {
    /// It can be sent.
    Send(Box<SourceMessage>),
    /// It can never be sent.
    Refuse(Box<Refused>),
}

/// Why a delivery cannot be read for now.
#[derive(Debug, Error)]
pub(crate) enum ReadTrouble {
    /// The store of its payload is in trouble.
    #[error(transparent)]
    Store(#[from] StoreTrouble),
    /// The journal cannot be asked about it.
    #[error(transparent)]
    Journal(#[from] DeferralCause),
}

/// The key within which a delivery is to be kept in order.
pub(crate) fn order_key(delivery: &Delivery) -> Option<String> {
    let (given, _) = Unfit::guard(|| Ok(read(&delivery.properties))).ok()?;
    given.order_key().map(str::to_owned)
}

impl Desk {
    /// Reads a delivery, which has `body` or names what it has instead.
    ///
    /// # Errors
    /// When that cannot be told for now.
    pub(crate) async fn read(&self, delivery: &Delivery, body: &Bytes) -> Result<Offer, ReadTrouble> {
        let (given, unfit) = match Unfit::guard(|| Ok(read(&delivery.properties))) {
            Ok((given, None)) => (given, Ok(())),
            Ok((given, Some(unfit))) => (given, Err(unfit)),
            Err(unfit) => (Given::default(), Err(unfit)),
        };
        let reply = Some(Reply::of(&given).to_text());
        let whole = whole(&given, body);
        let message = given.message_id.clone().unwrap_or_default();
        let submission = match unfit.and_then(|()| Unfit::guard(|| self.submission(&given, body))) {
            Ok(submission) => submission,
            Err(unfit) => return Ok(self.refuse(&message, &whole, &unfit, reply)),
        };
        let content = match &submission.claim {
            None => digest(&[body]),
            Some(claim) => claim.sha256.clone(),
        };
        let headers = submission.envelope.headers();
        let parts: Vec<&[u8]> =
            headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
        let fingerprint = digest(&[&[content.as_bytes()], &parts[..]].concat());
        let payload = match &submission.claim {
            None => Payload::from_bytes(body.clone()),
            Some(claim) => match self.claimed(claim).await {
                Ok(checked) => checked.payload,
                Err(ClaimError::Store(trouble)) => return Err(trouble.into()),
                Err(error) => {
                    let reason = match error {
                        ClaimError::TooLarge { .. } => Reason::TooLarge,
                        _ => Reason::BadReference,
                    };
                    let unfit = Unfit { reason, sentence: error.to_string() };
                    let key = self.key(&message);
                    // Whoever was told that MESH has it may have taken its payload away since.
                    return Ok(if self.relay.knows(&key, &fingerprint).await? {
                        self.refused(key, &unfit, reply)
                    } else {
                        self.refuse(&message, &whole, &unfit, reply)
                    });
                }
            },
        };
        let message = SourceMessage {
            key: self.key(&message),
            fingerprint: Some(fingerprint),
            reply,
            not_after: submission.not_after,
            order_key: submission.order_key,
            envelope: submission.envelope,
            payload,
            gzip: submission.gzip,
            allow_chunking: true,
        };
        Ok(Offer::Send(Box::new(message)))
    }

    /// The payload that a message names.
    async fn claimed(&self, claim: &ClaimHeaders) -> Result<Checked, ClaimError> {
        let claims = self.shared.claims.as_ref().ok_or(ClaimError::Off)?;
        claims.fetch(&claim.reference, &claim.sha256, claim.size).await
    }

    fn submission(&self, given: &Given, body: &[u8]) -> Result<Submission, Unfit> {
        let unfit = |reason, sentence: String| Unfit { reason, sentence };
        if given.message_id.is_none() {
            let sentence =
                "it has no message_id, by which it would be known if it came again; set one".to_owned();
            return Err(unfit(Reason::NoMessageId, sentence));
        }
        if body.len() as u64 > self.outbound.body_max.bytes() {
            let most = self.outbound.body_max.bytes();
            let sentence =
                format!("its body is longer than the {most} bytes that outbound.body_max lets through");
            return Err(unfit(Reason::TooLarge, sentence));
        }
        let submission = Submission::read(given, &self.shared.config.mailbox)?;
        match (&submission.claim, body.is_empty()) {
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

    /// How the journal knows what came under an id. A queue's name may hold a slash, which must not make two keys one.
    fn key(&self, message: &str) -> SourceKey {
        let message = format!("{}/{message}", self.queue.replace('%', "%25").replace('/', "%2F"));
        SourceKey { adapter: self.shared.name.to_string(), message }
    }

    /// One that can never be sent is known by all that it has, not by its id alone: it must neither be taken for another one
    /// of that id that was sent, nor keep a corrected one from being sent under it.
    fn refuse(&self, message: &str, whole: &str, unfit: &Unfit, reply: Option<String>) -> Offer {
        self.refused(self.key(&format!("{message} unfit {whole}")), unfit, reply)
    }

    fn refused(&self, key: SourceKey, unfit: &Unfit, reply: Option<String>) -> Offer {
        let mailbox = self.shared.config.mailbox.clone();
        Offer::Refuse(Box::new(Refused { key, mailbox, rejection: unfit.rejection(), reply }))
    }
}

/// A hash of all that a delivery's producer says to the relay. Not of other headers: a broker counts in some how often it
/// came, and what the relay wrote on a parked copy is another thing each time that one comes back.
fn whole(given: &Given, body: &[u8]) -> String {
    let counts = |name: &str| matches!(header::meaning(name), Meaning::Given(_) | Meaning::Unknown);
    let mut headers: Vec<&(String, String)> = given.headers.iter().filter(|(name, _)| counts(name)).collect();
    headers.sort();
    let headers = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    digest(&[body].into_iter().chain(headers).collect::<Vec<_>>())
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
