//! Where a sent message is, as MESH tells its sender (`mesh-api.md` 4.10, 4.11, 7.1).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::MessageId;
use crate::stamp;

/// State of a message at MESH (7.1). Compared without regard to case, because the versions differ in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackingStatus {
    /// Chunks are still to come.
    Uploading,
    /// In the recipient's inbox.
    Accepted,
    /// The recipient collected it.
    Acknowledged,
    /// Expired or undeliverable.
    Undeliverable,
    /// Failed.
    Error,
    /// A word that is not in the reference.
    Other(String),
}

impl TrackingStatus {
    fn read(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "uploading" => Self::Uploading,
            "accepted" => Self::Accepted,
            "acknowledged" => Self::Acknowledged,
            "undeliverable" => Self::Undeliverable,
            "error" => Self::Error,
            _ => Self::Other(text.to_owned()),
        }
    }
}

/// What tracking says, in either version. Fields that no one here needs yet are left unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    /// The message.
    pub message_id: MessageId,
    /// Where it is.
    pub status: TrackingStatus,
    /// Code of a failure, empty otherwise.
    pub status_code: String,
    /// Text of a failure, empty otherwise.
    pub status_description: String,
    /// The recipient's mailbox, where MESH says it.
    pub recipient: Option<String>,
    /// The workflow, where MESH says it.
    pub workflow: Option<String>,
    /// The sender's reference, where MESH says it: private.
    pub local_id: Option<String>,
    /// When MESH took it; absent when it does not say or says it in no known form.
    pub uploaded: Option<Timestamp>,
}

#[derive(Deserialize)]
struct AnyVersion {
    #[serde(alias = "messageId", alias = "messageID")]
    message_id: String,
    status: Option<String>,
    #[serde(alias = "statusCode")]
    status_code: Option<String>,
    #[serde(alias = "statusDescription")]
    status_description: Option<String>,
    #[serde(alias = "uploadTimestamp")]
    upload_timestamp: Option<String>,
    recipient: Option<String>,
    #[serde(alias = "workflowId", alias = "workflowID")]
    workflow_id: Option<String>,
    #[serde(alias = "localId", alias = "localID")]
    local_id: Option<String>,
}

impl Tracking {
    /// Reads a tracking answer of either version. `None` when it is neither.
    pub fn read(body: &[u8]) -> Option<Self> {
        let any: AnyVersion = serde_json::from_slice(body).ok()?;
        Some(Self {
            message_id: any.message_id.parse().ok()?,
            status: TrackingStatus::read(&any.status?),
            status_code: any.status_code.unwrap_or_default(),
            status_description: any.status_description.unwrap_or_default(),
            recipient: some(any.recipient),
            workflow: some(any.workflow_id),
            local_id: some(any.local_id),
            uploaded: any.upload_timestamp.as_deref().and_then(stamp::parse),
        })
    }
}

/// A text that is there and not empty.
fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Tracking in version 2. Only `message_id` is always there.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the names are the wire's own, listed in mesh-api.md 4.10")]
pub struct TrackingV2 {
    pub message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_ods_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_org_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_org_name: Option<String>,
    pub status_success: bool,
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<String>,
}

/// Tracking in version 1.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the wire's own, listed in mesh-api.md 4.10")]
pub struct TrackingV1 {
    pub address_type: String,
    pub checksum: String,
    pub chunk_count: u32,
    pub compress_flag: String,
    pub content_encoding: String,
    pub download_timestamp: String,
    pub dts_id: String,
    pub encrypted_flag: String,
    pub expiry_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_diagnostic: Option<String>,
    pub file_name: String,
    pub file_size: u64,
    pub is_compressed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linked_msg_id: Option<String>,
    pub local_id: String,
    pub mesh_recipient_ods_code: String,
    pub message_id: String,
    pub message_type: String,
    pub partner_id: String,
    pub recipient: String,
    pub recipient_name: String,
    pub recipient_org_code: String,
    pub recipient_org_name: String,
    pub recipient_smtp: String,
    pub sender: String,
    pub sender_name: String,
    pub sender_ods_code: String,
    pub sender_org_code: String,
    pub sender_org_name: String,
    pub sender_smtp: String,
    pub status: String,
    pub status_success: String,
    pub subject: String,
    pub upload_timestamp: String,
    pub version: String,
    pub workflow_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let v1 = br#"{"dtsId":"ID1","messageId":"ID1","fileSize":1,"status":"Acknowledged","extra":null}"#;
        let v2 = br#"{"message_id":"ID1","status":"acknowledged","status_success":true}"#;
        let expected = Some((TrackingStatus::Acknowledged, "ID1".to_owned()));
        for body in [&v1[..], &v2[..]] {
            let read = Tracking::read(body).map(|t| (t.status, t.message_id.to_string()));
            assert_eq!(read, expected);
        }
        assert_eq!(Tracking::read(b"null"), None);
        assert_eq!(Tracking::read(br#"{"message_id":"ID1"}"#), None, "no status is no answer");
    }
}
