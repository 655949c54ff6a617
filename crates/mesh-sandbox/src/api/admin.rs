//! The official emulator's admin calls (`mesh-api.md` 11.3). None needs authorisation; what changes something is
//! closed to web pages of other origins, as the controls are.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use mesh_api::{code, stamp};
use serde::Serialize;
use serde_json::json;

use crate::answer::{self, Answer, Refusal};
use crate::api::ageing::{UNCOLLECTED, ndr_subject};
use crate::api::body::Upload;
use crate::api::control::same_origin;
use crate::api::json::{JSON_BYTES_MAX, Object};
use crate::api::route::AdminCall;
use crate::api::{Api, Visit};
use crate::store::{Event, Message, Report, Status};
use crate::text::Text;

pub(super) async fn answer<B>(
    api: &Api,
    call: AdminCall<'_>,
    parts: &Parts,
    body: &mut Upload<B>,
    visit: &mut Visit,
) -> Result<Answer, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    same_origin(api, parts)?;
    let headers = &parts.headers;
    match call {
        AdminCall::Reset => reset(api, visit),
        AdminCall::ResetMailbox { mailbox } => reset_mailbox(api, &mailbox),
        AdminCall::Report => {
            let body = body.collect(JSON_BYTES_MAX).await?;
            report(api, headers, &body, visit)
        }
        AdminCall::Event { message } => {
            let body = body.collect(JSON_BYTES_MAX).await?;
            visit.message = Some(message.clone());
            event(api, &message, headers, &body, visit)
        }
        AdminCall::Mailbox { mailbox } => mailbox_details(api, mailbox),
        AdminCall::Message { message } => message_details(api, &message),
    }
}

fn read_only() -> Refusal {
    Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, "reset not supported for current store mode")
}

fn no_mailbox() -> Refusal {
    Refusal::plain(StatusCode::NOT_FOUND, "mailbox does not exist")
}

fn reset(api: &Api, visit: &Visit) -> Result<Answer, Refusal> {
    match api.store.reset(visit.now) {
        Ok(done) => done.map_err(|_| read_only())?,
        Err(error) => {
            tracing::error!(%error, "the sandbox's folder cannot be read again; it stays as it was");
            return Err(Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR));
        }
    }
    api.held_reports.forget();
    Ok(answer::json(StatusCode::OK, &json!({"message": "all mailboxes reset"})))
}

fn reset_mailbox(api: &Api, mailbox: &str) -> Result<Answer, Refusal> {
    let Some(found) = api.directory.mailbox(mailbox) else {
        return Err(if api.store.is_read_only() { read_only() } else { no_mailbox() });
    };
    api.store.reset_mailbox(&found.id).map_err(|_| read_only())?;
    api.held_reports.forget_of(&found.id);
    Ok(answer::json(StatusCode::OK, &json!({"message": format!("mailbox {mailbox} reset")})))
}

/// A report as if MESH had written it. `undeliverable` gives the one for a message that nobody collected, `error`
/// one with the caller's code and description.
fn report(api: &Api, headers: &HeaderMap, body: &[u8], visit: &mut Visit) -> Result<Answer, Refusal> {
    let mut fields = Object::read(headers, body)?;
    let mailbox = fields.required("mailbox_id");
    let given_code = fields.required("code");
    let description = fields.required("description");
    let workflow = fields.required("workflow_id");
    let subject = fields.optional("subject").unwrap_or_default();
    let local_id = fields.optional("local_id").unwrap_or_default();
    let status = fields.defaulted("status", Status::Undeliverable.as_str());
    let file_name = fields.optional("file_name").unwrap_or_default();
    let linked = fields.optional("linked_message_id");
    fields.finish()?;

    let recipient = api.directory.mailbox(&mailbox).ok_or_else(no_mailbox)?;
    let error = Event { linked, ..Event::plain(Status::Error, visit.now) };
    let (subject, file_name, event) = match Status::read(&status) {
        Status::Undeliverable => {
            let event =
                Event { linked: error.linked, ..Event::failure(code::UNDELIVERED, UNCOLLECTED, visit.now) };
            (ndr_subject(&subject), String::new(), event)
        }
        Status::Error => {
            let event = Event {
                code: Some(given_code),
                event: Some("TRANSFER".to_owned()),
                description: Some(description),
                ..error
            };
            (subject, file_name, event)
        }
        _ => return Err(Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR)),
    };
    let report = Report {
        recipient: Arc::clone(&recipient.party),
        workflow: Text::new(workflow),
        local_id: Text::new(local_id),
        subject: Text::new(subject),
        file_name: Text::new(file_name),
        event,
    };
    let id = api.deliver_report(report, visit.now).map(|id| id.to_string());
    visit.message.clone_from(&id);
    // A report that a fault holds back has no id yet.
    Ok(answer::json(StatusCode::OK, &json!({"message_id": id})))
}

