//! Letting go of a pair: to SENT with its completed control file, or to FAILED with a report in IN
//! (`dts-file-interface.md` 2.2, checks 18 to 28).

use std::fs;
use std::io;
use std::path::Path;

use dts_control::{ControlFile, file_name};
use jiff::Timestamp;
use relay_core::{Ended, MailboxId, MessageId, Outcome, RelayId};

use crate::control_files;
use crate::folders::Folders;
use crate::pair::{PairKey, read_control};
use crate::pickup::{Identity, Presence};
use crate::report::COLLECT_PREFIX;
use crate::stage::{Sealed, Stage, clear_finished, finish_move, move_durably, remove_durably};
use crate::transfer_log::{Line, TransferLog};

/// The control file that goes to SENT or FAILED, inside a stage.
const CONTROL: &str = "control";
/// The report that goes to IN, inside a stage.
const REPORT: &str = "report";
/// The application's own control file, taken out of OUT, inside a stage.
const CLAIMED: &str = "claimed";

/// There when the pair is kept nowhere, inside a stage.
const UNKEPT: &str = "unkept";

/// What the ids of the stages begin with.
const STAGE_PREFIX: &str = "settle-";

/// What is settled.
#[derive(Clone, Copy)]
pub struct Settling<'a> {
    /// The pair. Only files that are these very ones are touched.
    pub key: &'a PairKey,
    /// The control file as it was read when the pair was picked up. After a restart it is taken from OUT.
    pub bytes: Option<&'a [u8]>,
    /// Identity of the control file when it was picked up, as [`Identity::to_key`] writes it. Not known after a
    /// restart.
    pub control_identity: Option<&'a str>,
    /// The mailbox, for a control file that does not say.
    pub mailbox: &'a MailboxId,
    /// Whether an accepted pair is kept in SENT.
    pub save_sent: bool,
    /// Whether an accepted pair has a report, too.
    pub transfer_report: bool,
    /// Whether status codes are cut to two digits.
    pub two_digit_codes: bool,
    /// Where it is noted what became of the pair.
    pub log: Option<&'a TransferLog>,
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
    let key = settling.key;
    let id = stage_id(ended.relay_id());
    let begun = Sealed::find(&folders.temp, &id);
    // Where the application took the pair away before anything was sent, there is nothing to say. One that a person
    // cancelled is still there, and would be taken for a new one if it stayed.
    let taken_away = match ended.outcome() {
        Outcome::Cancelled { by_person: false } => true,
        Outcome::Cancelled { by_person: true } => begun.is_none() && !key.is_in(&folders.out)?,
        _ => false,
    };
    if taken_away {
        return Ok(());
    }
    let ours = Ours::find(folders, settling)?;
    let sealed = match begun {
        Some(sealed) => sealed,
        None => stage(folders, settling, ended, &id, ours)?,
    };
    // What was decided when it was sealed holds, whatever is configured since.
    let target = match ended.outcome() {
        Outcome::Accepted(_) if sealed.holds(UNKEPT) => None,
        Outcome::Accepted(_) => Some(&folders.sent),
        Outcome::Rejected(_) | Outcome::Parked(_) | Outcome::Expired | Outcome::Cancelled { .. } => {
            Some(&folders.failed)
        }
    };
    let source = folders.out.join(&key.control);
    finish_move(&source, &sealed.path(CLAIMED))?;
    let Some(target) = target else {
        // Nothing is kept (2.2, 5b). The control file goes first, so that no look takes it for one without data.
        if ours.control {
            move_durably(&source, &sealed.path(CLAIMED))?;
        }
        give_back(&sealed, key, &source)?;
        if let Some((name, _)) = &key.data
            && ours.data
        {
            remove_durably(&folders.out.join(name))?;
        }
        return last(folders, &sealed, ended);
    };
    let control = target.join(&key.control);
    if sealed.holds(CONTROL) {
        give_way(target, key)?;
    }
    // The data goes first: whoever sees the control file takes the data for complete.
    if let Some((name, _)) = &key.data {
        let data = folders.out.join(name);
        finish_move(&data, &target.join(name))?;
        if ours.data {
            move_durably(&data, &target.join(name))?;
        }
    }
    // OUT lets go before SENT speaks: an application may use the name again as soon as it sees it in SENT.
    if ours.control && sealed.holds(CONTROL) {
        move_durably(&source, &sealed.path(CLAIMED))?;
    }
    give_back(&sealed, key, &source)?;
    sealed.release(CONTROL, &control)?;
    last(folders, &sealed, ended)
}

/// Names come round again over the years: an older pair of the same name gives way as a whole (2.2), so that nobody takes
/// its data for the new one's.
fn give_way(target: &Path, key: &PairKey) -> io::Result<()> {
    // Whatever its case: on a volume where that does not count, it may be there already.
    let is_own = |name: &String| key.data.as_ref().is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut older = vec![key.control.clone()];
    older.extend(file_name::data_name_candidates(&key.control));
    for name in older.iter().filter(|name| !is_own(name)) {
        if target.join(name).symlink_metadata().is_ok_and(|found| found.is_file()) {
            tracing::warn!(folder = %target.display(), "a file of the same name was there already and is replaced");
            remove_durably(&target.join(name))?;
        }
    }
    Ok(())
}

