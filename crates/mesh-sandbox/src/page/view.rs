//! What the page shows, in words, before it is HTML.
//!
//! Of a message it shows neither payload nor subject, local id, file name or routing address: they may be private
//! even here, and screens are shared and photographed. So it reads only what these structures name.

use std::fmt;

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use mesh_api::MailboxId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::words;
use crate::api::Api;
use crate::bodies::Payload;
use crate::directory::Mailbox;
use crate::faults::{Effect, Fired, Standing};
use crate::requests::RequestSeen;
use crate::rules::Rule;
use crate::store::{Event, Message, StoreKind};

/// Most messages shown.
const MESSAGES_SHOWN_MAX: usize = 100;
/// Most requests shown.
const REQUESTS_SHOWN_MAX: usize = 200;
/// Most strikes of faults shown.
const FIRED_SHOWN_MAX: usize = 20;
/// Live wants a handshake in this time (`mesh-api.md` 7.2).
const HANDSHAKE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Steps that the clock can be moved by.
const CLOCK_STEPS: [&str; 3] = ["1 hour", "1 day", "5 days"];

/// Everything, or what concerns one mailbox.
pub(super) struct Overview {
    pub(super) server: Server,
    /// The mailbox that messages and requests are narrowed to.
    pub(super) mailbox: Option<String>,
    /// Somebody asked for a mailbox that there is not.
    pub(super) unknown_mailbox: bool,
    pub(super) mailboxes: Vec<MailboxRow>,
    pub(super) messages: Vec<MessageRow>,
    pub(super) requests: RequestTable,
    pub(super) faults: Vec<FaultRow>,
    /// Newest first.
    pub(super) fired: Vec<FiredRow>,
    pub(super) remove_faults: Control,
}

/// One message and all that happened to it.
pub(super) struct MessageView {
    pub(super) server: Server,
    /// `None` for an id that the store does not know.
    pub(super) found: Option<MessageDetail>,
}

pub(super) struct Server {
    pub(super) base: String,
    pub(super) now: String,
    /// How far the clock is ahead; `None` when it was not moved.
    pub(super) ahead: Option<String>,
    pub(super) requests: String,
    pub(super) store: &'static str,
    pub(super) profile: String,
    pub(super) rules: Vec<Switch>,
    pub(super) clock: Vec<Control>,
}

/// What a button sends when it is pressed.
pub(super) struct Control {
    pub(super) label: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: String,
}

/// Something that is on or off, and the button that turns it over.
pub(super) struct Switch {
    pub(super) name: String,
    pub(super) on: bool,
    pub(super) control: Control,
}

pub(super) struct MailboxRow {
    pub(super) name: String,
    pub(super) ods_code: String,
    pub(super) waiting: usize,
    pub(super) switch: Switch,
    pub(super) last_handshake: Option<String>,
    /// The last handshake is older than live allows.
    pub(super) handshake_old: bool,
    pub(super) last_listing: Option<String>,
    pub(super) listed_too_soon: u64,
}

/// A message as others point at it.
pub(super) enum MessageRef {
    /// It can be looked at.
    Known(String),
    /// It was deleted or reset, or never was.
    Unknown(String),
    /// No id of this server. It is not repeated: a faulty client may have put anything in its place.
    NoId,
}

pub(super) struct MessageRow {
    pub(super) id: String,
    pub(super) created: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) workflow: String,
    pub(super) kind: &'static str,
    /// Received of announced; `None` for a report, which has none.
    pub(super) chunks: Option<(usize, u32)>,
    pub(super) bytes: String,
    pub(super) state: String,
    /// Code of its last error, or of what it reports.
    pub(super) code: Option<String>,
}

pub(super) struct MessageDetail {
    pub(super) row: MessageRow,
    pub(super) expires: String,
    pub(super) events: Vec<EventRow>,
    pub(super) requests: RequestTable,
}

pub(super) struct EventRow {
    pub(super) at: String,
    pub(super) state: String,
    pub(super) code: String,
    pub(super) event: String,
    pub(super) description: String,
    pub(super) linked: Option<MessageRef>,
}

/// Requests, newest first.
pub(super) struct RequestTable {
    pub(super) rows: Vec<RequestRow>,
    /// Whether any client showed a certificate: the column is left out otherwise.
    pub(super) certificates: bool,
}

pub(super) struct RequestRow {
    pub(super) number: u64,
    pub(super) at: String,
    pub(super) call: &'static str,
    pub(super) method: &'static str,
    pub(super) mailbox: Option<String>,
    pub(super) message: Option<MessageRef>,
    /// The status, or `cut`.
    pub(super) status: String,
    /// How its colour is called in the style.
    pub(super) class: &'static str,
    pub(super) bytes: String,
    pub(super) took: String,
    pub(super) notes: Vec<String>,
    pub(super) client: Option<String>,
}

