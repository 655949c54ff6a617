//! Letting go of a pair: to SENT with its completed control file, or to FAILED with a report in IN
//! (`dts-file-interface.md` 2.2, checks 18 to 28).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use dts_control::{
    ControlFile, Event, LineEnd, MessageType, SIZE_MAX, Status, StatusRecord, codes, file_name, texts,
};
use jiff::Timestamp;
use relay_core::{Ended, MailboxId, Outcome};

use crate::folders::Folders;
use crate::pickup::Identity;
use crate::stage::{Sealed, Stage, move_durably, remove_durably};

/// The control file that goes to SENT or FAILED, inside a stage.
const CONTROL: &str = "control";
/// The report that goes to IN, inside a stage.
const REPORT: &str = "report";

/// What is settled: a control file in OUT of this name, as long as it is the one that was picked up.
#[derive(Debug, Clone, Copy)]
pub struct Settling<'a> {
    /// Name of the control file.
    pub control: &'a str,
    /// Its identity, as [`Identity::to_key`] writes it.
    pub identity: &'a str,
    /// The mailbox, for a control file that does not say.
    pub mailbox: &'a MailboxId,
    /// Now.
    pub now: Timestamp,
}

/// Moves a pair by its recorded outcome. Repeatable: after a crash or a fault at any point the same call goes on
/// where the last one stopped, and nothing appears in SENT, FAILED or IN twice. It takes the proof that the
/// outcome is in the journal.
///
/// # Errors
/// When a folder does not let it; try again.
pub fn settle(folders: &Folders, settling: Settling<'_>, ended: &Ended) -> io::Result<()> {
    let id = ended.relay_id().to_string();
    let source = folders.out.join(settling.control);
    let still_there = Identity::at(&source).is_some_and(|now| now.to_key() == settling.identity);
    let sealed = match Sealed::find(&folders.temp, &id) {
        Some(sealed) => sealed,
        // Neither staged nor in OUT: the last run finished it.
        None if !still_there => return Ok(()),
        None => stage(folders, settling, ended, &id, &source)?,
    };
    let target = match ended.outcome() {
        Outcome::Accepted(_) => &folders.sent,
        Outcome::Rejected(_) | Outcome::Parked(_) | Outcome::Expired => &folders.failed,
    };
    // The data goes first: whoever sees the control file takes the data for complete.
    for data in
        file_name::control_stem(settling.control).into_iter().flat_map(file_name::data_name_candidates)
    {
        let from = folders.out.join(&data);
        // Once the control file has left OUT a data file of that name belongs to the next pair.
        if still_there && Identity::at(&from).is_some() {
            replaced(&target.join(&data));
            move_durably(&from, &target.join(&data))?;
        }
    }
    let control = target.join(settling.control);
    if sealed.holds(CONTROL) {
        replaced(&control);
        if still_there {
            remove_durably(&source)?;
        }
        sealed.release(CONTROL, &control)?;
    } else if still_there {
        // It could not be read, so it goes as it is.
        replaced(&control);
        move_durably(&source, &control)?;
    }
    sealed.release(REPORT, &folders.inbox.join(file_name::control_name(&id)))?;
    sealed.clear()
}

/// Prepares what will appear, durably and all of it, before anything is moved.
fn stage(
    folders: &Folders,
    settling: Settling<'_>,
    ended: &Ended,
    id: &str,
    source: &Path,
) -> io::Result<Sealed> {
    let mut bytes = Vec::new();
    File::open(source)?.take(SIZE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let read = ControlFile::read(&bytes).ok();
    let stage = Stage::begin(&folders.temp, id)?;
    let status = status(ended.outcome(), settling.now);
    let message_id = match ended.outcome() {
        Outcome::Accepted(id) => Some(id),
        Outcome::Rejected(rejection) => rejection.message_id.as_ref(),
        Outcome::Parked(_) | Outcome::Expired => None,
    };
    let write =
        |name, control: &ControlFile| stage.write(name, control.write(LineEnd::platform()).as_bytes());
    let accepted = matches!(ended.outcome(), Outcome::Accepted(_));
    let mut report = ControlFile { from_dts: settling.mailbox.to_string(), ..ControlFile::default() };
    if let Some(mut control) = read {
        if control.from_dts.trim().is_empty() {
            control.from_dts = settling.mailbox.to_string();
        }
        // Whatever an earlier life of the pair left there is not about this one (check 13).
        control.dts_id = message_id.map(ToString::to_string);
        control.is_compressed = Some(accepted && control.compress.unwrap_or(false));
        control.status = Some(status.clone());
        write(CONTROL, &control)?;
        report = control;
    }
    if !accepted {
        report.message_type = MessageType::Report;
        report.status = Some(status);
        write(REPORT, &report)?;
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
        Outcome::Expired => failed("MESH did not take the message in time; put the pair in OUT again"),
    }
}

/// Names in SENT and FAILED come round again over the years; the older file gives way (2.2).
fn replaced(path: &Path) {
    if path.exists() {
        tracing::warn!("a pair of the same name was in the folder already and is replaced");
    }
}
