//! Identifiers with their limits (`mesh-api.md` 3.3 and 4.8).
//!
//! Each is checked once, where it enters; after that a value of the type is always fit to be sent. What may
//! carry patient data ([`LocalId`], [`Recipient`]) does not print.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::routing::ROUTING_PREFIX;

/// Longest mailbox id or routing address accepted in `Mex-To`, in characters.
pub const RECIPIENT_CHARS_MAX: usize = 100;
/// Longest `Mex-WorkflowID`, in characters.
pub const WORKFLOW_ID_CHARS_MAX: usize = 300;
/// Longest `Mex-LocalID`, in characters.
pub const LOCAL_ID_CHARS_MAX: usize = 300;
/// Longest message id, in characters (`dts-file-interface.md` 2.7: a DTSId has at most 100).
pub const MESSAGE_ID_CHARS_MAX: usize = 100;

/// Why a text is not an identifier. Names the kind and the fault, never the text itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// Nothing but white space was given.
    #[error("{kind} is empty")]
    Empty {
        /// Which identifier was read.
        kind: &'static str,
    },
    /// More characters than MESH takes.
    #[error("{kind} has {chars} characters, more than the {limit} that MESH takes")]
    TooLong {
        /// Which identifier was read.
        kind: &'static str,
        /// How many characters it has.
        chars: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A character that the identifier may not hold.
    #[error("{kind} holds the character {character:?}, which is not allowed there")]
    Character {
        /// Which identifier was read.
        kind: &'static str,
        /// The first offending character.
        character: char,
    },
    /// The value begins with a web address, which MESH refuses as a malformed header (code 06).
    #[error("{kind} begins with a web address, which MESH refuses")]
    WebAddress {
        /// Which identifier was read.
        kind: &'static str,
    },
}

/// Checks length and characters of a text that becomes a header value: no control characters (`mesh-api.md`
/// 4.8, check 2). Text outside ASCII passes; it travels as UTF-8.
pub(crate) fn check_text(kind: &'static str, text: &str, limit: usize) -> Result<(), IdError> {
    let chars = text.chars().count();
    if chars > limit {
        return Err(IdError::TooLong { kind, chars, limit });
    }
    match text.chars().find(|c| c.is_control()) {
        Some(character) => Err(IdError::Character { kind, character }),
        None => Ok(()),
    }
}

/// Refuses what starts as a web address (`mesh-api.md` 4.8, check 2).
pub(crate) fn check_not_web_address(kind: &'static str, text: &str) -> Result<(), IdError> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Err(IdError::WebAddress { kind });
    }
    Ok(())
}

/// A MESH mailbox, such as `X26ABC1`. Trimmed and upper-cased on entry, as MESH does (`mesh-api.md` 3.3); its
/// shape is not checked further, because no rule for it is published.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct MailboxId(String);

impl TryFrom<String> for MailboxId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl MailboxId {
    /// The id in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailboxId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "mailbox id";
        let id = text.trim();
        if id.is_empty() {
            return Err(IdError::Empty { kind: KIND });
        }
        check_text(KIND, id, RECIPIENT_CHARS_MAX)?;
        // A colon would break the authorisation token, white space is refused by MESH in it, and the other two
        // would change the path or a folder's name.
        if let Some(character) =
            id.chars().find(|c| !c.is_ascii() || matches!(c, ':' | '/' | '\\') || c.is_whitespace())
        {
            return Err(IdError::Character { kind: KIND, character });
        }
        Ok(Self(id.to_ascii_uppercase()))
    }
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxId({})", self.0)
    }
}

/// Whom a message is for: a mailbox, or a routing address `GPPROVIDER_<NHS number>_<date>_<surname>`
/// (`mesh-api.md` section 9). At most [`RECIPIENT_CHARS_MAX`] characters, spelling kept.
///
/// A routing address carries patient data, so neither `Display` nor `Debug` shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipient(String);

impl Recipient {
    /// The address as the sender spelt it. It may identify a patient: do not log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether MESH is to find the mailbox from a patient's details. Case does not count: MESH reads recipients in
    /// upper case, and whose details they are does not depend on it.
    pub fn is_routing_address(&self) -> bool {
        self.0.get(..ROUTING_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(ROUTING_PREFIX))
    }
}

impl FromStr for Recipient {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "recipient";
        let address = text.trim();
        if address.is_empty() {
            return Err(IdError::Empty { kind: KIND });
        }
        check_text(KIND, address, RECIPIENT_CHARS_MAX)?;
        check_not_web_address(KIND, address)?;
        Ok(Self(address.to_owned()))
    }
}

