//! Search.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use url::form_urlencoded;

use super::{Choice, Row, page_with};
use crate::access::{Looker, Visitor};
use crate::api::find;
use crate::ask::{Asked, Search};
use crate::console::Console;
use crate::problem::Problem;
use crate::words::{self, count};

#[derive(Template)]
#[template(path = "messages.html")]
struct MessagesPage<'a> {
    visitor: &'a Visitor,
    search: &'a Search,
    states: Vec<Choice>,
    mailboxes: Vec<Choice>,
    fault: Option<String>,
    found: String,
    rows: Vec<Row>,
    older: Option<String>,
}

/// The page.
pub(crate) async fn show(
    Looker(visitor): Looker,
    State(console): State<Console>,
    search: Result<Asked<Search>, Problem>,
) -> Response {
    let (search, asked) = match search {
        Ok(Asked(search)) => {
            let asked = find(&console, &search).await;
            (search, asked)
        }
        Err(problem) => (Search::default(), Err(problem)),
    };
    let site = console.site();
    let mailboxes = site.mailboxes.iter().map(|mailbox| {
        let value = mailbox.id.to_string();
        Choice { chosen: value == search.mailbox, text: value.clone(), value }
    });
    let states = words::searchable().map(|(name, text)| Choice {
        value: name.to_owned(),
        text: text.to_owned(),
        chosen: name == search.state,
    });
    let mut status = StatusCode::OK;
    let (mut rows, mut older, mut fault, mut found) = (Vec::new(), None, None, String::new());
    match asked {
        Ok((messages, next)) => {
            rows = messages.iter().map(Row::from).collect();
            older = next.map(|next| older_link(&search, &next));
            let more = if older.is_some() || !search.after.is_empty() { " on this page" } else { "" };
            found = match rows.len() {
                0 => "No messages found".to_owned(),
                number => format!("{}{more}, newest first", count(number as u64, "message", "messages")),
            };
        }
        Err(problem) => {
            status = problem.status();
            fault = Some(words::sentence(problem.detail()));
        }
    }
    let page = MessagesPage {
        visitor: &visitor,
        states: states.collect(),
        mailboxes: mailboxes.collect(),
        search: &search,
        fault,
        found,
        rows,
        older,
    };
    page_with(status, &page)
}

/// The same search, behind a place.
fn older_link(search: &Search, next: &str) -> String {
    let mut link = form_urlencoded::Serializer::for_suffix("/messages?".to_owned(), "/messages?".len());
    for (name, value) in [
        ("q", &search.q),
        ("direction", &search.direction),
        ("mailbox", &search.mailbox),
        ("partner", &search.partner),
        ("workflow", &search.workflow),
        ("state", &search.state),
        ("from", &search.from),
        ("until", &search.until),
    ] {
        if !value.is_empty() {
            link.append_pair(name, value);
        }
    }
    if let Some(limit) = search.limit {
        link.append_pair("limit", &limit.to_string());
    }
    link.append_pair("after", next);
    link.finish()
}
