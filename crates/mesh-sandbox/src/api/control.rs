//! This server's own controls, under `/sandbox`: clock, rules, faults, mailboxes, requests. None needs
//! authorisation, as the official emulator's admin calls need none. Faulty bodies are told in one sentence.
//!
//! So that no web page can use them from the browser of a developer who happens to look at it, a call that changes
//! something is refused when it comes from a page of another origin ([`same_origin`]); so are the admin calls. A
//! browser asks first before it sends another page's PUT or DELETE, which is never allowed here, but it sends a POST
//! of plain text at once. A program that is no browser gives no `Origin` and notices nothing.

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::{self, Answer, Refusal};
use crate::api::Api;
use crate::api::body::Upload;
use crate::api::fields::query_value;
use crate::api::json::JSON_BYTES_MAX;
use crate::api::route::ControlCall;
use crate::faults::{Fault, FaultScript};
use crate::habits::Habit;
use crate::rules::Rule;

/// Requests told at a time unless a call asks for another number.
const REQUESTS_DEFAULT: usize = 100;

pub(super) async fn answer<B>(
    api: &Api,
    call: ControlCall<'_>,
    parts: &Parts,
    body: &mut Upload<B>,
) -> Result<Answer, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    same_origin(api, parts)?;
    match call {
        ControlCall::Clock => Ok(clock(api)),
        ControlCall::AdvanceClock => {
            advance(api, &body.collect(JSON_BYTES_MAX).await?)?;
            Ok(clock(api))
        }
        ControlCall::Rules => Ok(rules(api)),
        ControlCall::SwitchRules => {
            switch_rules(api, &body.collect(JSON_BYTES_MAX).await?)?;
            Ok(rules(api))
        }
        ControlCall::Faults => Ok(faults(api)),
        ControlCall::ReplaceFaults => {
            let text = text(body.collect(JSON_BYTES_MAX).await?)?;
            api.faults.replace(FaultScript::from_json(&text).map_err(|error| faulty(&error))?);
            Ok(faults(api))
        }
        ControlCall::AddFault => {
            let text = text(body.collect(JSON_BYTES_MAX).await?)?;
            let fault = Fault::from_json(&text).map_err(|error| faulty(&error))?;
            api.faults.add(fault).map_err(|error| faulty(&error))?;
            Ok(faults(api))
        }
        ControlCall::RemoveFaults => {
            api.faults.replace(FaultScript::default());
            Ok(faults(api))
        }
        ControlCall::RemoveFault { name } => match api.faults.remove(name) {
            true => Ok(faults(api)),
            false => Err(unknown("there is no fault of this name; GET /sandbox/faults lists them")),
        },
        ControlCall::Mailboxes => Ok(answer::json(StatusCode::OK, &mailboxes(api))),
        ControlCall::SwitchMailbox { mailbox } => {
            switch_mailbox(api, mailbox, &body.collect(JSON_BYTES_MAX).await?)
        }
        ControlCall::Requests => requests(api, parts.uri.query().unwrap_or_default()),
    }
}

/// Refuses a call that changes something when a web page made it that did not come from this server: each `Origin`
/// must name the address that the caller used. A browser lets no other page read an answer, so what only reads may
/// pass.
pub(super) fn same_origin(api: &Api, parts: &Parts) -> Result<(), Refusal> {
    let own = api.origin(&parts.headers);
    let foreign = |origin: &HeaderValue| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes());
    match parts.method != Method::GET && parts.headers.get_all(ORIGIN).iter().any(foreign) {
        true => Err(refusal(
            StatusCode::FORBIDDEN,
            "a web page of another origin may not change this server; use its own page, or a program that sends no \
             Origin header",
        )),
        false => Ok(()),
    }
}

fn refusal(status: StatusCode, text: impl ToString) -> Refusal {
    Refusal::Json { status, body: json!({ "error": text.to_string() }) }
}

fn faulty(text: &impl ToString) -> Refusal {
    refusal(StatusCode::BAD_REQUEST, text.to_string())
}

fn unknown(text: &str) -> Refusal {
    refusal(StatusCode::NOT_FOUND, text)
}

