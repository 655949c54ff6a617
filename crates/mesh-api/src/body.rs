//! JSON bodies of both response versions (`mesh-api.md` 3.4 and section 4).
//!
//! A server writes one version exactly; a reader takes either, told apart by shape, because the media type of
//! an answer does not tell (3.2).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::MessageId;

/// A page of an inbox, read from either version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxPage {
    /// Ids, oldest first.
    pub messages: Vec<MessageId>,
    /// How many entries were not ids that can be used; they are skipped, never guessed.
    pub unusable: usize,
    /// Path of the next page, in version 2 only: origin-relative and already escaped.
    pub next: Option<String>,
    /// Whether the answer had the form of version 2, in which the absence of `next` means the end.
    pub linked: bool,
}

impl InboxPage {
    /// Reads an inbox answer of either version. `None` when it is neither.
    pub fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Page {
            messages: Vec<Value>,
            links: Option<Links>,
        }
        #[derive(Deserialize)]
        struct Links {
            next: Option<String>,
        }
        let page: Page = serde_json::from_slice(body).ok()?;
        let listed = page.messages.len();
        let messages: Vec<MessageId> =
            page.messages.iter().filter_map(|id| id.as_str()?.parse().ok()).collect();
        Some(Self {
            unusable: listed - messages.len(),
            messages,
            linked: page.links.is_some(),
            next: page.links.and_then(|links| links.next),
        })
    }
}

/// Reads the id that MESH gave a sent message, in any of its three spellings (3.1). `None` when there is none.
pub fn sent_message_id(body: &[u8]) -> Option<MessageId> {
    #[derive(Deserialize)]
    struct Sent {
        #[serde(alias = "messageID", alias = "messageId")]
        message_id: String,
    }
    serde_json::from_slice::<Sent>(body).ok()?.message_id.parse().ok()
}

/// MESH's word about what is wrong, from whichever shape it came in. Fields that were not given are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// Stage, such as `SEND`.
    pub event: String,
    /// Code, such as `12`; a string, and at times a sentence.
    pub code: String,
    /// For people. Never an echo of what was sent.
    pub description: String,
    /// The id that a refused message was given, when it was.
    pub message_id: Option<MessageId>,
}

impl ServiceError {
    /// Reads an error body. Of its words only those are kept that are no values ([`plain`]), since nothing keeps MESH, or
    /// what answers in its place, from repeating what it was sent.
    pub fn read(body: &[u8]) -> Self {
        let raw = Self::read_raw(body);
        let short = |text: String| if text.len() <= CODE_BYTES_MAX { text } else { plain(&text) };
        Self {
            event: short(raw.event),
            code: short(raw.code),
            description: match raw.description {
                ours if ours == unreadable(body) => ours,
                theirs => plain(&theirs),
            },
            message_id: raw.message_id,
        }
    }

    /// Without its explanation, if that has a word of what was sent beside the payload: subject, local id, file name.
    #[must_use]
    pub fn without<'a>(self, sent: impl IntoIterator<Item = &'a str>) -> Self {
        let parts = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
            words.map(str::to_lowercase).collect()
        };
        let said = if KNOWN.contains(&&*self.description) { Vec::new() } else { parts(&self.description) };
        let repeats = sent.into_iter().flat_map(parts).any(|word| said.contains(&word));
        let left_out = "its explanation repeats what was sent, and is left out";
        Self { description: if repeats { left_out.to_owned() } else { self.description }, ..self }
    }

    /// Reads an error body: version 2, version 1, validation, plain-string `detail`, bare `message`. Anything
    /// else (HTML, SOAP, nothing) is described by its length only, because it may echo what was sent.
    fn read_raw(body: &[u8]) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
            return Self { description: unreadable(body), ..Self::default() };
        };
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message_id = ["message_id", "messageID", "messageId"]
            .iter()
            .find_map(|name| text(fields.get(*name)).parse().ok());
        match fields.get("detail") {
            Some(Value::Array(items)) => {
                let first = items.first();
                let get = |name: &str| text(first.and_then(|item| item.get(name)));
                let description = match first.and_then(|item| item.get("loc")) {
                    Some(Value::Array(loc)) => {
                        let place: Vec<String> = loc.iter().map(|part| text(Some(part))).collect();
                        format!("{} ({})", get("msg"), place.join(" "))
                    }
                    _ => get("msg"),
                };
                Self { event: get("event"), code: get("code"), description, message_id }
            }
            Some(Value::String(detail)) => {
                Self { description: detail.clone(), message_id, ..Self::default() }
            }
            _ if fields.contains_key("errorCode") || fields.contains_key("errorDescription") => Self {
                event: text(fields.get("errorEvent")),
                code: text(fields.get("errorCode")),
                description: text(fields.get("errorDescription")),
                message_id,
            },
            _ => match text(fields.get("message")) {
                message if message.is_empty() => Self { description: unreadable(body), ..Self::default() },
                message => Self {
                    description: message.split_whitespace().collect::<Vec<_>>().join(" "),
                    message_id,
                    ..Self::default()
                },
            },
        }
    }

    /// Whether MESH gave a code, that is, whether the refusal is about the message itself.
    pub fn has_code(&self) -> bool {
        !self.code.is_empty()
    }
}

