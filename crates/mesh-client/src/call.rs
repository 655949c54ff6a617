//! One exchange with MESH: make the request, wait without hanging, tell what came of it, and repeat what may be
//! repeated.

use std::error::Error;
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::client::legacy;
use mesh_api::header::{FILE_NAME, LOCAL_ID, SUBJECT};
use mesh_api::{ApiVersion, Classify, Effect, Payload};
use rand::Rng;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::body::{BodyFailure, RequestBody, Watch};
use crate::client::Mailbox;
use crate::error::{Call, CallError, ConnectFault, Details, ErrorKind};
use crate::outcome::{Verdict, judge};
use crate::proxy::ProxyFault;
use crate::tls_fault::{TlsFault, find_in};

/// Most attempts of one call, the first included. [`Mailbox::send`] has one.
pub const REPEATS_MAX: u32 = 3;
/// Longest wait before the second attempt; before each further one it is [`REPEAT_WAIT_FACTOR`] times as long. How
/// much of it is waited is left to chance (full jitter), so that callers who failed together do not return together.
const REPEAT_WAIT_FIRST: Duration = Duration::from_millis(400);
const REPEAT_WAIT_FACTOR: u32 = 4;
/// Longest wait within a call. Where the server asks for more, the caller is told instead.
const REPEAT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Largest JSON answer that is read, in bytes, before and after decompression: a full page of the inbox needs a
/// tenth of it.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// A request but for its body and token, which are new for every attempt.
pub(crate) struct Outline {
    pub(crate) call: Call,
    method: Method,
    path: String,
    headers: HeaderMap,
}

impl Outline {
    pub(crate) fn new(call: Call, method: Method, path: String) -> Self {
        Self { call, method, path, headers: HeaderMap::new() }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// The part of a payload that one request carries.
pub(crate) struct Part<'a> {
    pub(crate) payload: &'a Payload,
    pub(crate) range: Range<u64>,
    pub(crate) gzip: bool,
}

impl Mailbox {
    pub(crate) fn fail(&self, call: Call, kind: ErrorKind, effect: Effect) -> CallError {
        CallError::from(Details {
            call,
            mailbox: self.id.clone(),
            host: self.client.shared.base.host.clone(),
            status: None,
            service: None,
            kind,
            effect,
        })
    }

    /// An answer with a good status that says nothing usable.
    pub(crate) fn unusable(&self, call: Call, why: &'static str) -> CallError {
        self.fail(call, ErrorKind::Unusable(why), doubt(call, true))
    }

    /// Makes a call that may be repeated, until it succeeds or repeating makes no sense.
    pub(crate) async fn repeat(
        &self,
        outline: &Outline,
        part: Option<&Part<'_>>,
    ) -> Result<Response<Incoming>, CallError> {
        if part.is_some() {
            // A payload that moves may take as long as it needs.
            return self.attempts(outline, part).await;
        }
        let limit = self.client.shared.timeouts.whole;
        match timeout(limit, self.attempts(outline, None)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.fail(outline.call, ErrorKind::TimedOut, doubt(outline.call, true))),
        }
    }

    async fn attempts(
        &self,
        outline: &Outline,
        part: Option<&Part<'_>>,
    ) -> Result<Response<Incoming>, CallError> {
        let mut attempt = 1;
        // Once an attempt may have taken effect, no later failure tells that the call did not.
        let mut doubted = false;
        loop {
            let error = match self.once(outline, part).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            doubted |= error.effect() == Effect::Unknown;
            let Some(wait) = repeat_wait(&error, attempt) else {
                let settled = match error.kind() {
                    ErrorKind::AlreadyComplete => true,
                    // An upload that MESH no longer knows may have been delivered.
                    ErrorKind::NoSuchMessage | ErrorKind::NoLongerAvailable => {
                        outline.call != Call::SendChunk
                    }
                    _ => false,
                };
                return Err(if doubted && !settled { error.doubted() } else { error });
            };
            tracing::debug!(attempt, wait_ms = wait.as_millis(), %error, "the call will be repeated");
            sleep(wait).await;
            attempt += 1;
        }
    }

    /// Makes a call once, unless calls rest. An answer that is no success is an error, and so is one that came before
    /// the body was sent whole.
    pub(crate) async fn once(
        &self,
        outline: &Outline,
        part: Option<&Part<'_>>,
    ) -> Result<Response<Incoming>, CallError> {
        let breakers = self.admit(outline.call)?;
        let outcome = self.request_once(outline, part).await;
        breakers.tell(outcome.as_ref().err());
        outcome
    }

