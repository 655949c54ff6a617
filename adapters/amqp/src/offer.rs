//! A delivery as something to be sent, or as something that can never be.

use bytes::Bytes;
use claim_check::{StoreTrouble, Unclaimed};
use lapin::message::Delivery;
use relay_carrier::header::Meaning;
use relay_carrier::{Given, Reason, Reply, Submission, Unfit, digest, header};
use relay_core::{DeferralCause, Offer, Payload, Refused, SourceKey, SourceMessage, Trace};
use thiserror::Error;

use crate::delivery::Desk;
use crate::properties::read;

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
        let trace = self.relay.arrival(given.trace());
        let reply = Some(Reply::of(&given, &trace).to_text());
        let whole = whole(&given, body);
        let message = given.message_id.clone().unwrap_or_default();
        let submission = match unfit.and_then(|()| Unfit::guard(|| self.submission(&given, body))) {
            Ok(submission) => submission,
            Err(unfit) => return Ok(self.refuse(&message, &whole, &unfit, reply, trace)),
        };
        let fingerprint = submission.fingerprint(body);
        let payload = match &submission.claim {
            None => Payload::from_bytes(body.clone()),
            Some(claim) => match claim_check::payload(self.shared.claims.as_ref(), claim).await {
                Ok(payload) => payload,
                Err(Unclaimed::Store(trouble)) => return Err(trouble.into()),
                Err(Unclaimed::Unfit(unfit)) => {
                    let key = self.key(&message);
                    // Whoever was told that MESH has it may have taken its payload away since.
                    return Ok(if self.relay.knows(&key, &fingerprint).await? {
                        self.refused(key, &unfit, reply, trace)
                    } else {
                        self.refuse(&message, &whole, &unfit, reply, trace)
                    });
                }
            },
        };
        let message = SourceMessage {
            key: self.key(&message),
            fingerprint: Some(fingerprint),
            reply,
            trace,
            not_after: submission.not_after,
            order_key: submission.order_key,
            envelope: submission.envelope,
            payload,
            gzip: submission.gzip,
            allow_chunking: true,
        };
        Ok(Offer::Send(Box::new(message)))
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
        Submission::read(given, &self.shared.config.mailbox)?.with_body(body)
    }

    /// How the journal knows what came under an id. A queue's name may hold a slash, which must not make two keys one.
    fn key(&self, message: &str) -> SourceKey {
        let message = format!("{}/{message}", self.queue.replace('%', "%25").replace('/', "%2F"));
        SourceKey { adapter: self.shared.name.to_string(), message }
    }

    /// One that can never be sent is known by all that it has, not by its id alone: it must neither be taken for another one
    /// of that id that was sent, nor keep a corrected one from being sent under it.
    fn refuse(
        &self,
        message: &str,
        whole: &str,
        unfit: &Unfit,
        reply: Option<String>,
        trace: Trace,
    ) -> Offer {
        self.refused(self.key(&format!("{message} unfit {whole}")), unfit, reply, trace)
    }

    fn refused(&self, key: SourceKey, unfit: &Unfit, reply: Option<String>, trace: Trace) -> Offer {
        let mailbox = self.shared.config.mailbox.clone();
        Offer::Refuse(Box::new(Refused { key, mailbox, rejection: unfit.rejection(), reply, trace }))
    }
}

/// A hash of all that a delivery's producer says to the relay. Not of other headers: a broker counts in some how often it
/// came, and what the relay wrote on a parked copy is another thing each time that one comes back.
fn whole(given: &Given, body: &[u8]) -> String {
    let counts = |name: &str| matches!(header::meaning(name), Meaning::Given(_) | Meaning::Unknown);
    let mut headers: Vec<&(String, String)> = given.headers.iter().filter(|(name, _)| counts(name)).collect();
    headers.sort();
    let headers = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    digest([body].into_iter().chain(headers))
}
