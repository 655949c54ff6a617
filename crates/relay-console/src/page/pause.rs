//! Pausing a mailbox or an adapter, and ending that, after asking back.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use relay_core::{Caller, Pausable};
use serde::Deserialize;

use super::{page, wrong};
use crate::access::{Actor, SignedForm, Visitor};
use crate::api::Why;
use crate::ask::Named;
use crate::console::Console;
use crate::problem::Problem;
use crate::words::{capital, count};

#[derive(Template)]
#[template(path = "pause.html")]
struct PausePage<'a> {
    visitor: &'a Visitor,
    heading: String,
    what: String,
    effects: Vec<String>,
    action: String,
    csrf: &'a str,
    resume: bool,
    back: String,
}

/// The form.
#[derive(Deserialize)]
pub(crate) struct Confirmed {
    resume: bool,
    #[serde(default)]
    reason: String,
}

/// Asks back about a mailbox.
pub(crate) async fn ask_mailbox(
    _: Actor,
    visitor: Visitor,
    State(console): State<Console>,
    Named(mailbox): Named<String>,
) -> Response {
    ask(&visitor, &console, console.mailbox(&mailbox)).await
}

/// Asks back about an adapter.
pub(crate) async fn ask_adapter(
    _: Actor,
    visitor: Visitor,
    State(console): State<Console>,
    Named(adapter): Named<String>,
) -> Response {
    ask(&visitor, &console, console.adapter(&adapter)).await
}

async fn ask(visitor: &Visitor, console: &Console, what: Result<Pausable, Problem>) -> Response {
    let (what, overview) = match (what, console.overview().await) {
        (Ok(what), Ok(overview)) => (what, overview),
        (Err(problem), _) => return wrong(visitor, &problem),
        (_, Err(error)) => return wrong(visitor, &Problem::from(error)),
    };
    let pauses = &console.surroundings.pauses;
    let (paused, effects, on_the_way) = match &what {
        Pausable::Mailbox(id) => {
            let view = overview.mailboxes.iter().find(|view| view.id == id.as_str());
            let on_the_way = view.map_or(0, |view| view.outbound.messages + view.inbound.messages);
            let effects = [
                "Nothing new is sent from it; what your systems offer stays where it is.",
                "Its inbox is not looked into; messages wait at MESH, which gives up after five days.",
            ];
            (pauses.of_mailbox(id), effects, on_the_way)
        }
        Pausable::Adapter(name) => {
            let view = overview.adapters.iter().find(|view| view.name == *name);
            let effects = [
                "Nothing new is taken from it; what your system offers stays where it is.",
                "Nothing is delivered to it; messages wait at MESH, which gives up after five days.",
            ];
            (pauses.of_adapter(name), effects, view.map_or(0, |view| view.outbound.messages))
        }
    };
    let resume = paused.is_some();
    let mut effects: Vec<String> = effects.map(str::to_owned).into();
    let waiting = count(on_the_way, "message is on the way", "messages are on the way");
    let words = match &paused {
        Some(pause) => {
            effects = vec![format!("What waited goes on at once; {waiting}.")];
            format!("{}.", capital(&pause.to_string()))
        }
        None => {
            effects.push(format!("What is under way this moment is finished; {waiting}."));
            "It stays so over every start of the relay, and for every instance on this journal, until somebody resumes it."
                .to_owned()
        }
    };
    let verb = if resume { "Resume" } else { "Pause" };
    page(&PausePage {
        visitor,
        heading: format!("{verb} {what}?"),
        what: words,
        effects,
        action: place(&what, "/pause"),
        csrf: visitor.csrf_token().unwrap_or_default(),
        resume,
        back: back(&what),
    })
}

fn place(what: &Pausable, behind: &str) -> String {
    match what {
        Pausable::Mailbox(id) => format!("/mailboxes/{id}{behind}"),
        Pausable::Adapter(name) => {
            format!("/adapters/{}{behind}", utf8_percent_encode(name, NON_ALPHANUMERIC))
        }
    }
}

fn back(what: &Pausable) -> String {
    match what {
        Pausable::Mailbox(_) => place(what, ""),
        Pausable::Adapter(_) => "/".to_owned(),
    }
}

/// Pauses a mailbox, or ends that.
pub(crate) async fn act_mailbox(
    Actor(caller): Actor,
    visitor: Visitor,
    State(console): State<Console>,
    Named(mailbox): Named<String>,
    SignedForm(form): SignedForm<Confirmed>,
) -> Response {
    act(&visitor, &caller, &console, console.mailbox(&mailbox), form).await
}

/// Pauses an adapter, or ends that.
pub(crate) async fn act_adapter(
    Actor(caller): Actor,
    visitor: Visitor,
    State(console): State<Console>,
    Named(adapter): Named<String>,
    SignedForm(form): SignedForm<Confirmed>,
) -> Response {
    act(&visitor, &caller, &console, console.adapter(&adapter), form).await
}

async fn act(
    visitor: &Visitor,
    caller: &Caller,
    console: &Console,
    what: Result<Pausable, Problem>,
    form: Confirmed,
) -> Response {
    let done = match what {
        Ok(what) => {
            let back = back(&what);
            let why = Why { reason: form.reason, message_id: None };
            let done = match form.resume {
                true => console.resume(caller, &what).await,
                false => console.pause(caller, what, &why).await,
            };
            done.map(|_| back)
        }
        Err(problem) => Err(problem),
    };
    match done {
        Ok(back) => Redirect::to(&back).into_response(),
        Err(problem) => wrong(visitor, &problem),
    }
}