    async fn request_once(
        &self,
        outline: &Outline,
        part: Option<&Part<'_>>,
    ) -> Result<Response<Incoming>, CallError> {
        let body = match part {
            Some(part) => self.open_part(outline.call, part).await?,
            None => RequestBody::empty(),
        };
        let watch = body.watch();
        let request = self.request(outline, body)?;
        let response = self.exchange(outline.call, request, &watch).await?;
        self.client.note_date(response.headers());
        let early = !watch.handed_out();
        if response.status().is_success() {
            if early {
                self.drain(outline.call, response).await;
                watch.give_up();
                return Err(self.unusable(outline.call, "it came before the data was sent whole"));
            }
            return Ok(response);
        }
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        // The status alone decides enough when the body cannot be read.
        let body = self.read_small(outline.call, response).await.unwrap_or_default();
        if early {
            // The connection would go on sending the rest with nobody waiting, beside the next attempt. Not before the
            // answer was read: giving up ends the connection.
            watch.give_up();
        }
        let now = (self.client.shared.now)();
        let Verdict { kind, effect, service } = judge(outline.call, status, &headers, &body, now);
        let sent = |name: &str| outline.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        let sent = [SUBJECT, LOCAL_ID, FILE_NAME].map(|name| String::from_utf8_lossy(sent(name)));
        let service = service.without(sent.iter().map(|text| &**text));
        Err(CallError::from(Details {
            call: outline.call,
            mailbox: self.id.clone(),
            host: self.client.shared.base.host.clone(),
            status: Some(status),
            service: Some(service),
            kind,
            effect,
        }))
    }

    async fn open_part(&self, call: Call, part: &Part<'_>) -> Result<RequestBody, CallError> {
        let unreadable = |kind| self.fail(call, ErrorKind::PayloadUnreadable(kind), Effect::NotApplied);
        let length = part.range.end - part.range.start;
        let opening = part.payload.open(part.range.clone());
        let source = timeout(self.client.shared.timeouts.answer, opening)
            .await
            .map_err(|_| unreadable(io::ErrorKind::TimedOut))?
            .map_err(|error| unreadable(error.kind()))?;
        Ok(match part.gzip {
            true => RequestBody::gzipped(source, length, &self.client.shared.compressors),
            false => RequestBody::plain(source, length),
        })
    }

    fn request(&self, outline: &Outline, body: RequestBody) -> Result<Request<RequestBody>, CallError> {
        let unsendable = |what| self.fail(outline.call, ErrorKind::Unsendable(what), Effect::NotApplied);
        let shared = &self.client.shared;
        let uri = shared.base.join(&outline.path).ok_or_else(|| unsendable("path of the request"))?;
        let token = self.token().ok_or_else(|| unsendable("authorisation token"))?;
        let mut request = Request::new(body);
        *request.method_mut() = outline.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(ApiVersion::ACCEPT_V2));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, shared.application.clone());
        headers.extend(outline.headers.clone());
        headers.insert(AUTHORIZATION, token);
        Ok(request)
    }

    /// Sends a request and waits for the head of the answer, as long as something moves.
    async fn exchange(
        &self,
        call: Call,
        request: Request<RequestBody>,
        watch: &Watch,
    ) -> Result<Response<Incoming>, CallError> {
        let limit = self.client.shared.timeouts.answer;
        let started = Instant::now();
        let mut answer = pin!(self.client.shared.http.request(request));
        loop {
            let quiet_since = watch.moved().max(started);
            match timeout_at(quiet_since + limit, &mut answer).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(self.broken(call, &error, watch)),
                Err(_) if watch.moved() > quiet_since => {}
                Err(_) => return Err(self.fail(call, ErrorKind::TimedOut, doubt(call, watch.give_up()))),
            }
        }
    }

    /// What a failure beneath HTTP means.
    fn broken(&self, call: Call, error: &legacy::Error, watch: &Watch) -> CallError {
        if let Some(failure) = watch.failure() {
            let kind = match failure {
                BodyFailure::Source(kind) => ErrorKind::PayloadUnreadable(kind),
                BodyFailure::Compressor => ErrorKind::NotCompressed,
            };
            return self.fail(call, kind, Effect::NotApplied);
        }
        if error.is_connect() {
            return self.fail(call, ErrorKind::Connect(connect_fault(error)), Effect::NotApplied);
        }
        if let Some(fault) = TlsFault::find(error) {
            // Under TLS 1.3 a refusal of our certificate arrives with the first read, after the request.
            let effect = doubt(call, watch.handed_out() && !fault.refuses_us());
            return self.fail(call, ErrorKind::Connect(ConnectFault::Tls(fault)), effect);
        }
        let http = find_in::<hyper::Error>(error);
        if http.is_some_and(hyper::Error::is_parse) {
            let kind = ErrorKind::Unusable("it is not HTTP");
            return self.fail(call, kind, doubt(call, watch.handed_out()));
        }
        // A pooled connection that had died: the request never reached it.
        let written = watch.handed_out() && !http.is_some_and(hyper::Error::is_canceled);
        self.fail(call, ErrorKind::Broken, doubt(call, written))
    }

    /// Reads a small body whole, gzip undone.
    pub(crate) async fn read_small(
        &self,
        call: Call,
        response: Response<Incoming>,
    ) -> Result<Bytes, CallError> {
        const TOO_LONG: &str = "it is longer than such an answer can be";
        let coding = coding(response.headers()).ok_or_else(|| self.unusable(call, NOT_ASKED_FOR))?;
        let whole = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        let bytes = match timeout(self.client.shared.timeouts.answer, whole).await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(self.unusable(call, TOO_LONG)),
            Ok(Err(_)) => return Err(self.fail(call, ErrorKind::Broken, doubt(call, true))),
            Err(_) => return Err(self.fail(call, ErrorKind::TimedOut, doubt(call, true))),
        };
        if coding == Coding::Identity || bytes.is_empty() {
            return Ok(bytes);
        }
        let mut plain = Vec::new();
        GzipDecoder::new(&bytes[..])
            .take(ANSWER_BYTES_MAX as u64 + 1)
            .read_to_end(&mut plain)
            .await
            .map_err(|_| self.unusable(call, "its gzip is damaged"))?;
        if plain.len() > ANSWER_BYTES_MAX {
            return Err(self.unusable(call, TOO_LONG));
        }
        Ok(plain.into())
    }
}

