//! The operator page: written by the server, with one small script that keeps it up to date and shows progress.

mod assets;
mod confirm;
mod deeds;
mod inbox;
mod lookup;
mod mailbox;
mod message;
mod messages;
mod once;
mod overview;
mod partners;
mod pause;
mod send;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use relay_core::{Direction, MessageSummary};

use crate::access::Visitor;
use crate::console::Console;
use crate::problem::Problem;
use crate::words::{self, StateWords};

pub(crate) use once::Once;

/// The pages.
pub(crate) fn routes(console: Console) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/messages", get(messages::show))
        .route("/messages/{relay_id}", get(message::show))
        .route("/confirm", get(confirm::ask).post(confirm::act))
        .route("/partners", get(partners::show))
        .route("/lookup", get(lookup::show))
        .route("/mailboxes/{mailbox}", get(mailbox::show))
        .route("/mailboxes/{mailbox}/pause", get(pause::ask_mailbox).post(pause::act_mailbox))
        .route("/adapters/{adapter}/pause", get(pause::ask_adapter).post(pause::act_adapter))
        .route("/mailboxes/{mailbox}/inbox", get(inbox::show))
        .route("/mailboxes/{mailbox}/inbox/{message_id}", get(inbox::item).post(inbox::acknowledge))
        .route("/send", get(send::show))
        .route("/deeds", get(deeds::show))
        .fallback(nothing_there)
        .with_state(console)
        .merge(assets::routes())
}

async fn nothing_there(visitor: Visitor) -> Response {
    wrong(&visitor, &Problem::not_found("there is no such page"))
}

/// A page as an answer.
pub(crate) fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

/// A page as an answer with a status.
pub(crate) fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the page could not be written")
                .into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    visitor: &'a Visitor,
    title: &'a str,
    detail: &'a str,
}

/// What went wrong, as a page.
pub(crate) fn wrong(visitor: &Visitor, problem: &Problem) -> Response {
    let title = match problem.status() {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::CONFLICT => "Not now",
        StatusCode::SERVICE_UNAVAILABLE => "Not for the moment",
        StatusCode::BAD_GATEWAY | StatusCode::GONE => "MESH does not do this",
        _ => "There is a problem",
    };
    let detail = words::sentence(problem.detail());
    page_with(problem.status(), &ProblemPage { visitor, title, detail: &detail })
}

/// A message in a list.
pub(crate) struct Row {
    pub(crate) relay_id: String,
    pub(crate) received: String,
    pub(crate) way: &'static str,
    pub(crate) state: StateWords,
    pub(crate) mailbox: String,
    pub(crate) partner: String,
    pub(crate) workflow: String,
    pub(crate) local_id: String,
    pub(crate) file_name: String,
}

impl From<&MessageSummary> for Row {
    fn from(message: &MessageSummary) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            relay_id: message.relay_id.to_string(),
            received: words::time(message.received_at),
            way: way(message.direction),
            state: words::state_of(&message.state, message.direction),
            mailbox: message.mailbox.to_string(),
            partner: message.partner.clone().unwrap_or_else(|| "unknown".to_owned()),
            workflow: text(&message.workflow),
            local_id: text(&message.local_id),
            file_name: text(&message.file_name),
        }
    }
}

/// A direction in words.
pub(crate) fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "to MESH",
        Direction::Inbound => "from MESH",
    }
}

/// A choice of a list.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) text: String,
    pub(crate) chosen: bool,
}

/// A name and a value.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// Whether it is set as an id, which may be broken anywhere.
    pub(crate) is_id: bool,
}

impl Fact {
    pub(crate) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), is_id: false }
    }

    pub(crate) fn id(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), is_id: true }
    }
}
