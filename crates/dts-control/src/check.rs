//! Judging a control file found in OUT (`dts-file-interface.md` 4.6 I, 3.2).

use crate::control_file::{AddressType, ControlFile, MessageType};
use crate::fault::Fault;
use crate::limits::{HEADERS, file_name_faults};
use crate::status::Event;
use crate::{codes, texts};

/// The data file of a pair, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DataFile<'a> {
    /// Nobody looked, so nothing is said about it.
    NotLookedAt,
    /// There is none.
    Missing,
    /// There it is.
    Here {
        /// Its name, which travels with the message (2.6).
        name: &'a str,
        /// Its length in bytes.
        length: u64,
    },
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
    /// | such a value over MESH's limit | TRANSFER 06 (3.2) |
    /// | a web address at the start of recipient, workflow or checksum | TRANSFER 06 (3.2) |
    /// | a checksum of other characters than MESH takes | TRANSFER 06 (3.2) |
    ///
    /// The reference gives no code for an absent workflow id. SEND 17 says that the recipient does not take
    /// the workflow, and would send people to the service desk. COLLECT 01 says that the file cannot be
    /// opened. TRANSFER 06 is what MESH itself answers to headers that do not make a message.
    ///
    /// `To_DTS` is not judged by shape: it can be a mailbox or a routing string (3.7). The shorter limits of
    /// the DTS are none of MESH; [`lint`](crate::lint) warns of them. `DTSId`, `IsCompressed` and
    /// `StatusRecord` are ignored (check 13).
    ///
    /// # Errors
    ///
    /// The first [`Fault`].
    pub fn check(&self, mailbox: &str) -> Result<(), Fault> {
        first(self.faults(Some(mailbox)))
    }

    /// Reads a control file found in OUT and checks it with its data file: the whole judgement before a pair
    /// is sent. `name` is the control file's own.
    ///
    /// # Errors
    ///
    /// The first [`Fault`]: that it cannot be read, what [`check`](Self::check) says, then the data file.
    pub fn judge(bytes: &[u8], name: &str, mailbox: &str, data: DataFile<'_>) -> Result<Self, Fault> {
        let control = Self::read(bytes).map_err(|error| Fault::unreadable(Some(name), &error))?;
        control.check(mailbox)?;
        first(data.faults())?;
        Ok(control)
    }

    /// Every fault, in the order of [`check`](Self::check). Without a mailbox any sender is right.
    pub(crate) fn faults(&self, mailbox: Option<&str>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let from = self.from_dts.trim();
        if let Some(mailbox) = mailbox
            && !from.is_empty()
            && !from.eq_ignore_ascii_case(mailbox.trim())
        {
            faults.push(Fault::exact(
                (Event::Send, codes::FROM_INVALID, texts::FROM_INVALID),
                "From_DTS",
                (
                    "the sender is not the mailbox whose folder this is",
                    "write that mailbox there, or use the folder of the other",
                ),
            ));
        }
        let no_recipient = self.to_dts.trim().is_empty();
        let meant = self.address_type.meant();
        if no_recipient && meant != Some(AddressType::Smtp) {
            faults.push(Fault::exact(
                (Event::Send, codes::TO_INVALID, texts::TO_MISSING),
                "To_DTS",
                ("the recipient is missing", "write the mailbox of the recipient there"),
            ));
        }
        let address_type = (Event::Send, codes::ADDRESS_TYPE_INVALID, texts::ADDRESS_TYPE_INVALID);
        match meant {
            Some(AddressType::Smtp) if no_recipient => faults.push(Fault::exact(
                address_type,
                "AddressType",
                ("MESH has no route by e-mail address", "write DTS there, and the recipient in To_DTS"),
            )),
            None => faults.push(Fault::exact(
                address_type,
                "AddressType",
                ("the address type is none of DTS, ALL and SMTP", "write DTS there"),
            )),
            Some(_) => {}
        }
        if self.message_type != MessageType::Data {
            faults.push(Fault::exact(
                (Event::Send, codes::MESSAGE_TYPE_INVALID, texts::MESSAGE_TYPE_INVALID),
                "MessageType",
                ("the message type is not Data, and an application sends nothing else", "write Data there"),
            ));
        }
        if self.header_value("WorkflowId").is_empty() {
            faults.push(Fault::exact(
                (Event::Transfer, codes::TRANSFER_FAILED, texts::WORKFLOW_MISSING),
                "WorkflowId",
                ("the workflow id is missing", "write the one agreed with the recipient there"),
            ));
        }
        let values = HEADERS.iter().flat_map(|header| header.faults(self.header_value(header.element)));
        faults.extend(values);
        faults
    }
}

impl DataFile<'_> {
    /// Why the pair cannot be sent with it.
    pub(crate) fn faults(self) -> Vec<Fault> {
        match self {
            Self::NotLookedAt => Vec::new(),
            Self::Missing => vec![Fault::no_data()],
            Self::Here { name, length } => {
                let empty = (length == 0).then(Fault::empty_data);
                empty.into_iter().chain(file_name_faults(name)).collect()
            }
        }
    }
}

fn first(faults: Vec<Fault>) -> Result<(), Fault> {
    faults.into_iter().next().map_or(Ok(()), Err)
}
