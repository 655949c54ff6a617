//! Why a control file is refused, in the words that the report, `lint` and the log all use
//! (`dts-file-interface.md` 4.6 I, 5.4).

use jiff::Timestamp;
use thiserror::Error;

use crate::read_error::ReadError;
use crate::status::{Event, Status, StatusRecord};
use crate::{codes, texts};

/// The element that stands for the file as a whole.
pub(crate) const WHOLE_FILE: &str = "DTSControl";

/// Why a pair in OUT will not be sent: what the report in IN says. The pair goes to FAILED.
///
/// [`ControlFile::judge`](crate::ControlFile::judge) and [`lint`](crate::lint) make the same faults, so that what
/// `lint` says beforehand is what the report says afterwards. No text here repeats a value or has an
/// apostrophe (9, Q11).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{event} error {code} in {element}: {reason}; {fix}")]
pub struct Fault {
    /// Event of the status record.
    pub event: Event,
    /// Code of the status record; one of [`codes`].
    pub code: &'static str,
    /// Description of the status record: the exact text of 5.4 where there is one, else reason and fix.
    pub description: String,
    /// The element at fault; `DTSControl` when it is the file as a whole.
    pub element: &'static str,
    /// What is wrong, for people.
    pub reason: String,
    /// What to do.
    pub fix: &'static str,
}

impl Fault {
    /// One whose description apps may compare: nothing is added to it.
    pub(crate) fn exact(
        (event, code, description): (Event, &'static str, &str),
        element: &'static str,
        (reason, fix): (&str, &'static str),
    ) -> Self {
        let (description, reason) = (description.to_owned(), reason.to_owned());
        Self { event, code, description, element, reason, fix }
    }

    /// A value that cannot travel: TRANSFER 06, with our own words.
    pub(crate) fn malformed(element: &'static str, reason: String, fix: &'static str) -> Self {
        let description = described(&format!("{reason}; {fix}"));
        Self { event: Event::Transfer, code: codes::TRANSFER_FAILED, description, element, reason, fix }
    }

    /// Something that only whoever makes the request could see.
    pub fn unsendable(reason: String) -> Self {
        Self::malformed(WHOLE_FILE, reason, "correct it")
    }

    /// The control file cannot be read: COLLECT 01. MESH's 06 is the other candidate of 4.6 I; 01 is what
    /// the file interface itself defines. The report holds nothing else by which its reader could know the
    /// file, so the description names it (`name`) beside place, reason and fix.
    pub fn unreadable(name: Option<&str>, error: &ReadError) -> Self {
        let name = name.map(|name| format!("{name} ")).unwrap_or_default();
        Self {
            event: Event::Collect,
            code: codes::CONTROL_FILE_UNREADABLE,
            description: described(&format!("Control file {name}cannot be read: {error}")),
            element: WHOLE_FILE,
            reason: error.reason(),
            fix: error.fix(),
        }
    }

    /// The data file is missing: COLLECT 02.
    pub fn no_data() -> Self {
        let reason = "there is no data file beside the control file";
        Self::data_file(reason, "write the `.dat` of the same name before the `.ctl`")
    }

    /// The data file has no content: COLLECT 02, as MESH answers to an empty body (4.6 I).
    pub(crate) fn empty_data() -> Self {
        Self::data_file("the data file is empty", "write the data before the control file")
    }

    fn data_file(reason: &'static str, fix: &'static str) -> Self {
        let text = texts::DATA_FILE_UNREADABLE;
        Self::exact((Event::Collect, codes::DATA_FILE_UNREADABLE, text), WHOLE_FILE, (reason, fix))
    }

    /// The status record for the report and for the control file in FAILED.
    pub fn status_record(&self, at: Timestamp) -> StatusRecord {
        StatusRecord::at(at, self.event.clone(), Status::Error, self.code, self.description.clone())
    }
}

/// A description as it may stand in a file: readers put it between single quotes (9, Q11).
fn described(text: &str) -> String {
    text.replace('\'', "")
}
