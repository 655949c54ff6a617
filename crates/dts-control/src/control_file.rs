//! The control file as a type (`dts-file-interface.md` 3.2, 3.3).

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::status::StatusRecord;

/// A control file. Fields stand in the canonical order of `dts-file-interface.md` 3.3.
///
/// Which elements [`write`](ControlFile::write) puts in the file:
///
/// * The five plain fields at the top are elements that every file of the client has. They are always
///   written, even when empty. Reading gives an absent or empty `Version` as `1.0` and an absent or empty
///   `AddressType` as `DTS`, the lenient defaults of 3.2; `MessageType` has no default and reads as
///   `Other("")`.
/// * `None` is an absent element and is not written; `Some("")` is a present, empty one and is written as an
///   open and a close tag. A file that is read and written again thus keeps the set of elements that its app
///   gave it, and the app's own spelling of each text (check 19).
/// * A flag is `None` when it is absent, empty or neither yes nor no; it is written as `Y` or `N`.
///
/// Lengths are not limited here: the limits of 3.2 differ by era, and MESH answers for its own.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// `Version` of the control file format: `1.0`. Some senders count it up with their document; any value
    /// is kept (3.2, "Version misuse").
    pub version: String,
    /// `AddressType`: which address elements count.
    pub address_type: AddressType,
    /// `MessageType`: data or report.
    pub message_type: MessageType,
    /// `From_DTS`: the sender's mailbox, in the app's spelling. Empty when the app left it out; the client
    /// then puts the configured mailbox here before it writes SENT or a report (3.2, 4.6 I).
    pub from_dts: String,
    /// `To_DTS`: the recipient's mailbox, or a long string for routing by patient (3.7). The second holds
    /// patient data: never log it.
    pub to_dts: String,
    /// `From_ESMTP`: the sender in e-mail form.
    pub from_esmtp: Option<String>,
    /// `To_ESMTP`: the recipient in e-mail form.
    pub to_esmtp: Option<String>,
    /// `Subject`: free text.
    pub subject: Option<String>,
    /// `LocalId`: the app's own reference, by which it finds its message again.
    pub local_id: Option<String>,
    /// `DTSId`: the id that the service gave. Ignored in OUT, where it is padding or stale.
    pub dts_id: Option<String>,
    /// `PartnerId`: obsolete; read also as `PartnerIdentifier`.
    pub partner_id: Option<String>,
    /// `Compress`: the sender allows the client to compress.
    pub compress: Option<bool>,
    /// `Encrypted`: the app says that it encrypted the data.
    pub encrypted: Option<bool>,
    /// `WorkflowId`: the kind of traffic.
    pub workflow_id: Option<String>,
    /// `ProcessId`: no effect.
    pub process_id: Option<String>,
    /// `DataChecksum` as the sender gave it; read also as `DataCheckSum`.
    pub data_checksum: Option<String>,
    /// `IsCompressed`: whether the data travelled compressed (SENT), or is compressed (IN, always no).
    pub is_compressed: Option<bool>,
    /// `AllowChunking`: the sender allows large data to be split.
    pub allow_chunking: Option<bool>,
    /// Elements with other names, in the order found. They are carried, not understood (3.1).
    pub unknown: Vec<UnknownElement>,
    /// `StatusRecord`: the outcome. Ignored in OUT.
    pub status: Option<StatusRecord>,
}

impl Default for ControlFile {
    /// A data message of version 1.0 between DTS addresses, with nothing else filled in.
    fn default() -> Self {
        Self {
            version: DEFAULT_VERSION.to_owned(),
            address_type: AddressType::Dts,
            message_type: MessageType::Data,
            from_dts: String::new(),
            to_dts: String::new(),
            from_esmtp: None,
            to_esmtp: None,
            subject: None,
            local_id: None,
            dts_id: None,
            partner_id: None,
            compress: None,
            encrypted: None,
            workflow_id: None,
            process_id: None,
            data_checksum: None,
            is_compressed: None,
            allow_chunking: None,
            unknown: Vec::new(),
            status: None,
        }
    }
}

/// The only version of the format there ever was.
pub(crate) const DEFAULT_VERSION: &str = "1.0";

/// `AddressType` (`dts-file-interface.md` 3.2).
#[derive(Clone, PartialEq, Eq)]
pub enum AddressType {
    /// `DTS`: the two `*_DTS` elements count.
    Dts,
    /// `SMTP`: the two `*_ESMTP` elements count. MESH has no route for it.
    Smtp,
    /// `ALL`: all four are there.
    All,
    /// Any other value, as found; also one of the three in another case, so that it comes back as the app wrote
    /// it (check 19). What [`AddressType::meant`] does not know, [`ControlFile::check`] refuses with code 10.
    Other(String),
}

