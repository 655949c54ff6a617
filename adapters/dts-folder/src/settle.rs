//! Letting go of a pair: to SENT with its completed control file, or to FAILED with a report in IN
//! (`dts-file-interface.md` 2.2, checks 18 to 28).

use std::io;
use std::path::Path;

use dts_control::{ControlFile, Event, LineEnd, MessageType, Status, StatusRecord, codes, file_name, texts};
use jiff::Timestamp;
use relay_core::{Ended, MailboxId, Outcome, RelayId};

use crate::folders::Folders;
use crate::pair::{PairKey, read_control};
use crate::pickup::Identity;
use crate::stage::{Sealed, Stage, move_durably, remove_durably};

/// The control file that goes to SENT or FAILED, inside a stage.
const CONTROL: &str = "control";
/// The report that goes to IN, inside a stage.
const REPORT: &str = "report";
/// The application's own control file, taken out of OUT, inside a stage.
const CLAIMED: &str = "claimed";

/// What is settled.
#[derive(Debug, Clone, Copy)]
pub struct Settling<'a> {
    /// The pair. Only files that are these very ones are touched.
    pub key: &'a PairKey,
    /// The control file as it was read when the pair was picked up. After a restart it is taken from OUT.
    pub bytes: Option<&'a [u8]>,
    /// The mailbox, for a control file that does not say.
    pub mailbox: &'a MailboxId,
    /// Now.
    pub now: Timestamp,
}

/// Moves a pair by its recorded outcome. Repeatable: after a crash or a fault at any point the same call goes on
/// where the last one stopped, and nothing appears in SENT, FAILED or IN twice. It takes the proof that the
/// outcome is in the journal. Once the journal has the pair as settled, [`forget`] ends it.
///
/// # Errors
/// When a folder does not let it; try again.
pub fn settle(folders: &Folders, settling: Settling<'_>, ended: &Ended) -> io::Result<()> {
    let target = match ended.outcome() {
        // The application took the pair away before anything was sent: there is nothing to say.
        Outcome::Cancelled => return Ok(()),
        Outcome::Accepted(_) => &folders.sent,
        Outcome::Rejected(_) | Outcome::Parked(_) | Outcome::Expired => &folders.failed,
    };
    let key = settling.key;
    let id = stage_id(ended.relay_id());
    let sealed = match Sealed::find(&folders.temp, &id) {
        Some(sealed) => sealed,
        None => stage(folders, settling, ended, &id)?,
    };
    let control = target.join(&key.control);
    // The data goes first: whoever sees the control file takes the data for complete.
    if let Some((name, identity)) = &key.data
        && Identity::is_at(identity, &folders.out.join(name))
    {
        if sealed.holds(CONTROL) && control.exists() {
            // Names come round again over the years; the older pair gives way as a whole (2.2).
            tracing::warn!(folder = %target.display(), "a pair of the same name was there already and is replaced");
            remove_durably(&control)?;
        }
        move_durably(&folders.out.join(name), &target.join(name))?;
    }
    // OUT lets go before SENT speaks: an application may use the name again as soon as it sees it in SENT.
    claim(&sealed, key, &folders.out.join(&key.control))?;
    sealed.release(CONTROL, &control)?;
    let report = file_name::control_name(&ended.relay_id().to_string());
    sealed.release(REPORT, &folders.inbox.join(report))?;
    remove_durably(&sealed.path(CLAIMED))
}

/// Removes what only served to recognise a repeat, once the journal has the pair as settled.
///
/// # Errors
/// When it cannot be removed.
pub fn forget(folders: &Folders, relay_id: RelayId) -> io::Result<()> {
    Sealed::find(&folders.temp, &stage_id(relay_id)).map_or(Ok(()), Sealed::clear)
}

fn stage_id(relay_id: RelayId) -> String {
    format!("settle-{relay_id}")
}

/// Takes the control file out of OUT, and gives it back should the application have put another one in its place
/// at that moment.
fn claim(sealed: &Sealed, key: &PairKey, source: &Path) -> io::Result<()> {
    let claimed = sealed.path(CLAIMED);
    if !sealed.holds(CLAIMED) && key.is_control_at(source) {
        move_durably(source, &claimed)?;
    }
    if sealed.holds(CLAIMED) && !key.is_control_at(&claimed) && !source.exists() {
        move_durably(&claimed, source)?;
    }
    Ok(())
}

/// Prepares what will appear, durably and all of it, before anything is moved.
fn stage(folders: &Folders, settling: Settling<'_>, ended: &Ended, id: &str) -> io::Result<Sealed> {
    let source = folders.out.join(&settling.key.control);
    let bytes = match settling.bytes {
        Some(bytes) => Some(bytes.to_owned()),
        None if settling.key.is_control_at(&source) => Some(read_control(&source)?),
        None => None,
    };
    let message_id = match ended.outcome() {
        Outcome::Accepted(id) => Some(id),
        Outcome::Rejected(rejection) => rejection.message_id.as_ref(),
        Outcome::Parked(_) | Outcome::Expired | Outcome::Cancelled => None,
    };
    if bytes.is_none() {
        let relay_id = ended.relay_id();
        tracing::error!(
            %relay_id, ?message_id,
            "the control file of an ended pair is no longer in OUT, so SENT and FAILED do not get it"
        );
    }
    let stage = Stage::begin(&folders.temp, id)?;
    let status = status(ended.outcome(), settling.now);
    let accepted = matches!(ended.outcome(), Outcome::Accepted(_));
    let mut report = ControlFile { from_dts: settling.mailbox.to_string(), ..ControlFile::default() };
    match bytes.as_deref().map(ControlFile::read) {
        Some(Ok(mut control)) => {
            if control.from_dts.trim().is_empty() {
                control.from_dts = settling.mailbox.to_string();
            }
            // Whatever an earlier life of the pair left there is not about this one (check 13).
            control.dts_id = message_id.map(ToString::to_string);
            control.is_compressed = Some(accepted && control.compress.unwrap_or(false));
            control.status = Some(status.clone());
            stage.write(CONTROL, control.write(LineEnd::platform()).as_bytes())?;
            report = control;
        }
        // What cannot be read is kept as it is.
        Some(Err(_)) => stage.write(CONTROL, bytes.as_deref().unwrap_or_default())?,
        None => {}
    }
    if !accepted {
        report.message_type = MessageType::Report;
        report.status = Some(status);
        stage.write(REPORT, report.write(LineEnd::platform()).as_bytes())?;
    }
    stage.seal()
}

fn status(outcome: &Outcome, now: Timestamp) -> StatusRecord {
    let failed =
        |text: &str| StatusRecord::at(now, Event::Transfer, Status::Error, codes::TRANSFER_FAILED, text);
    match outcome {
        Outcome::Accepted(_) => {
            StatusRecord::at(now, Event::Transfer, Status::Success, codes::SUCCESS, texts::SENT)
        }
        Outcome::Rejected(rejection) => {
            let Ok(event) = rejection.event.parse();
            let code = match rejection.code.as_str() {
                // A refusal without a code of its own; readers need one (Q9).
                "" => codes::TRANSFER_FAILED,
                code => code,
            };
            StatusRecord::at(now, event, Status::Error, code, rejection.description.as_str())
        }
        Outcome::Parked(reason) => failed(reason),
        Outcome::Expired | Outcome::Cancelled => {
            failed("MESH did not take the message in time; put the pair in OUT again")
        }
    }
}
