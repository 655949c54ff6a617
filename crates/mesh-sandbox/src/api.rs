//! The calls (`mesh-api.md` sections 4 and 11): which is meant, who makes it, what it gets. Knows no socket.
//!
//! Each call checks in the official emulator's order: route, authorisation, `Accept`, validation, then its own
//! subject. Where a call departs from that order, it says so. Before a call, what has become due happens
//! (`ageing`), and faults strike; after it, the request is remembered.

mod admin;
mod ageing;
mod authorise;
mod body;
mod control;
mod download;
mod fields;
mod inbox;
mod json;
mod lookup;
mod outbox;
mod recipient;
mod rich;
mod route;
mod tracking;
mod visit;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{ACCEPT, CONNECTION, DATE, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};
use mesh_api::{ApiVersion, MessageId, SharedKey, chunk};
use serde::Serialize;

use crate::answer::{self, Answer, Refusal};
use crate::clock::Clock;
use crate::config::Auth;
use crate::directory::{Directory, Mailbox};
use crate::faults::Faults;
use crate::habits::Habits;
use crate::page;
use crate::reports::HeldReports;
use crate::requests::{RequestSeen, Requests, method_name};
use crate::rules::Rules;
use crate::store::Store;
use crate::text::Text;
use crate::tokens::UsedTokens;
use ageing::Ageing;
use body::Upload;
pub(crate) use fields::query_value;
use route::{MailboxCall, Route};
pub(crate) use visit::Visit;

/// Largest body of one request under the rule `body-limit`, in bytes (`mesh-api.md` 5.1).
pub const REQUEST_BODY_BYTES_MAX: u64 = chunk::REQUEST_BYTES_MAX;

/// Header of an answer that a rule or a fault had a part in: their names, so that a developer need not guess. No
/// other server gives it.
pub const NOTE_HEADER: &str = "mesh-sandbox-note";

/// The connection is to end without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fault ended the connection")]
pub(crate) struct Cut;

/// Everything that calls are answered from.
pub(crate) struct Api {
    pub(crate) directory: Directory,
    pub(crate) shared_key: SharedKey,
    pub(crate) auth: Auth,
    /// Whether the port speaks TLS.
    pub(crate) secured: bool,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) rules: Rules,
    pub(crate) faults: Faults,
    pub(crate) used_tokens: UsedTokens,
    pub(crate) habits: Habits,
    pub(crate) requests: Requests,
    pub(crate) held_reports: HeldReports,
    /// What is due happens once, however many calls find it due.
    pub(crate) ageing: Mutex<Ageing>,
}

