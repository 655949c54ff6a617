//! Judging a control file found in OUT (`dts-file-interface.md` 4.6 I, 3.2).

use jiff::Timestamp;
use thiserror::Error;

use crate::control_file::{AddressType, ControlFile, MessageType};
use crate::status::{Event, Status, StatusRecord};
use crate::{codes, texts};

/// Why a pair in OUT will not be sent: what the report in IN says. The pair goes to FAILED.
///
/// The text names the element and the code, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{event} error {code} in {element}: {description}; \
     correct the file in FAILED and drop it in OUT again"
)]
pub struct Fault {
    /// Event of the status record.
    pub event: Event,
    /// Code of the status record; one of [`codes`].
    pub code: &'static str,
    /// Description of the status record: the exact text of 5.4 where there is one.
    pub description: String,
    /// The element at fault; `DTSControl` when it is the file as a whole.
    pub element: &'static str,
}

impl Fault {
    fn new(event: Event, code: &'static str, description: impl Into<String>, element: &'static str) -> Self {
        Self { event, code, description: description.into(), element }
    }

    /// The control file cannot be opened or read: COLLECT 01. MESH's 06 is the other candidate of 4.6 I; 01
    /// is what the file interface itself defines.
    pub fn unreadable_control_file() -> Self {
        Self::new(
            Event::Collect,
            codes::CONTROL_FILE_UNREADABLE,
            texts::CONTROL_FILE_UNREADABLE,
            "DTSControl",
        )
    }

    /// The data file is missing, empty or cannot be opened: COLLECT 02.
    pub fn unreadable_data_file() -> Self {
        Self::new(Event::Collect, codes::DATA_FILE_UNREADABLE, texts::DATA_FILE_UNREADABLE, "DTSControl")
    }

    /// The status record for the report and for the control file in FAILED.
    pub fn status_record(&self, at: Timestamp) -> StatusRecord {
        StatusRecord::at(at, self.event.clone(), Status::Error, self.code, self.description.clone())
    }
}

impl ControlFile {
    /// Checks a control file found in OUT before it is sent from `mailbox`, the configured one. Answers the
    /// first fault, in the order of `dts-file-interface.md` 4.6 I.
    ///
    /// | what | answer |
    /// |---|---|
    /// | `From_DTS` absent or empty | accepted: it means the configured mailbox (3.2) |
    /// | `From_DTS` is another mailbox, case and padding aside | SEND 07 |
    /// | `To_DTS` absent or empty, address type SMTP | SEND 10: MESH has no route by e-mail (11.2, U18) |
    /// | `To_DTS` absent or empty, any other address type | SEND 08 |
    /// | any `Version` | accepted: some senders count it up (3.2, "Version misuse") |
    /// | `AddressType` unknown | SEND 10 |
    /// | `MessageType` absent or not `Data` | SEND 11: an app sends nothing else |
    /// | `WorkflowId` absent or empty | TRANSFER 06 |
    /// | a control character in a value that travels as a header | TRANSFER 06 (3.2, 5.2) |
    ///
    /// The reference gives no code for an absent workflow id. SEND 17 says that the recipient does not take
    /// the workflow, and would send people to the service desk. COLLECT 01 says that the file cannot be
    /// opened. TRANSFER 06 is what MESH itself answers to headers that do not make a message.
    ///
    /// `To_DTS` is not judged by shape: it can be a mailbox or a routing string (3.7). Nor are lengths, which
    /// differ by era, or characters that MESH refuses by its own rules. `DTSId`, `IsCompressed` and
    /// `StatusRecord` are ignored (check 13).
    ///
    /// # Errors
    ///
    /// The first [`Fault`].
    pub fn check(&self, mailbox: &str) -> Result<(), Fault> {
        let from = self.from_dts.trim();
        if !from.is_empty() && !from.eq_ignore_ascii_case(mailbox.trim()) {
            return Err(Fault::new(Event::Send, codes::FROM_INVALID, texts::FROM_INVALID, "From_DTS"));
        }
        let no_address_type = || {
            let (code, text) = (codes::ADDRESS_TYPE_INVALID, texts::ADDRESS_TYPE_INVALID);
            Err(Fault::new(Event::Send, code, text, "AddressType"))
        };
        if self.to_dts.trim().is_empty() {
            return match self.address_type {
                AddressType::Smtp => no_address_type(),
                _ => Err(Fault::new(Event::Send, codes::TO_INVALID, texts::TO_MISSING, "To_DTS")),
            };
        }
        if let AddressType::Other(_) = self.address_type {
            return no_address_type();
        }
        if self.message_type != MessageType::Data {
            let (code, text) = (codes::MESSAGE_TYPE_INVALID, texts::MESSAGE_TYPE_INVALID);
            return Err(Fault::new(Event::Send, code, text, "MessageType"));
        }
        if self.workflow_id.as_deref().unwrap_or_default().trim().is_empty() {
            let (code, text) = (codes::TRANSFER_FAILED, texts::WORKFLOW_MISSING);
            return Err(Fault::new(Event::Transfer, code, text, "WorkflowId"));
        }
        for (element, value) in self.header_values() {
            if value.contains(|c: char| c.is_ascii_control()) {
                let text = format!("{} {element}", texts::MALFORMED);
                return Err(Fault::new(Event::Transfer, codes::TRANSFER_FAILED, text, element));
            }
        }
        Ok(())
    }

    /// The values that travel as headers (`dts-file-interface.md` 3.5).
    fn header_values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("To_DTS", Some(&self.to_dts)),
            ("WorkflowId", self.workflow_id.as_ref()),
            ("Subject", self.subject.as_ref()),
            ("LocalId", self.local_id.as_ref()),
            ("PartnerId", self.partner_id.as_ref()),
            ("ProcessId", self.process_id.as_ref()),
            ("DataChecksum", self.data_checksum.as_ref()),
        ]
        .into_iter()
        .filter_map(|(element, value)| value.map(|value| (element, value.as_str())))
    }
}
