//! Description texts (`dts-file-interface.md` 5.4).
//!
//! Apps may compare these, so those that the reference knows are exact, with their capitals and full stops.
//! Where it knows none, the text follows its neighbours and its comment says so. None has an apostrophe:
//! some readers put the text in SQL between single quotes (9, Q11).

/// Of a data message in IN.
pub const RECEIVED: &str = "Transferred to recipient mailbox";
/// Of a file in SENT, and of a transfer report.
pub const SENT: &str = "Data Transfer success confirmation.";
/// Of a collect report.
pub const COLLECTED: &str = "Data collect success confirmation.";
/// Of code 05. No text is known.
pub const DELAYED: &str = "Data Transfer delayed, it will be retried.";
/// Of a poll report. No text is known; this follows the one of a collect report.
pub const POLLED: &str = "Mailbox poll success confirmation.";
/// Of code 03. No text is known; nor of those below.
pub const SERVER_NOT_TRUSTED: &str = "Server certificate is not trusted; files stay in OUT.";
/// Of code 04.
pub const LOGIN_REFUSED: &str = "Mailbox authentication was refused; files stay in OUT.";
/// Of code 06 on no file in particular.
pub const UNREACHABLE: &str = "Server cannot be reached; files stay in OUT.";
/// Of code 15.
pub const POLL_FAILED: &str = "Mailbox poll failed; see the log.";
/// Of code 16.
pub const POLL_NOT_TRUSTED: &str = "Mailbox poll failed: server certificate is not trusted.";
/// Of code 17.
pub const POLL_LOGIN_REFUSED: &str = "Mailbox poll failed: authentication was refused.";
/// Of code 02.
pub const DATA_FILE_UNREADABLE: &str = "Data file is missing or inaccessible.";
/// Of code 07.
pub const FROM_INVALID: &str = "Invalid From Address in the control file";
/// Of code 08.
pub const TO_MISSING: &str = "TO_DTS missing";
/// Of code 09.
pub const VERSION_INVALID: &str = "Invalid version of the control file";
/// Of code 10. No text is known; this follows the one of 11.
pub const ADDRESS_TYPE_INVALID: &str = "Invalid Address Type for the transfer";
/// Of code 11.
pub const MESSAGE_TYPE_INVALID: &str = "Invalid Message Type for the transfer";
/// Of code 12.
pub const NOT_REGISTERED: &str = "Unregistered to address";
/// Of code 06 when there is no workflow id. No text is known; this follows the one of 08.
pub const WORKFLOW_MISSING: &str = "WorkflowId missing";
/// Of code 06 when a value cannot travel. No text is known for the file; MESH itself says
/// `MalformedControlFile`. The name of the element is added.
pub const MALFORMED: &str = "Malformed control file: control character in";