pub(super) struct FaultRow {
    pub(super) name: String,
    pub(super) mailbox: Option<String>,
    pub(super) calls: String,
    pub(super) effect: String,
    pub(super) matched: u64,
    pub(super) fired: u64,
    /// How often it strikes at most.
    pub(super) times: Option<u64>,
    /// It will not strike again.
    pub(super) used_up: bool,
    pub(super) remove: Control,
}

pub(super) struct FiredRow {
    pub(super) at: String,
    pub(super) name: String,
    pub(super) mailbox: Option<String>,
    pub(super) call: &'static str,
    pub(super) effect: &'static str,
}

/// The page as it is now, narrowed to a mailbox whose id is given in upper case.
pub(super) fn overview(api: &Api, base: &str, mailbox: Option<&str>) -> Overview {
    let now = api.clock.now();
    let known = mailbox.and_then(|id| api.directory.mailbox(id)).map(|mailbox| &mailbox.id);
    let unknown_mailbox = mailbox.is_some() && known.is_none();
    let messages = api.store.newest(known, MESSAGES_SHOWN_MAX);
    let concerns = |seen: &RequestSeen| known.is_none() || seen.mailbox.as_ref() == known;
    let fired = api.faults.fired();
    Overview {
        server: server(api, base, now),
        mailbox: known.map(MailboxId::to_string),
        unknown_mailbox,
        mailboxes: api.directory.mailboxes().into_iter().map(|of| mailbox_row(api, of, now)).collect(),
        messages: messages.iter().map(|message| message_row(message)).collect(),
        requests: request_table(api, concerns),
        faults: api.faults.standing().into_iter().map(fault_row).collect(),
        fired: fired.into_iter().rev().take(FIRED_SHOWN_MAX).map(fired_row).collect(),
        remove_faults: Control::delete("Remove all faults", "/sandbox/faults".to_owned()),
    }
}

/// All that is known of the message of this id, which is in upper case.
pub(super) fn message(api: &Api, base: &str, id: &str) -> MessageView {
    let found = api.store.find(id).map(|message| MessageDetail {
        row: message_row(&message),
        expires: words::time(message.expires),
        events: message.events.iter().map(|event| event_row(api, event)).collect(),
        requests: request_table(api, |seen| seen.message_id.as_deref() == Some(id)),
    });
    MessageView { server: server(api, base, api.clock.now()), found }
}

impl Control {
    fn put(label: &'static str, path: String, body: &Value) -> Self {
        Self { label, method: Method::PUT, path, body: body.to_string() }
    }

    fn delete(label: &'static str, path: String) -> Self {
        Self { label, method: Method::DELETE, path, body: String::new() }
    }
}

fn server(api: &Api, base: &str, now: Timestamp) -> Server {
    let ahead = api.clock.ahead();
    let rules: Vec<Switch> = Rule::ALL.into_iter().map(|rule| rule_switch(api, rule)).collect();
    let holding: Vec<&str> = rules.iter().filter(|rule| rule.on).map(|rule| rule.name.as_str()).collect();
    let profile = match holding.len() {
        0 => "official: no rule of live holds".to_owned(),
        all if all == rules.len() => "strict: every rule of live holds".to_owned(),
        _ => format!("mixed, with {}", holding.join(", ")),
    };
    let step = |label| Control {
        label,
        method: Method::POST,
        path: "/sandbox/clock".to_owned(),
        body: json!({ "advance": label }).to_string(),
    };
    Server {
        base: base.to_owned(),
        now: words::time(now),
        ahead: (!ahead.is_zero()).then(|| words::span(ahead)),
        requests: words::number(api.requests.total()),
        store: match api.store.kind() {
            StoreKind::Memory => "memory: gone when the server ends",
            StoreKind::Folder(_) => "folder: kept on disk",
            StoreKind::Canned => "canned: three messages that never change",
        },
        profile,
        rules,
        clock: CLOCK_STEPS.map(step).into(),
    }
}

fn rule_switch(api: &Api, rule: Rule) -> Switch {
    let on = api.rules.hold(rule);
    let control = Control::put(turn(on), "/sandbox/rules".to_owned(), &json!({ rule.name(): !on }));
    Switch { name: rule.name().to_owned(), on, control }
}

/// A name as a part of a path.
fn segment(name: &str) -> impl fmt::Display {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}

/// What pressing the button of something that is on or off does.
fn turn(on: bool) -> &'static str {
    if on { "Switch off" } else { "Switch on" }
}

fn mailbox_row(api: &Api, mailbox: &Mailbox, now: Timestamp) -> MailboxRow {
    let habit = api.habits.of(&mailbox.id);
    let on = api.is_active(mailbox);
    let path = format!("/sandbox/mailboxes/{}", segment(mailbox.id.as_str()));
    let control = Control::put(turn(on), path, &json!({ "active": !on }));
    MailboxRow {
        name: mailbox.party.name.clone(),
        ods_code: mailbox.party.ods_code.clone(),
        waiting: api.store.count(&mailbox.id),
        switch: Switch { name: mailbox.id.to_string(), on, control },
        last_handshake: habit.last_handshake.map(words::time),
        handshake_old: habit.last_handshake.is_some_and(|last| now.duration_since(last) > HANDSHAKE_MAX),
        last_listing: habit.last_listing.map(words::time),
        listed_too_soon: habit.listed_too_soon,
    }
}