/// Longest code or event that is taken as it is. Longer ones are sentences.
const CODE_BYTES_MAX: usize = 12;
/// Longest word of a sentence for people.
const WORD_CHARS_MAX: usize = 32;
/// Sentences that MESH is known to explain with (`mesh-api.md` section 8). They are its own, whatever was sent.
const KNOWN: [&str; 19] = [
    "Data file is missing or inaccessible.",
    "MalformedControlFile",
    "Invalid From Address in the control file",
    "TO_DTS missing",
    "Invalid version of the control file",
    "Invalid Message Type for the transfer",
    "Unregistered to address",
    "Cannot send messages to internal mailbox",
    "Workflow ID not registered for mailbox",
    "Invalid expiry period",
    "Multiple mailboxes matches",
    "No mailbox matched",
    "Invalid NHS Number",
    "NHS Number not found",
    "NHS Number supplied does not match the demographics",
    "Invalid chunk values sent in mex-Chunk-Range header",
    "Unsupported content encoding",
    "Invalid checksum",
    "File Level Error (file not formed correctly)",
];

/// A text without what looks like a value: each word that is not of ASCII letters alone (with hyphens, underscores and
/// apostrophes in it) nor of three digits at most, or is very long, becomes `…`, so that no number, date, name of a file or piece of a message is left.
fn plain(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        let inner = word.trim_matches(|c: char| c.is_ascii_punctuation());
        // A limit or a count; a year, a date or a patient's number is longer.
        let is_count = inner.len() <= 3 && inner.chars().all(|c| c.is_ascii_digit());
        let is_word = inner.len() <= WORD_CHARS_MAX
            && inner.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '\''));
        match (is_word || is_count, kept.last()) {
            (true, _) => kept.push(word),
            (false, Some(&"…")) => {}
            (false, _) => kept.push("…"),
        }
    }
    kept.join(" ")
}

fn unreadable(body: &[u8]) -> String {
    match body.len() {
        0 => "no explanation was given".to_owned(),
        bytes => format!("{bytes} bytes that are not a MESH error"),
    }
}

/// Error in version 1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorV1<'a> {
    /// Only when a message is concerned.
    #[serde(rename = "messageID", skip_serializing_if = "Option::is_none")]
    pub message_id: Option<&'a str>,
    /// Stage.
    pub error_event: &'a str,
    /// Code.
    pub error_code: &'a str,
    /// Text.
    pub error_description: &'a str,
}

/// Error in version 2.
#[derive(Debug, Serialize)]
pub struct ErrorV2<'a> {
    /// Only when a message is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<&'a str>,
    /// The server's own id of the call; live gives one beside a message id (`mesh-api.md` 3.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_id: Option<&'a str>,
    /// One entry.
    pub detail: [ErrorDetailV2<'a>; 1],
}

/// The entry of an [`ErrorV2`].
#[derive(Debug, Serialize)]
pub struct ErrorDetailV2<'a> {
    /// Stage.
    pub event: &'a str,
    /// Code.
    pub code: &'a str,
    /// Text.
    pub msg: &'a str,
}

/// Inbox in version 1.
#[derive(Debug, Serialize)]
pub struct InboxV1<'a> {
    /// Ids, oldest first.
    pub messages: Vec<&'a str>,
}

/// Inbox in version 2.
#[derive(Debug, Serialize)]
pub struct InboxV2<'a> {
    /// Ids, oldest first.
    pub messages: Vec<&'a str>,
    /// Where this page and the next are.
    pub links: LinksV2,
    /// How many messages wait, filter and page aside.
    pub approx_inbox_count: usize,
}

