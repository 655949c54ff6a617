//! Reading a control file (`dts-file-interface.md` 3.1, 3.2; checks 12–14, 16).

use crate::control_file::{AddressType, ControlFile, DEFAULT_VERSION, MessageType, UnknownElement};
use crate::decode::{self, Form};
use crate::parse::Parser;
use crate::read_error::{Position, ReadError};
use crate::status::{Event, Status, StatusRecord};
use crate::xml;

/// Largest control file that is read, in bytes. Real ones have less than two thousand.
pub const SIZE_MAX: usize = 64 * 1024;

/// Deepest nesting of elements that is read, `DTSControl` included. Real files have three.
pub const DEPTH_MAX: usize = 8;

pub(crate) const STATUS_RECORD: &str = "StatusRecord";

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
        read_with_layout(bytes).map(|(control, _)| control)
    }
}

/// Where things stand in a control file and how they were written: what [`lint`](crate::lint) goes by. Holds
/// private values and does not print.
pub(crate) struct Layout {
    /// How the bytes are text.
    pub(crate) form: Form,
    /// Whether white space stands before the XML declaration, which XML forbids.
    pub(crate) late_declaration: bool,
    /// The root's start tag.
    pub(crate) root: Position,
    /// The children of the root, in the order found.
    pub(crate) elements: Vec<Placed>,
    /// The parts of the status record that count, in the order found, each with its value as it is written; `None`
    /// stands for a part that status records do not have.
    pub(crate) status: Vec<(Option<&'static str>, String)>,
    /// The first text that stands between elements.
    pub(crate) stray: Option<Position>,
}

/// One child of the root.
pub(crate) struct Placed {
    /// Its start tag.
    pub(crate) at: Position,
    /// As it is written, without a prefix.
    pub(crate) name: String,
    /// Its canonical name, when it is an element that control files have.
    pub(crate) known: Option<&'static str>,
    /// Whether the same element stands before it, so that this one does not count.
    pub(crate) repeated: bool,
    /// Its value, trimmed; the source of what it holds when it is unknown.
    pub(crate) value: String,
}

/// [`ControlFile::read`], with the layout.
pub(crate) fn read_with_layout(bytes: &[u8]) -> Result<(ControlFile, Layout), ReadError> {
    if bytes.len() > SIZE_MAX {
        return Err(ReadError::TooLarge);
    }
    let (text, form) = decode::to_text(bytes)?;
    let content = text.trim_start_matches(xml::is_space);
    if content.is_empty() {
        return Err(ReadError::Empty);
    }
    let late_declaration = content.len() < text.len() && content.starts_with("<?xml");
    let mut parser = Parser::new(&text);
    if let Some(offset) = text.find(|c| !xml::is_char(c)) {
        let (reason, fix) = ("a character that XML forbids", "take control characters out");
        return Err(ReadError::Malformed { at: parser.position(offset), reason, fix });
    }
    parser.root()?;
    let root = parser.place();
    let (mut elements, mut status) = (Vec::new(), Vec::new());
    let control = control_file(&mut parser, &mut elements, &mut status)?;
    parser.end()?;
    let stray = parser.stray();
    Ok((control, Layout { form, late_declaration, root, elements, status, stray }))
}

fn control_file(
    parser: &mut Parser<'_>,
    elements: &mut Vec<Placed>,
    status: &mut Vec<(Option<&'static str>, String)>,
) -> Result<ControlFile, ReadError> {
    let mut control =
        ControlFile { message_type: MessageType::Other(String::new()), ..ControlFile::default() };
    let mut seen: Vec<&'static str> = Vec::new();
    parser.children(|parser, name| {
        let (at, known) = (parser.place(), known_name(&name));
        let repeated = known.is_some_and(|known| seen.contains(&known));
        let value = match known {
            Some(_) if repeated => parser.source()?,
            Some(STATUS_RECORD) => {
                control.status = Some(status_record(parser, status)?);
                String::new()
            }
            Some(known) => {
                let value = parser.value()?;
                set(&mut control, known, value.clone());
                value
            }
            None => {
                let content = parser.source()?;
                control.unknown.push(UnknownElement { name: name.clone(), content: content.clone() });
                content
            }
        };
        seen.extend(known);
        elements.push(Placed { at, name, known, repeated, value });
        Ok(())
    })?;
    Ok(control)
}

fn status_record(
    parser: &mut Parser<'_>,
    parts: &mut Vec<(Option<&'static str>, String)>,
) -> Result<StatusRecord, ReadError> {
    parser.children(|parser, name| {
        let known = STATUS_PARTS.into_iter().find(|part| *part == name);
        match known {
            // Of a part that is there twice the first counts.
            Some(_) if parts.iter().any(|(part, _)| *part == known) => parser.source().map(drop)?,
            Some(_) => parts.push((known, parser.value()?)),
            None => parts.push((None, parser.source()?)),
        }
        Ok(())
    })?;
    let value = |name: &'static str| {
        let part = parts.iter().find(|(part, _)| *part == Some(name));
        part.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let Ok(event) = value("Event").parse::<Event>();
    let Ok(status) = value("Status").parse::<Status>();
    Ok(StatusRecord {
        date_time: value("DateTime"),
        event,
        status,
        code: value("StatusCode"),
        description: value("Description"),
    })
}

/// The parts of a status record (`dts-file-interface.md` 3.2).
pub(crate) const STATUS_PARTS: [&str; 5] = ["DateTime", "Event", "Status", "StatusCode", "Description"];

/// The elements that control files have (`dts-file-interface.md` 3.2).
pub(crate) const ELEMENTS: [&str; 19] = [
    "Version",
    "AddressType",
    "MessageType",
    "From_DTS",
    "To_DTS",
    "From_ESMTP",
    "To_ESMTP",
    "Subject",
    "LocalId",
    "DTSId",
    "PartnerId",
    "Compress",
    "Encrypted",
    "WorkflowId",
    "ProcessId",
    "DataChecksum",
    "IsCompressed",
    "AllowChunking",
    STATUS_RECORD,
];

/// The canonical name of a known element (`dts-file-interface.md` 3.2, "Spelling").
fn known_name(name: &str) -> Option<&'static str> {
    match name {
        "PartnerIdentifier" => Some("PartnerId"),
        "DataCheckSum" => Some("DataChecksum"),
        _ => ELEMENTS.into_iter().find(|known| *known == name),
    }
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
pub(crate) fn flag(value: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    if is_one_of(["Y", "YES", "T", "TRUE", "ON", "1"]) {
        Some(true)
    } else if is_one_of(["N", "NO", "F", "FALSE", "OFF", "0"]) {
        Some(false)
    } else {
        None
    }
}
