//! A change of state as a CloudEvent in JSON (`queue-bridging.md` 2.5).

use relay_core::{DeliveryEvent, OutboundState, Resent, Trace, TraceContext};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::inbound::word;
use crate::submission::Given;

/// The media type of an event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// What an event about a message needs beside the journal's record. Kept there as text ([`Reply::to_text`]).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The submission's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What the submission asked to have copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Where else the event goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// W3C trace context of the submission's arrival here, or where nobody records that, of the submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

impl Reply {
    /// What is to be kept of a submission, whether it can be sent or not.
    pub fn of(given: &Given, trace: &Trace) -> Self {
        let context = trace.context();
        Self {
            message_id: given.message_id.clone(),
            correlation_id: given.correlation_id.clone(),
            reply_to: given.reply_to.clone(),
            traceparent: context.map(|context| context.parent().to_owned()),
            tracestate: context.and_then(TraceContext::state).map(str::to_owned),
        }
    }

    /// The trace context that was kept.
    pub fn trace(&self) -> Option<TraceContext> {
        TraceContext::read(self.traceparent.as_deref()?, self.tracestate.as_deref())
    }

    /// As the journal keeps it.
    pub fn to_text(&self) -> String {
        // A struct of texts always is JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From what the journal kept; empty where that is nothing of ours.
    pub fn from_text(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// An event as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// Its id: the same happening has the same one, however often it is told.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// `<mailbox>.<workflow>.<state>`.
    pub routing_key: String,
    /// The whole of it, as JSON.
    pub body: Vec<u8>,
}

impl CloudEvent {
    /// An event. `prefix` stands before its type, `source` says which relay tells it.
    pub fn of(event: &DeliveryEvent, reply: &Reply, prefix: &str, source: &str) -> Self {
        let state = event.state.name();
        let (id, kind) = (event.id.to_string(), format!("{prefix}.message.{state}"));
        let workflow = event.workflow.as_deref().unwrap_or("unknown");
        let routing_key = format!("{}.{}.{state}", word(event.mailbox.as_str()), word(workflow));
        let mut data = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                data.insert(name.to_owned(), value);
            }
        };
        put("state", Some(json!(state)));
        put("mailbox", Some(json!(event.mailbox.as_str())));
        put("workflow_id", event.workflow.as_ref().map(|workflow| json!(workflow)));
        put("submission_id", reply.message_id.as_ref().map(|id| json!(id)));
        put("correlation_id", reply.correlation_id.as_ref().map(|id| json!(id)));
        put("mesh_message_id", event.state.message_id().map(|id| json!(id.as_str())));
        put("note", event.note.as_ref().map(|note| json!(note)));
        if let OutboundState::Rejected(report) | OutboundState::Undelivered { report, .. } = &event.state {
            put("mesh_event", Some(json!(report.event)));
            put("mesh_code", Some(json!(report.code)));
            put("mesh_description", Some(json!(report.description)));
        }
        if let OutboundState::Parked { reason } = &event.state {
            put("reason", Some(json!(reason)));
        }
        if let OutboundState::Accepted { resent, .. } = &event.state {
            put("possible_duplicate", Some(json!(*resent == Resent::Blindly)));
        }
        let mut whole = json!({
            "specversion": "1.0",
            "id": id,
            "type": kind,
            "source": source,
            "subject": event.id.relay_id.to_string(),
            "time": event.at.to_string(),
            "datacontenttype": "application/json",
            // Counts the changes of one message, without gaps; as text of a fixed width, to be sorted by.
            "sequence": format!("{:08}", event.id.sequence),
            "data": data,
        });
        for (name, value) in [("traceparent", &reply.traceparent), ("tracestate", &reply.tracestate)] {
            if let Some(value) = value {
                whole[name] = json!(value);
            }
        }
        Self { id, kind, routing_key, body: whole.to_string().into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_core::{EventId, Rejection, RelayId, SourceKey};

    fn event(state: OutboundState) -> DeliveryEvent {
        DeliveryEvent {
            id: EventId { relay_id: RelayId(uuid::Uuid::nil()), sequence: 3 },
            source: SourceKey { adapter: "engine".to_owned(), message: "mesh.outbound/7".to_owned() },
            mailbox: "X26ABC1".parse().expect("a mailbox"),
            workflow: Some("A.B".to_owned()),
            reply: None,
            at: "2026-11-22T10:15:00Z".parse().expect("a time"),
            state,
            note: None,
        }
    }

    #[test]
    fn an_event_says_what_happened_to_which_submission() {
        let report = Rejection {
            event: "SEND".to_owned(),
            code: "12".to_owned(),
            description: "Unregistered to address".to_owned(),
            message_id: None,
        };
        let reply = Reply {
            message_id: Some("7".to_owned()),
            correlation_id: Some("C".to_owned()),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            ..Reply::default()
        };
        assert_eq!(Reply::from_text(Some(&reply.to_text())).to_text(), reply.to_text());
        let told =
            CloudEvent::of(&event(OutboundState::Rejected(report)), &reply, "org.example", "mesh-relay/a");
        assert_eq!(told.routing_key, "X26ABC1.A_B.rejected");
        assert_eq!(told.kind, "org.example.message.rejected");
        let body: Value = serde_json::from_slice(&told.body).expect("JSON");
        assert_eq!(body["id"], format!("{}:3", RelayId(uuid::Uuid::nil())));
        assert_eq!(body["sequence"], "00000003");
        assert_eq!(body["data"]["mesh_code"], "12");
        assert_eq!(body["data"]["submission_id"], "7");
        assert_eq!(body["data"]["correlation_id"], "C");
        assert_eq!(body["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }

    #[test]
    fn what_nobody_could_ask_about_is_marked() {
        let id = "20260329234512345678_0A1B2C".parse().expect("an id");
        let at = "2026-11-22T10:15:00Z".parse().expect("a time");
        let by = relay_core::Evidence::Answer;
        let state = OutboundState::Accepted { id, at, by, resent: Resent::Blindly, followed: 0 };
        let told = CloudEvent::of(&event(state), &Reply::default(), "p", "s");
        let body: Value = serde_json::from_slice(&told.body).expect("JSON");
        assert_eq!(body["data"]["possible_duplicate"], true);
        assert_eq!(body["data"]["mesh_message_id"], "20260329234512345678_0A1B2C");
    }
}