/// Links of an [`InboxV2`], origin-relative.
#[derive(Debug, Serialize)]
pub struct LinksV2 {
    /// This page.
    #[serde(rename = "self")]
    pub this: String,
    /// The next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Handshake in version 1; version 2 answers with no body.
#[derive(Debug, Serialize)]
pub struct HandshakeV1<'a> {
    /// The mailbox.
    #[serde(rename = "mailboxId")]
    pub mailbox_id: &'a str,
}

/// Acknowledge in version 1; version 2 answers with no body.
#[derive(Debug, Serialize)]
pub struct AcknowledgedV1<'a> {
    /// The message.
    #[serde(rename = "messageId")]
    pub message_id: &'a str,
}

/// Send in version 1.
#[derive(Debug, Serialize)]
pub struct SentV1<'a> {
    /// The message.
    #[serde(rename = "messageID")]
    pub message_id: &'a str,
    /// Which chunk, on later chunks only.
    #[serde(rename = "blockID", skip_serializing_if = "Option::is_none")]
    pub block_id: Option<u32>,
}

/// Send in version 2.
#[derive(Debug, Serialize)]
pub struct SentV2<'a> {
    /// The message.
    pub message_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_pages_of_both_versions_are_read() {
        let v1 = InboxPage::read(br#"{"messages":["A1","B2"]}"#).expect("version 1");
        assert_eq!((v1.messages.len(), v1.linked, v1.next), (2, false, None));
        let v2 = InboxPage::read(
            br#"{"messages":["A1"],"links":{"self":"/s","next":"/n?x=1"},"approx_inbox_count":7}"#,
        )
        .expect("version 2");
        assert_eq!((v2.messages.len(), v2.linked, v2.next.as_deref()), (1, true, Some("/n?x=1")));
        let odd = InboxPage::read(br#"{"messages":["../x", 7, "A1"]}"#).expect("a page with odd entries");
        assert_eq!((odd.messages.len(), odd.unusable), (1, 2));
        assert_eq!(InboxPage::read(b"<html>"), None);
    }

    #[test]
    fn the_sent_id_is_read_in_any_spelling() {
        for body in [r#"{"messageID":"A1"}"#, r#"{"message_id":"A1"}"#, r#"{"messageId":"A1","blockID":2}"#] {
            assert_eq!(sent_message_id(body.as_bytes()).map(|id| id.to_string()), Some("A1".to_owned()));
        }
        for body in ["", "null", "{}", r#"{"message_id":"../x"}"#] {
            assert_eq!(sent_message_id(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn errors_of_every_shape_are_read() {
        let read = |body: &str| {
            let e = ServiceError::read(body.as_bytes());
            (e.event, e.code, e.description, e.message_id.map(|id| id.to_string()))
        };
        let owned = |a: &str, b: &str, c: &str, d: Option<&str>| {
            (a.to_owned(), b.to_owned(), c.to_owned(), d.map(str::to_owned))
        };
        for (body, expected) in [
            (
                r#"{"messageID":"A1","errorEvent":"SEND","errorCode":"12","errorDescription":"Unregistered"}"#,
                owned("SEND", "12", "Unregistered", Some("A1")),
            ),
            (
                r#"{"message_id":"A1","detail":[{"event":"SEND","code":"12","msg":"Unregistered"}]}"#,
                owned("SEND", "12", "Unregistered", Some("A1")),
            ),
            (r#"{"errorCode":403,"errorDescription":"no"}"#, owned("", "403", "no", None)),
            (
                r#"{"detail":[{"type":"missing","loc":["header","mex-to"],"msg":"Field required","input":"canary"}]}"#,
                owned("", "", "Field required (header mex-to)", None),
            ),
            (r#"{"detail":"Not Found"}"#, owned("", "", "Not Found", None)),
            ("{\"message\":\"An internal\\n\\nerror\"}", owned("", "", "An internal error", None)),
            (
                r#"{"detail":[{"event":"SEND","code":"06","msg":"bad name 'SMITH^JO' (4857773456, b. 1970-01-01) in ./a-b.dat"}]}"#,
                owned("SEND", "06", "bad name … b. … in …", None),
            ),
            ("", owned("", "", "no explanation was given", None)),
            ("<html>canary", owned("", "", "12 bytes that are not a MESH error", None)),
        ] {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn an_explanation_that_repeats_what_was_sent_is_left_out() {
        let error = || ServiceError::read(br#"{"detail":"no recipient for Smith found"}"#);
        let left = |sent: &[&str]| error().without(sent.iter().copied()).description;
        assert_eq!(left(&["Result", "L1", ""]), "no recipient for Smith found");
        assert!(left(&["letter about SMITH, J"]).contains("left out"));
    }
}
