//! `POST /v1/messages`: what the relay's HTTP server calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use relay_core::{Caller, MailboxId, Payload, SourceMessage};
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{self, Answer, Submitted};
use crate::desk::{Desk, Job};
use crate::problem::SubmissionProblem;
use crate::request::{Fields, idempotency_key, key_of, reply};
use crate::upload::{Promise, Upload};

/// Longest body that is read, and dropped, behind an answer that did not need it, in bytes: a caller that sends on while it
/// is answered may not see an answer before a connection that ends.
const LEFT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long that may take.
const LEFT_WITHIN: Duration = Duration::from_secs(10);

/// Where messages are handed in, for all sources that take some. Cheap to clone.
#[derive(Clone, Default)]
pub struct Submit(Arc<Mutex<Vec<Registered>>>);

/// A source's desk.
struct Registered {
    desk: Arc<Desk>,
    /// Whether its source is gone. It stays until another source has its mailboxes: what is handed in meanwhile is to be
    /// handed in again, and not refused for good.
    is_left: bool,
}

impl Submit {
    /// `POST /v1/messages` with its description. Who calls must be an extension of the request, a [`Caller`].
    pub fn router(&self) -> OpenApiRouter {
        OpenApiRouter::new().routes(routes!(submit_message)).with_state(self.clone())
    }

    /// The mailboxes that messages may be handed in for.
    pub fn mailboxes(&self) -> Vec<MailboxId> {
        let mut mailboxes: Vec<MailboxId> =
            self.desks().iter().flat_map(|known| known.desk.mailboxes.iter().cloned()).collect();
        mailboxes.sort();
        mailboxes.dedup();
        mailboxes
    }

    /// Whether messages of this mailbox are taken here now: its source runs, and holds its lease.
    pub fn takes(&self, mailbox: &MailboxId) -> bool {
        let desk = self.desk(Some(mailbox.clone()));
        desk.is_ok_and(|(desk, _)| desk.counter().is_some())
    }

    pub(crate) fn register(&self, desk: &Arc<Desk>) {
        let mut desks = self.desks();
        let is_mine =
            |known: &Registered| known.desk.mailboxes.iter().any(|one| desk.mailboxes.contains(one));
        desks.retain(|known| !known.is_left || !is_mine(known));
        if !desk.mailboxes.is_empty() {
            desks.push(Registered { desk: Arc::clone(desk), is_left: false });
        }
    }

    pub(crate) fn leave(&self, desk: &Arc<Desk>) {
        let mut desks = self.desks();
        let has_another = |known: &Registered| {
            !Arc::ptr_eq(&known.desk, desk)
                && desk.mailboxes.iter().all(|one| known.desk.mailboxes.contains(one))
        };
        if desks.iter().any(has_another) {
            desks.retain(|known| !Arc::ptr_eq(&known.desk, desk));
        }
        desks
            .iter_mut()
            .filter(|known| Arc::ptr_eq(&known.desk, desk))
            .for_each(|known| known.is_left = true);
    }

    fn desks(&self) -> MutexGuard<'_, Vec<Registered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mailbox that a message is from, and who takes it.
    fn desk(&self, from: Option<MailboxId>) -> Result<(Arc<Desk>, MailboxId), SubmissionProblem> {
        let mailboxes = self.mailboxes();
        let mailbox = match (from, &mailboxes[..]) {
            (Some(from), _) => from,
            (None, [only]) => only.clone(),
            (None, _) => {
                let detail = "there is no Mex-From, and not just one mailbox to send from; name it there";
                return Err(SubmissionProblem::bad_request(detail));
            }
        };
        let desks = self.desks();
        let mut having = desks.iter().filter(|known| known.desk.mailboxes.contains(&mailbox));
        let first = having.clone().find(|known| !known.is_left).or_else(|| having.next());
        let desk = first.map(|known| Arc::clone(&known.desk));
        drop(desks);
        match desk {
            Some(desk) => Ok((desk, mailbox)),
            None => {
                let detail = "no messages can be handed in for the mailbox that Mex-From names";
                Err(SubmissionProblem::new(StatusCode::NOT_FOUND, "no-such-mailbox", detail))
            }
        }
    }

