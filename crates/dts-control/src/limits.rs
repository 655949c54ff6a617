//! What a value must keep to travel as a header (`dts-file-interface.md` 3.2, 3.5).
//!
//! The limits are MESH's own (`mesh-api.md` 4.8), in characters. A test of the adapter, which knows both
//! sides, holds them against the types of `mesh-api`.

use crate::control_file::ControlFile;
use crate::fault::Fault;
use crate::texts;

/// Longest name of a data file: it travels as `Mex-FileName` (2.6).
const FILE_NAME_CHARS_MAX: usize = 300;

/// What a report calls the name of the data file.
pub(crate) const FILE_NAME: &str = "name of the data file";

/// The rules for one element that travels as a header.
pub(crate) struct Header {
    pub(crate) element: &'static str,
    /// More characters are refused.
    pub(crate) chars_max: usize,
    /// More characters are more than the DTS took, where it had a limit of its own.
    pub(crate) dts_chars_max: Option<usize>,
    /// Whether a web address at the start gives code 06 (3.2, "Character set of ids").
    no_web_address: bool,
}

const fn header(element: &'static str, chars_max: usize, dts_chars_max: Option<usize>) -> Header {
    Header { element, chars_max, dts_chars_max, no_web_address: false }
}

impl Header {
    const fn without_web_address(self) -> Self {
        Self { no_web_address: true, ..self }
    }
}

/// All of them, in the order in which they are judged.
pub(crate) const HEADERS: [Header; 7] = [
    header("To_DTS", 100, None).without_web_address(),
    header("WorkflowId", 300, Some(32)).without_web_address(),
    header("Subject", 500, None),
    header("LocalId", 300, Some(255)),
    header("PartnerId", 500, Some(255)),
    // No limit is published for the header; this is the relay's own.
    header("ProcessId", 300, Some(32)),
    header("DataChecksum", 100, None).without_web_address(),
];

impl ControlFile {
    /// The value that travels in a header, without white space at its ends.
    pub(crate) fn header_value(&self, element: &str) -> &str {
        let value = match element {
            "To_DTS" => Some(&self.to_dts),
            "WorkflowId" => self.workflow_id.as_ref(),
            "Subject" => self.subject.as_ref(),
            "LocalId" => self.local_id.as_ref(),
            "PartnerId" => self.partner_id.as_ref(),
            "ProcessId" => self.process_id.as_ref(),
            "DataChecksum" => self.data_checksum.as_ref(),
            _ => None,
        };
        value.map(|value| value.trim()).unwrap_or_default()
    }
}

impl Header {
    /// Why the value cannot travel.
    pub(crate) fn faults(&self, value: &str) -> Vec<Fault> {
        let mut faults = text_faults(self.element, value, self.chars_max);
        if self.no_web_address && is_web_address(value) {
            let reason = format!("{} begins with a web address, which MESH refuses", self.element);
            faults.push(Fault::malformed(self.element, reason, "take it out"));
        }
        let passes =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | ':' | '-' | '/') || c.is_control();
        if self.element == "DataChecksum" && !value.chars().all(passes) {
            let reason =
                "DataChecksum holds a character other than letters, digits, blanks, `:`, `-` and `/`";
            faults.push(Fault::malformed(self.element, reason.to_owned(), "write it in hexadecimal digits"));
        }
        faults
    }
}

/// Why the data file's name cannot travel.
pub(crate) fn file_name_faults(name: &str) -> Vec<Fault> {
    text_faults(FILE_NAME, name.trim(), FILE_NAME_CHARS_MAX)
}

fn text_faults(element: &'static str, value: &str, chars_max: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    if value.contains(char::is_control) {
        let reason = format!("{} {element}", texts::MALFORMED);
        faults.push(Fault::malformed(element, reason, "take line breaks, tabs and their like out"));
    }
    let chars = value.chars().count();
    if chars > chars_max {
        let reason = format!("{element} has {chars} characters, more than the {chars_max} that MESH takes");
        faults.push(Fault::malformed(element, reason, "shorten it"));
    }
    faults
}

fn is_web_address(value: &str) -> bool {
    let begins = |with: &str| value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    begins("http://") || begins("https://")
}
