//! Writing a control file (`dts-file-interface.md` 3.1, 3.3).

use crate::control_file::ControlFile;
use crate::status::StatusRecord;
use crate::xml;

/// How lines end. The reference could not settle it (3.1): CRLF on Windows, LF elsewhere is its safe choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed.
    CrLf,
}

impl LineEnd {
    /// The one of the platform that this was built for.
    pub const fn platform() -> Self {
        if cfg!(windows) { Self::CrLf } else { Self::Lf }
    }

    /// The characters themselves.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
        }
    }
}

impl ControlFile {
    /// The file as the MESH client lays it out: UTF-8 without byte-order mark or declaration, canonical
    /// order, one element a line, two spaces before each and four before the parts of the status record,
    /// empty elements as two tags, unknown elements before the status record, a line end at the end.
    ///
    /// [`ControlFile::read`] gives the same control file back, save for what no file can say: white space at
    /// the ends of a value is trimmed, and a character that XML forbids is written as `?`.
    pub fn write(&self, line_end: LineEnd) -> String {
        let mut out = Writer { text: String::with_capacity(2048), line_end };
        out.line("<DTSControl>");
        out.element("  ", "Version", &self.version);
        out.element("  ", "AddressType", self.address_type.as_str());
        out.element("  ", "MessageType", self.message_type.as_str());
        out.element("  ", "From_DTS", &self.from_dts);
        out.element("  ", "To_DTS", &self.to_dts);
        out.text("From_ESMTP", &self.from_esmtp);
        out.text("To_ESMTP", &self.to_esmtp);
        out.text("Subject", &self.subject);
        out.text("LocalId", &self.local_id);
        out.text("DTSId", &self.dts_id);
        out.text("PartnerId", &self.partner_id);
        out.flag("Compress", self.compress);
        out.flag("Encrypted", self.encrypted);
        out.text("WorkflowId", &self.workflow_id);
        out.text("ProcessId", &self.process_id);
        out.text("DataChecksum", &self.data_checksum);
        out.flag("IsCompressed", self.is_compressed);
        out.flag("AllowChunking", self.allow_chunking);
        for element in &self.unknown {
            let content = element.content.replace('\n', line_end.as_str());
            let name = &element.name;
            out.line(&format!("  <{name}>{content}</{name}>"));
        }
        if let Some(status) = &self.status {
            out.status(status);
        }
        out.line("</DTSControl>");
        out.text
    }
}

impl ControlFile {
    /// A received file in the order of the DTS era (`dts-file-interface.md` 3.3): e-mail addresses before mailboxes, the
    /// flags behind the workflow, and no `PartnerId` (3.4). The layout is that of [`ControlFile::write`].
    pub fn write_dts_era(&self, line_end: LineEnd) -> String {
        let mut out = Writer { text: String::with_capacity(2048), line_end };
        out.line("<DTSControl>");
        out.element("  ", "Version", &self.version);
        out.element("  ", "AddressType", self.address_type.as_str());
        out.element("  ", "MessageType", self.message_type.as_str());
        out.text("From_ESMTP", &self.from_esmtp);
        out.element("  ", "From_DTS", &self.from_dts);
        out.text("To_ESMTP", &self.to_esmtp);
        out.element("  ", "To_DTS", &self.to_dts);
        out.text("Subject", &self.subject);
        out.text("LocalId", &self.local_id);
        out.text("DTSId", &self.dts_id);
        out.text("WorkflowId", &self.workflow_id);
        out.text("ProcessId", &self.process_id);
        out.flag("Compress", self.compress);
        out.flag("Encrypted", self.encrypted);
        out.text("DataChecksum", &self.data_checksum);
        out.flag("IsCompressed", self.is_compressed);
        if let Some(status) = &self.status {
            out.status(status);
        }
        out.line("</DTSControl>");
        out.text
    }
}

struct Writer {
    text: String,
    line_end: LineEnd,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str(self.line_end.as_str());
    }

    fn element(&mut self, indent: &str, name: &str, value: &str) {
        self.text.extend([indent, "<", name, ">"]);
        xml::escape_into(&mut self.text, value);
        self.text.extend(["</", name, ">", self.line_end.as_str()]);
    }

    fn text(&mut self, name: &str, value: &Option<String>) {
        if let Some(value) = value {
            self.element("  ", name, value);
        }
    }

    fn flag(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.element("  ", name, if value { "Y" } else { "N" });
        }
    }

    fn status(&mut self, status: &StatusRecord) {
        self.line("  <StatusRecord>");
        self.element("    ", "DateTime", &status.date_time);
        self.element("    ", "Event", status.event.as_str());
        self.element("    ", "Status", status.status.as_str());
        self.element("    ", "StatusCode", &status.code);
        self.element("    ", "Description", &status.description);
        self.line("  </StatusRecord>");
    }
}
