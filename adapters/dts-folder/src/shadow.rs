//! Shadow mode: what the old client wrote into SENT, IN and FAILED, beside what the relay would have written there. Files
//! are only read; nothing is sent, written or moved.
//!
//! What the relay would write comes from [`control_files`](crate::control_files), which the relay itself writes by. What
//! it is made from is taken back out of the files found: a control file in SENT without what the client added is the one
//! that was in OUT; one in IN tells what MESH said of the message.
//!
//! | file | compared with |
//! |---|---|
//! | in SENT | its own words, completed by the relay with the same id and time; or the relay would refuse it |
//! | data in IN | what the relay makes of the message by the profile, with the same id and time |
//! | a collect, delay or transfer report in IN | what the relay makes of the pair with that local id in SENT or FAILED |
//! | an error report in IN on a pair | the same, by the relay's own judgement or by MESH's words |
//! | a report of MESH's in IN | what the relay makes of the same fields |
//! | a report on the mailbox in IN | the relay's own |
//! | in FAILED | its own words, completed by the relay's own judgement or by MESH's words, where these are told |

mod ended;
mod index;
mod received;
mod reports;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dts_control::compare::{Comparison, compare};
use dts_control::{
    ControlFile, DataFile, Event, Fault, MessageType, ReadError, Status, StatusRecord, file_name,
    from_uk_local,
};
use jiff::Timestamp;
use thiserror::Error;

use crate::config::Config;
use crate::folders::existing;
use crate::pair::read_control;
use crate::pickup::Identity;
use index::Index;

/// Where a file was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// SENT.
    Sent,
    /// IN.
    Inbox,
    /// FAILED.
    Failed,
}

impl Place {
    /// All, in the order in which they are best looked at: reports in IN are about pairs in SENT, and say why pairs are
    /// in FAILED.
    pub const ALL: [Self; 3] = [Self::Sent, Self::Inbox, Self::Failed];

    /// The folder's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "SENT",
            Self::Inbox => "IN",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The folders that are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// SENT, or a copy of it.
    pub sent: Option<PathBuf>,
    /// IN, or a copy of it.
    pub inbox: Option<PathBuf>,
    /// FAILED, or a copy of it.
    pub failed: Option<PathBuf>,
}

impl Places {
    /// Those that are there under a mailbox's root, in whatever case; none is made.
    ///
    /// # Errors
    /// When the root cannot be listed.
    pub fn under(root: &Path) -> io::Result<Self> {
        let find = |place: Place| existing(root, place.as_str());
        Ok(Self { sent: find(Place::Sent)?, inbox: find(Place::Inbox)?, failed: find(Place::Failed)? })
    }

    /// The folder of one.
    pub fn folder(&self, place: Place) -> Option<&Path> {
        match place {
            Place::Sent => self.sent.as_deref(),
            Place::Inbox => self.inbox.as_deref(),
            Place::Failed => self.failed.as_deref(),
        }
    }
}

/// A folder that cannot be listed.
#[derive(Debug, Error)]
#[error("folder {path}: listing failed: {source}; name a folder that this account may read")]
pub struct ListError {
    path: PathBuf,
    source: io::Error,
}

/// What came of one control file.
pub struct Judged {
    /// Data, or what kind of report.
    pub kind: Kind,
    /// How it compares.
    pub verdict: Verdict,
    /// What is to be known beside.
    pub notes: Vec<Note>,
}

/// What a control file is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A message.
    Data,
    /// A report, by the event, status and code of its record.
    Report {
        /// Such as `SEND`.
        event: String,
        /// Such as `ERROR`.
        status: String,
        /// Such as `14`.
        code: String,
    },
    /// It cannot be read.
    Unknown,
}

/// How a control file compares with what the relay would have written.
pub enum Verdict {
    /// Both would be there, and differ so.
    Compared(Comparison),
    /// The relay would not have sent the pair: FAILED instead of SENT.
    Refused(Box<Fault>),
    /// The relay would have written no such file, by its configuration; which key says so.
    NotWritten(&'static str),
    /// The relay would have sent a pair that is in FAILED, as far as can be seen: nothing tells why it failed.
    Untold,
    /// What the relay would have written cannot be known from what is there.
    NotDerivable,
    /// The relay could not read it either.
    Unreadable(ReadError),
    /// It could not be opened.
    Unopened(io::Error),
    /// It is just being written.
    Unfinished,
}

/// What is to be known of a file beside how it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// There is no data file beside it.
    NoData,
    /// A pair in IN whose name is not its `DTSId`, as the relay's names are (2.7).
    OtherName,
}

impl Judged {
    /// Whether an application could notice: another value, another name, or another fate.
    pub fn differs(&self) -> bool {
        let differs = match &self.verdict {
            Verdict::Compared(comparison) => !comparison.values.is_empty(),
            Verdict::Refused(_) | Verdict::NotWritten(_) | Verdict::Unreadable(_) | Verdict::Unopened(_) => {
                true
            }
            Verdict::Untold | Verdict::NotDerivable | Verdict::Unfinished => false,
        };
        differs || self.notes.contains(&Note::OtherName)
    }

    /// Whether another file that may still come could tell more.
    pub fn may_become_clear(&self) -> bool {
        matches!(self.verdict, Verdict::Untold | Verdict::NotDerivable | Verdict::Unfinished)
    }
}

/// One mailbox's folders, looked at as the relay would write them.
pub struct Shadow {
    config: Config,
    places: Places,
    index: Index,
    /// Why pairs in FAILED are there, by their control files, where a report in IN tells.
    causes: HashMap<String, Cause>,
}

