//! `/sign-in` and `/sign-out`.

use axum::Router;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::cookie::Purpose;
use super::entrance::enter;
use super::form::SignedForm;
use super::guard::{SOMEBODY, too_many, turn_away};
use super::openid::routes as openid;
use super::origin::local_place;
use super::page::{self, SignInPage};
use super::secret::{random, same};
use super::state::Access;
use super::visitor::{Passage, Visitor};
use crate::problem::Problem;

pub(crate) fn routes(access: &Access) -> Router {
    Router::new()
        .route("/sign-in", get(show).post(with_token))
        .route("/sign-in/openid", get(openid::begin))
        .route("/sign-in/callback", get(openid::finish))
        .route("/sign-out", post(sign_out))
        .with_state(access.clone())
}

/// Where to go after sign-in.
#[derive(Debug, Deserialize)]
pub(crate) struct Next {
    pub(crate) next: Option<String>,
}

#[derive(Deserialize)]
struct TokenForm {
    #[serde(deserialize_with = "typed")]
    token: SecretString,
    #[serde(default)]
    csrf: String,
    next: Option<String>,
}

fn typed<'de, D: Deserializer<'de>>(token: D) -> Result<SecretString, D::Error> {
    String::deserialize(token).map(SecretString::from)
}

/// The sign-in page with something on it, and the cookie that its form needs.
pub(crate) fn page(
    access: &Access,
    visitor: &Visitor,
    passage: &Passage,
    headers: &HeaderMap,
    next: &str,
    fault: Option<(StatusCode, &str)>,
) -> Response {
    let known = passage.cookies.get(headers, Purpose::Form).map(str::to_owned);
    let csrf = known.unwrap_or_else(random);
    let (status, fault) = match fault {
        Some((status, fault)) => (status, Some(fault)),
        None => (StatusCode::OK, None),
    };
    let page = SignInPage {
        visitor,
        ended: visitor.ended && fault.is_none(),
        fault,
        wrong_token: status == StatusCode::UNAUTHORIZED,
        openid: access.0.openid.is_some(),
        tokens: !access.0.tokens.is_empty(),
        csrf: &csrf,
        next,
    };
    let mut response = page::show(status, &page);
    let set = response.headers_mut();
    set.append(header::SET_COOKIE, passage.cookies.set(Purpose::Form, &csrf));
    if visitor.ended {
        set.append(header::SET_COOKIE, passage.cookies.clear(Purpose::Session));
    }
    response
}

/// The sign-in page with a problem on it, which keeps the problem's status and headers.
pub(crate) fn faulty(
    access: &Access,
    visitor: &Visitor,
    passage: &Passage,
    headers: &HeaderMap,
    next: &str,
    problem: Problem,
) -> Response {
    let text = page::sentence(problem.detail());
    let mut response = page(access, visitor, passage, headers, next, Some((problem.status(), &text)));
    let told = problem.into_response();
    for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = told.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

async fn show(
    State(access): State<Access>,
    Extension(passage): Extension<Passage>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(Next { next }): Query<Next>,
) -> Response {
    let next = local_place(next.as_deref());
    if visitor.has_session() {
        return Redirect::to(&next).into_response();
    }
    page(&access, &visitor, &passage, &headers, &next, None)
}

async fn with_token(
    State(access): State<Access>,
    Extension(passage): Extension<Passage>,
    visitor: Visitor,
    headers: HeaderMap,
    SignedForm(form): SignedForm<TokenForm>,
) -> Response {
    let next = local_place(form.next.as_deref());
    let result = check_token(&access, &visitor, &passage, &headers, &form, &next).await;
    result.unwrap_or_else(|problem| faulty(&access, &visitor, &passage, &headers, &next, problem))
}

async fn check_token(
    access: &Access,
    visitor: &Visitor,
    passage: &Passage,
    headers: &HeaderMap,
    form: &TokenForm,
    next: &str,
) -> Result<Response, Problem> {
    // Before there is a session, the form must hold what the cookie holds, which no other site can read or set.
    let known = passage.cookies.get(headers, Purpose::Form);
    if !visitor.has_session() && !known.is_some_and(|known| same(known, &form.csrf)) {
        let detail = "the form was not sent from this page, or the browser takes no cookies; try again";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forged-form", detail));
    }
    let refuse = async |who: &str, why: &str, problem| match turn_away(access, passage, who, why).await {
        Ok(()) => problem,
        Err(seconds) => too_many(seconds),
    };
    let Some(caller) = access.0.tokens.holder(form.token.expose_secret().trim()) else {
        let problem =
            Problem::unauthorized("this token is not known here; enter the whole token, without spaces");
        return Err(refuse(SOMEBODY, "a token that is not known", problem).await);
    };
    if !caller.role().may_look() {
        let detail = "this token is for a program that hands in messages; it cannot be used on pages";
        return Err(refuse(caller.name(), "a token that is for programs", Problem::forbidden(detail)).await);
    }
    enter(access, passage, headers, caller, "with a token", next).await
}

async fn sign_out(
    State(access): State<Access>,
    Extension(passage): Extension<Passage>,
    headers: HeaderMap,
) -> Response {
    // The guard has seen that the form comes from a page of this session, if there is one.
    if let Some(id) = passage.cookies.get(&headers, Purpose::Session) {
        access.0.sessions.end(id);
    }
    let mut response = Redirect::to("/").into_response();
    response.headers_mut().append(header::SET_COOKIE, passage.cookies.clear(Purpose::Session));
    response
}
