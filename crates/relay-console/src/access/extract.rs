//! What handlers ask of the one who calls them.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use relay_core::{Caller, Role};

use super::page;
use super::visitor::Visitor;
use crate::problem::Problem;

/// Somebody who may look: a viewer, an operator, or whoever works on this machine where that is allowed.
#[derive(Debug, Clone)]
pub struct Looker(pub Visitor);

/// Somebody who may change something and see payloads and subjects: an operator.
#[derive(Debug, Clone)]
pub struct Actor(pub Caller);

/// Somebody who may hand in messages: an operator or a program with a sender's token.
#[derive(Debug, Clone)]
pub struct SendingCaller(pub Caller);

/// An answer in a handler's place: a problem for programs, a page or the way to sign-in for people.
#[derive(Debug)]
pub struct Refusal(Box<Response>);

impl Refusal {
    pub(crate) fn into_inner(self) -> Response {
        *self.0
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem.into_response()))
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.into_inner()
    }
}

/// The visitor, whom every request has that was looked at. One that was not goes no further.
pub(crate) fn passed(parts: &Parts) -> Result<&Visitor, Refusal> {
    parts.extensions.get().ok_or_else(|| {
        tracing::error!("a route of the console is not protected");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the console is not put together as it must be",
        )
        .into()
    })
}

/// Whether programs ask there, who want problems and no pages.
pub(crate) fn is_api(parts: &Parts) -> bool {
    let path = parts.uri.path();
    path == "/v1" || path.starts_with("/v1/") || matches!(path, "/openapi.json" | "/metrics")
}

fn refuse(parts: &Parts, visitor: &Visitor, may: &str) -> Refusal {
    if let Some(caller) = visitor.caller() {
        let detail = format!("the role {} may not do this; {may} may", caller.role().as_str());
        return match is_api(parts) {
            true => Problem::forbidden(detail).into(),
            false => page::refused(visitor, StatusCode::FORBIDDEN, "You may not do this", &detail).into(),
        };
    }
    if !visitor.can_sign_in() {
        let detail =
            "this needs sign-in, and the relay has none; configure a token or OpenID Connect in [console]";
        return match is_api(parts) {
            true => Problem::forbidden(detail).into(),
            false => page::refused(visitor, StatusCode::FORBIDDEN, "You may not do this", detail).into(),
        };
    }
    if is_api(parts) {
        let detail = match visitor.ended {
            true => "the session has ended; sign in again",
            false => "sign in, or send a token as `Authorization: Bearer`",
        };
        return Problem::unauthorized(detail).into();
    }
    let back = match parts.method {
        // What was sent is lost, so people come back to the beginning.
        Method::GET | Method::HEAD => {
            let place = parts.uri.path_and_query().map_or("/", |place| place.as_str());
            format!("?next={}", utf8_percent_encode(place, NON_ALPHANUMERIC))
        }
        _ => String::new(),
    };
    Redirect::to(&format!("/sign-in{back}")).into_response().into()
}

/// The caller, if their role may.
fn caller(parts: &Parts, allowed: fn(Role) -> bool, may: &str) -> Result<Caller, Refusal> {
    let visitor = passed(parts)?;
    match visitor.caller() {
        Some(caller) if allowed(caller.role()) => Ok(caller.clone()),
        _ => Err(refuse(parts, visitor, may)),
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        passed(parts).cloned()
    }
}

impl<S: Sync> FromRequestParts<S> for Looker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let visitor = passed(parts)?;
        match visitor.may_look() {
            true => Ok(Self(visitor.clone())),
            false => Err(refuse(parts, visitor, "a viewer or an operator")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        caller(parts, Role::may_act, "an operator").map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for SendingCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        caller(parts, Role::may_send, "an operator or a sender").map(Self)
    }
}
