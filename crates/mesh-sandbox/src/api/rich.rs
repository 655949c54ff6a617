//! The emulator's own views of a mailbox (`mesh-api.md` 11.4): every state, newest first, with what is known.

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use mesh_api::{ApiVersion, MessageId, path, stamp};
use serde::Serialize;

use crate::answer::{self, Answer, Place, Refusal};
use crate::api::fields::{Fields, query_value};
use crate::api::inbox::{CONTINUE_FROM_CHARS_MAX, CONTINUE_FROM_CHARS_MIN, link_text, token, token_read};
use crate::api::{Api, Visit};
use crate::directory::Mailbox;
use crate::store::{Message, Side, Status};

const RESULTS_DEFAULT: i64 = 100;
/// The outbox takes larger figures and gives no more than this.
const OUTBOX_RESULTS_MAX: i64 = 100;
/// How far back a view goes unless it is told.
const BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Serialize)]
struct View {
    valid_at: String,
    messages: Vec<Line>,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    #[serde(rename = "self")]
    this: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Line {
    message_id: String,
    expiry_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_id: Option<String>,
    message_type: &'static str,
    recipient: String,
    recipient_name: String,
    sender: String,
    sender_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_date: Option<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<String>,
    workflow_id: String,
    total_chunks: u32,
}

impl Line {
    fn of(message: &Message, side: Side) -> Self {
        let sent = &message.sent;
        let local_id = sent.local_id.owned();
        let (local_id, sent_date, status_code) = match side {
            Side::Inbox => (
                // A report that was given none has none; a message always has one, be it empty.
                (!local_id.is_empty() || !message.is_report()).then_some(local_id),
                message.since(&Status::Accepted).map(stamp::iso),
                message.error().and_then(|error| error.code.clone()),
            ),
            Side::Outbox => (
                Some(local_id),
                Some(stamp::iso(message.created)),
                Some(message.events.last().and_then(|event| event.code.clone()).unwrap_or_default()),
            ),
        };
        Self {
            message_id: message.id.to_string(),
            expiry_timestamp: stamp::iso(message.expires),
            local_id,
            message_type: if message.is_report() { "REPORT" } else { "DATA" },
            recipient: sent.recipient.id_text(),
            recipient_name: sent.recipient.name.clone(),
            sender: sent.sender.id_text(),
            sender_name: sent.sender.name.clone(),
            sent_date,
            status: message.status().as_str().to_owned(),
            status_code,
            workflow_id: sent.workflow.owned(),
            total_chunks: sent.chunks,
        }
    }
}

/// `GET …/inbox/rich`.
pub(super) fn inbox(api: &Api, query: &str, mailbox: &Mailbox, visit: &Visit) -> Result<Answer, Refusal> {
    view(api, query, mailbox, visit, Side::Inbox, (1, 2000))
}

/// `GET …/outbox/rich`.
pub(super) fn outbox(api: &Api, query: &str, mailbox: &Mailbox, visit: &Visit) -> Result<Answer, Refusal> {
    view(api, query, mailbox, visit, Side::Outbox, (10, 5000))
}

/// A time to begin at, in any form that MESH writes, or a year or month alone.
fn start(text: &str) -> Option<Timestamp> {
    let whole = |form: &str| text.split('-').map(str::len).eq(form.split('-').map(str::len));
    match text {
        _ if whole("yyyy") => stamp::parse(&format!("{text}-01-01")),
        _ if whole("yyyy-mm") => stamp::parse(&format!("{text}-01")),
        _ => stamp::parse(text),
    }
}

fn view(
    api: &Api,
    query: &str,
    mailbox: &Mailbox,
    visit: &Visit,
    side: Side,
    bounds: (i64, i64),
) -> Result<Answer, Refusal> {
    let mut fields = Fields::default();
    let start_time = query_value(query, "start_time");
    let continue_from =
        fields.query(query, "continue_from", CONTINUE_FROM_CHARS_MIN, CONTINUE_FROM_CHARS_MAX);
    let max_results = match query_value(query, "max_results") {
        Some(text) => fields.integer(Place::Query, "max_results", &text, bounds),
        None => RESULTS_DEFAULT,
    };
    fields.finish()?;
    let since = match start_time {
        // The official emulator has no better answer to a time that it cannot read.
        Some(text) => start(&text).ok_or_else(|| Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR))?,
        None => visit.now.saturating_sub(BACK).unwrap_or(Timestamp::MIN),
    };
    let after = continue_from.map(|token| token_read(&token)).transpose()?;

    let (name, max_results) = match side {
        Side::Inbox => ("inbox", max_results),
        Side::Outbox => ("outbox", max_results.min(OUTBOX_RESULTS_MAX)),
    };
    let limit = usize::try_from(max_results).unwrap_or_default();
    let (messages, more) = api.store.view(&mailbox.id, side, since, after.as_deref(), limit);
    // Microseconds only where there are any.
    let form = if since.subsec_nanosecond() == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S.%6f" };
    let start = link_text(&since.strftime(form).to_string());
    let this =
        format!("{}/{}/{name}/rich?start_time={start}&max_results={max_results}", path::ROOT, mailbox.id);
    let last: Option<&MessageId> = messages.last().map(|message| &message.id);
    let next = last.filter(|_| more).map(|last| format!("{this}&continue_from={}", token(last)));
    let view = View {
        valid_at: stamp::iso(visit.now),
        messages: messages.iter().map(|message| Line::of(message, side)).collect(),
        links: Links { this, next },
    };
    Ok(answer::versioned(StatusCode::OK, ApiVersion::V2, &view))
}
