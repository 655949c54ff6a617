//! Reports that the relay itself puts into IN: what the `Report` switches ask for, and what went wrong with the mailbox
//! (`dts-file-interface.md` 4.1, 4.2, 4.4, examples E to G).

use std::io;

use dts_control::{ControlFile, Event, LineEnd, MessageType, Status, StatusRecord, codes, file_name, texts};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use relay_core::{MailboxId, MeshAnswer, MeshError, RelayId};

use crate::folders::Folders;
use crate::stage::{Sealed, Stage};

/// The report, inside a stage.
const REPORT: &str = "report";
/// What the ids of the stages of collect reports begin with. Such a stage stays until the pair is settled, so that the
/// report is not made again.
pub(crate) const COLLECT_PREFIX: &str = "collect-";
/// What the ids of the stages of all other reports begin with.
const STAGE_PREFIX: &str = "report-";

/// What is wrong with a mailbox as long as it lasts. Reported once (4.6 I: the safe choice).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The two sides do not trust each other's certificates.
    NotTrusted,
    /// The mailbox's credentials are refused.
    LoginRefused,
    /// MESH cannot be reached, or does not answer as it should.
    Unreachable,
}

impl Trouble {
    pub(crate) fn of(error: &MeshError) -> Self {
        match error.answer {
            MeshAnswer::NotTrusted => Self::NotTrusted,
            MeshAnswer::CredentialsRefused => Self::LoginRefused,
            _ => Self::Unreachable,
        }
    }
}

/// The control file that a report on it is made of: the one in OUT, whatever an earlier life left there included (4.4).
fn about(control: &ControlFile, mailbox: &MailboxId, status: StatusRecord) -> ControlFile {
    let mut report = control.clone();
    if report.from_dts.trim().is_empty() {
        report.from_dts = mailbox.to_string();
    }
    report.message_type = MessageType::Report;
    report.is_compressed = Some(false);
    report.status = Some(status);
    report
}

/// Writes that a pair was picked up, once for each message, and before anything of it is sent (check 24).
///
/// # Errors
/// When a folder does not let it; try again.
pub(crate) fn collected(
    folders: &Folders,
    mailbox: &MailboxId,
    relay_id: RelayId,
    control: &ControlFile,
    now: Timestamp,
) -> io::Result<()> {
    let id = format!("{COLLECT_PREFIX}{relay_id}");
    let sealed = match Sealed::find(&folders.temp, &id) {
        Some(sealed) => sealed,
        None => {
            let status =
                StatusRecord::at(now, Event::Collect, Status::Success, codes::SUCCESS, texts::COLLECTED);
            sealed(folders, &id, &about(control, mailbox, status))?
        }
    };
    sealed.release(REPORT, &folders.inbox.join(file_name::control_name(&format!("{relay_id}-collect"))))
}

/// Writes that a pair has to wait in OUT (code 05: SUCCESS although nothing was delivered).
///
/// # Errors
/// When a folder does not let it.
pub(crate) fn delayed(
    folders: &Folders,
    mailbox: &MailboxId,
    relay_id: RelayId,
    control: &ControlFile,
    now: Timestamp,
) -> io::Result<()> {
    let status = StatusRecord::at(now, Event::Transfer, Status::Success, codes::DELAYED, texts::DELAYED);
    let name = format!("{relay_id}-delay-{}", digits(now));
    put(folders, &name, &about(control, mailbox, status))
}

/// Writes that the mailbox was looked into.
///
/// # Errors
/// When a folder does not let it.
pub(crate) fn polled(folders: &Folders, mailbox: &MailboxId, now: Timestamp) -> io::Result<()> {
    let status = StatusRecord::at(now, Event::Receive, Status::Success, codes::SUCCESS, texts::POLLED);
    put(folders, &fresh_id(folders, now), &about_mailbox(mailbox, status))
}

/// Writes that the mailbox cannot be looked into, or that nothing can be sent from it.
///
/// # Errors
/// When a folder does not let it.
pub(crate) fn trouble(
    folders: &Folders,
    mailbox: &MailboxId,
    event: Event,
    trouble: Trouble,
    now: Timestamp,
) -> io::Result<()> {
    let (code, text) = match (&event, trouble) {
        (Event::Receive, Trouble::NotTrusted) => (codes::POLL_SERVER_NOT_TRUSTED, texts::POLL_NOT_TRUSTED),
        (Event::Receive, Trouble::LoginRefused) => (codes::POLL_LOGIN_REFUSED, texts::POLL_LOGIN_REFUSED),
        (Event::Receive, Trouble::Unreachable) => (codes::POLL_FAILED, texts::POLL_FAILED),
        (_, Trouble::NotTrusted) => (codes::SERVER_NOT_TRUSTED, texts::SERVER_NOT_TRUSTED),
        (_, Trouble::LoginRefused) => (codes::LOGIN_REFUSED, texts::LOGIN_REFUSED),
        (_, Trouble::Unreachable) => (codes::TRANSFER_FAILED, texts::UNREACHABLE),
    };
    let status = StatusRecord::at(now, event, Status::Error, code, text);
    put(folders, &fresh_id(folders, now), &about_mailbox(mailbox, status))
}

/// A report on no message: from the mailbox to itself.
fn about_mailbox(mailbox: &MailboxId, status: StatusRecord) -> ControlFile {
    let empty = || Some(String::new());
    ControlFile {
        message_type: MessageType::Report,
        from_dts: mailbox.to_string(),
        to_dts: mailbox.to_string(),
        subject: empty(),
        local_id: empty(),
        workflow_id: empty(),
        status: Some(status),
        ..ControlFile::default()
    }
}

/// Puts a report into IN in one step.
fn put(folders: &Folders, name: &str, report: &ControlFile) -> io::Result<()> {
    let sealed = sealed(folders, &format!("{STAGE_PREFIX}{name}"), report)?;
    sealed.release(REPORT, &folders.inbox.join(file_name::control_name(name)))?;
    sealed.clear()
}

fn sealed(folders: &Folders, id: &str, report: &ControlFile) -> io::Result<Sealed> {
    let stage = Stage::begin(&folders.temp, id, folders.access)?;
    stage.write(REPORT, report.write(LineEnd::platform()).as_bytes())?;
    stage.seal()
}

/// A name for a report that belongs to no message, of the shape of MESH's ids (2.7) and like them in UTC, to the
/// microsecond. The letter that is no hexadecimal digit tells it from all of MESH's.
fn fresh_id(folders: &Folders, now: Timestamp) -> String {
    let micros = now.subsec_nanosecond() / 1_000;
    format!("{}{micros:06}_R{:05X}", digits(now), folders.report_number() & 0x000F_FFFF)
}

/// Date and time in UTC, to the second.
fn digits(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string()
}