/// The report, and the end of the application's own control file.
fn last(folders: &Folders, sealed: &Sealed, ended: &Ended) -> io::Result<()> {
    let report = file_name::control_name(&ended.relay_id().to_string());
    sealed.release(REPORT, &folders.inbox.join(report))?;
    remove_durably(&sealed.path(CLAIMED))
}

/// Removes what only served to recognise a repeat, once the journal has the pair as settled.
///
/// # Errors
/// When it cannot be removed.
pub fn forget(folders: &Folders, relay_id: RelayId) -> io::Result<()> {
    let collected = format!("{COLLECT_PREFIX}{relay_id}");
    Sealed::find(&folders.temp, &collected).map_or(Ok(()), Sealed::discard)?;
    Sealed::find(&folders.temp, &stage_id(relay_id)).map_or(Ok(()), Sealed::discard)
}

/// Removes what an earlier run left of pairs that the journal has as settled; `unsettled` names the others.
///
/// # Errors
/// When TEMP cannot be listed or a folder not removed.
pub fn clear_settled(folders: &Folders, unsettled: impl Fn(RelayId) -> bool) -> io::Result<()> {
    for prefix in [STAGE_PREFIX, COLLECT_PREFIX] {
        clear_finished(&folders.temp, prefix, |id| {
            let relay_id = id.strip_prefix(prefix).and_then(|id| id.parse().ok());
            relay_id.is_none_or(|relay_id| unsettled(RelayId(relay_id)))
        })?;
    }
    Ok(())
}

fn stage_id(relay_id: RelayId) -> String {
    format!("{STAGE_PREFIX}{relay_id}")
}

/// Which files in OUT are the pair's. Once the application has begun to put another pair in its place, the files of
/// the two must not be mixed.
#[derive(Clone, Copy)]
struct Ours {
    control: bool,
    data: bool,
}

impl Ours {
    fn find(folders: &Folders, settling: Settling<'_>) -> io::Result<Self> {
        let key = settling.key;
        let source = folders.out.join(&key.control);
        let (control, data) = (key.control_at(&source)?, key.data_in(&folders.out)?);
        let very_same = match settling.control_identity {
            Some(identity) => Identity::presence(identity, &source)? == Presence::Same,
            None => false,
        };
        Ok(Self {
            // The same words beside other data may be the next pair's.
            control: control == Presence::Same && (very_same || data != Presence::Other),
            // Other words beside the same data are the next pair's.
            data: data == Presence::Same && control != Presence::Other,
        })
    }
}

/// Gives a control file back that the application put in place at the moment when ours was taken.
fn give_back(sealed: &Sealed, key: &PairKey, source: &Path) -> io::Result<()> {
    let claimed = sealed.path(CLAIMED);
    if key.control_at(&claimed)? == Presence::Other && !source.exists() {
        move_durably(&claimed, source)?;
    }
    Ok(())
}

/// Prepares what will appear, durably and all of it, before anything is moved.
fn stage(
    folders: &Folders,
    settling: Settling<'_>,
    ended: &Ended,
    id: &str,
    ours: Ours,
) -> io::Result<Sealed> {
    let source = folders.out.join(&settling.key.control);
    let bytes = match settling.bytes {
        Some(bytes) => Some(bytes.to_owned()),
        None if ours.control => Some(read_control(&source)?),
        None => None,
    };
    let message_id = match ended.outcome() {
        Outcome::Accepted(id) => Some(id),
        Outcome::Rejected(rejection) => rejection.message_id.as_ref(),
        Outcome::Parked(_) | Outcome::Expired | Outcome::Cancelled { .. } => None,
    };
    if bytes.is_none() {
        let relay_id = ended.relay_id();
        tracing::error!(
            %relay_id, ?message_id,
            "the control file of an ended pair is no longer in OUT, so SENT and FAILED do not get it"
        );
    }
    let stage = Stage::begin(&folders.temp, id, folders.access)?;
    let status = control_files::ended_status(ended.outcome(), settling.two_digit_codes, settling.now);
    let accepted = matches!(ended.outcome(), Outcome::Accepted(_));
    let mut report = control_files::unknown_report(settling.mailbox, status.clone());
    match bytes.as_deref().map(ControlFile::read) {
        Some(Ok(control)) => {
            let id = message_id.map(MessageId::as_str);
            let control = control_files::ended(control, settling.mailbox, id, accepted, status.clone());
            if settling.save_sent || !accepted {
                stage.write(CONTROL, control_files::text(&control).as_bytes())?;
            }
            report = control_files::ended_report(control);
        }
        // What cannot be read is kept as it is, all of it.
        Some(Err(_)) => {
            let whole = if ours.control { fs::read(&source)? } else { bytes.unwrap_or_default() };
            stage.write(CONTROL, &whole)?;
        }
        None => {}
    }
    if accepted && !settling.save_sent {
        stage.write(UNKEPT, b"")?;
    }
    if !accepted || settling.transfer_report {
        stage.write(REPORT, control_files::text(&report).as_bytes())?;
    }
    let sealed = stage.seal()?;
    if let Some(log) = settling.log {
        let line = Line::ended(settling.mailbox, ended.relay_id(), message_id, &status);
        let (local_id, workflow) = (report.local_id.as_deref(), report.workflow_id.as_deref());
        log.write(&line.named(&settling.key.control, local_id, workflow), settling.now);
    }
    Ok(sealed)
}
