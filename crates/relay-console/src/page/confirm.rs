//! Asking back before something is done to messages, with how many there are and whom it concerns, and doing it then.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use relay_core::{Caller, Direction, MessageSummary, RelayId};
use serde::Deserialize;
use url::form_urlencoded;

use super::{Once, Row, page, page_with, wrong};
use crate::access::{Actor, SignedForm, Visitor};
use crate::api::{Action, Why};
use crate::ask;
use crate::console::Console;
use crate::problem::Problem;
use crate::words::{self, count};

/// Most messages that one action is taken on.
const MESSAGES_MAX: usize = 100;
/// Most recipients that are named.
const RECIPIENTS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    visitor: &'a Visitor,
    heading: String,
    what: String,
    recipients: Vec<String>,
    left: Option<String>,
    fault: Option<String>,
    rows: Vec<Row>,
    csrf: &'a str,
    action: &'static str,
    ids: String,
    once: String,
    asks_id: bool,
    asks_reason: bool,
    grave: bool,
    button: &'static str,
    back: String,
}

#[derive(Template)]
#[template(path = "done.html")]
struct DonePage<'a> {
    visitor: &'a Visitor,
    heading: &'a str,
    results: Vec<DoneLine>,
    back: &'a str,
}

struct DoneLine {
    well: bool,
    what: String,
    link: Option<String>,
    words: String,
}

/// What is to be done.
struct Wanted {
    action: Action,
    ids: Vec<RelayId>,
}

/// The form.
#[derive(Deserialize)]
pub(crate) struct Confirmed {
    action: Action,
    ids: String,
    once: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    count: String,
}

/// Asks back.
pub(crate) async fn ask(
    _: Actor,
    visitor: Visitor,
    State(console): State<Console>,
    RawQuery(query): RawQuery,
) -> Response {
    match wanted(query.as_deref().unwrap_or_default()) {
        Ok(wanted) => confirm(&visitor, &console, &wanted, None).await,
        Err(problem) => wrong(&visitor, &problem),
    }
}

fn wanted(query: &str) -> Result<Wanted, Problem> {
    let mut action = None;
    let mut ids = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "action" => action = Some(read_action(&value)?),
            "id" => ids.push(ask::relay_id(&value)?),
            _ => {}
        }
    }
    let action = action.ok_or_else(|| Problem::bad_request("nothing was chosen that could be done"))?;
    bounded(Wanted { action, ids })
}

fn read_action(text: &str) -> Result<Action, Problem> {
    let all = [Action::Resend, Action::Park, Action::Cancel, Action::Arrived, Action::SendAgain];
    let known = all.into_iter().find(|action| action.as_str() == text);
    known.ok_or_else(|| Problem::bad_request("there is nothing of this name that could be done"))
}

fn bounded(mut wanted: Wanted) -> Result<Wanted, Problem> {
    wanted.ids.sort_unstable();
    wanted.ids.dedup();
    if wanted.ids.is_empty() {
        return Err(Problem::bad_request("no message was chosen"));
    }
    if wanted.ids.len() > MESSAGES_MAX {
        let what = format!("{MESSAGES_MAX} messages at a time at most; choose fewer");
        return Err(Problem::bad_request(what));
    }
    if wanted.action == Action::Arrived && wanted.ids.len() > 1 {
        return Err(Problem::bad_request("each message has an id of its own at MESH; choose one"));
    }
    Ok(wanted)
}

/// The chosen messages of which it makes sense, and how many there are of which it does not.
async fn fitting(console: &Console, wanted: &Wanted) -> Result<(Vec<MessageSummary>, usize), Problem> {
    let mut fitting = Vec::new();
    for id in &wanted.ids {
        let message = console.journal().message(*id).await?;
        fitting.extend(message.filter(|message| wanted.action.fits(console, message)));
    }
    let left = wanted.ids.len() - fitting.len();
    Ok((fitting, left))
}