fn text(body: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(body).map_err(|_| faulty(&"the body is not UTF-8; send JSON"))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let read = serde_json::from_slice(body);
    read.map_err(|_| faulty(&"the body is not a JSON object; send one, such as {\"advance\": \"5 days\"}"))
}

fn clock(api: &Api) -> Answer {
    let clock = json!({
        "now": api.clock.now().to_string(),
        "ahead_seconds": api.clock.ahead().as_secs(),
    });
    answer::json(StatusCode::OK, &clock)
}

/// Moves the clock by a duration in words, such as `5 days 1 hour`. What becomes due happens before the answer.
fn advance(api: &Api, body: &[u8]) -> Result<(), Refusal> {
    let body = object(body)?;
    let by = body.get("advance").and_then(Value::as_str).and_then(duration).ok_or_else(|| {
        faulty(&"`advance` is no duration; write one such as \"90 minutes\", \"5 days 1 hour\" or \"P5DT1H\"")
    })?;
    api.clock.advance(by).map_err(|error| faulty(&error))?;
    api.age_wholly(api.clock.now());
    Ok(())
}

fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.trim().parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

fn rules(api: &Api) -> Answer {
    let rules: Map<String, Value> = Rule::ALL
        .into_iter()
        .map(|rule| (rule.name().to_owned(), Value::Bool(api.rules.hold(rule))))
        .collect();
    answer::json(StatusCode::OK, &rules)
}

/// Switches those that are named, all of them or none.
fn switch_rules(api: &Api, body: &[u8]) -> Result<(), Refusal> {
    let switches: Result<Vec<(Rule, bool)>, Refusal> = object(body)?
        .into_iter()
        .map(|(name, on)| {
            let rule: Rule = name.parse().map_err(|error| faulty(&error))?;
            let on = on.as_bool().ok_or_else(|| faulty(&format!("`{rule}` is neither true nor false")))?;
            Ok((rule, on))
        })
        .collect();
    for (rule, on) in switches? {
        api.rules.switch(rule, on);
    }
    Ok(())
}

fn faults(api: &Api) -> Answer {
    let faults = json!({ "standing": api.faults.standing(), "fired": api.faults.fired() });
    answer::json(StatusCode::OK, &faults)
}

#[derive(Serialize)]
struct MailboxState {
    mailbox_id: String,
    mailbox_name: String,
    ods_code: String,
    waiting: usize,
    #[serde(flatten)]
    habit: Habit,
}

fn mailboxes(api: &Api) -> Vec<MailboxState> {
    let states = api.directory.mailboxes().into_iter().map(|mailbox| {
        let active = api.is_active(mailbox);
        MailboxState {
            mailbox_id: mailbox.id.to_string(),
            mailbox_name: mailbox.party.name.clone(),
            ods_code: mailbox.party.ods_code.clone(),
            waiting: api.store.count(&mailbox.id),
            habit: Habit { active: Some(active), ..api.habits.of(&mailbox.id) },
        }
    });
    states.collect()
}

fn switch_mailbox(api: &Api, mailbox: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let found = api.directory.mailbox(&mailbox.to_uppercase());
    let found =
        found.ok_or_else(|| unknown("there is no such mailbox; GET /sandbox/mailboxes lists them"))?;
    let active = object(body)?.get("active").and_then(Value::as_bool);
    let active = active.ok_or_else(|| faulty(&"`active` is neither true nor false"))?;
    api.habits.switch(&found.id, active);
    Ok(answer::json(StatusCode::OK, &mailboxes(api)))
}

/// The last requests, newest last; `mailbox` and `limit` narrow them.
fn requests(api: &Api, query: &str) -> Result<Answer, Refusal> {
    let limit = match query_value(query, "limit") {
        None => REQUESTS_DEFAULT,
        Some(text) => text.parse().map_err(|_| faulty(&"`limit` is no whole number"))?,
    };
    let mailbox = query_value(query, "mailbox").map(|mailbox| mailbox.to_uppercase());
    let mut requests = api.requests.last();
    if let Some(mailbox) = mailbox {
        requests.retain(|request| request.mailbox.as_ref().is_some_and(|id| id.as_str() == mailbox));
    }
    requests.drain(..requests.len().saturating_sub(limit));
    Ok(answer::json(StatusCode::OK, &json!({"total": api.requests.total(), "requests": requests})))
}