fn event(
    api: &Api,
    message: &str,
    headers: &HeaderMap,
    body: &[u8],
    visit: &Visit,
) -> Result<Answer, Refusal> {
    let mut fields = Object::read(headers, body)?;
    let event = Event {
        status: Status::read(&fields.required("status")),
        at: visit.now,
        code: fields.optional("code"),
        event: fields.optional("event"),
        description: fields.optional("description"),
        linked: fields.optional("linked_message_id"),
    };
    fields.finish()?;
    match api.store.push_event(message, event).map_err(|error| Refusal::unwritten(&error))? {
        true => Ok(answer::empty(StatusCode::OK)),
        false => Err(Refusal::not_found()),
    }
}

fn mailbox_details(api: &Api, mailbox: &str) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Details<'a> {
        mailbox_id: &'a str,
        mailbox_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        billing_entity: Option<&'a str>,
        ods_code: &'a str,
        org_code: &'a str,
        org_name: &'a str,
        active: bool,
    }
    let found = api.directory.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
    let party = &found.party;
    let details = Details {
        mailbox_id: found.id.as_str(),
        mailbox_name: &party.name,
        billing_entity: party.billing_entity.as_deref(),
        ods_code: &party.ods_code,
        org_code: &party.org_code,
        org_name: &party.org_name,
        active: api.is_active(found),
    };
    Ok(answer::json(StatusCode::OK, &details))
}

/// Everything that is known of a message. What is absent is left out.
#[derive(Serialize)]
struct MessageDetails {
    checksum: String,
    chunk_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_timestamp: Option<String>,
    expiry_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_diagnostic: Option<String>,
    filename: String,
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_compressed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_encrypted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_msg_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_id: Option<String>,
    message_id: String,
    message_type: &'static str,
    recipient: String,
    recipient_name: String,
    recipient_ods_code: String,
    recipient_org_code: String,
    recipient_org_name: String,
    sender: String,
    sender_name: String,
    sender_ods_code: String,
    sender_org_code: String,
    sender_org_name: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_event: Option<String>,
    status_success: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    upload_timestamp: String,
    workflow_id: String,
}

impl MessageDetails {
    fn of(message: &Message) -> Self {
        let sent = &message.sent;
        let report = message.is_report();
        // What a sender leaves out is empty; what a report's writer leaves out is absent.
        let text = |text: &Text| Some(text.owned()).filter(|text| !report || !text.is_empty());
        let error = message.error();
        let (failure, status) = if report { (None, error) } else { (error, None) };
        Self {
            checksum: sent.checksum.owned(),
            chunk_count: sent.chunks,
            content_encoding: (!report).then_some(if sent.gzip { "gzip" } else { "" }),
            download_timestamp: message.since(&Status::Acknowledged).map(stamp::iso),
            expiry_time: stamp::iso(message.expires),
            failure_date: failure.map(|error| stamp::iso(error.at)),
            failure_diagnostic: failure.and_then(|error| error.description.clone()),
            filename: message.file_name().owned(),
            file_size: message.size,
            is_compressed: (!report).then_some(sent.compressed),
            is_encrypted: (!report).then_some(sent.encrypted),
            linked_msg_id: error.and_then(|error| error.linked.clone()),
            local_id: text(&sent.local_id),
            message_id: message.id.to_string(),
            message_type: if report { "Report" } else { "Data" },
            recipient: sent.recipient.id_text(),
            recipient_name: sent.recipient.name.clone(),
            recipient_ods_code: sent.recipient.ods_code.clone(),
            recipient_org_code: sent.recipient.org_code.clone(),
            recipient_org_name: sent.recipient.org_name.clone(),
            sender: sent.sender.id_text(),
            sender_name: sent.sender.name.clone(),
            sender_ods_code: sent.sender.ods_code.clone(),
            sender_org_code: sent.sender.org_code.clone(),
            sender_org_name: sent.sender.org_name.clone(),
            status: message.status().title(),
            status_code: status.and_then(|error| error.code.clone()),
            status_description: status.and_then(|error| error.description.clone()),
            status_event: status.and_then(|error| error.event.clone()),
            status_success: if report || error.is_some() { "ERROR" } else { "SUCCESS" },
            status_timestamp: status.map(|error| stamp::iso(error.at)),
            subject: text(&sent.subject),
            upload_timestamp: stamp::iso(message.created),
            workflow_id: sent.workflow.owned(),
        }
    }
}

fn message_details(api: &Api, message: &str) -> Result<Answer, Refusal> {
    let found = api.store.find(message).ok_or_else(Refusal::not_found)?;
    Ok(answer::json(StatusCode::OK, &MessageDetails::of(&found)))
}
