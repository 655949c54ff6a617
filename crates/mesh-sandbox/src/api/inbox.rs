//! Handshake, listing, count and acknowledge (`mesh-api.md` 4.1, 4.2, 4.3, 4.7).

use hyper::{HeaderMap, StatusCode};
use mesh_api::body::{AcknowledgedV1, HandshakeV1, InboxV1, InboxV2, LinksV2};
use mesh_api::{ApiVersion, MessageId, header, path};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use uuid::Uuid;

use crate::answer::{self, Answer, Place, Refusal};
use crate::api::fields::{Fields, query_value};
use crate::api::{Api, Visit, version};
use crate::directory::Mailbox;
use crate::filter::WorkflowFilter;
use crate::rules::Rule;
use crate::store::{AcknowledgeError, After, ChangeError};

pub(super) const CONTINUE_FROM_CHARS_MIN: usize = 24;
pub(super) const CONTINUE_FROM_CHARS_MAX: usize = 1000;
const WORKFLOW_FILTER_CHARS_MIN: usize = 2;
const WORKFLOW_FILTER_CHARS_MAX: usize = 255;

/// What a listing's token begins with, so that a view's is told from it.
const PLACE: &str = "place ";

/// What stands unescaped in a link's query.
const LINK: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value in a link's query, a space as a plus.
pub(super) fn link_text(text: &str) -> String {
    utf8_percent_encode(text, LINK).to_string().replace("%20", "+")
}

/// 4.1, both methods.
pub(super) fn handshake(
    api: &Api,
    headers: &HeaderMap,
    mailbox: &Mailbox,
    visit: &Visit,
) -> Result<Answer, Refusal> {
    let version = version(headers)?;
    let mut fields = Fields::default();
    for name in [header::CLIENT_VERSION, header::OS_NAME, header::OS_VERSION] {
        fields.required_header(headers, name, usize::MAX);
    }
    fields.finish()?;
    api.habits.shook_hands(&mailbox.id, visit.now);
    Ok(match version {
        ApiVersion::V1 => answer::json(StatusCode::OK, &HandshakeV1 { mailbox_id: mailbox.id.as_str() }),
        ApiVersion::V2 => answer::empty(StatusCode::OK),
    })
}

/// 4.2.
pub(super) fn list(
    api: &Api,
    headers: &HeaderMap,
    query: &str,
    mailbox: &Mailbox,
    visit: &mut Visit,
) -> Result<Answer, Refusal> {
    let version = version(headers)?;
    let mut fields = Fields::default();
    let max_results = match query_value(query, "max_results") {
        Some(text) => {
            let bounds = (i64::from(path::PAGE_MIN), i64::from(path::PAGE_MAX));
            fields.integer(Place::Query, "max_results", &text, bounds)
        }
        None => i64::from(path::PAGE_DEFAULT),
    };
    let continue_from =
        fields.query(query, "continue_from", CONTINUE_FROM_CHARS_MIN, CONTINUE_FROM_CHARS_MAX);
    let workflow_filter =
        fields.query(query, "workflow_filter", WORKFLOW_FILTER_CHARS_MIN, WORKFLOW_FILTER_CHARS_MAX);
    fields.finish()?;

    let after = match (version, continue_from) {
        (ApiVersion::V2, Some(token)) => Some(After::Place(place_read(&token)?)),
        (_, after) => after.map(After::Message),
    };
    let filter = WorkflowFilter::read(workflow_filter.as_deref().unwrap_or_default());
    let limit = usize::try_from(max_results).unwrap_or_default();
    let page = api.store.page(&mailbox.id, &filter, after.as_ref(), limit);
    let goes_on = match &after {
        Some(After::Message(id)) => {
            api.store.find(id).is_some_and(|message| message.recipient() == Some(&mailbox.id))
        }
        Some(After::Place(_)) => true,
        None => false,
    };
    let too_soon = api.habits.listed(&mailbox.id, visit.now, goes_on, page.next.is_some());
    if too_soon && api.rules.hold(Rule::PollRate) {
        visit.broke(Rule::PollRate);
        tracing::warn!(mailbox = %mailbox.id, "the inbox is listed again within five minutes; live allows that only while more is known to wait");
    }
    let copied = |id| std::iter::repeat_n(MessageId::as_str(id), visit.copies as usize);
    let messages = page.ids.iter().flat_map(copied).collect();
    if version == ApiVersion::V1 {
        return Ok(answer::json(StatusCode::OK, &InboxV1 { messages }));
    }

    let this = link(mailbox, max_results, workflow_filter.as_deref());
    let next = page.next.map(|place| {
        let joint = if this.contains('?') { '&' } else { '?' };
        format!("{this}{joint}continue_from={}", place_token(place))
    });
    let body =
        InboxV2 { messages, links: LinksV2 { this, next }, approx_inbox_count: api.store.count(&mailbox.id) };
    Ok(answer::versioned(StatusCode::OK, version, &body))
}

