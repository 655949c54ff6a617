//! The page for a developer's browser: what a MESH client really did, beside its test run.
//!
//! [`view`] says what is shown, the templates how. The page is whole without its script, which keeps it fresh and
//! sends the controls (`api/control.rs`). It fetches nothing from elsewhere, and its policy lets it fetch nothing.

mod view;
mod words;

use askama::Template;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, StatusCode};

use crate::answer::{self, Answer, Refusal};
use crate::api::{Api, query_value};
use view::{MessageRef, MessageView, Overview};

/// What a browser may do with the page: load its own style and script and ask this server, nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../templates/page.css");
const SCRIPT: &str = include_str!("../templates/page.js");

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    view: Overview,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    view: MessageView,
}

/// Answers for the page (`file` is empty) and for what belongs to it. The query narrows the page to a `mailbox`,
/// or asks for all that is known of a `message`.
pub(crate) fn answer(api: &Api, file: &str, query: &str, headers: &HeaderMap) -> Result<Answer, Refusal> {
    match file {
        "" => page(api, query, &api.origin(headers)),
        "page.css" => Ok(file_of(StatusCode::OK, "text/css; charset=utf-8", STYLE.to_owned())),
        "page.js" => Ok(file_of(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT.to_owned())),
        _ => Err(Refusal::NoRoute { allow: None }),
    }
}

fn page(api: &Api, query: &str, base: &str) -> Result<Answer, Refusal> {
    let (found, html) = match query_value(query, "message") {
        Some(id) => {
            let view = view::message(api, base, &id.to_uppercase());
            (view.found.is_some(), MessagePage { view }.render())
        }
        None => {
            let mailbox = query_value(query, "mailbox").map(|mailbox| mailbox.to_uppercase());
            let view = view::overview(api, base, mailbox.as_deref());
            (!view.unknown_mailbox, OverviewPage { view }.render())
        }
    };
    let html = html.map_err(|error| {
        tracing::error!(%error, "the sandbox's page cannot be written; its calls answer as before");
        Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR)
    })?;
    let status = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok(file_of(status, "text/html; charset=utf-8", html))
}

fn file_of(status: StatusCode, media_type: &'static str, text: String) -> Answer {
    let mut file = answer::empty(status);
    *file.body_mut() = answer::whole(text);
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        file.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    file
}