    /// Answers a request. What is still in `body` then was not needed.
    async fn answer(&self, parts: &Parts, body: &mut Option<Body>) -> Answer {
        let headers = &parts.headers;
        let caller = caller(parts)?;
        let key = idempotency_key(headers)?;
        let fields = Fields::read(headers)?;
        let (desk, mailbox) = self.desk(fields.from()?)?;
        let head = fields.head(&mailbox, key, headers)?;
        let (message, fingerprint) = (key_of(caller.name(), key), head.fingerprint());

        let counter = desk.counter().ok_or_else(answer::closed)?;
        // Before the journal is asked, so that of two requests at once one finds what the other one does.
        let claim = desk.claim(&message).ok_or_else(answer::at_work)?;
        let known = counter.relay.find(&desk.key(&message)).await;
        let known = known.map_err(|cause| answer::unasked(&cause))?;
        if let Some(known) = &known {
            if known.fingerprint.as_ref() != Some(&fingerprint) {
                return Err(answer::other_content());
            }
            if let Some(ended) = &known.ended {
                return answer::ended(ended);
            }
        }
        let begun = desk.visit(&message);
        let permit = Arc::clone(&desk.requests).try_acquire_owned().map_err(|_| answer::busy())?;

        let promise = Promise { length: head.length, sum: head.sum, quiet_max: desk.limits.body_quiet };
        let upload = Upload::new(body.take().unwrap_or_default(), promise, begun);
        let (answer, answered) = oneshot::channel();
        let trace = counter.relay.arrival(head.trace);
        let job = Job {
            message: SourceMessage {
                key: desk.key(&message),
                fingerprint: Some(fingerprint),
                reply: Some(reply(key, &trace)),
                trace,
                not_after: None,
                order_key: None,
                envelope: head.envelope,
                payload: Payload::new(head.length, Arc::new(upload.clone())),
                gzip: false,
                allow_chunking: true,
            },
            upload: upload.clone(),
            taken_bytes: known.map_or(0, |known| known.taken_bytes),
            claim,
            permit,
            answer,
        };
        // From here on it goes its way, whether its caller stays or not.
        if !counter.hand_over(job) {
            return Err(answer::closed());
        }
        tokio::select! {
            biased;
            told = answered => told.unwrap_or_else(|_| Err(answer::closed())),
            () = upload.moves().quiet_for(desk.limits.answer_within) => Err(answer::in_progress()),
        }
    }
}

/// Who calls, if they may.
fn caller(parts: &Parts) -> Result<&Caller, SubmissionProblem> {
    let Some(caller) = parts.extensions.get::<Caller>() else {
        let detail = "who calls is not known; sign in, or give a token";
        return Err(SubmissionProblem::new(StatusCode::UNAUTHORIZED, "sign-in-needed", detail).challenge());
    };
    if !caller.role().may_send() {
        let detail = "the role of whoever calls may not hand in messages; those of sender and operator may";
        return Err(SubmissionProblem::new(StatusCode::FORBIDDEN, "not-allowed", detail));
    }
    Ok(caller)
}

/// Reads and drops a body that was not needed, so that its caller sees the answer. Not one whose caller waits to be asked
/// for it, nor one that is long.
fn leave(body: Body, headers: &HeaderMap) {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if headers.contains_key(header::EXPECT) || length.is_none_or(|length| length > LEFT_BYTES_MAX) {
        return;
    }
    tokio::spawn(async move {
        let mut body = body.into_data_stream();
        let reading = async { while body.next().await.is_some_and(|frame| frame.is_ok()) {} };
        let _ = timeout(LEFT_WITHIN, reading).await;
    });
}

/// A payload as it is described; read it is as a stream.
struct Octets;