/// Whether a call took effect when its request was written and no answer tells.
fn doubt(call: Call, written: bool) -> Effect {
    if call.changes() && written { Effect::Unknown } else { Effect::NotApplied }
}

/// How long to wait before the next attempt. `None` when there is to be none.
fn repeat_wait(error: &CallError, attempt: u32) -> Option<Duration> {
    if attempt >= REPEATS_MAX {
        return None;
    }
    let asked = match (error.kind(), error.status()) {
        (ErrorKind::Broken, _) => None,
        (ErrorKind::Connect(ConnectFault::Name | ConnectFault::Network(_)), _) => None,
        (ErrorKind::Connect(ConnectFault::Proxy(ProxyFault::Name | ProxyFault::Unreachable(_))), _) => None,
        (ErrorKind::Throttled { retry_after }, Some(425 | 429 | 503))
        | (ErrorKind::ServerTrouble { retry_after }, Some(502..=504)) => *retry_after,
        _ => return None,
    };
    let wait = asked.unwrap_or_else(|| {
        let most = REPEAT_WAIT_FIRST * REPEAT_WAIT_FACTOR.pow(attempt - 1);
        rand::rng().random_range(Duration::ZERO..=most)
    });
    (wait <= REPEAT_WAIT_MAX).then_some(wait)
}

pub(crate) fn connect_fault(error: &(dyn Error + 'static)) -> ConnectFault {
    if let Some(fault) = find_in::<ProxyFault>(error) {
        return ConnectFault::Proxy(fault.clone());
    }
    if let Some(fault) = TlsFault::find(error) {
        return ConnectFault::Tls(fault);
    }
    // The connector's own error type is private; its words are all it shows.
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string().starts_with("dns error") {
            return ConnectFault::Name;
        }
        next = error.source();
    }
    match find_in::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => ConnectFault::TimedOut,
        Some(kind) => ConnectFault::Network(kind),
        None => ConnectFault::Network(io::ErrorKind::Other),
    }
}

/// Transport compression of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

/// What is wrong with an answer whose [`coding`] is `None`.
pub(crate) const NOT_ASKED_FOR: &str = "its content encoding was not asked for";

/// Reads `Content-Encoding`, over all its lines. `None` for one that was not asked for, or more than one.
pub(crate) fn coding(headers: &HeaderMap) -> Option<Coding> {
    let codings: Vec<_> = tokens(headers, &CONTENT_ENCODING).filter(|token| token != "identity").collect();
    match codings.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(Coding::Identity),
        ["gzip" | "x-gzip"] => Some(Coding::Gzip),
        _ => None,
    }
}

/// The values of a header that is a list: from all its lines, in lower case, without empty ones.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = String> + use<'a> {
    let lines = headers.get_all(name).into_iter().map(|value| text(value).to_ascii_lowercase());
    let tokens =
        lines.flat_map(|line| line.split(',').map(|token| token.trim().to_owned()).collect::<Vec<_>>());
    tokens.filter(|token| !token.is_empty())
}

/// A header's text: UTF-8, else Latin-1, so that no value is lost.
pub(crate) fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}