impl From<&MailboxId> for Recipient {
    fn from(mailbox: &MailboxId) -> Self {
        Self(mailbox.as_str().to_owned())
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_routing_address() { "GPPROVIDER_…" } else { &self.0 })
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

/// The agreed kind of traffic, such as `TOC_FHIR_IP_DISCH`. At most [`WORKFLOW_ID_CHARS_MAX`] characters,
/// trimmed, case kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WorkflowId(String);

impl WorkflowId {
    /// The workflow id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WorkflowId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "workflow id";
        let id = text.trim();
        if id.is_empty() {
            return Err(IdError::Empty { kind: KIND });
        }
        check_text(KIND, id, WORKFLOW_ID_CHARS_MAX)?;
        check_not_web_address(KIND, id)?;
        Ok(Self(id.to_owned()))
    }
}

impl fmt::Display for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkflowId({})", self.0)
    }
}

/// The sender's own reference. At most [`LOCAL_ID_CHARS_MAX`] characters. Not unique by any rule of MESH, and
/// old systems put patient data in it, so it does not print.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LocalId(String);

impl LocalId {
    /// The reference itself: private, do not log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether MESH can be asked about it, which is done in the path of a URL: servers take an escaped slash for one that
    /// parts the path, and dots alone for a way through it.
    pub fn can_be_tracked(&self) -> bool {
        !self.0.contains('/') && !matches!(self.0.as_str(), "." | "..")
    }
}

impl FromStr for LocalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "local id";
        let id = text.trim();
        if id.is_empty() {
            return Err(IdError::Empty { kind: KIND });
        }
        check_text(KIND, id, LOCAL_ID_CHARS_MAX)?;
        Ok(Self(id.to_owned()))
    }
}

impl fmt::Debug for LocalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalId(…)")
    }
}

/// The id that MESH gives a message. Opaque; letters, digits, `_`, `-` and `.` only and not beginning with a
/// dot, so that it is always safe as a file name and as a path segment.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

impl TryFrom<String> for MessageId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl MessageId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "message id";
        if text.is_empty() {
            return Err(IdError::Empty { kind: KIND });
        }
        check_text(KIND, text, MESSAGE_ID_CHARS_MAX)?;
        let unsafe_character =
            text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
        match unsafe_character {
            Some(character) => Err(IdError::Character { kind: KIND, character }),
            None if text.starts_with('.') => Err(IdError::Character { kind: KIND, character: '.' }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailbox_ids_are_trimmed_and_upper_cased() {
        assert_eq!(" x26Abc1 ".parse::<MailboxId>().map(|id| id.to_string()), Ok("X26ABC1".to_owned()));
    }

    #[test]
    fn mailbox_ids_that_would_break_a_token_or_a_path_are_refused() {
        for bad in ["", "  ", "X26:ABC", "X26/ABC", "X26\\ABC", "X26 ABC", "X26\tABC", "X26É"] {
            assert!(bad.parse::<MailboxId>().is_err(), "{bad:?} was taken");
        }
        assert!("A".repeat(101).parse::<MailboxId>().is_err());
    }

    #[test]
    fn routing_addresses_and_local_ids_do_not_print() {
        let recipient: Recipient =
            "GPPROVIDER_9990548609_19550109_Sample".parse().expect("a routing address");
        let local_id: LocalId = "canary".parse().expect("a local id");
        assert_eq!(format!("{recipient} {recipient:?}"), "GPPROVIDER_… Recipient(GPPROVIDER_…)");
        assert_eq!(format!("{local_id:?}"), "LocalId(…)");
        let recipient: Recipient =
            "GpProvider_9990548609_19550109_Sample".parse().expect("a routing address");
        assert_eq!(format!("{recipient} {recipient:?}"), "GPPROVIDER_… Recipient(GPPROVIDER_…)");
        let mailbox: Recipient = "GPPROVIDÉR".parse().expect("a recipient");
        assert_eq!(mailbox.to_string(), "GPPROVIDÉR");
    }

    #[test]
    fn message_ids_are_safe_as_file_names() {
        for good in ["20260329234512345_0A1B2C", "DTS-20111215093000-004211", "5B1A3C7E0D42"] {
            assert!(good.parse::<MessageId>().is_ok(), "{good} was refused");
        }
        for bad in ["", "../x", "a/b", "a\\b", ".hidden", "a\0b", "a b", "a%2fb"] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn web_addresses_are_refused_where_mesh_refuses_them() {
        assert!("HTTPS://example.test".parse::<Recipient>().is_err());
        assert!("http://example.test".parse::<WorkflowId>().is_err());
        assert!("http://example.test".parse::<LocalId>().is_ok());
    }
}
