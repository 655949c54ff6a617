//! A message's metadata as the official emulator writes it to disk (`mesh-api.md` 11.2), so that a folder can go
//! from one server to the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mesh_api::{MailboxId, MessageId, stamp};
use serde::{Deserialize, Serialize};

use crate::directory::Party;
use crate::store::INBOX_EXPIRY;
use crate::store::message::{Event, Kind, Message, Sent, Status};
use crate::text::Text;

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    message_id: String,
    #[serde(default)]
    recipient: PartyRecord,
    #[serde(default)]
    sender: PartyRecord,
    /// Newest first.
    #[serde(default)]
    events: Vec<EventRecord>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    workflow_id: String,
    #[serde(default)]
    message_type: Option<String>,
    #[serde(default = "one")]
    total_chunks: u32,
    #[serde(default)]
    file_size: u64,
    #[serde(default)]
    inbox_expiry_timestamp: Option<String>,
    #[serde(default)]
    last_modified: Option<String>,
    created_timestamp: String,
}

fn one() -> u32 {
    1
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct PartyRecord {
    mailbox_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ods_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_entity: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct EventRecord {
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    linked_message_id: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partner_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    encrypted: Option<bool>,
    compressed: Option<bool>,
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<&Party> for PartyRecord {
    fn from(party: &Party) -> Self {
        Self {
            mailbox_id: party.id_text(),
            mailbox_name: given(&party.name),
            org_code: given(&party.org_code),
            ods_code: given(&party.ods_code),
            org_name: given(&party.org_name),
            billing_entity: party.billing_entity.clone(),
        }
    }
}

impl PartyRecord {
    fn party(self) -> Party {
        Party {
            id: self.mailbox_id.trim().parse::<MailboxId>().ok(),
            name: self.mailbox_name.unwrap_or_default(),
            ods_code: self.ods_code.unwrap_or_default(),
            org_code: self.org_code.unwrap_or_default(),
            org_name: self.org_name.unwrap_or_default(),
            billing_entity: self.billing_entity,
        }
    }
}

impl Record {
    pub(super) fn of(message: &Message) -> Self {
        let sent = &message.sent;
        let text = |text: &Text| given(&text.read());
        Self {
            message_id: message.id.to_string(),
            recipient: sent.recipient.as_ref().into(),
            sender: sent.sender.as_ref().into(),
            events: message.events.iter().rev().map(EventRecord::of).collect(),
            metadata: Metadata {
                subject: text(&sent.subject),
                content_type: text(&sent.content_type),
                content_encoding: sent.gzip.then(|| "gzip".to_owned()),
                // The official emulator keeps the default name with a message, and none with a report.
                file_name: text(&if message.is_report() {
                    sent.file_name.clone()
                } else {
                    message.file_name()
                }),
                local_id: text(&sent.local_id),
                partner_id: text(&sent.partner_id),
                checksum: text(&sent.checksum),
                encrypted: Some(sent.encrypted),
                compressed: Some(sent.compressed),
            },
            workflow_id: sent.workflow.owned(),
            message_type: Some(if message.is_report() { "REPORT" } else { "DATA" }.to_owned()),
            total_chunks: sent.chunks,
            file_size: message.size,
            inbox_expiry_timestamp: Some(stamp::iso(message.expires)),
            last_modified: Some(stamp::iso(message.last_changed())),
            created_timestamp: stamp::iso(message.created),
        }
    }

    /// The message, without its chunks and its place. `None` when an id or a time cannot be one.
    pub(super) fn message(self) -> Option<Message> {
        let id: MessageId = self.message_id.trim().to_uppercase().parse().ok()?;
        let created = stamp::parse(&self.created_timestamp)?;
        let text = |text: Option<String>| Text::new(text.unwrap_or_default());
        let metadata = self.metadata;
        let kind = if self.message_type.as_deref() == Some("REPORT") { Kind::Report } else { Kind::Data };
        let sent = Sent {
            kind,
            sender: Arc::new(self.sender.party()),
            recipient: Arc::new(self.recipient.party()),
            unroutable: None,
            workflow: Text::new(self.workflow_id),
            local_id: text(metadata.local_id),
            subject: text(metadata.subject),
            file_name: text(metadata.file_name),
            content_type: text(metadata.content_type),
            partner_id: text(metadata.partner_id),
            checksum: text(metadata.checksum),
            encrypted: metadata.encrypted.unwrap_or_default(),
            compressed: metadata.compressed.unwrap_or_default(),
            gzip: metadata.content_encoding.as_deref() == Some("gzip"),
            chunks: self.total_chunks,
        };
        let mut events: Vec<Event> =
            self.events.into_iter().rev().map(|event| event.event(created)).collect();
        if events.is_empty() {
            events.push(Event::plain(Status::Accepted, created));
        }
        let expires = self.inbox_expiry_timestamp.as_deref().and_then(stamp::parse);
        Some(Message {
            id,
            sent: Arc::new(sent),
            created,
            expires: expires.unwrap_or_else(|| after(created, INBOX_EXPIRY)),
            size: self.file_size,
            events,
            chunks: BTreeMap::new(),
            place: 0,
        })
    }
}

/// A time so much later, at the end of time at the latest.
pub(super) fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl EventRecord {
    fn of(event: &Event) -> Self {
        Self {
            status: event.status.as_str().to_owned(),
            code: event.code.clone(),
            event: event.event.clone(),
            description: event.description.clone(),
            timestamp: Some(stamp::iso(event.at)),
            linked_message_id: event.linked.clone(),
        }
    }

    fn event(self, created: Timestamp) -> Event {
        Event {
            status: Status::read(&self.status),
            at: self.timestamp.as_deref().and_then(stamp::parse).unwrap_or(created),
            code: self.code,
            event: self.event,
            description: self.description,
            linked: self.linked_message_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_official_emulator_is_read_and_written_back() {
        let text = r#"{"message_id": "0A1B", "recipient": {"mailbox_id": "x26abc1", "mailbox_name": "TESTMB1"},
            "sender": {"mailbox_id": ""}, "events": [{"status": "accepted", "timestamp": "2026-03-29T23:45:12.345678"},
            {"status": "error", "code": "14", "event": "SEND", "linked_message_id": "L", "timestamp": "2026-03-29T23:45:12"}],
            "metadata": {"local_id": "ref", "content_encoding": "gzip", "etag": "x"}, "workflow_id": "FLOW",
            "message_type": "REPORT", "total_chunks": 0, "file_size": 0,
            "created_timestamp": "2026-03-29T23:45:12.345678"}"#;
        let read = |text: &str| serde_json::from_str::<Record>(text).expect("a record").message();
        let message = read(text).expect("a message");
        assert_eq!(message.recipient().map(MailboxId::as_str), Some("X26ABC1"));
        assert_eq!(
            (message.sender(), message.is_report(), message.status()),
            (None, true, &Status::Accepted)
        );
        assert_eq!(message.error().and_then(|error| error.code.as_deref()), Some("14"));
        assert_eq!(stamp::iso(message.expires), "2026-04-03T23:45:12.345678");
        let written = serde_json::to_string(&Record::of(&message)).expect("JSON");
        let again = read(&written).expect("a message");
        assert_eq!(format!("{message:?}"), format!("{again:?}"));
        assert!(read(&text.replace("0A1B", " ")).is_none());
    }
}
