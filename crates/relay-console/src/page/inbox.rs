//! A mailbox's inbox by hand: look, fetch, acknowledge.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use relay_core::{Caller, MailboxId, MessageId};
use serde::Deserialize;

use super::{Fact, page, page_with, wrong};
use crate::access::{Actor, SignedForm, Visitor};
use crate::api::{Item, item as named};
use crate::ask::{self, Named};
use crate::console::Console;
use crate::problem::Problem;
use crate::words::count;

/// Ids that are listed.
const LISTED_MAX: usize = 500;

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage<'a> {
    visitor: &'a Visitor,
    mailbox: String,
    summary: String,
    takes: bool,
    ids: Vec<String>,
}

#[derive(Template)]
#[template(path = "item.html")]
struct ItemPage<'a> {
    visitor: &'a Visitor,
    mailbox: String,
    id: String,
    report: bool,
    facts: Vec<Fact>,
    csrf: &'a str,
    fault: Option<&'a str>,
}

/// The form.
#[derive(Deserialize)]
pub(crate) struct Saved {
    #[serde(default)]
    saved: String,
}

/// The inbox.
pub(crate) async fn show(
    Actor(caller): Actor,
    visitor: Visitor,
    State(console): State<Console>,
    Named(mailbox): Named<String>,
) -> Response {
    match list(&caller, &console, &mailbox).await {
        Ok((mailbox, ids)) => {
            let more = if ids.len() > LISTED_MAX { "; the first 500 are listed, oldest first" } else { "" };
            let summary = match ids.len() {
                0 => "Nothing waits there.".to_owned(),
                number => {
                    format!("{} there{more}.", count(number as u64, "message waits", "messages wait"))
                }
            };
            let takes = console
                .site()
                .adapters
                .iter()
                .any(|adapter| adapter.mailbox == mailbox && adapter.sink.is_some());
            let ids = ids.iter().take(LISTED_MAX).map(ToString::to_string).collect();
            page(&InboxPage { visitor: &visitor, mailbox: mailbox.to_string(), summary, takes, ids })
        }
        Err(problem) => wrong(&visitor, &problem),
    }
}

async fn list(
    caller: &Caller,
    console: &Console,
    mailbox: &str,
) -> Result<(MailboxId, Vec<MessageId>), Problem> {
    let mailbox = ask::mailbox(mailbox)?;
    let ids = console.operator.inbox(caller, &mailbox).await?;
    Ok((mailbox, ids))
}

/// One message in it.
pub(crate) async fn item(
    Actor(caller): Actor,
    visitor: Visitor,
    State(console): State<Console>,
    Named((mailbox, id)): Named<(String, String)>,
) -> Response {
    show_item(&caller, &visitor, &console, &mailbox, &id, None).await
}

async fn show_item(
    caller: &Caller,
    visitor: &Visitor,
    console: &Console,
    mailbox: &str,
    id: &str,
    fault: Option<&str>,
) -> Response {
    let looked = match named(mailbox, id) {
        Ok((mailbox, id)) => {
            let looked = console.operator.look_into(caller, &mailbox, &id).await;
            looked.map(|download| Item::from(&download)).map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    let item = match looked {
        Ok(item) => item,
        Err(problem) => return wrong(visitor, &problem),
    };
    let mut facts = vec![Fact::id("MESH id", item.message_id.as_str())];
    for (name, value) in [
        ("From", &item.from),
        ("Workflow", &item.workflow),
        ("Subject", &item.subject),
        ("Local id", &item.local_id),
        ("File name", &item.file_name),
        ("Type", &item.content_type),
        ("About message", &item.about),
        ("MESH says", &item.status),
    ] {
        if !value.is_empty() {
            facts.push(Fact::new(name, value.as_str()));
        }
    }
    let status = if fault.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = ItemPage {
        visitor,
        mailbox: mailbox.to_owned(),
        id: item.message_id,
        report: item.report,
        facts,
        csrf: visitor.csrf_token().unwrap_or_default(),
        fault,
    };
    page_with(status, &page)
}

/// Acknowledges it.
pub(crate) async fn acknowledge(
    Actor(caller): Actor,
    visitor: Visitor,
    State(console): State<Console>,
    Named((mailbox, id)): Named<(String, String)>,
    SignedForm(form): SignedForm<Saved>,
) -> Response {
    if form.saved != "yes" {
        let fault = Some("Say that you have saved it first.");
        return show_item(&caller, &visitor, &console, &mailbox, &id, fault).await;
    }
    let done = match named(&mailbox, &id) {
        Ok((mailbox, id)) => {
            console.operator.acknowledge(&caller, &mailbox, &id).await.map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => Redirect::to(&format!("/mailboxes/{mailbox}/inbox")).into_response(),
        Err(problem) => wrong(&visitor, &problem),
    }
}