impl Api {
    /// Answers one request. A body that the answer did not need is read and dropped first, so that a caller who
    /// is still sending gets the answer instead of a broken connection.
    pub(crate) async fn answer<B>(
        &self,
        request: Request<B>,
        client_cn: Option<&Arc<str>>,
    ) -> Result<Answer, Cut>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let began = Instant::now();
        let mut visit = Visit::new(self.clock.now());
        let (parts, body) = request.into_parts();
        let mut body = Upload::new(body, &parts.headers);
        let segments = route::segments(parts.uri.path());
        let (name, outcome) = match Route::find(&parts, &segments) {
            Ok(Route::Ping) => ("ping", Ok(ping())),
            Ok(route) => {
                self.age(visit.now);
                (route.name(), self.call(&parts, route, &mut body, &mut visit).await)
            }
            Err(refusal) => ("none", Err(refusal)),
        };
        let answer = match outcome {
            Ok(answer) => Some(answer),
            Err(refusal) => {
                let version = version(&parts.headers).unwrap_or(ApiVersion::V1);
                refusal.answer(version, &self.origin(&parts.headers))
            }
        };
        let mut answer = answer.filter(|_| !visit.lose_answer);
        let status = answer.as_ref().map(|answer| answer.status().as_u16());
        // Neither path nor query: they may hold a local id.
        let method = method_name(&parts.method);
        tracing::debug!(method, call = name, status, notes = ?visit.notes, "a call was answered");
        if let (Some(answer), false) = (&mut answer, visit.notes.is_empty())
            && let Ok(notes) = HeaderValue::try_from(visit.notes.join(", "))
        {
            answer.headers_mut().insert(NOTE_HEADER, notes);
        }
        if !matches!(name, "page" | "control") {
            self.requests.remember(RequestSeen {
                number: 0,
                at: visit.now,
                method,
                call: name,
                mailbox: visit.mailbox.take(),
                message_id: visit.message.take().filter(|id| id.parse::<MessageId>().is_ok()),
                status,
                body_bytes: body.read(),
                micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
                notes: std::mem::take(&mut visit.notes),
                client_cn: client_cn.cloned(),
            });
        }
        let mut answer = answer.and_then(|answer| visit.mischief.spoil(answer)).ok_or(Cut)?;
        // By this server's clock, which may have been moved; a caller sees by it how far apart the clocks are.
        if let Ok(date) = HeaderValue::try_from(visit.now.strftime(download::HTTP_DATE).to_string()) {
            answer.headers_mut().entry(DATE).or_insert(date);
        }
        if body.is_unwanted() {
            // The caller asked before sending; it is told not to, and the connection cannot be used any further.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        } else {
            body.drain().await;
        }
        Ok(answer)
    }

    async fn call<B>(
        &self,
        parts: &Parts,
        route: Route<'_>,
        body: &mut Upload<B>,
        visit: &mut Visit,
    ) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let headers = &parts.headers;
        let query = parts.uri.query().unwrap_or_default();
        if let Route::Mailbox { mailbox, .. } = &route {
            visit.mailbox = self.directory.mailbox(&mailbox.to_uppercase()).map(|mailbox| mailbox.id.clone());
        }
        let fault = route.faulted_as();
        let (mailbox, call) = match route {
            Route::Page { file } => return page::answer(self, file, query, headers),
            Route::Control(call) => return control::answer(self, call, parts, body).await,
            Route::Admin(call) => return admin::answer(self, call, parts, body, visit).await,
            Route::Ping => return Ok(ping()),
            Route::Lookup { ods_code, workflow } => {
                self.strike(fault, headers, body, visit).await?;
                return lookup::endpoint(self, headers, ods_code, workflow);
            }
            Route::WorkflowSearch { workflow } => {
                self.strike(fault, headers, body, visit).await?;
                return lookup::search(self, headers, workflow);
            }
            Route::Mailbox { mailbox, call } => (self.authorise(headers, mailbox, visit)?, call),
        };
        self.strike(fault, headers, body, visit).await?;
        visit.message = call.message().map(str::to_owned);
        match call {
            MailboxCall::Handshake => inbox::handshake(self, headers, mailbox, visit),
            MailboxCall::Update => Ok(answer::empty(StatusCode::OK)),
            MailboxCall::Inbox => inbox::list(self, headers, query, mailbox, visit),
            MailboxCall::RichInbox => rich::inbox(self, query, mailbox, visit),
            MailboxCall::RichOutbox => rich::outbox(self, query, mailbox, visit),
            MailboxCall::Count => inbox::count(self, headers, mailbox),
            MailboxCall::Acknowledge { id } => inbox::acknowledge(self, headers, mailbox, &id, visit),
            MailboxCall::Head { id } => download::head(self, mailbox, &id, visit),
            MailboxCall::Download { id, chunk } => {
                download::get(self, headers, mailbox, &id, chunk, visit).await
            }
            MailboxCall::Send => outbox::send(self, headers, mailbox, body, visit).await,
            MailboxCall::SendChunk { ref id, chunk } => {
                outbox::send_chunk(self, headers, mailbox, id, chunk, body, visit).await
            }
            MailboxCall::Track => tracking::by_message_id(self, headers, query, mailbox),
            MailboxCall::TrackLocal { local_id } => tracking::by_local_id(self, mailbox, local_id),
        }
    }

    /// Where the caller believes to be; empty when it does not say.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> String {
        match headers.get(HOST).and_then(|host| host.to_str().ok()) {
            Some(host) => format!("{}://{host}", if self.secured { "https" } else { "http" }),
            None => String::new(),
        }
    }

    /// Whether a mailbox is let in, and what is sent to it collected: as its file says, unless it was switched.
    pub(crate) fn is_active(&self, mailbox: &Mailbox) -> bool {
        self.habits.of(&mailbox.id).active.unwrap_or(mailbox.active)
    }
}

/// The version that a caller asks for (`mesh-api.md` 3.1).
fn version(headers: &HeaderMap) -> Result<ApiVersion, Refusal> {
    let accept = headers.get(ACCEPT).map(Text::from);
    let accept = accept.as_ref().map(Text::read);
    ApiVersion::from_accept(accept.as_deref())
        .map_err(|_| Refusal::plain(StatusCode::BAD_REQUEST, "Accept header api format incorrect"))
}

/// `mesh-api.md` 4.14, for every health path of 11.3.
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
