//! One mailbox.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::overview::{ago, waits};
use super::{Fact, page, wrong};
use crate::access::{Looker, Visitor};
use crate::ask::Named;
use crate::console::Console;
use crate::overview::MailboxView;
use crate::problem::Problem;
use crate::trouble::TroubleLine;
use crate::words::roughly;

#[derive(Template)]
#[template(path = "mailbox.html")]
struct MailboxPage<'a> {
    visitor: &'a Visitor,
    view: &'a MailboxView,
    troubles: Vec<&'a TroubleLine>,
    facts: Vec<Fact>,
}

/// The page.
pub(crate) async fn show(
    Looker(visitor): Looker,
    State(console): State<Console>,
    Named(id): Named<String>,
) -> Response {
    let overview = match console.overview().await {
        Ok(overview) => overview,
        Err(error) => return wrong(&visitor, &Problem::from(error)),
    };
    let Some(view) = overview.mailboxes.iter().find(|mailbox| mailbox.id == id) else {
        return wrong(&visitor, &Problem::not_found("there is no mailbox of this id here"));
    };
    let now = overview.at;
    let adapters: Vec<&str> = overview
        .adapters
        .iter()
        .filter(|adapter| adapter.mailbox == id)
        .map(|adapter| adapter.name.as_str())
        .collect();
    let facts = vec![
        Fact::new("State", view.paused.clone().unwrap_or_else(|| "In use".to_owned())),
        Fact::new("Adapters", if adapters.is_empty() { "none".to_owned() } else { adapters.join(", ") }),
        Fact::new("On the way to MESH", waits(&view.outbound, now)),
        Fact::new(
            "Waiting at MESH",
            view.waiting.map_or_else(|| "not known here".to_owned(), |waiting| waiting.to_string()),
        ),
        Fact::new("On the way from MESH", waits(&view.inbound, now)),
        Fact::new("Last look into the inbox", ago(view.polled_at, now)),
        Fact::new("Between two looks", roughly(i64::try_from(view.poll_seconds).unwrap_or(i64::MAX))),
        Fact::new("Last handshake", ago(view.handshake_at, now)),
    ];
    let own = format!("/mailboxes/{id}");
    let troubles = overview.troubles.iter().filter(|trouble| trouble.link.as_deref() == Some(&own)).collect();
    page(&MailboxPage { visitor: &visitor, view, troubles, facts })
}