impl PartialSchema for Octets {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Octets {}

/// Hand in a message.
///
/// The body goes to MESH as it comes; the relay keeps nothing of it. 202 says that MESH has the message, whose
/// Location shows what becomes of it. Until then the message is the caller's: after any 5xx, 408, 409 `at-work`, or no answer at all,
/// repeat the request with the same Idempotency-Key and the same body. However often that is, MESH gets the
/// message once; once it has ended, every repetition gets the recorded answer, and its body is not read.
///
/// A caller that sends `Expect: 100-continue` sends no body that is not needed. A large message, which goes in
/// several requests to MESH, goes on where it was after a cut; give a Content-Digest, so that it also does after a start of the
/// relay. Keys are remembered as long as the journal keeps messages.
#[utoipa::path(
    post,
    path = "/v1/messages",
    tag = "messages",
    operation_id = "submit_message",
    params(
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "What makes the message known when the request is repeated: visible ASCII, such as a UUID. A caller's own, and another one for each message"),
        ("Mex-From" = Option<String>, Header,
            description = "The mailbox to send from. May be left out where there is just one"),
        ("Mex-To" = String, Header, max_length = 100,
            description = "The recipient's mailbox, or for routing by patient GPPROVIDER_<NHS number>_<date of birth>_<surname>"),
        ("Mex-WorkflowID" = String, Header, max_length = 300, description = "The agreed kind of traffic"),
        ("Mex-LocalID" = Option<String>, Header, max_length = 300,
            description = "The sender's own reference. Left out, it is the Idempotency-Key: MESH is asked by it whether it has a message whose answer was lost"),
        ("Mex-Subject" = Option<String>, Header, max_length = 500, description = "Free text"),
        ("Mex-FileName" = Option<String>, Header, max_length = 300, description = "Name of the data file"),
        ("Mex-PartnerID" = Option<String>, Header, max_length = 500, description = "Obsolete, passed on"),
        ("Mex-ProcessID" = Option<String>, Header, max_length = 300, description = "Reserved, passed on"),
        ("Mex-Content-Checksum" = Option<String>, Header, max_length = 100,
            description = "The sender's checksum, passed on and verified by nobody"),
        ("Mex-Content-Compressed" = Option<String>, Header,
            description = "Y: the payload is compressed, and whoever receives it is to undo that"),
        ("Mex-Content-Encrypted" = Option<String>, Header, description = "Y: the payload is encrypted by its sender"),
        ("Mesh-Relay-Encoding" = Option<String>, Header,
            description = "percent: the values of all Mex- headers are percent-encoded UTF-8. Left out, they are UTF-8 as they stand"),
        ("Content-Digest" = Option<String>, Header,
            description = "sha-256=:<base64>: (RFC 9530). Verified before the last bytes go to MESH, which never has a whole message whose body is another one"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context, copied to events"),
        ("tracestate" = Option<String>, Header, description = "W3C trace context, copied to events"),
    ),
    request_body(content = inline(Octets), content_type = "application/octet-stream", description = "The payload, of any type: its Content-Type, of at most 100 characters, is passed on. Its length stands in Content-Length"),
    responses(
        (status = 202, description = "MESH has the message", body = Submitted,
            headers(("Location" = String, description = "Where to see what becomes of it"))),
        (status = 400, description = "The request is not as it must be (bad-request, empty), its body ended early (cut-off) or is not what Content-Digest says (digest-mismatch)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 401, description = "Who calls is not known (sign-in-needed)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 403, description = "Who calls may not hand in messages (not-allowed)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 404, description = "No messages can be handed in for that mailbox (no-such-mailbox)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 408, description = "Nothing of the body came for too long (too-slow)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 409, description = "An earlier request with the same key is at work (at-work), or the message is parked, and a person must decide (parked)",
            body = SubmissionProblem, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds; with at-work"))),
        (status = 410, description = "The message ended without MESH having it (expired, cancelled)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 411, description = "There is no Content-Length (no-length)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 415, description = "The body has a Content-Encoding (content-encoding)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 422, description = "The message will never be taken (rejected), or its key was used for another one (other-content)",
            body = SubmissionProblem, content_type = "application/problem+json"),
        (status = 503, description = "MESH has not taken it for now (unavailable), the relay is still at it (in-progress), or too many are handed in (busy). Repeat the request",
            body = SubmissionProblem, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds after which to repeat the request"))),
        (status = "default", description = "Whatever else is wrong with the request, such as a Host that is not the relay's",
            body = SubmissionProblem, content_type = "application/problem+json"),
    ),
)]
async fn submit_message(State(submit): State<Submit>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = Some(body);
    let answer = submit.answer(&parts, &mut body).await;
    if let Some(body) = body {
        leave(body, &parts.headers);
    }
    answer.into_response()
}
