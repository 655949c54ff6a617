//! Pairs in SENT and FAILED beside what the relay would have put there.

use dts_control::{ControlFile, DataFile, Fault, StatusRecord, codes};
use relay_core::{Outcome, Rejection};

use super::{Found, Shadow, Verdict, is_error, is_given_up};
use crate::control_files;

/// Stands for the id that MESH would have given where the file found has none.
const AN_ID: &str = "20260101000000000000_000000";

/// How a pair in FAILED would have ended with the relay.
pub(super) struct Ending {
    pub(super) status: StatusRecord,
    pub(super) message_id: Option<String>,
}

impl Shadow {
    /// A pair that was accepted.
    pub(super) fn sent(&self, found: &Found) -> Verdict {
        // The site may have taken the data away since; then it was there.
        let data = match found.data_file() {
            DataFile::Missing => DataFile::NotLookedAt,
            data => data,
        };
        // Id, IsCompressed and record do not count in a judgement (check 13).
        match self.judge_pair(found, data) {
            Err(fault) => Verdict::Refused(Box::new(fault)),
            Ok(_) if !self.config.save_sent => Verdict::NotWritten("save_sent is off"),
            Ok(control) => {
                let given = control.dts_id.clone().filter(|id| !id.is_empty());
                let id = given.as_deref().unwrap_or(AN_ID);
                let status = control_files::accepted_status(found.at);
                let ours = control_files::ended(control, &self.config.mailbox, Some(id), true, status);
                found.compare(&control_files::text(&ours))
            }
        }
    }

    /// A pair that failed.
    pub(super) fn failed(&self, found: &Found) -> Verdict {
        let told = self.causes.get(&found.name);
        let own = found.control.status.clone().filter(is_error);
        let (status, id) = match (own, told) {
            (Some(status), _) => (Some(status), found.control.dts_id.clone()),
            (None, Some(cause)) => (Some(cause.status.clone()), cause.message_id.clone()),
            (None, None) => (None, None),
        };
        match self.ending(found, status, id, found) {
            None => Verdict::Untold,
            Some(Ending { status, message_id }) => {
                let mailbox = &self.config.mailbox;
                let control = found.control.clone();
                let ours = control_files::ended(control, mailbox, message_id.as_deref(), false, status);
                found.compare(&control_files::text(&ours))
            }
        }
    }

    /// How the relay would have ended a pair in FAILED: by its own judgement, else by what MESH said, which `theirs`
    /// repeats; with the time of the file that `timed` is. `None` when nothing tells.
    pub(super) fn ending(
        &self,
        pair: &Found,
        theirs: Option<StatusRecord>,
        message_id: Option<String>,
        timed: &Found,
    ) -> Option<Ending> {
        let is_about_data =
            |status: &StatusRecord| matches!(status.code.as_str(), codes::DATA_FILE_UNREADABLE | "2");
        // The site may have taken the data away since; then it was there.
        let data = match (pair.data_file(), &theirs) {
            (DataFile::Missing, Some(status)) if !is_about_data(status) => DataFile::NotLookedAt,
            (data, _) => data,
        };
        let (outcome, message_id) = match (self.judge_pair(pair, data), theirs) {
            (Err(Fault { event, code, description, .. }), _) => {
                (rejected(event.to_string(), code.to_owned(), description), None)
            }
            (Ok(_), Some(status)) if is_given_up(&status) => (Outcome::Expired, None),
            (Ok(_), Some(StatusRecord { event, code, description, .. })) => {
                (rejected(event.to_string(), code, description), message_id)
            }
            (Ok(_), None) => return None,
        };
        let status = control_files::ended_status(&outcome, self.config.two_digit_codes, timed.at);
        Some(Ending { status, message_id: message_id.filter(|id| !id.is_empty()) })
    }

    fn judge_pair(&self, found: &Found, data: DataFile<'_>) -> Result<ControlFile, Fault> {
        ControlFile::judge(&found.bytes, &found.name, self.config.mailbox.as_str(), data)
    }
}

fn rejected(event: String, code: String, description: String) -> Outcome {
    Outcome::Rejected(Rejection { event, code, description, message_id: None })
}