/// What a report says of a pair.
struct Cause {
    status: StatusRecord,
    message_id: Option<String>,
}

/// A control file that could be read, with what stands beside it. Holds private values and does not print.
struct Found {
    /// Its name.
    name: String,
    bytes: Vec<u8>,
    control: ControlFile,
    /// Name and length of its data file.
    data: Option<(String, u64)>,
    /// When it happened: the time in the record, else when the file was written.
    at: Timestamp,
}

impl Found {
    fn data_file(&self) -> DataFile<'_> {
        match &self.data {
            Some((name, length)) => DataFile::Here { name, length: *length },
            None => DataFile::Missing,
        }
    }

    fn stem(&self) -> &str {
        file_name::control_stem(&self.name).unwrap_or_default()
    }

    /// Compares it with the text that would be written.
    fn compare(&self, ours: &str) -> Verdict {
        match compare(&self.bytes, ours.as_bytes()) {
            Ok(comparison) => Verdict::Compared(comparison),
            Err(error) => Verdict::Unreadable(error),
        }
    }
}

impl Shadow {
    /// Looks at these folders as an adapter with this configuration would write them. Why pairs are in FAILED may stand
    /// in IN, so the local ids in FAILED are read first.
    ///
    /// # Errors
    /// When FAILED cannot be listed.
    pub fn new(config: Config, places: Places) -> Result<Self, ListError> {
        let mut shadow = Self { config, places, index: Index::default(), causes: HashMap::new() };
        for name in shadow.names(Place::Failed)? {
            if let Ok((_, Ok(found))) = shadow.find(Place::Failed, &name) {
                shadow.index.add(Place::Failed, &name, found.control.local_id.as_deref());
            }
        }
        Ok(shadow)
    }

    /// The folders.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The adapter's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The control files in a folder, by name. None when the folder is not looked at.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn names(&self, place: Place) -> Result<Vec<String>, ListError> {
        let Some(folder) = self.places.folder(place) else { return Ok(Vec::new()) };
        let failed = |source| ListError { path: folder.to_owned(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            // A name that is not UTF-8 is no control file's to the relay either.
            let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
            if file_name::control_stem(&name).is_some() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Judges one control file. `None` when it is no regular file, or is gone.
    pub fn judge(&mut self, place: Place, name: &str, now: Timestamp) -> Option<Judged> {
        let plain = |verdict| Some(Judged { kind: Kind::Unknown, verdict, notes: Vec::new() });
        let (written, found) = match self.find(place, name) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return plain(Verdict::Unopened(error)),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let is_young = written.is_some_and(|at| now.duration_since(at) < self.config.grace);
                return match place {
                    _ if is_young => plain(Verdict::Unfinished),
                    // What cannot be read goes there as it is, with the relay too.
                    Place::Failed => plain(Verdict::Compared(Comparison::default())),
                    _ => plain(Verdict::Unreadable(error)),
                };
            }
        };
        let mut notes = Vec::new();
        let is_report = found.control.message_type == MessageType::Report;
        let verdict = match place {
            Place::Sent => {
                self.index.add(place, name, found.control.local_id.as_deref());
                self.sent(&found)
            }
            Place::Failed => {
                self.index.add(place, name, found.control.local_id.as_deref());
                self.failed(&found)
            }
            Place::Inbox if is_report => self.report(&found),
            Place::Inbox => {
                if found.control.dts_id.as_deref() != Some(found.stem()) {
                    notes.push(Note::OtherName);
                }
                self.received(&found)
            }
        };
        if found.data.is_none() && (place == Place::Sent || place == Place::Inbox && !is_report) {
            notes.push(Note::NoData);
        }
        Some(Judged { kind: kind(&found.control), verdict, notes })
    }

    /// Reads a control file of a folder, and looks for its data. With when it was written.
    fn find(&self, place: Place, name: &str) -> io::Result<(Option<Timestamp>, Result<Found, ReadError>)> {
        let folder = self.places.folder(place).ok_or(io::ErrorKind::NotFound)?;
        let path = folder.join(name);
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let written = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let bytes = read_control(&path)?;
        let control = match ControlFile::read(&bytes) {
            Ok(control) => control,
            Err(error) => return Ok((written, Err(error))),
        };
        let length = |data: String| {
            let identity = Identity::at(&folder.join(&data))?;
            Some((data, identity.length()))
        };
        let data = file_name::data_name_candidates(name).into_iter().find_map(length);
        let told = control.status.as_ref().and_then(|status| from_uk_local(&status.date_time).ok());
        let at = told.or(written).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok((written, Ok(Found { name: name.to_owned(), bytes, control, data, at })))
    }
}

fn kind(control: &ControlFile) -> Kind {
    match (&control.message_type, &control.status) {
        (MessageType::Report, Some(StatusRecord { event, status, code, .. })) => {
            Kind::Report { event: event.to_string(), status: status.to_string(), code: code.clone() }
        }
        (MessageType::Report, None) => {
            Kind::Report { event: String::new(), status: String::new(), code: String::new() }
        }
        _ => Kind::Data,
    }
}

/// Whether a record says that something failed.
fn is_error(status: &StatusRecord) -> bool {
    status.status == Status::Error
}

/// Whether it is the record of a pair on which the client's tries were used up (5.1, code 06).
fn is_given_up(status: &StatusRecord) -> bool {
    status.event == Event::Transfer && status.code == dts_control::codes::TRANSFER_FAILED
}

#[cfg(test)]
mod tests;