fn message_row(message: &Message) -> MessageRow {
    let report = message.is_report();
    // While it is uploading its size is not settled: what came so far.
    let received: u64 = message.chunks.values().map(Payload::bytes).sum();
    MessageRow {
        id: message.id.to_string(),
        created: words::time(message.created),
        from: message.sender().map_or_else(|| "the server".to_owned(), MailboxId::to_string),
        to: message.recipient().map_or_else(|| "nobody found".to_owned(), MailboxId::to_string),
        workflow: message.sent.workflow.owned(),
        kind: if report { "REPORT" } else { "DATA" },
        chunks: (!report).then(|| (message.chunks.len(), message.sent.chunks)),
        bytes: words::number(message.size.max(received)),
        state: message.status().as_str().to_owned(),
        code: message.error().and_then(|error| error.code.clone()),
    }
}

fn event_row(api: &Api, event: &Event) -> EventRow {
    EventRow {
        at: words::time(event.at),
        state: event.status.as_str().to_owned(),
        code: event.code.clone().unwrap_or_default(),
        event: event.event.clone().unwrap_or_default(),
        description: event.description.clone().unwrap_or_default(),
        linked: event.linked.as_deref().map(|id| message_ref(api, id)),
    }
}

fn message_ref(api: &Api, id: &str) -> MessageRef {
    if api.store.find(&id.to_uppercase()).is_some() {
        return MessageRef::Known(id.to_owned());
    }
    // As this server gives them: digits of a time, an underscore, six letters or digits.
    let given = id.split_once('_').is_some_and(|(digits, tail)| {
        digits.len() == 20
            && digits.bytes().all(|b| b.is_ascii_digit())
            && tail.len() == 6
            && tail.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if given { MessageRef::Unknown(id.to_owned()) } else { MessageRef::NoId }
}

fn request_table(api: &Api, concerns: impl Fn(&RequestSeen) -> bool) -> RequestTable {
    let last = api.requests.last();
    let shown = last.into_iter().rev().filter(concerns).take(REQUESTS_SHOWN_MAX);
    let rows: Vec<RequestRow> = shown.map(|seen| request_row(api, seen)).collect();
    let certificates = rows.iter().any(|row| row.client.is_some());
    RequestTable { rows, certificates }
}

fn request_row(api: &Api, seen: RequestSeen) -> RequestRow {
    RequestRow {
        number: seen.number,
        at: words::time(seen.at),
        call: seen.call,
        method: seen.method,
        mailbox: seen.mailbox.map(|id| id.to_string()),
        message: seen.message_id.map(|id| message_ref(api, &id)),
        status: seen.status.map_or_else(|| "cut".to_owned(), |status| status.to_string()),
        class: match seen.status {
            Some(..400) => "good",
            Some(400..500) => "warn",
            _ => "bad",
        },
        bytes: words::number(seen.body_bytes),
        took: words::took(seen.micros),
        notes: seen.notes,
        client: seen.client_cn.map(|name| name.to_string()),
    }
}

fn fault_row(standing: Standing) -> FaultRow {
    let Standing { fault, matched, fired } = standing;
    let calls: Vec<&str> = fault.calls.iter().map(|call| call.name()).collect();
    let path = format!("/sandbox/faults/{}", segment(&fault.name));
    FaultRow {
        mailbox: fault.mailbox.map(|id| id.to_string()),
        calls: if calls.is_empty() { "any".to_owned() } else { calls.join(", ") },
        effect: effect(&fault.effect),
        matched,
        fired,
        times: fault.times,
        used_up: fault.times.is_some_and(|times| fired >= times),
        remove: Control::delete("Remove", path),
        name: fault.name,
    }
}

/// An effect and its figures, such as `delay (millis 500)`.
fn effect(effect: &Effect) -> String {
    let written = serde_json::to_value(effect).unwrap_or_default();
    let figure = |(key, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{} {value}", key.replace('_', " "))
    };
    let keys = written.as_object().into_iter().flatten().filter(|(key, _)| *key != "effect");
    let figures: Vec<String> = keys.map(figure).collect();
    match figures.is_empty() {
        true => effect.name().to_owned(),
        false => format!("{} ({})", effect.name(), figures.join(", ")),
    }
}

fn fired_row(fired: Fired) -> FiredRow {
    FiredRow {
        at: words::time(fired.at),
        name: fired.name,
        mailbox: fired.mailbox.map(|id| id.to_string()),
        call: fired.call.name(),
        effect: fired.effect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_told_with_their_figures() {
        assert_eq!(effect(&Effect::LoseAnswer), "lose-answer");
        assert_eq!(effect(&Effect::Delay { millis: 500 }), "delay (millis 500)");
        let clog = Effect::ClogInbox { messages: 3, workflow_id: "W".to_owned() };
        assert_eq!(effect(&clog), "clog-inbox (messages 3, workflow id W)");
    }
}