/// A page's own address; the page size only when it is not the default.
fn link(mailbox: &Mailbox, max_results: i64, workflow_filter: Option<&str>) -> String {
    let mut query = Vec::new();
    if max_results != i64::from(path::PAGE_DEFAULT) {
        query.push(format!("max_results={max_results}"));
    }
    if let Some(filter) = workflow_filter {
        query.push(format!("workflow_filter={}", link_text(filter)));
    }
    let path = format!("{}/{}/inbox", path::ROOT, mailbox.id);
    match query.is_empty() {
        true => path,
        false => format!("{path}?{}", query.join("&")),
    }
}

/// The opaque form of a message that a view goes on from: its bytes in hex, so that nobody takes it for an id.
pub(super) fn token(last: &MessageId) -> String {
    hex::encode(last.as_str())
}

pub(super) fn token_read(token: &str) -> Result<String, Refusal> {
    let read = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    read.ok_or_else(not_a_link)
}

fn not_a_link() -> Refusal {
    Refusal::plain(StatusCode::BAD_REQUEST, "continue_from is not a link of this server")
}

/// The opaque form of the place that a listing goes on from. It stays good when its message is acknowledged: a
/// client that takes a page and acknowledges it does not begin again.
fn place_token(place: u64) -> String {
    hex::encode(format!("{PLACE}{place:020}"))
}

fn place_read(token: &str) -> Result<u64, Refusal> {
    let read = token_read(token)?;
    let place = read.strip_prefix(PLACE).and_then(|place| place.parse().ok());
    place.ok_or_else(not_a_link)
}

/// 4.3.
pub(super) fn count(api: &Api, headers: &HeaderMap, mailbox: &Mailbox) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Count {
        count: usize,
        #[serde(rename = "internalID", skip_serializing_if = "Option::is_none")]
        internal_id: Option<String>,
        #[serde(rename = "allResultsIncluded", skip_serializing_if = "Option::is_none")]
        all_results_included: Option<bool>,
    }
    let v1 = version(headers)? == ApiVersion::V1;
    let count = Count {
        count: api.store.count(&mailbox.id),
        internal_id: v1.then(|| Uuid::new_v4().simple().to_string()),
        all_results_included: v1.then_some(true),
    };
    Ok(answer::json(StatusCode::OK, &count))
}

/// 4.7.
pub(super) fn acknowledge(
    api: &Api,
    headers: &HeaderMap,
    mailbox: &Mailbox,
    id: &str,
    visit: &Visit,
) -> Result<Answer, Refusal> {
    let version = version(headers)?;
    api.store.acknowledge(id, &mailbox.id, visit.now).map_err(|error| match error {
        ChangeError::Refused(AcknowledgeError::Unknown) => Refusal::no_such_message(),
        ChangeError::Refused(AcknowledgeError::NotRecipient) => Refusal::forbidden("Forbidden"),
        ChangeError::Unwritten(error) => Refusal::unwritten(&error),
    })?;
    Ok(match version {
        ApiVersion::V1 => answer::json(StatusCode::OK, &AcknowledgedV1 { message_id: id }),
        ApiVersion::V2 => answer::empty(StatusCode::OK),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_and_junk_is_not() {
        let id: MessageId = "20260329234512345678_000001".parse().expect("an id");
        assert_eq!(token_read(&token(&id)).ok().as_deref(), Some(id.as_str()));
        assert_eq!(place_read(&place_token(1 << 40)).ok(), Some(1 << 40));
        assert!(place_read(&token(&id)).is_err());
        for junk in ["abc", "zz", "+1", "é", "ff"] {
            assert!(token_read(junk).is_err(), "{junk}");
        }
    }
}
