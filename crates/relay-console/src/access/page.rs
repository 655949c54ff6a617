//! The pages of sign-in and refusal.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::visitor::Visitor;
use crate::problem::Problem;

/// The sign-in page. Every template that extends the layout has a `visitor`.
#[derive(Template)]
#[template(path = "sign-in.html")]
pub(crate) struct SignInPage<'a> {
    pub(crate) visitor: &'a Visitor,
    /// What went wrong, if something did.
    pub(crate) fault: Option<&'a str>,
    /// Whether it is about the token that was typed.
    pub(crate) wrong_token: bool,
    /// Whether somebody is here because their session has ended.
    pub(crate) ended: bool,
    /// Whether there is a provider.
    pub(crate) openid: bool,
    /// Whether there are tokens.
    pub(crate) tokens: bool,
    /// What the form sends back to show that it came from here.
    pub(crate) csrf: &'a str,
    /// Where to go afterwards.
    pub(crate) next: &'a str,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    visitor: &'a Visitor,
    title: &'a str,
    detail: &'a str,
}

/// A page that says why something is not done, and what to do.
pub(crate) fn refused(visitor: &Visitor, status: StatusCode, title: &str, detail: &str) -> Response {
    let detail = &sentence(detail);
    show(status, &RefusedPage { visitor, title, detail })
}

/// Problems are told in the middle of a line; on a page they begin one.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}

pub(crate) fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the page could not be written")
                .into_response()
        }
    }
}
