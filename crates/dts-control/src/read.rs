//! Reading a control file (`dts-file-interface.md` 3.1, 3.2; checks 12–14, 16).

use crate::control_file::{AddressType, ControlFile, DEFAULT_VERSION, MessageType, UnknownElement};
use crate::decode;
use crate::parse::Parser;
use crate::read_error::ReadError;
use crate::status::{Event, Status, StatusRecord};
use crate::xml;

/// Largest control file that is read, in bytes. Real ones have less than two thousand.
pub const SIZE_MAX: usize = 64 * 1024;

/// Deepest nesting of elements that is read, `DTSControl` included. Real files have three.
pub const DEPTH_MAX: usize = 8;

const STATUS_RECORD: &str = "StatusRecord";

impl ControlFile {
    /// Reads a control file, whoever wrote it.
    ///
    /// Accepted: UTF-8 with or without byte-order mark, UTF-16, any other encoding that is declared and known
    /// (such as Latin-1); a declaration or none; any order and indentation; values padded with white space,
    /// which is trimmed; empty elements in both forms; attributes, comments and processing instructions,
    /// which are ignored; name-space prefixes, which are dropped; CDATA; unknown elements, which are carried.
    /// `DataCheckSum` and `PartnerIdentifier` are read as the elements they mean.
    ///
    /// Of an element that is there twice the first counts, as for readers that find elements by name; an
    /// alias counts as the same element. What stands in an unread repeat must still be well-formed. Text
    /// between the elements is ignored. Flags are Y or N, or another word for yes or no, in any case; any
    /// other value counts as absent.
    ///
    /// A file with wrong or missing values is read all the same; [`check`](ControlFile::check) judges those.
    ///
    /// # Errors
    ///
    /// A [`ReadError`] with the place and what to do: empty; over [`SIZE_MAX`]; not decodable; a DOCTYPE (so
    /// there are no entities but the five of XML, and nothing can expand); the root is not `DTSControl`;
    /// nested deeper than [`DEPTH_MAX`]; not well-formed; cut off; more after the end.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        if bytes.len() > SIZE_MAX {
            return Err(ReadError::TooLarge { size: bytes.len() });
        }
        let text = decode::to_text(bytes)?;
        if text.trim_matches(xml::is_space).is_empty() {
            return Err(ReadError::Empty);
        }
        let mut parser = Parser::new(&text);
        if let Some(offset) = text.find(|c| !xml::is_char(c)) {
            let reason = "a character that XML forbids; take control characters out";
            return Err(ReadError::Malformed { at: parser.position(offset), reason });
        }
        parser.root()?;
        let control = control_file(&mut parser)?;
        parser.end()?;
        Ok(control)
    }
}

fn control_file(parser: &mut Parser<'_>) -> Result<ControlFile, ReadError> {
    let mut control =
        ControlFile { message_type: MessageType::Other(String::new()), ..ControlFile::default() };
    let mut seen: Vec<&'static str> = Vec::new();
    parser.children(|parser, name| {
        let Some(known) = known_name(&name) else {
            let content = parser.source()?;
            control.unknown.push(UnknownElement { name, content });
            return Ok(());
        };
        if seen.contains(&known) {
            return parser.source().map(drop);
        }
        seen.push(known);
        if known == STATUS_RECORD {
            control.status = Some(status_record(parser)?);
        } else {
            let value = parser.value()?;
            set(&mut control, known, value);
        }
        Ok(())
    })?;
    Ok(control)
}

fn status_record(parser: &mut Parser<'_>) -> Result<StatusRecord, ReadError> {
    let (mut date_time, mut event, mut status, mut code, mut description) = (None, None, None, None, None);
    parser.children(|parser, name| {
        let slot = match name.as_str() {
            "DateTime" => &mut date_time,
            "Event" => &mut event,
            "Status" => &mut status,
            "StatusCode" => &mut code,
            "Description" => &mut description,
            _ => return parser.source().map(drop),
        };
        if slot.is_some() {
            return parser.source().map(drop);
        }
        *slot = Some(parser.value()?);
        Ok(())
    })?;
    let Ok(event) = event.unwrap_or_default().parse::<Event>();
    let Ok(status) = status.unwrap_or_default().parse::<Status>();
    Ok(StatusRecord {
        date_time: date_time.unwrap_or_default(),
        event,
        status,
        code: code.unwrap_or_default(),
        description: description.unwrap_or_default(),
    })
}

/// The canonical name of a known element (`dts-file-interface.md` 3.2, "Spelling").
fn known_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "Version" => "Version",
        "AddressType" => "AddressType",
        "MessageType" => "MessageType",
        "From_DTS" => "From_DTS",
        "To_DTS" => "To_DTS",
        "From_ESMTP" => "From_ESMTP",
        "To_ESMTP" => "To_ESMTP",
        "Subject" => "Subject",
        "LocalId" => "LocalId",
        "DTSId" => "DTSId",
        "PartnerId" | "PartnerIdentifier" => "PartnerId",
        "Compress" => "Compress",
        "Encrypted" => "Encrypted",
        "WorkflowId" => "WorkflowId",
        "ProcessId" => "ProcessId",
        "DataChecksum" | "DataCheckSum" => "DataChecksum",
        "IsCompressed" => "IsCompressed",
        "AllowChunking" => "AllowChunking",
        "StatusRecord" => STATUS_RECORD,
        _ => return None,
    })
}

fn set(control: &mut ControlFile, name: &'static str, value: String) {
    match name {
        "Version" => control.version = if value.is_empty() { DEFAULT_VERSION.to_owned() } else { value },
        "AddressType" if !value.is_empty() => {
            let Ok(address_type) = value.parse::<AddressType>();
            control.address_type = address_type;
        }
        "MessageType" => {
            let Ok(message_type) = value.parse::<MessageType>();
            control.message_type = message_type;
        }
        "From_DTS" => control.from_dts = value,
        "To_DTS" => control.to_dts = value,
        "From_ESMTP" => control.from_esmtp = Some(value),
        "To_ESMTP" => control.to_esmtp = Some(value),
        "Subject" => control.subject = Some(value),
        "LocalId" => control.local_id = Some(value),
        "DTSId" => control.dts_id = Some(value),
        "PartnerId" => control.partner_id = Some(value),
        "Compress" => control.compress = flag(&value),
        "Encrypted" => control.encrypted = flag(&value),
        "WorkflowId" => control.workflow_id = Some(value),
        "ProcessId" => control.process_id = Some(value),
        "DataChecksum" => control.data_checksum = Some(value),
        "IsCompressed" => control.is_compressed = flag(&value),
        "AllowChunking" => control.allow_chunking = flag(&value),
        _ => {}
    }
}

/// The words for yes are those that MESH itself takes in its headers (`mesh-api.md` 4.8).
fn flag(value: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    if is_one_of(["Y", "YES", "T", "TRUE", "ON", "1"]) {
        Some(true)
    } else if is_one_of(["N", "NO", "F", "FALSE", "OFF", "0"]) {
        Some(false)
    } else {
        None
    }
}
