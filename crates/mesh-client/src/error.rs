//! A call that failed: which, how, and what follows for whoever may repeat it.

use std::fmt;
use std::io;
use std::time::Duration;

use mesh_api::{Classify, Effect, FailureClass, MailboxId, Owner, ServiceError};
use thiserror::Error;

use crate::proxy::ProxyFault;
use crate::tls_fault::TlsFault;

/// Most characters of MESH's own words that an error shows.
const WORDS_MAX: usize = 200;

/// The calls, by the names that logs show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// `mesh-api.md` 4.1.
    Handshake,
    /// `mesh-api.md` 4.2.
    List,
    /// `mesh-api.md` 4.3.
    Count,
    /// `mesh-api.md` 4.6.
    Head,
    /// `mesh-api.md` 4.4.
    Open,
    /// `mesh-api.md` 4.5.
    OpenChunk,
    /// `mesh-api.md` 4.7.
    Acknowledge,
    /// `mesh-api.md` 4.8.
    Send,
    /// `mesh-api.md` 4.9.
    SendChunk,
    /// `mesh-api.md` 4.10.
    Track,
    /// `mesh-api.md` 4.11.
    TrackByLocalId,
    /// `mesh-api.md` 4.12.
    Lookup,
    /// `mesh-api.md` 4.13.
    WorkflowSearch,
}

