//! Status events and the codes that the relay itself gives or decides on (`mesh-api.md` section 8,
//! `dts-file-interface.md` section 5). A code means something only together with its event.

use std::fmt;

/// The stage a status belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusEvent {
    /// The client picks a file up.
    Collect,
    /// The client hands the data to MESH, or MESH places it in the recipient's mailbox.
    Transfer,
    /// MESH checks and delivers onward.
    Send,
    /// The client polls MESH.
    Receive,
}

impl StatusEvent {
    /// The event as it is written on the wire and in control files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Collect => "COLLECT",
            Self::Transfer => "TRANSFER",
            Self::Send => "SEND",
            Self::Receive => "RECEIVE",
        }
    }
}

impl fmt::Display for StatusEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Success, whatever the event.
pub const SUCCESS: &str = "00";
/// `COLLECT`: the data is missing, unreadable or empty.
pub const DATA_MISSING: &str = "02";
/// `TRANSFER`: malformed headers.
pub const MALFORMED: &str = "06";
/// `SEND`: `Mex-From` is not the caller.
pub const OTHER_SENDER: &str = "07";
/// `SEND`: the recipient is missing.
pub const TO_MISSING: &str = "08";
/// `SEND`: `Mex-MessageType` is not `DATA`.
pub const MESSAGE_TYPE: &str = "11";
/// `SEND`: the recipient is not registered.
pub const UNREGISTERED: &str = "12";
/// `SEND`: nobody collected the message, or its mailbox is deactivated.
pub const UNDELIVERED: &str = "14";
/// `SEND`: the sender may not send this workflow.
pub const SENDER_NOT_ALLOWED: &str = "16";
/// `SEND`: the recipient does not receive this workflow.
pub const WORKFLOW_NOT_REGISTERED: &str = "17";
/// `RECEIVE`: no such message.
pub const NO_SUCH_MESSAGE: &str = "20";
/// `SEND`: no mailbox for an address, or for a caller.
pub const NO_MAILBOX: &str = "EPL-151";
/// `SEND`: the chunk range is wrong.
pub const INVALID_CHUNKS: &str = "InvalidHeaderChunks";
/// `SEND`: an encoding other than gzip.
pub const UNSUPPORTED_ENCODING: &str = "UnsupportedContentEncoding";
/// `SEND`: the checksum holds characters that MESH does not pass on.
pub const INVALID_CHECKSUM: &str = "Invalid checksum";
/// `SEND`: the message can no longer be downloaded. MESH really sends this sentence as the code.
pub const NO_LONGER_AVAILABLE: &str = "Message already accepted";
