//! The last requests, so that a developer sees what their client really did.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::Method;
use jiff::Timestamp;
use mesh_api::MailboxId;
use serde::{Serialize, Serializer};

/// Most requests remembered; beyond it the oldest are forgotten.
pub const REQUESTS_KEPT_MAX: usize = 2_000;

/// One request as the server saw it. Neither path nor query nor header values: they may hold a local id.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RequestSeen {
    /// Counts from 1 since the start.
    pub number: u64,
    /// When its headers were there, on the server's clock.
    pub at: Timestamp,
    /// The HTTP method, or `other`.
    pub method: &'static str,
    /// What it asked for, such as `send-chunk`.
    pub call: &'static str,
    /// The mailbox in its path, if it is one of the server's.
    #[serde(serialize_with = "text")]
    pub mailbox: Option<MailboxId>,
    /// The message it was about, if that can be an id.
    pub message_id: Option<String>,
    /// The answer's status; `None` when the connection was ended without one.
    pub status: Option<u16>,
    /// Bytes of its body that were read for the answer; what was dropped unread is not counted.
    pub body_bytes: u64,
    /// How long the answer took to make, in microseconds.
    pub micros: u64,
    /// Rules that spoke up and faults that struck.
    pub notes: Vec<String>,
    /// Common name of the client's certificate, if it showed one.
    #[serde(serialize_with = "shared")]
    pub client_cn: Option<Arc<str>>,
}

/// The method's name, if it is one that anybody uses here: what a caller made up is not remembered.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn text<S: Serializer>(mailbox: &Option<MailboxId>, serializer: S) -> Result<S::Ok, S::Error> {
    mailbox.as_ref().map(MailboxId::as_str).serialize(serializer)
}

fn shared<S: Serializer>(name: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_deref().serialize(serializer)
}

/// The last requests, oldest first.
#[derive(Default)]
pub(crate) struct Requests(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    total: u64,
    last: VecDeque<RequestSeen>,
}

impl Requests {
    /// Remembers one and gives it its number.
    pub(crate) fn remember(&self, mut request: RequestSeen) {
        let mut kept = self.lock();
        kept.total += 1;
        request.number = kept.total;
        if kept.last.len() == REQUESTS_KEPT_MAX {
            kept.last.pop_front();
        }
        kept.last.push_back(request);
    }

    /// Those that are kept, oldest first.
    pub(crate) fn last(&self) -> Vec<RequestSeen> {
        self.lock().last.iter().cloned().collect()
    }

    /// How many came since the start.
    pub(crate) fn total(&self) -> u64 {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Each change is whole, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
