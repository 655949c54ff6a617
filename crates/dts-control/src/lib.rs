//! DTS control files as data: read, check, write; codes; file-name rules. No I/O.
//!
//! A control file (`.ctl`) is the small XML file that stands beside a data file (`.dat`) in a folder of the
//! DTS or MESH client. Systems that use the folder know nothing else of the service, so what this crate
//! reads, and above all what it writes, follows the real files described in `dts-file-interface.md` (called
//! "the reference" here), sections 2.4–2.8, 3, 4, 5, 9 and 10.
//!
//! | subject | where |
//! |---|---|
//! | the file as data | [`ControlFile`] |
//! | reading: open to every form in the reference, closed to hostile input | [`ControlFile::read`] |
//! | checking a file found in OUT | [`ControlFile::check`], [`ControlFile::judge`], [`Fault`] |
//! | everything that is wrong or odd, for people | [`lint()`] |
//! | how two files differ: in values or in layout alone | [`mod@compare`] |
//! | writing: canonical order and layout | [`ControlFile::write`] |
//! | outcomes and times | [`StatusRecord`], [`uk_local`], [`from_uk_local`], [`from_utc_compact`] |
//! | codes and texts that apps may compare | [`codes`], [`texts`] |
//! | names of files | [`file_name`] |
//!
//! Nothing here panics on any input, and no error or `Debug` output repeats a value from a file that may be
//! private: subject, local id, the address (which can be a routing string made of patient data), partner id,
//! checksum.
//!
//! ```
//! use dts_control::{ControlFile, Event, LineEnd, Status, StatusRecord, codes, texts};
//!
//! let mut control = ControlFile::read(
//!     b"<DTSControl>
//!         <Version>1.0</Version>
//!         <AddressType>DTS</AddressType>
//!         <MessageType>Data</MessageType>
//!         <WorkflowId>EXAMPLE_REPORT_V1</WorkflowId>
//!         <To_DTS>QQQHC002</To_DTS>
//!         <From_DTS>zzzhc001</From_DTS>
//!         <Subject>Blood &amp; bone</Subject>
//!       </DTSControl>",
//! )?;
//! assert_eq!(control.check("ZZZHC001"), Ok(()));
//!
//! // MESH took the message: this is what goes to SENT.
//! control.dts_id = Some("20261122101500123456_0A1B2C".to_owned());
//! control.is_compressed = Some(true);
//! control.status = Some(StatusRecord::at(
//!     "2026-11-22T10:15:00Z".parse()?,
//!     Event::Transfer,
//!     Status::Success,
//!     codes::SUCCESS,
//!     texts::SENT,
//! ));
//! let text = control.write(LineEnd::Lf);
//! assert!(text.contains("  <From_DTS>zzzhc001</From_DTS>\n  <To_DTS>QQQHC002</To_DTS>\n"));
//! assert!(text.contains("    <DateTime>20261122101500</DateTime>\n"));
//! assert_eq!(ControlFile::read(text.as_bytes())?, control);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
pub mod codes;
pub mod compare;
mod control_file;
mod decode;
mod fault;
pub mod file_name;
mod limits;
mod lint;
mod parse;
mod read;
mod read_error;
mod spelling;
mod status;
pub mod texts;
mod write;
mod xml;

#[cfg(test)]
mod tests;

pub use check::DataFile;
pub use control_file::{AddressType, ControlFile, MessageType, UnknownElement, esmtp_address};
pub use fault::Fault;
pub use lint::{Beside, Finding, LintContext, Severity, lint};
pub use read::{DEPTH_MAX, SIZE_MAX};
pub use read_error::{Position, ReadError};
pub use status::{Event, NotATime, Status, StatusRecord, from_uk_local, from_utc_compact, uk_local};
pub use write::LineEnd;