impl Call {
    /// The name, as in `send chunk`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::List => "list inbox",
            Self::Count => "count inbox",
            Self::Head => "message metadata",
            Self::Open => "download",
            Self::OpenChunk => "download chunk",
            Self::Acknowledge => "acknowledge",
            Self::Send => "send",
            Self::SendChunk => "send chunk",
            Self::Track => "track",
            Self::TrackByLocalId => "track by local id",
            Self::Lookup => "endpoint lookup",
            Self::WorkflowSearch => "workflow search",
        }
    }

    /// Whether the call changes something at MESH, so that a lost answer leaves a doubt.
    pub(crate) fn changes(self) -> bool {
        matches!(self, Self::Send | Self::SendChunk | Self::Acknowledge)
    }

    /// Whether the call is about a message that MESH must know already.
    pub(crate) fn names_message(self) -> bool {
        !matches!(
            self,
            Self::Handshake | Self::List | Self::Count | Self::Send | Self::Lookup | Self::WorkflowSearch
        )
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why no connection came about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectFault {
    /// The host name has no address.
    #[error("the host name was not found; check the MESH address and this machine's DNS")]
    Name,
    /// No answer within the limit.
    #[error("no connection within the time limit; check the network and firewalls")]
    TimedOut,
    /// The network refused.
    #[error("no connection ({0}); check the MESH address, the network and firewalls")]
    Network(io::ErrorKind),
    /// The two sides do not trust each other.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The HTTP proxy gives no way through.
    #[error(transparent)]
    Proxy(#[from] ProxyFault),
}

/// What went wrong, as far as a caller acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// MESH refuses the message for good; [`CallError::service`] holds its reasons.
    Refused,
    /// MESH refuses the mailbox's credentials (401, 403).
    CredentialsRefused,
    /// MESH knows no such message (404).
    NoSuchMessage,
    /// The message can no longer be downloaded (410).
    NoLongerAvailable,
    /// The upload is complete already (423).
    AlreadyComplete,
    /// MESH did not take the request for now (408, 425, 429, and 503 in MESH's own form). The wait is what the
    /// server asked for, at most [`crate::RETRY_AFTER_MAX`].
    Throttled {
        /// From `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The server, or something before it, is in trouble (5xx).
    ServerTrouble {
        /// From `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No connection, or TLS ended it.
    Connect(ConnectFault),
    /// The connection broke.
    Broken,
    /// Silence for longer than [`crate::Timeouts::answer`], or a call without a payload that took longer than
    /// [`crate::Timeouts::whole`] with all its attempts.
    TimedOut,
    /// The call was not made: calls of this mailbox, or of the whole environment, failed one after the other and
    /// rest now ([`crate::BreakerConfig`]).
    Resting {
        /// How long still.
        rest: Duration,
        /// What rests.
        what: Resting,
        /// The last failure before the rest, in words.
        why: String,
    },
    /// The answer is not what MESH answers. The text says what is wrong with it.
    Unusable(&'static str),
    /// The message decompresses to more than is believable ([`crate::ClientConfig::expanded_bytes_max`]) or than MESH
    /// takes. It will the next time too.
    ExpandsTooFar,
    /// Something other than MESH answered: the address or what stands before it is wrong.
    NotMesh(&'static str),
    /// Our own bytes could not be read, or were not as many as promised.
    PayloadUnreadable(io::ErrorKind),
    /// Our own bytes could not be compressed: a mistake in this crate, or the runtime is shutting down.
    NotCompressed,
    /// The request cannot be made. The text names what cannot be sent, never its value.
    Unsendable(&'static str),
}

/// What a breaker lets rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resting {
    /// The calls of one mailbox: MESH refused its credentials several times.
    Mailbox,
    /// All calls to this environment: it could not be reached, or was in trouble, several times.
    Environment,
}

/// What a sender does with a message whose send failed (`queue-bridging.md` 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// It was not sent, or not taken: try it again later, with a new token.
    NotTaken,
    /// MESH refuses the caller, whatever the message: let the whole mailbox pause.
    PauseMailbox,
    /// MESH refuses this message for good: tell whoever made it.
    Rejected,
    /// MESH may have it: find out before anything else is done with it.
    InDoubt,
}

/// A call to MESH that failed. Names the call, the mailbox and the host; holds nothing of a message but MESH's
/// own words about it.
#[derive(Clone)]
pub struct CallError(Box<Details>);

#[derive(Clone)]
pub(crate) struct Details {
    pub(crate) call: Call,
    pub(crate) mailbox: MailboxId,
    pub(crate) host: String,
    pub(crate) status: Option<u16>,
    pub(crate) service: Option<ServiceError>,
    pub(crate) kind: ErrorKind,
    pub(crate) effect: Effect,
}

impl From<Details> for CallError {
    fn from(details: Details) -> Self {
        Self(Box::new(details))
    }
}

impl CallError {
    /// Which call.
    pub fn call(&self) -> Call {
        self.0.call
    }

    /// Whose call.
    pub fn mailbox(&self) -> &MailboxId {
        &self.0.mailbox
    }

    /// The HTTP status, when an answer came.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// MESH's own words, when an answer came that was an error.
    pub fn service(&self) -> Option<&ServiceError> {
        self.0.service.as_ref()
    }

    /// What follows for a message, when the call was a send.
    pub fn send_outcome(&self) -> SendOutcome {
        match (&self.0.kind, self.0.effect) {
            (_, Effect::Unknown | Effect::Applied) => SendOutcome::InDoubt,
            (
                ErrorKind::CredentialsRefused
                | ErrorKind::NotMesh(_)
                | ErrorKind::Resting { what: Resting::Mailbox, .. },
                _,
            ) => SendOutcome::PauseMailbox,
            _ if self.class() == FailureClass::Permanent => SendOutcome::Rejected,
            _ => SendOutcome::NotTaken,
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The same failure, when an attempt before it may have taken effect.
    pub(crate) fn doubted(mut self) -> Self {
        self.0.effect = Effect::Unknown;
        self
    }

    /// What went wrong, without the call that it happened to.
    pub(crate) fn reason(&self) -> String {
        let kind = match &self.0.kind {
            ErrorKind::Refused => "MESH refuses the message".to_owned(),
            ErrorKind::CredentialsRefused => {
                "MESH refuses the credentials; check mailbox id, password, shared key and this machine's clock"
                    .to_owned()
            }
            ErrorKind::NoSuchMessage => "MESH knows no such message".to_owned(),
            ErrorKind::NoLongerAvailable => "the message can no longer be downloaded".to_owned(),
            ErrorKind::AlreadyComplete => "the upload is complete already".to_owned(),
            ErrorKind::Throttled { .. } => "MESH takes no request for now".to_owned(),
            ErrorKind::ServerTrouble { .. } => "the server is in trouble".to_owned(),
            ErrorKind::Connect(fault) => fault.to_string(),
            ErrorKind::Broken => "the connection broke".to_owned(),
            ErrorKind::TimedOut => "no answer within the time limit".to_owned(),
            // Without the time, so that the same rest always reads the same and a log need tell it only once.
            ErrorKind::Resting { why, .. } => {
                format!("not called for a while, because calls failed several times: {why}")
            }
            ErrorKind::Unusable(why) => format!("the answer cannot be used: {why}"),
            ErrorKind::ExpandsTooFar => "the message decompresses to more than is believable; ask its sender to send it \
                                         uncompressed or in smaller chunks"
                .to_owned(),
            ErrorKind::NotMesh(why) => format!("the answer is not from MESH: {why}"),
            ErrorKind::PayloadUnreadable(kind) => format!("the data to send could not be read ({kind})"),
            ErrorKind::NotCompressed => {
                "the data could not be compressed; send it without gzip and tell the relay's developers".to_owned()
            }
            ErrorKind::Unsendable(what) => format!("the {what} cannot be sent"),
        };
        match (self.0.status, self.words()) {
            (Some(status), words) if words.is_empty() => format!("{kind} (HTTP {status})"),
            (Some(status), words) => format!("{kind} (HTTP {status}, {words})"),
            (None, _) => kind,
        }
    }

    fn words(&self) -> String {
        let Some(service) = &self.0.service else {
            return String::new();
        };
        // Something on the way could repeat the path, and this call's path holds the local id.
        let description = if self.0.call == Call::TrackByLocalId { "" } else { &service.description };
        let parts = [&service.event, &service.code, description];
        let joined: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        joined.join(" ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { call, mailbox, host, .. } = &*self.0;
        write!(f, "{call} for mailbox {mailbox} at {host}: {}", self.reason())
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallError({self}; {:?}, {:?})", self.class(), self.effect())
    }
}

impl std::error::Error for CallError {}

/// Of the kind `InvalidData` where the bytes of a message are at fault, as [`mesh_api::PayloadStream`] promises.
impl From<CallError> for io::Error {
    fn from(error: CallError) -> Self {
        match error.kind() {
            ErrorKind::ExpandsTooFar => io::Error::new(io::ErrorKind::InvalidData, error),
            _ => io::Error::other(error),
        }
    }
}

impl Classify for CallError {
    fn class(&self) -> FailureClass {
        match &self.0.kind {
            ErrorKind::Refused
            | ErrorKind::NoSuchMessage
            | ErrorKind::NoLongerAvailable
            | ErrorKind::AlreadyComplete
            | ErrorKind::ExpandsTooFar
            | ErrorKind::Unsendable(_) => FailureClass::Permanent,
            // A file that is gone or changed does not come back as it was.
            ErrorKind::PayloadUnreadable(
                io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof,
            ) => FailureClass::Permanent,
            ErrorKind::Throttled { retry_after: Some(retry_after) } => {
                FailureClass::Throttled { retry_after: *retry_after }
            }
            ErrorKind::Resting { rest, .. } => FailureClass::Throttled { retry_after: *rest },
            // A send in doubt is probed first; a wait would say that it may simply be repeated.
            ErrorKind::ServerTrouble { retry_after: Some(retry_after) }
                if self.0.effect == Effect::NotApplied =>
            {
                FailureClass::Throttled { retry_after: *retry_after }
            }
            _ => FailureClass::Transient,
        }
    }

    fn effect(&self) -> Effect {
        self.0.effect
    }

    fn owner(&self) -> Owner {
        match &self.0.kind {
            ErrorKind::Refused | ErrorKind::PayloadUnreadable(_) | ErrorKind::ExpandsTooFar => {
                Owner::Organisation
            }
            ErrorKind::CredentialsRefused
            | ErrorKind::Resting { what: Resting::Mailbox, .. }
            | ErrorKind::NotMesh(_)
            | ErrorKind::Connect(ConnectFault::Tls(_) | ConnectFault::Proxy(_)) => Owner::Operator,
            ErrorKind::Unsendable(_) | ErrorKind::NotCompressed => Owner::Relay,
            _ => Owner::Mesh,
        }
    }
}
