//! The calls (`mesh-api.md` section 4): which is meant, who makes it, what it gets. Knows no socket.
//!
//! Each call checks in the official emulator's order: route, authorisation, `Accept`, validation, then its own
//! subject. Where a call departs from that order, it says so.

mod body;
mod download;
mod fields;
mod inbox;
mod lookup;
mod outbox;
mod route;
mod tracking;

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{ACCEPT, AUTHORIZATION};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use mesh_api::{ApiVersion, Authorization, AuthorizationError, SharedKey, chunk};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::answer::{self, Answer, Refusal};
use crate::directory::{Directory, Mailbox};
use crate::store::Store;
use crate::text::Text;
use body::Upload;
use route::{MailboxCall, Route};

/// Largest body of one request, in bytes; a larger one is answered 413 with a bare message. It is MESH's own limit
/// (`mesh-api.md` 5.1), which the official emulator does not hold.
pub const REQUEST_BODY_BYTES_MAX: u64 = chunk::REQUEST_BYTES_MAX;

/// Everything that calls are answered from.
pub(crate) struct Api {
    pub(crate) directory: Directory,
    pub(crate) shared_key: SharedKey,
    pub(crate) store: Arc<Store>,
    pub(crate) now: fn() -> Timestamp,
}

impl Api {
    /// Answers one request. A body that the answer did not need is read and dropped first, so that a caller who
    /// is still sending gets the answer instead of a broken connection.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let mut body = Upload::new(body);
        let answer = match self.call(&parts, &mut body).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(version(&parts.headers).unwrap_or(ApiVersion::V1)),
        };
        // Neither path nor query: they may hold a local id.
        tracing::debug!(method = %parts.method, status = answer.status().as_u16(), "a call was answered");
        body.drain().await;
        answer
    }

    async fn call<B>(&self, parts: &Parts, body: &mut Upload<B>) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let headers = &parts.headers;
        let query = parts.uri.query().unwrap_or_default();
        let segments = route::segments(parts.uri.path());
        let (mailbox, call) = match Route::find(parts, &segments)? {
            Route::Ping => return Ok(ping()),
            Route::Lookup { ods_code, workflow } => {
                return lookup::endpoint(self, headers, ods_code, workflow);
            }
            Route::WorkflowSearch { workflow } => return lookup::search(self, headers, workflow),
            Route::Mailbox { mailbox, call } => (self.authorise(headers, mailbox)?, call),
        };
        match call {
            MailboxCall::Handshake => inbox::handshake(headers, mailbox),
            MailboxCall::Inbox => inbox::list(self, headers, query, mailbox),
            MailboxCall::Count => inbox::count(self, headers, mailbox),
            MailboxCall::Acknowledge { id } => inbox::acknowledge(self, headers, mailbox, &id),
            MailboxCall::Head { id } => download::head(self, mailbox, &id),
            MailboxCall::Download { id, chunk } => download::get(self, headers, mailbox, &id, chunk).await,
            MailboxCall::Send => outbox::send(self, headers, mailbox, body).await,
            MailboxCall::SendChunk { ref id, chunk } => {
                outbox::send_chunk(self, headers, mailbox, id, chunk, body).await
            }
            MailboxCall::Track => tracking::by_message_id(self, headers, query, mailbox),
            MailboxCall::TrackLocal { local_id } => tracking::by_local_id(self, mailbox, local_id),
        }
    }

    /// Checks the token in full (`mesh-api.md` 2.2), before anything else about the request. The path may spell
    /// the mailbox in any case.
    fn authorise(&self, headers: &HeaderMap, path_mailbox: &str) -> Result<&Mailbox, Refusal> {
        let header = headers.get(AUTHORIZATION).map(Text::from).unwrap_or_default();
        let refused = |error: AuthorizationError| {
            Refusal::forbidden(match error {
                AuthorizationError::Unreadable => "Error reading from Authorization header",
                AuthorizationError::OtherMailbox => "Mailbox id does not match token",
                AuthorizationError::WrongHash => "Invalid Authentication Token",
            })
        };
        let token = Authorization::read(&header.read(), path_mailbox).map_err(refused)?;
        let mailbox = self
            .directory
            .mailbox(&token.mailbox)
            .ok_or_else(|| Refusal::coded(StatusCode::FORBIDDEN, "SEND", "EPL-151", "No mailbox matched"))?;
        token.verify(mailbox.password.expose_secret(), &self.shared_key).map_err(refused)?;
        Ok(mailbox)
    }
}

/// The version that a caller asks for (`mesh-api.md` 3.1).
fn version(headers: &HeaderMap) -> Result<ApiVersion, Refusal> {
    let accept = headers.get(ACCEPT).map(Text::from);
    let accept = accept.as_ref().map(Text::read);
    ApiVersion::from_accept(accept.as_deref())
        .map_err(|_| Refusal::plain(StatusCode::BAD_REQUEST, "Accept header api format incorrect"))
}

/// `mesh-api.md` 4.14, for `/health` and `/messageexchange/_ping`.
fn ping() -> Answer {
    #[derive(Serialize)]
    struct Ping {
        env: &'static str,
        build_label: &'static str,
        status: &'static str,
        outcome: &'static str,
    }
    let ping = Ping { env: "local", build_label: "latest", status: "running", outcome: "Yes" };
    answer::json(StatusCode::OK, &ping)
}
