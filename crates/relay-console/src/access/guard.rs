//! What is checked about each request before any handler sees it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use relay_core::DeedKind;
use tokio::time::timeout;

use super::cookie::{Cookies, Purpose};
use super::extract::{Refusal, is_api};
use super::form::FORM_BYTES_MAX;
use super::origin::{is_forwarded, is_from_elsewhere};
use super::page::refused;
use super::secret::{fingerprint, same};
use super::state::Access;
use super::visitor::{Passage, Visitor, Who};
use crate::problem::Problem;
use crate::serve::Connection;

/// The name under which a refused sign-in is recorded where nobody said who they are.
pub(crate) const SOMEBODY: &str = "(unknown)";

/// Lets a request through with its [`Visitor`], or answers in the handler's place.
pub(crate) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match admit(&access, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_inner(),
    }
}

async fn admit(access: &Access, request: Request) -> Result<Request, Refusal> {
    let (mut parts, body) = request.into_parts();
    let connection = parts.extensions.get::<Connection>().copied();
    let Some(here) = access.0.origins.admit(&parts, connection.as_ref()) else {
        let detail = "the console does not go by the name in this request; use localhost with the port that it listens at, \
                      or configure the name as public_url in [console]";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "other-host", detail).into());
    };
    let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && is_from_elsewhere(&parts.headers, &here) {
        let detail = "the request comes from a page of another site; nothing was done";
        return Err(Problem::new(StatusCode::FORBIDDEN, "cross-site", detail).into());
    }
    let peer = connection.map(|connection| connection.peer.ip());
    let cookies = Cookies { secure: here.is_secure(), port: access.0.port };
    let passage = Passage { here, cookies, peer };
    let mut ended = false;
    let who = match bearer(&parts.headers)? {
        Some(token) => match access.0.tokens.holder(token) {
            Some(caller) => Who::Bearer(caller),
            None => return Err(wrong_token(access, &passage).await),
        },
        None => match cookies.get(&parts.headers, Purpose::Session) {
            None => Who::Nobody,
            Some(id) => match access.0.sessions.used(id, access.now()) {
                Some(session) => {
                    Who::Session { caller: session.caller, id: fingerprint(id), csrf: session.csrf }
                }
                None => {
                    ended = true;
                    Who::Nobody
                }
            },
        },
    };
    // On this machine in truth: not passed on by something that listens elsewhere.
    let local = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    let open = access.0.open && local && passage.here.is_local() && !is_forwarded(&parts.headers);
    let visitor = Visitor { access: access.clone(), who, open, ended };
    let body = match visitor.csrf_token() {
        Some(csrf) if changes => match signed(&parts.headers, body, csrf).await {
            Ok(body) => body,
            Err(problem) if is_api(&parts) => return Err(problem.into()),
            Err(problem) => {
                return Err(
                    refused(&visitor, problem.status(), "The form was not taken", problem.detail()).into()
                );
            }
        },
        _ => body,
    };
    parts.extensions.insert(visitor);
    parts.extensions.insert(passage);
    Ok(Request::from_parts(parts, body))
}

/// The token of a request, if it has one. Anything else in its place is refused: who shows credentials means to be known
/// by them.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && values.next().is_none() => {
            Ok(Some(token.trim()))
        }
        _ => {
            Err(Problem::unauthorized("credentials are taken as `Authorization: Bearer` with a token").into())
        }
    }
}

async fn wrong_token(access: &Access, passage: &Passage) -> Refusal {
    match turn_away(access, passage, SOMEBODY, "a token that is not known").await {
        Ok(()) => Problem::unauthorized("the token is not known here").into(),
        Err(seconds) => too_many(seconds).into(),
    }
}

pub(crate) fn too_many(seconds: u32) -> Problem {
    let detail = "too many sign-ins have failed; wait as long as Retry-After says";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", detail).retry_after(seconds)
}

/// Counts and records a refused sign-in. Over the bound it answers with the seconds to wait, and nothing is recorded.
pub(crate) async fn turn_away(access: &Access, passage: &Passage, who: &str, why: &str) -> Result<(), u32> {
    access.0.throttle.failed(passage.peer)?;
    let from = passage.peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string());
    if let Err(error) = access.record(DeedKind::SignInRefused, who, format!("{why}; from {from}")).await {
        tracing::warn!(%error, "a refused sign-in could not be recorded");
    }
    Ok(())
}

/// Checks that a request with a session's cookie was made by a page of the console: no other knows the session's token.
async fn signed(headers: &HeaderMap, body: Body, csrf: &str) -> Result<Body, Problem> {
    if let Some(given) = headers.get("x-csrf-token") {
        return match given.to_str().is_ok_and(|given| same(given, csrf)) {
            true => Ok(body),
            false => Err(forged()),
        };
    }
    if !is_form(headers.get(header::CONTENT_TYPE)) {
        return Err(forged());
    }
    let bytes = bounded(body).await?;
    let mut given = url::form_urlencoded::parse(&bytes).filter(|(key, _)| key == "csrf");
    let sound = given.next().is_some_and(|(_, value)| same(&value, csrf)) && given.next().is_none();
    if sound { Ok(bytes.into()) } else { Err(forged()) }
}

pub(crate) fn is_form(kind: Option<&HeaderValue>) -> bool {
    let kind = kind.and_then(|kind| kind.to_str().ok()).and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn forged() -> Problem {
    let detail = "the form does not come from a page of this session; nothing was done. Go back, load the page again and \
                  send it once more";
    Problem::new(StatusCode::FORBIDDEN, "forged-form", detail)
}

/// Longest time for a form to arrive.
const FORM_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole body of a form.
pub(crate) async fn bounded(body: Body) -> Result<Bytes, Problem> {
    let arrived = timeout(FORM_TIMEOUT, Limited::new(body, FORM_BYTES_MAX).collect()).await;
    let Ok(arrived) = arrived else {
        let detail = "the form took too long to arrive; nothing was done";
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail));
    };
    match arrived {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let detail = "a form holds at most 64 KiB";
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail))
        }
        Err(_) => Err(Problem::bad_request("the form did not arrive whole")),
    }
}
