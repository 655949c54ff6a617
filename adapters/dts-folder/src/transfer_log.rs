//! The log of what went in and out, as the administrators of the Java client know it: a line for each file and each look
//! at the mailbox, in `mesh.log` (`dts-file-interface.md` 6.5, 9 Q18, check 48).
//!
//! No public material shows the Java client's own lines (11.2, U10). What a file was called and what its sender called
//! the message may say who a patient is, so a line names a message by the ids of MESH and of the relay, unless the site
//! asks for more. An address can be a routing string made of patient data and stands in no line.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dts_control::{StatusRecord, codes};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use relay_core::{Download, MailboxId, MessageId, RelayId};

use crate::report::Trouble;
use crate::stage::move_durably;

/// Size in bytes from which a log is set aside.
const SIZE_MAX: u64 = 10 * 1024 * 1024;
/// Logs that were set aside and are kept.
const KEPT_MAX: u32 = 9;

/// Whether lines hold what may say who a patient is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Names {
    /// They do not.
    #[default]
    Left,
    /// They hold file names and local ids, as the Java client's did.
    Told,
}

/// The log. Several adapters share one.
#[derive(Debug)]
pub struct TransferLog {
    path: PathBuf,
    names: Names,
    /// `None` after a fault, until it can be opened again.
    file: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// What happened, for one line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    mailbox: String,
    direction: &'static str,
    event: String,
    status: String,
    code: String,
    relay_id: Option<RelayId>,
    dts_id: Option<String>,
    workflow: Option<String>,
    /// Name of the control file, in OUT; that in IN is the id.
    file: Option<String>,
    local_id: Option<String>,
}

impl Line {
    /// A pair that has ended.
    pub(crate) fn ended(
        mailbox: &MailboxId,
        relay_id: RelayId,
        message_id: Option<&MessageId>,
        status: &StatusRecord,
    ) -> Self {
        Self {
            mailbox: mailbox.to_string(),
            direction: "OUT",
            event: status.event.to_string(),
            status: status.status.to_string(),
            code: status.code.clone(),
            relay_id: Some(relay_id),
            dts_id: message_id.map(ToString::to_string),
            ..Self::default()
        }
    }

    /// The same with what only some sites want to see.
    pub(crate) fn named(self, file: &str, local_id: Option<&str>, workflow: Option<&str>) -> Self {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Self { file: Some(file.to_owned()), local_id: owned(local_id), workflow: owned(workflow), ..self }
    }

    /// A message that is in IN.
    pub(crate) fn received(mailbox: &MailboxId, download: &Download) -> Self {
        let or = |given: &str, usual: &str| if given.is_empty() { usual } else { given }.to_owned();
        Self {
            mailbox: mailbox.to_string(),
            direction: "IN",
            event: or(&download.status.event, "TRANSFER"),
            status: or(&download.status.success, "SUCCESS"),
            code: or(&download.status.code, codes::SUCCESS),
            dts_id: Some(download.message_id.to_string()),
            workflow: Some(download.workflow.clone()),
            local_id: Some(download.local_id.clone()),
            ..Self::default()
        }
    }

    /// A look at the mailbox.
    pub(crate) fn polled(mailbox: &MailboxId, trouble: Option<Trouble>) -> Self {
        let (status, code) = match trouble {
            None => ("SUCCESS", codes::SUCCESS),
            Some(Trouble::Unreachable) => ("ERROR", codes::POLL_FAILED),
            Some(Trouble::NotTrusted) => ("ERROR", codes::POLL_SERVER_NOT_TRUSTED),
            Some(Trouble::LoginRefused) => ("ERROR", codes::POLL_LOGIN_REFUSED),
        };
        Self {
            mailbox: mailbox.to_string(),
            direction: "IN",
            event: "RECEIVE".to_owned(),
            status: status.to_owned(),
            code: code.to_owned(),
            ..Self::default()
        }
    }

    fn text(&self, names: Names, now: Timestamp) -> String {
        // The hospital's own time, as the Java client's log had it, and to the millisecond, with a comma.
        let time = now.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S,%3f").to_string();
        let level = if self.status == "ERROR" { "ERROR" } else { "INFO " };
        let Self { mailbox, direction, event, status, code, .. } = self;
        let mut text = format!("{time} {level} [{mailbox}] {direction} {event} {status} {code}");
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                // A line stays a line whatever a sender wrote.
                let value: String =
                    value.chars().map(|c| if c.is_control() || c == '"' { '?' } else { c }).collect();
                let _ = write!(text, " {name}=\"{value}\"");
            }
        };
        add("DTSId", self.dts_id.as_deref());
        add("WorkflowId", self.workflow.as_deref());
        if names == Names::Told {
            add("File", self.file.as_deref());
            add("LocalId", self.local_id.as_deref());
        }
        add("RelayId", self.relay_id.map(|id| id.to_string()).as_deref());
        text.push_str(dts_control::LineEnd::platform().as_str());
        text
    }
}

