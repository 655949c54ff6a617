//! Status codes that the client makes itself (`dts-file-interface.md` 5.1).
//!
//! A code means nothing without its event: `00` stands for three successes, and MESH uses 06, 08 and 15–17
//! for other things than the file interface does (5.3). Always write both.

/// `00`: the step worked. With COLLECT, TRANSFER or RECEIVE.
pub const SUCCESS: &str = "00";
/// `01`, COLLECT: control file missing or cannot be read.
pub const CONTROL_FILE_UNREADABLE: &str = "01";
/// `02`, COLLECT: data file missing, empty or cannot be read.
pub const DATA_FILE_UNREADABLE: &str = "02";
/// `03`, TRANSFER: the server's certificate is not trusted.
pub const SERVER_NOT_TRUSTED: &str = "03";
/// `04`, TRANSFER: the server refused the mailbox's password.
pub const LOGIN_REFUSED: &str = "04";
/// `05`, TRANSFER, with status SUCCESS: did not work, will be tried again.
pub const DELAYED: &str = "05";
/// `06`, TRANSFER: did not work and will not be tried again; also a malformed control file.
pub const TRANSFER_FAILED: &str = "06";
/// `07`, SEND: from address invalid.
pub const FROM_INVALID: &str = "07";
/// `08`, SEND: to address missing or invalid.
pub const TO_INVALID: &str = "08";
/// `09`, SEND: version invalid. [`ControlFile::check`](crate::ControlFile::check) never makes it.
pub const VERSION_INVALID: &str = "09";
/// `10`, SEND: address type invalid.
pub const ADDRESS_TYPE_INVALID: &str = "10";
/// `11`, SEND: message type invalid.
pub const MESSAGE_TYPE_INVALID: &str = "11";
/// `12`, SEND: to address not registered.
pub const NOT_REGISTERED: &str = "12";
/// `14`, SEND: not delivered, which includes not collected.
pub const NOT_DELIVERED: &str = "14";
/// `15`, RECEIVE: the poll failed.
pub const POLL_FAILED: &str = "15";
/// `16`, RECEIVE: the server's certificate is not trusted.
pub const POLL_SERVER_NOT_TRUSTED: &str = "16";
/// `17`, RECEIVE: the server refused the mailbox's password.
pub const POLL_LOGIN_REFUSED: &str = "17";

/// Whether a reader that insists on two digits takes this code (`dts-file-interface.md` 3.2).
pub fn is_two_digits(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_digit())
}
