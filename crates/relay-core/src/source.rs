//! The organisation's side, outbound: where messages come from.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::chunk::chunk_bytes_max;
use mesh_api::{ChunkPlan, Envelope, MailboxId, MessageId, Payload};
use thiserror::Error;

use crate::journal::JournalError;
use crate::mesh::MeshError;
use crate::outbound::RelayHandle;
use crate::pause::Pausable;
use crate::policy::{DoubtStrategy, SendPolicy};
use crate::shutdown::Shutdown;
use crate::state::{BY_SOURCE, OutboundState, Rejection};
use crate::trace::Trace;

/// The organisation's side, outbound. Runs until shutdown; for each message it finds it calls
/// [`RelayHandle::send`] and then settles its own copy by the outcome.
#[async_trait]
pub trait Source: Send + Sync {
    /// Runs until shutdown. Returns once nothing it started is left running. May be run again, one run at a time: it is
    /// whenever its lease comes back.
    ///
    /// # Errors
    /// Only when it cannot go on at all.
    async fn run(&self, relay: RelayHandle, shutdown: Shutdown) -> Result<(), SourceError>;
}

/// A source that cannot go on.
#[derive(Debug, Error)]
#[error("adapter {adapter}: {what}")]
pub struct SourceError {
    /// The adapter's configured name.
    pub adapter: String,
    /// What happened and what to do.
    pub what: String,
}

/// What makes a source's message recognisable when it comes again. Private: it holds a file name or an id of the
/// organisation, so it does not print.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceKey {
    /// The adapter's configured name.
    pub adapter: String,
    /// The message within it; a folder's is made of the control file's name and content and the data file's identity.
    pub message: String,
}

impl fmt::Debug for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceKey({}, …)", self.adapter)
    }
}

/// A message that a source offers.
#[derive(Debug, Clone)]
pub struct SourceMessage {
    /// How it is recognised.
    pub key: SourceKey,
    /// Hash of its content, where the key does not stand for that: a key that comes again with another one is
    /// parked.
    pub fingerprint: Option<String>,
    /// What the adapter needs to tell the message's system of its changes, such as where it listens, in a form of the
    /// adapter's own. Comes back with each [`DeliveryEvent`](crate::DeliveryEvent).
    pub reply: Option<String>,
    /// Where its trace begins: [`RelayHandle::arrival`].
    pub trace: Trace,
    /// Not to be sent after this; what may be at MESH by then is followed to its end all the same.
    pub not_after: Option<Timestamp>,
    /// Messages of a mailbox with the same order key go one after the other, in the order in which they were offered.
    pub order_key: Option<String>,
    /// Its metadata.
    pub envelope: Envelope,
    /// Its bytes.
    pub payload: Payload,
    /// Gzip each chunk on the way. One that goes whole and could outgrow its request goes as it is.
    pub gzip: bool,
    /// Cut it into chunks when it is longer than one; otherwise it must fit one request.
    pub allow_chunking: bool,
}

/// A message that a source found but that can never be sent.
#[derive(Debug, Clone)]
pub struct Refused {
    /// How it is recognised.
    pub key: SourceKey,
    /// The mailbox it was to be sent from.
    pub mailbox: MailboxId,
    /// What is wrong with it.
    pub rejection: Rejection,
    /// As [`SourceMessage::reply`].
    pub reply: Option<String>,
    /// As [`SourceMessage::trace`].
    pub trace: Trace,
}

/// What a source found, as something to be sent or as something that can never be.
#[derive(Debug, Clone)]
pub enum Offer {
    /// It can be sent.
    Send(Box<SourceMessage>),
    /// It can never be sent.
    Refuse(Box<Refused>),
}

impl Offer {
    /// How it is recognised.
    pub fn key(&self) -> &SourceKey {
        match self {
            Self::Send(message) => &message.key,
            Self::Refuse(refused) => &refused.key,
        }
    }

    /// Where its trace begins.
    pub fn trace(&self) -> &Trace {
        match self {
            Self::Send(message) => &message.trace,
            Self::Refuse(refused) => &refused.trace,
        }
    }
}

