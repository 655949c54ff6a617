//! Reports that the relay itself puts into IN: what the `Report` switches ask for, and what went wrong with the mailbox
//! (`dts-file-interface.md` 4.1, 4.2, 4.4, examples E to G).

use std::io;

use dts_control::{ControlFile, Event, file_name};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use relay_core::{FailureClass, MailboxId, MeshAnswer, MeshError, RelayId};

use crate::control_files;
pub(crate) use crate::control_files::Trouble;
use crate::folders::Folders;
use crate::stage::{REPORT_PREFIX, Sealed, Stage};

/// The report, inside a stage.
const REPORT: &str = "report";
/// What the ids of the stages of collect reports begin with. Such a stage stays until the pair is settled, so that the
/// report is not made again.
pub(crate) const COLLECT_PREFIX: &str = "collect-";
impl Trouble {
    /// What an error says of the mailbox. `None`: nothing new, since MESH was not asked or asks for patience.
    pub(crate) fn of(error: &MeshError) -> Option<Self> {
        if let FailureClass::Throttled { .. } = error.class {
            return None;
        }
        Some(match error.answer {
            MeshAnswer::NotTrusted => Self::NotTrusted,
            MeshAnswer::CredentialsRefused => Self::LoginRefused,
            _ => Self::Unreachable,
        })
    }
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
        None => sealed(folders, &id, &control_files::collected(control, mailbox, now))?,
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
    let name = format!("{relay_id}-delay-{}", digits(now));
    put(folders, &name, &control_files::delayed(control, mailbox, now))
}

/// Writes that the mailbox was looked into.
///
/// # Errors
/// When a folder does not let it.
pub(crate) fn polled(folders: &Folders, mailbox: &MailboxId, now: Timestamp) -> io::Result<()> {
    put(folders, &fresh_id(folders, now), &control_files::polled(mailbox, now))
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
    put(folders, &fresh_id(folders, now), &control_files::trouble(mailbox, event, trouble, now))
}

/// Puts a report into IN in one step.
fn put(folders: &Folders, name: &str, report: &ControlFile) -> io::Result<()> {
    let sealed = sealed(folders, &format!("{REPORT_PREFIX}{name}"), report)?;
    if let Err(error) = sealed.release(REPORT, &folders.inbox.join(file_name::control_name(name))) {
        // One that is not there in time says nothing any more, and would stay in TEMP for ever.
        sealed.discard()?;
        return Err(error);
    }
    sealed.clear()
}

fn sealed(folders: &Folders, id: &str, report: &ControlFile) -> io::Result<Sealed> {
    let stage = Stage::begin(&folders.temp, id, folders.access)?;
    stage.write(REPORT, control_files::text(report).as_bytes())?;
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
