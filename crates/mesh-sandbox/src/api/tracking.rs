//! Tracking by message id and by local id (`mesh-api.md` 4.10, 4.11).

use hyper::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use mesh_api::tracking::{TrackingV1, TrackingV2};
use mesh_api::{ApiVersion, stamp};

use crate::answer::{self, Answer, Refusal};
use crate::api::fields::Fields;
use crate::api::{Api, version};
use crate::directory::Mailbox;
use crate::store::{Message, Status};

/// How long a message may wait in an inbox (7.2). Told, not enforced: the official emulator ages nothing.
const INBOX_EXPIRY: SignedDuration = SignedDuration::from_hours(5 * 24);

/// 4.10. Someone else's message is as unknown as one that does not exist.
pub(super) fn by_message_id(
    api: &Api,
    headers: &HeaderMap,
    query: &str,
    mailbox: &Mailbox,
) -> Result<Answer, Refusal> {
    let mut fields = Fields::default();
    let id = fields.required_query(query, "messageID", 1).to_uppercase();
    let version = version(headers)?;
    fields.finish()?;
    let message = api
        .store
        .find(&id)
        .filter(|message| message.sent.sender == mailbox.id)
        .ok_or_else(Refusal::not_found)?;
    Ok(match version {
        ApiVersion::V1 => answer::json(StatusCode::OK, &v1(api, &message)),
        ApiVersion::V2 => answer::versioned(StatusCode::OK, version, &v2(api, &message)),
    })
}

/// 4.11: version 1 whatever is asked for, so `Accept` is not even looked at.
pub(super) fn by_local_id(api: &Api, mailbox: &Mailbox, local_id: &str) -> Result<Answer, Refusal> {
    match &api.store.find_by_local_id(&mailbox.id, local_id)[..] {
        [] => Err(Refusal::not_found()),
        [message] => Ok(answer::json(StatusCode::OK, &v1(api, message))),
        _ => Err(Refusal::plain(StatusCode::MULTIPLE_CHOICES, "Multiple Choices")),
    }
}

fn expiry(message: &Message) -> Timestamp {
    message.created.saturating_add(INBOX_EXPIRY).unwrap_or(Timestamp::MAX)
}

fn v1(api: &Api, message: &Message) -> TrackingV1 {
    let sent = &message.sent;
    let id = message.id.as_str();
    let flag = |set: bool| if set { "Y" } else { "" }.to_owned();
    let recipient = api.directory.mailbox(sent.recipient.as_str());
    let sender = api.directory.mailbox(sent.sender.as_str());
    let of = |mailbox: Option<&Mailbox>, part: fn(&Mailbox) -> &String| {
        mailbox.map(part).cloned().unwrap_or_default()
    };
    TrackingV1 {
        address_type: "ALL".to_owned(),
        checksum: sent.checksum.owned(),
        chunk_count: sent.chunks,
        compress_flag: flag(sent.compressed),
        content_encoding: if sent.gzip { "gzip" } else { "" }.to_owned(),
        download_timestamp: message.since(Status::Acknowledged).map(stamp::compact).unwrap_or_default(),
        dts_id: id.to_owned(),
        encrypted_flag: flag(sent.encrypted),
        expiry_time: stamp::compact(expiry(message)),
        file_name: message.file_name().owned(),
        file_size: message.size,
        is_compressed: flag(sent.compressed),
        local_id: sent.local_id.owned(),
        mesh_recipient_ods_code: of(recipient, |mailbox| &mailbox.ods_code),
        message_id: id.to_owned(),
        message_type: "Data".to_owned(),
        partner_id: sent.partner_id.owned(),
        recipient: sent.recipient.to_string(),
        recipient_name: of(recipient, |mailbox| &mailbox.name),
        recipient_org_code: of(recipient, |mailbox| &mailbox.org_code),
        recipient_org_name: of(recipient, |mailbox| &mailbox.org_name),
        recipient_smtp: String::new(),
        sender: sent.sender.to_string(),
        sender_name: of(sender, |mailbox| &mailbox.name),
        sender_ods_code: of(sender, |mailbox| &mailbox.ods_code),
        sender_org_code: of(sender, |mailbox| &mailbox.org_code),
        sender_org_name: of(sender, |mailbox| &mailbox.org_name),
        sender_smtp: String::new(),
        status: message.status().title().to_owned(),
        status_success: "SUCCESS".to_owned(),
        subject: sent.subject.owned(),
        upload_timestamp: stamp::compact(message.created),
        version: "1.0".to_owned(),
        workflow_id: sent.workflow.owned(),
    }
}

fn v2(api: &Api, message: &Message) -> TrackingV2 {
    let sent = &message.sent;
    let recipient = api.directory.mailbox(sent.recipient.as_str());
    TrackingV2 {
        message_id: message.id.as_str().to_owned(),
        local_id: Some(sent.local_id.owned()),
        workflow_id: Some(sent.workflow.owned()),
        filename: Some(message.file_name().owned()),
        expiry_time: Some(stamp::iso(expiry(message))),
        upload_timestamp: Some(stamp::iso(message.created)),
        recipient: Some(sent.recipient.to_string()),
        recipient_name: recipient.map(|mailbox| mailbox.name.clone()),
        recipient_ods_code: recipient.map(|mailbox| mailbox.ods_code.clone()),
        recipient_org_code: recipient.map(|mailbox| mailbox.org_code.clone()),
        recipient_org_name: recipient.map(|mailbox| mailbox.org_name.clone()),
        status_success: true,
        status: message.status().as_str().to_owned(),
        ..TrackingV2::default()
    }
}