/// How a message ended for its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// MESH has it.
    Accepted(MessageId),
    /// It will never be taken.
    Rejected(Rejection),
    /// A person must decide; the reason is for that person.
    Parked(String),
    /// Not accepted in time.
    Expired,
    /// Withdrawn by its source, or cancelled by a person, before anything of it was sent that could be delivered.
    Cancelled {
        /// Whether a person did it: then its source still holds it and has to put it aside.
        by_person: bool,
    },
}

impl Outcome {
    /// The outcome's name, as states are named.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Parked(_) => "parked",
            Self::Expired => "expired",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    pub(crate) fn of(state: &OutboundState) -> Option<Self> {
        match state {
            // What became of it later is told by events; the source's part ended when MESH took it.
            OutboundState::Accepted { id, .. }
            | OutboundState::Acknowledged { id, .. }
            | OutboundState::Undelivered { id, .. }
            | OutboundState::UnknownOutcome { id, .. } => Some(Self::Accepted(id.clone())),
            OutboundState::Rejected(rejection) => Some(Self::Rejected(rejection.clone())),
            OutboundState::Parked { reason } => Some(Self::Parked(reason.clone())),
            OutboundState::Expired { .. } => Some(Self::Expired),
            OutboundState::Cancelled { by } => Some(Self::Cancelled { by_person: by != BY_SOURCE }),
            _ => None,
        }
    }
}

/// Not now: the source keeps the message and offers it again.
#[derive(Debug, Error)]
#[error("{cause}")]
pub struct Deferral {
    /// Why.
    pub cause: DeferralCause,
    /// When to offer it again.
    pub after: Duration,
}

/// Why a message is deferred.
#[derive(Debug, Error)]
pub enum DeferralCause {
    /// MESH could not be reached, or did not take the message this time.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The journal could not record what must be on disk first.
    #[error(transparent)]
    Journal(JournalError),
    /// The message's record was changed meanwhile, by a person perhaps.
    #[error("the message's record was changed meanwhile, by a person perhaps; what it says now is followed")]
    Changed,
    /// A person has paused the mailbox or the adapter.
    #[error("{0} is paused by an operator; it goes on once that is ended")]
    Paused(Pausable),
    /// MESH does not have the message after all, so it is to be sent again.
    #[error("the message did not arrive at MESH and is sent again")]
    Again,
    /// Messages of the same order key go before it.
    #[error("another message of the same order key goes first")]
    Behind,
    /// Enough was sent for now, by the configured rate.
    #[error("the configured rate is reached")]
    Paced,
    /// The relay is stopping.
    #[error("the relay is stopping")]
    Stopping,
    /// The source names a mailbox that is not configured.
    #[error("mailbox {0} is not configured; add a [[mailbox]] section for it")]
    UnknownMailbox(MailboxId),
}

impl From<JournalError> for DeferralCause {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Conflict { .. } => Self::Changed,
            error => Self::Journal(error),
        }
    }
}

impl Deferral {
    /// Whether the cause concerns every message of the mailbox, so that offering others now is pointless.
    pub fn is_mailbox_wide(&self) -> bool {
        match &self.cause {
            DeferralCause::Mesh(error) => error.mailbox_wide,
            DeferralCause::Again | DeferralCause::Behind | DeferralCause::Paced | DeferralCause::Changed => {
                false
            }
            DeferralCause::Journal(_)
            | DeferralCause::Paused(_)
            | DeferralCause::Stopping
            | DeferralCause::UnknownMailbox(_) => true,
        }
    }
}

impl SourceMessage {
    /// Whether its chunks are gzipped when they are cut so: all of them or none. What cannot be compressed becomes a
    /// little longer, and a message that may not be chunked cannot be made to leave room for that.
    pub fn gzips(&self, plan: &ChunkPlan) -> bool {
        self.gzip && plan.chunk_bytes() <= chunk_bytes_max(true)
    }