impl AddressType {
    /// The type without regard to case. `None` when it is no address type.
    pub fn meant(&self) -> Option<Self> {
        let known = [Self::Dts, Self::Smtp, Self::All];
        known.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(self.as_str()))
    }

    /// The value as it stands in a file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Dts => "DTS",
            Self::Smtp => "SMTP",
            Self::All => "ALL",
            Self::Other(text) => text,
        }
    }
}

impl FromStr for AddressType {
    type Err = Infallible;

    /// Reads a value without white space at its ends, in its own case. Never fails.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        let known = [Self::Dts, Self::Smtp, Self::All];
        Ok(known.into_iter().find(|one| one.as_str() == text).unwrap_or_else(|| Self::Other(text.to_owned())))
    }
}

impl fmt::Display for AddressType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AddressType {
    /// Hides an unknown value: it can be a misplaced private one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.debug_tuple("Other").field(&Hidden(text)).finish(),
            known => f.write_str(known.as_str()),
        }
    }
}

/// `MessageType` (`dts-file-interface.md` 3.2).
#[derive(Clone, PartialEq, Eq)]
pub enum MessageType {
    /// `Data`: a message. The only kind an app may send.
    Data,
    /// `Report`: what became of a message. It has no data file.
    Report,
    /// Any other value, as found; empty when there was none. [`ControlFile::check`] refuses it with code 11.
    Other(String),
}

impl MessageType {
    /// The value as it stands in a file. Readers compare it exactly (9, Q10).
    pub fn as_str(&self) -> &str {
        match self {
            Self::Data => "Data",
            Self::Report => "Report",
            Self::Other(text) => text,
        }
    }
}

impl FromStr for MessageType {
    type Err = Infallible;

    /// Reads a value in any case, without white space at its ends. Never fails.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        let known = [Self::Data, Self::Report];
        Ok(known
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_else(|| Self::Other(text.to_owned())))
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for MessageType {
    /// Hides an unknown value: it can be a misplaced private one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.debug_tuple("Other").field(&Hidden(text)).finish(),
            known => f.write_str(known.as_str()),
        }
    }
}

/// An element that this crate does not know, kept so that it can be carried to SENT
/// (`dts-file-interface.md` 3.1). Made by [`ControlFile::read`] alone, so that its content is always
/// well-formed. Attributes, comments and name-space prefixes are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownElement {
    pub(crate) name: String,
    pub(crate) content: String,
}

impl UnknownElement {
    /// Name of the element, without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stood between its tags, as XML source: text escaped, inner elements as tags. Treat as private.
    pub fn content_xml(&self) -> &str {
        &self.content
    }
}

impl fmt::Debug for UnknownElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownElement")
            .field("name", &self.name)
            .field("content", &Hidden(&self.content))
            .finish()
    }
}

impl fmt::Debug for ControlFile {
    /// Shows what helps to find a fault. Of what may be private it shows that it is there, not what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn hidden(value: &Option<String>) -> Option<Hidden<'_>> {
            value.as_deref().map(Hidden)
        }
        f.debug_struct("ControlFile")
            .field("version", &self.version)
            .field("address_type", &self.address_type)
            .field("message_type", &self.message_type)
            .field("from_dts", &self.from_dts)
            .field("to_dts", &Hidden(&self.to_dts))
            .field("from_esmtp", &hidden(&self.from_esmtp))
            .field("to_esmtp", &hidden(&self.to_esmtp))
            .field("subject", &hidden(&self.subject))
            .field("local_id", &hidden(&self.local_id))
            .field("dts_id", &self.dts_id)
            .field("partner_id", &hidden(&self.partner_id))
            .field("compress", &self.compress)
            .field("encrypted", &self.encrypted)
            .field("workflow_id", &self.workflow_id)
            .field("process_id", &hidden(&self.process_id))
            .field("data_checksum", &hidden(&self.data_checksum))
            .field("is_compressed", &self.is_compressed)
            .field("allow_chunking", &self.allow_chunking)
            .field("unknown", &self.unknown)
            .field("status", &self.status)
            .finish()
    }
}

/// Stands for a private text in `Debug` output: whether it is empty, nothing more.
struct Hidden<'a>(&'a str);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "empty" } else { "…" })
    }
}

/// The e-mail form of a mailbox, `<mailbox in lower case>@dts.nhs.uk`, for IN files when the service supplied
/// none (`dts-file-interface.md` 3.2, check 36).
pub fn esmtp_address(mailbox: &str) -> String {
    format!("{}@dts.nhs.uk", mailbox.trim().to_lowercase())
}
