//! Sending a file by hand. The page's script hands it to the API, as any program would.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::{Once, page};
use crate::access::{Actor, Visitor};
use crate::console::Console;

#[derive(Template)]
#[template(path = "send.html")]
struct SendPage<'a> {
    visitor: &'a Visitor,
    mailboxes: Vec<String>,
    key: String,
    csrf: &'a str,
}

/// The page.
pub(crate) async fn show(_: Actor, visitor: Visitor, State(console): State<Console>) -> Response {
    let mailboxes = console.site().mailboxes.iter().map(|mailbox| mailbox.id.to_string()).collect();
    let csrf = visitor.csrf_token().unwrap_or_default();
    page(&SendPage { visitor: &visitor, mailboxes, key: Once::name(), csrf })
}