impl TransferLog {
    /// Opens the log, readable by its owner alone where it is new, and goes on behind what is there.
    ///
    /// # Errors
    /// When it cannot be opened or written.
    pub fn open(path: &Path, names: Names) -> io::Result<Self> {
        let file = Mutex::new(Some(Open::append(path)?));
        Ok(Self { path: path.to_owned(), names, file })
    }

    /// Writes one line. A log that cannot be written loses it and says so; no message waits for a log.
    pub(crate) fn write(&self, line: &Line, now: Timestamp) {
        let text = line.text(self.names, now);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(&mut file, &text) {
            *file = None;
            tracing::warn!(log = %self.path.display(), %error, "a line of the transfer log was not written");
        }
    }

    fn append(&self, place: &mut Option<Open>, text: &str) -> io::Result<()> {
        let size = match place {
            Some(open) => open.size,
            None => place.insert(Open::append(&self.path)?).size,
        };
        if size >= SIZE_MAX {
            *place = None;
            self.set_aside()?;
        }
        let open = match place {
            Some(open) => open,
            None => place.insert(Open::append(&self.path)?),
        };
        open.file.write_all(text.as_bytes())?;
        open.size += text.len() as u64;
        Ok(())
    }

    /// `mesh.log` becomes `mesh.log.relay-1`, that one `mesh.log.relay-2`, and so on; the last one goes. What an old client
    /// set aside under numbers of its own stays.
    fn set_aside(&self) -> io::Result<()> {
        let numbered = |number: u32| match number {
            0 => self.path.clone(),
            number => {
                let mut name = self.path.clone().into_os_string();
                name.push(format!(".relay-{number}"));
                PathBuf::from(name)
            }
        };
        for number in (0..KEPT_MAX).rev() {
            if numbered(number).exists() {
                move_durably(&numbered(number), &numbered(number + 1))?;
            }
        }
        Ok(())
    }
}

impl Open {
    fn append(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dts_control::{Event, Status, texts};

    fn line() -> Line {
        let now = Timestamp::UNIX_EPOCH;
        let status = StatusRecord::at(now, Event::Transfer, Status::Success, codes::SUCCESS, texts::SENT);
        let id = "20260329234512345678_0A1B2C".parse().expect("an id");
        let mailbox = "X26ABC1".parse().expect("a mailbox");
        Line::ended(&mailbox, RelayId(uuid::Uuid::nil()), Some(&id), &status).named(
            "SMITH_1970.ctl",
            Some("patient\n\"1\""),
            Some("PATH_REPORT"),
        )
    }

    #[test]
    fn a_line_names_what_happened_and_nobody() {
        let text = line().text(Names::Left, Timestamp::UNIX_EPOCH);
        let told = "INFO  [X26ABC1] OUT TRANSFER SUCCESS 00 DTSId=\"20260329234512345678_0A1B2C\" \
                    WorkflowId=\"PATH_REPORT\" RelayId=\"00000000-0000-0000-0000-000000000000\"\n";
        assert!(text.ends_with(told) && text.contains(",000 INFO"), "{text}");
        assert!(!text.contains("SMITH") && !text.contains("patient"), "{text}");
    }

    #[test]
    fn a_site_that_asks_for_it_sees_names_and_a_line_stays_a_line() {
        let text = line().text(Names::Told, Timestamp::UNIX_EPOCH);
        assert!(text.contains("File=\"SMITH_1970.ctl\" LocalId=\"patient??1?\""), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_full_log_is_set_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mesh.log");
        for _ in 0..KEPT_MAX + 3 {
            let log = TransferLog::open(&path, Names::Left).expect("a log");
            log.file.lock().expect("a lock").as_ref().expect("open").file.set_len(SIZE_MAX).expect("long");
            drop(log);
            TransferLog::open(&path, Names::Left).expect("a log").write(&line(), Timestamp::UNIX_EPOCH);
        }
        let kept = std::fs::read_dir(folder.path()).expect("a listing").count();
        assert_eq!(kept, 1 + KEPT_MAX as usize);
        assert!(std::fs::metadata(&path).expect("the log").len() < 1_000);
    }
}
