//! Tracking by message id and by local id (`mesh-api.md` 4.10, 4.11).

use hyper::{HeaderMap, StatusCode};
use mesh_api::tracking::{TrackingV1, TrackingV2};
use mesh_api::{ApiVersion, stamp};

use crate::answer::{self, Answer, Refusal};
use crate::api::fields::Fields;
use crate::api::{Api, version};
use crate::directory::Mailbox;
use crate::store::{Message, Status};

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
    let message = api.store.find_sent(&mailbox.id, &id).ok_or_else(Refusal::not_found)?;
    Ok(match version {
        ApiVersion::V1 => answer::json(StatusCode::OK, &v1(&message)),
        ApiVersion::V2 => answer::versioned(StatusCode::OK, version, &v2(&message)),
    })
}

/// 4.11: version 1 whatever is asked for, so `Accept` is not even looked at.
pub(super) fn by_local_id(api: &Api, mailbox: &Mailbox, local_id: &str) -> Result<Answer, Refusal> {
    match &api.store.find_by_local_id(&mailbox.id, local_id)[..] {
        [] => Err(Refusal::not_found()),
        [message] => Ok(answer::json(StatusCode::OK, &v1(message))),
        _ => Err(Refusal::plain(StatusCode::MULTIPLE_CHOICES, "Multiple Choices")),
    }
}

fn v1(message: &Message) -> TrackingV1 {
    let sent = &message.sent;
    let id = message.id.as_str();
    let flag = |set: bool| if set { "Y" } else { "" }.to_owned();
    let error = message.error();
    TrackingV1 {
        address_type: "ALL".to_owned(),
        checksum: sent.checksum.owned(),
        chunk_count: sent.chunks,
        compress_flag: flag(sent.compressed),
        content_encoding: if sent.gzip { "gzip" } else { "" }.to_owned(),
        download_timestamp: message.since(&Status::Acknowledged).map(stamp::compact).unwrap_or_default(),
        dts_id: id.to_owned(),
        encrypted_flag: flag(sent.encrypted),
        expiry_time: stamp::compact(message.expires),
        failure_date: error.map(|error| stamp::compact(error.at)),
        failure_diagnostic: error.and_then(|error| error.description.clone()),
        file_name: message.file_name().owned(),
        file_size: message.size,
        is_compressed: flag(sent.compressed),
        linked_msg_id: error.and_then(|error| error.linked.clone()),
        local_id: sent.local_id.owned(),
        mesh_recipient_ods_code: sent.recipient.ods_code.clone(),
        message_id: id.to_owned(),
        message_type: "Data".to_owned(),
        partner_id: sent.partner_id.owned(),
        recipient: sent.recipient.id_text(),
        recipient_name: sent.recipient.name.clone(),
        recipient_org_code: sent.recipient.org_code.clone(),
        recipient_org_name: sent.recipient.org_name.clone(),
        recipient_smtp: String::new(),
        sender: sent.sender.id_text(),
        sender_name: sent.sender.name.clone(),
        sender_ods_code: sent.sender.ods_code.clone(),
        sender_org_code: sent.sender.org_code.clone(),
        sender_org_name: sent.sender.org_name.clone(),
        sender_smtp: String::new(),
        status: message.status().title(),
        status_success: if error.is_some() { "ERROR" } else { "SUCCESS" }.to_owned(),
        subject: sent.subject.owned(),
        upload_timestamp: stamp::compact(message.created),
        version: "1.0".to_owned(),
        workflow_id: sent.workflow.owned(),
    }
}

fn v2(message: &Message) -> TrackingV2 {
    let sent = &message.sent;
    TrackingV2 {
        message_id: message.id.as_str().to_owned(),
        local_id: Some(sent.local_id.owned()),
        workflow_id: Some(sent.workflow.owned()),
        filename: Some(message.file_name().owned()),
        expiry_time: Some(stamp::iso(message.expires)),
        upload_timestamp: Some(stamp::iso(message.created)),
        recipient: Some(sent.recipient.id_text()),
        recipient_name: Some(sent.recipient.name.clone()),
        recipient_ods_code: Some(sent.recipient.ods_code.clone()),
        recipient_org_code: Some(sent.recipient.org_code.clone()),
        recipient_org_name: Some(sent.recipient.org_name.clone()),
        status_success: message.error().is_none(),
        status: message.status().as_str().to_owned(),
        ..TrackingV2::default()
    }
}
