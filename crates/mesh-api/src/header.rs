//! Header names, in lower case as HTTP libraries compare them (`mesh-api.md` 4.1, 4.8, 6.1).

/// Recipient of a message.
pub const TO: &str = "mex-to";
/// Sender of a message.
pub const FROM: &str = "mex-from";
/// Agreed kind of traffic.
pub const WORKFLOW_ID: &str = "mex-workflowid";
/// `n:total`.
pub const CHUNK_RANGE: &str = "mex-chunk-range";
/// Number of chunks, beside the range.
pub const TOTAL_CHUNKS: &str = "mex-total-chunks";
/// Free text, at most 500 characters.
pub const SUBJECT: &str = "mex-subject";
/// Sender's reference, at most 300 characters.
pub const LOCAL_ID: &str = "mex-localid";
/// File name, at most 300 characters.
pub const FILE_NAME: &str = "mex-filename";
/// Sender's checksum, at most 100 characters, passed through.
pub const CONTENT_CHECKSUM: &str = "mex-content-checksum";
/// Type of the decoded payload, at most 100 characters.
pub const CONTENT_TYPE: &str = "mex-content-type";
/// Flag: the sender encrypted the payload.
pub const CONTENT_ENCRYPTED: &str = "mex-content-encrypted";
/// Flag: the payload is compressed at application level, or this response was gzipped (ambiguous, 5.4).
pub const CONTENT_COMPRESSED: &str = "mex-content-compressed";
/// Other party's id, at most 500 characters, obsolete.
pub const PARTNER_ID: &str = "mex-partnerid";
/// Reserved, ignored by MESH.
pub const PROCESS_ID: &str = "mex-processid";
/// `DATA` or `REPORT`.
pub const MESSAGE_TYPE: &str = "mex-messagetype";
/// Id of the item itself.
pub const MESSAGE_ID: &str = "mex-messageid";
/// On a report: id of the message it is about.
pub const LINKED_MESSAGE_ID: &str = "mex-linkedmsgid";
/// `ALL`.
pub const ADDRESS_TYPE: &str = "mex-addresstype";
/// `1.0`.
pub const VERSION: &str = "mex-version";
/// Sender in e-mail form, legacy.
pub const FROM_SMTP: &str = "mex-fromsmtp";
/// Recipient in e-mail form, legacy.
pub const TO_SMTP: &str = "mex-tosmtp";
/// Code of the status.
pub const STATUS_CODE: &str = "mex-statuscode";
/// Stage of the status.
pub const STATUS_EVENT: &str = "mex-statusevent";
/// Text of the status.
pub const STATUS_DESCRIPTION: &str = "mex-statusdescription";
/// `SUCCESS` or `ERROR`.
pub const STATUS_SUCCESS: &str = "mex-statussuccess";
/// `yyyyMMddHHmmss`, UTC.
pub const STATUS_TIMESTAMP: &str = "mex-statustimestamp";
/// Client name and version, required at a handshake.
pub const CLIENT_VERSION: &str = "mex-clientversion";
/// Operating system, required at a handshake.
pub const OS_NAME: &str = "mex-osname";
/// Its version, required at a handshake.
pub const OS_VERSION: &str = "mex-osversion";
/// Processor architecture, optional at a handshake.
pub const OS_ARCHITECTURE: &str = "mex-osarchitecture";
/// Java version, optional at a handshake; `N/A` for a client without one.
pub const JAVA_VERSION: &str = "mex-javaversion";

/// Whether a flag header means yes: `Y`, `YES`, `T`, `TRUE`, `ON`, `1` in any case (`mesh-api.md` 4.8).
/// Everything else, junk included, means no.
pub fn flag(value: &str) -> bool {
    ["Y", "YES", "T", "TRUE", "ON", "1"].iter().any(|yes| value.trim().eq_ignore_ascii_case(yes))
}