async fn confirm(visitor: &Visitor, console: &Console, wanted: &Wanted, fault: Option<String>) -> Response {
    let (messages, left) = match fitting(console, wanted).await {
        Ok(found) => found,
        Err(problem) => return wrong(visitor, &problem),
    };
    let number = count(messages.len() as u64, "message", "messages");
    let (verb, button, grave) = match wanted.action {
        Action::Resend => ("sent again", "Send again", true),
        Action::Park => ("parked", "Park", true),
        Action::Cancel => ("cancelled", "Cancel the sending", true),
        Action::Arrived => ("taken to be at MESH", "Settle the doubt", false),
        Action::SendAgain => ("sent again", "Settle the doubt and send again", true),
    };
    let is = if messages.len() == 1 { "is" } else { "are" };
    let effect = match wanted.action {
        Action::Resend => {
            "What goes to MESH goes as new messages: whoever has the first ones gets them twice. What came from MESH and \
             is parked is delivered once more."
        }
        Action::Park => {
            "Nothing is tried any more, and your system is told that it failed. Where MESH may have it, that is said."
        }
        Action::Cancel => {
            "Nothing of it is sent. Your system is told so: a pair goes to FAILED with a report, a queue's message is parked, a caller hears that it is gone."
        }
        Action::Arrived => {
            "It counts as accepted, and its collection is followed. A system that was told before that it failed is not told otherwise."
        }
        Action::SendAgain => "Should the first one have arrived after all, the recipient has it twice.",
    };
    let status = if fault.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let ids: Vec<String> = messages.iter().map(|message| message.relay_id.to_string()).collect();
    let back = match &wanted.ids[..] {
        [one] => format!("/messages/{one}"),
        _ => "/messages".to_owned(),
    };
    let template = ConfirmPage {
        visitor,
        heading: format!("{button}: {number}?"),
        what: format!("{number} {is} {verb}. {effect}"),
        recipients: recipients(&messages),
        left: (left > 0).then(|| {
            let others = count(left as u64, "chosen message is", "chosen messages are");
            format!(
                "{others} left as before: in their state this cannot be done, or nothing of them is kept."
            )
        }),
        fault,
        csrf: visitor.csrf_token().unwrap_or_default(),
        action: wanted.action.as_str(),
        ids: ids.join(","),
        once: Once::name(),
        asks_id: wanted.action == Action::Arrived,
        asks_reason: wanted.action == Action::Park,
        grave,
        button,
        rows: messages.iter().map(Row::from).collect(),
        back,
    };
    page_with(status, &template)
}

/// Whom it concerns, with how many each.
fn recipients(messages: &[MessageSummary]) -> Vec<String> {
    let mut by_partner: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for message in messages {
        let partner = message.partner.as_deref().unwrap_or("unknown");
        let way = if message.direction == Direction::Outbound { "To" } else { "From" };
        *by_partner.entry((way, partner)).or_default() += 1;
    }
    let more = by_partner.len().saturating_sub(RECIPIENTS_MAX);
    let mut lines: Vec<String> = by_partner
        .into_iter()
        .take(RECIPIENTS_MAX)
        .map(|((way, partner), messages)| {
            format!("{way} {partner}: {}", count(messages, "message", "messages"))
        })
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Does it.
pub(crate) async fn act(
    Actor(caller): Actor,
    visitor: Visitor,
    State(console): State<Console>,
    SignedForm(form): SignedForm<Confirmed>,
) -> Response {
    let ids: Result<Vec<RelayId>, Problem> = form.ids.split(',').map(ask::relay_id).collect();
    let wanted = ids.and_then(|ids| bounded(Wanted { action: form.action, ids }));
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(problem) => return wrong(&visitor, &problem),
    };
    if wanted.ids.len() > 1 && form.count.trim() != wanted.ids.len().to_string() {
        let fault = format!("These are {}. Type that number if they are what you mean.", wanted.ids.len());
        return confirm(&visitor, &console, &wanted, Some(fault)).await;
    }
    if !console.once.take(&form.once) {
        return wrong(&visitor, &Problem::conflict("this was done already; nothing is done a second time"));
    }
    let message_id = Some(form.message_id).filter(|id| !id.trim().is_empty());
    let why = Why { reason: form.reason, message_id };
    if let [id] = wanted.ids[..] {
        let done = console.act(&caller, id, wanted.action, &why).await;
        if done.is_err() {
            console.once.give_back(&form.once);
        }
        return match done {
            Ok(_) => Redirect::to(&format!("/messages/{id}")).into_response(),
            Err(problem) if problem.status() == StatusCode::BAD_REQUEST => {
                confirm(&visitor, &console, &wanted, Some(words::sentence(problem.detail()))).await
            }
            Err(problem) => wrong(&visitor, &problem),
        };
    }
    act_on_all(&visitor, &caller, &console, &wanted, &why).await
}

async fn act_on_all(
    visitor: &Visitor,
    caller: &Caller,
    console: &Console,
    wanted: &Wanted,
    why: &Why,
) -> Response {
    let mut results = Vec::with_capacity(wanted.ids.len());
    for id in &wanted.ids {
        let (well, words) = match console.act(caller, *id, wanted.action, why).await {
            Ok(done) => (true, words::sentence(&done.done)),
            Err(problem) => (false, words::sentence(problem.detail())),
        };
        let link = Some(format!("/messages/{id}"));
        results.push(DoneLine { well, what: format!("Message {id}"), link, words });
    }
    let well = results.iter().filter(|result| result.well).count();
    let heading = format!("{well} of {} done", count(results.len() as u64, "message", "messages"));
    page(&DonePage { visitor, heading: &heading, results, back: "/messages" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_bounded_and_named_once() {
        let id = uuid::Uuid::from_u128(1);
        let twice = wanted(&format!("action=park&id={id}&id={id}")).expect("a wish");
        assert_eq!(twice.ids.len(), 1);
        let many: String = (0..101).map(|n| format!("&id={}", uuid::Uuid::from_u128(n))).collect();
        for wrong in ["", "action=park", "action=delete&id=1", &format!("action=park{many}")] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