    /// How its payload is cut. An upload that has begun goes on in chunks of the size that it `began` with, in bytes, whatever
    /// is configured since: only so are the chunks that MESH holds of any use, and is its last one known again.
    ///
    /// # Errors
    /// A rejection when it is empty or larger than may be sent.
    pub fn plan(&self, policy: &SendPolicy, began: Option<u64>) -> Result<ChunkPlan, Rejection> {
        use mesh_api::chunk::ChunkPlanError;
        use mesh_api::code::{DATA_MISSING, MALFORMED, StatusEvent};

        let length = self.payload.length();
        let chunk_bytes = policy.chunk_bytes.min(chunk_bytes_max(self.gzip));
        let plan = match (self.allow_chunking, began, policy.in_doubt(&self.envelope)) {
            (false, ..) => ChunkPlan::whole(length),
            (true, Some(began), _) => ChunkPlan::chunked(length, began),
            (true, None, DoubtStrategy::TwoStep) => ChunkPlan::two_step(length, chunk_bytes),
            (true, None, _) => ChunkPlan::chunked(length, chunk_bytes),
        };
        plan.map_err(|error| {
            let (event, code, description) = match error {
                ChunkPlanError::Empty => {
                    let text = "Data file is missing or inaccessible.".to_owned();
                    (StatusEvent::Collect, DATA_MISSING, text)
                }
                ChunkPlanError::TooLarge { .. } if !self.allow_chunking => {
                    (StatusEvent::Transfer, MALFORMED, format!("{error}; allow chunking for larger data"))
                }
                ChunkPlanError::TooLarge { .. } | ChunkPlanError::ChunkSize { .. } => {
                    (StatusEvent::Transfer, MALFORMED, error.to_string())
                }
            };
            let (event, code) = (event.as_str().to_owned(), code.to_owned());
            Rejection { event, code, description, message_id: None }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::BoxFuture;
    use mesh_api::chunk::REQUEST_BYTES_MAX;
    use mesh_api::{OpenPayload, PayloadStream};
    use std::io;
    use std::ops::Range;
    use std::sync::Arc;

    /// Bytes that nobody reads.
    struct Unread;

    impl OpenPayload for Unread {
        fn open(&self, _: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }
    }

    fn message(length: u64, gzip: bool, allow_chunking: bool) -> SourceMessage {
        let id = || "X26ABC1".parse().expect("a mailbox");
        let (to, flow) = ("X26ABC2".parse().expect("a recipient"), "FLOW".parse().expect("a flow"));
        SourceMessage {
            fingerprint: None,
            reply: None,
            trace: Trace::default(),
            not_after: None,
            order_key: None,
            key: SourceKey { adapter: "test".to_owned(), message: "one".to_owned() },
            envelope: Envelope::new(id(), to, flow),
            payload: Payload::new(length, Arc::new(Unread)),
            gzip,
            allow_chunking,
        }
    }

    #[test]
    fn gzip_never_lets_a_request_outgrow_what_mesh_takes() {
        let policy = SendPolicy { chunk_bytes: REQUEST_BYTES_MAX, ..SendPolicy::default() };
        let room = chunk_bytes_max(true);
        for (length, allow_chunking, chunks, gzips) in [
            (room, false, 1, true),
            (room + 1, false, 1, false),
            (REQUEST_BYTES_MAX, false, 1, false),
            (REQUEST_BYTES_MAX, true, 2, true),
        ] {
            let message = message(length, true, allow_chunking);
            let plan = message.plan(&policy, None).expect("a plan");
            assert_eq!((plan.of(), message.gzips(&plan)), (chunks, gzips), "{length} bytes");
        }
    }

    #[test]
    fn an_upload_goes_on_in_chunks_of_the_size_that_it_began_with() {
        let message = message(100, false, true);
        for in_doubt in [DoubtStrategy::Probe, DoubtStrategy::TwoStep] {
            let policy = SendPolicy { chunk_bytes: 64, in_doubt, ..SendPolicy::default() };
            let began = message.plan(&policy, None).expect("a plan");
            let since = SendPolicy { chunk_bytes: 7, ..policy };
            let plan = message.plan(&since, Some(began.chunk_bytes())).expect("a plan");
            assert_eq!((plan.of(), plan.chunk_bytes()), (began.of(), began.chunk_bytes()), "{in_doubt:?}");
        }
    }
}
