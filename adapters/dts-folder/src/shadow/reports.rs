//! Reports in IN beside what the relay would have put there (`dts-file-interface.md` 4.2, 4.4, 4.5, example I).

use dts_control::{AddressType, ControlFile, Event, Status, StatusRecord, codes};
use relay_core::MessageKind;

use super::ended::Ending;
use super::received::{download, message_id};
use super::{Cause, Found, Place, Shadow, Verdict, is_error};
use crate::control_files::{self, Trouble};

impl Shadow {
    /// A report, whoever made it.
    pub(super) fn report(&mut self, found: &Found) -> Verdict {
        let Some(status) = found.control.status.clone() else { return Verdict::NotDerivable };
        let is_delay = code(&status) == code_of(codes::DELAYED);
        match (&status.event, &status.status) {
            (Event::Collect, Status::Success) => match self.config.reports.collect {
                true => self.collected(found),
                false => Verdict::NotWritten("reports.collect is off"),
            },
            (Event::Transfer, Status::Success) if is_delay => match self.config.reports.delay {
                true => self.delayed(found),
                false => Verdict::NotWritten("reports.delay is off"),
            },
            (Event::Transfer, Status::Success) => match self.config.reports.transfer {
                true => self.transferred(found),
                false => Verdict::NotWritten("reports.transfer is off"),
            },
            (Event::Receive, Status::Success) => match self.config.reports.poll {
                true => found
                    .compare(&control_files::text(&control_files::polled(&self.config.mailbox, found.at))),
                false => Verdict::NotWritten("reports.poll is off"),
            },
            _ if is_error(&status) => self.error(found, &status),
            _ => Verdict::NotDerivable,
        }
    }

    /// Made from the control file in OUT, whatever an earlier life left there included; the report repeats that (4.4).
    fn collected(&self, found: &Found) -> Verdict {
        self.best(found, |pair| {
            // What the relay refuses itself it does not collect; MESH alone refuses later.
            if pair.control.check(self.config.mailbox.as_str()).is_err() {
                return Verdict::NotWritten("pairs that the relay refuses have no collect report");
            }
            let out = in_out(&pair.control, found);
            let ours = control_files::collected(&out, &self.config.mailbox, found.at);
            found.compare(&control_files::text(&ours))
        })
    }

    fn delayed(&self, found: &Found) -> Verdict {
        self.best(found, |pair| {
            let out = in_out(&pair.control, found);
            let ours = control_files::delayed(&out, &self.config.mailbox, found.at);
            found.compare(&control_files::text(&ours))
        })
    }

    fn transferred(&self, found: &Found) -> Verdict {
        self.best(found, |pair| {
            let (control, id) = (pair.control.clone(), pair.control.dts_id.clone());
            let status = control_files::accepted_status(found.at);
            let sent = control_files::ended(control, &self.config.mailbox, id.as_deref(), true, status);
            found.compare(&control_files::text(&control_files::ended_report(sent)))
        })
    }

    fn error(&mut self, found: &Found, status: &StatusRecord) -> Verdict {
        if found.control.local_id.as_deref().unwrap_or_default().is_empty() {
            return self.trouble(found, status);
        }
        let (mut failed, mut sent_id) = (Vec::new(), None);
        for (place, pair) in self.alike(found) {
            match place {
                Place::Failed => failed.push(pair),
                _ => sent_id = sent_id.or(pair.control.dts_id),
            }
        }
        if failed.is_empty() {
            return self.of_mesh(found, status, sent_id);
        }
        for pair in &failed {
            let (status, message_id) = (status.clone(), found.control.dts_id.clone());
            self.causes.insert(pair.name.clone(), Cause { status, message_id });
        }
        let verdicts = failed.iter().filter_map(|pair| {
            let id = found.control.dts_id.clone();
            let Ending { status, message_id } = self.ending(pair, Some(status.clone()), id, found)?;
            let control = pair.control.clone();
            let mailbox = &self.config.mailbox;
            let ended = control_files::ended(control, mailbox, message_id.as_deref(), false, status);
            Some(found.compare(&control_files::text(&control_files::ended_report(ended))))
        });
        verdicts.min_by_key(rank).unwrap_or(Verdict::NotDerivable)
    }

    /// A report on the mailbox and no message in it.
    fn trouble(&self, found: &Found, status: &StatusRecord) -> Verdict {
        let trouble = match (&status.event, code(status)) {
            (Event::Receive, 15) | (Event::Transfer, 6) => Trouble::Unreachable,
            (Event::Receive, 16) | (Event::Transfer, 3) => Trouble::NotTrusted,
            (Event::Receive, 17) | (Event::Transfer, 4) => Trouble::LoginRefused,
            _ => return Verdict::NotDerivable,
        };
        let ours = control_files::trouble(&self.config.mailbox, status.event.clone(), trouble, found.at);
        found.compare(&control_files::text(&ours))
    }

    /// A report that MESH made, such as that nobody collected the message: about one that it has, or to all four
    /// addresses as the client writes what comes from MESH.
    fn of_mesh(&self, found: &Found, status: &StatusRecord, sent_id: Option<String>) -> Verdict {
        let control = &found.control;
        let is_received = control.address_type == AddressType::All || control.to_esmtp.is_some();
        if !is_received && sent_id.is_none() {
            return Verdict::NotDerivable;
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        // Named by its own id; the other of the two stands in the file (4.5).
        let (dts_id, partner) = (text(&control.dts_id), text(&control.partner_id));
        let linked = if dts_id == found.stem() { partner } else { dts_id.clone() };
        let id = [Some(found.stem()), Some(dts_id.as_str())].into_iter().find_map(message_id);
        let Some(mut download) = id.and_then(|id| download(&id, control)) else {
            return Verdict::NotDerivable;
        };
        download.kind = MessageKind::Report;
        download.linked_message_id = sent_id.unwrap_or(linked);
        download.status.event = status.event.to_string();
        download.status.success = status.status.to_string();
        download.status.code.clone_from(&status.code);
        download.status.description.clone_from(&status.description);
        found.compare(&control_files::received_text(&self.config, &download, None, found.at))
    }

    /// What a report is about can only be told by the local id, which may come again: the pair that fits best is meant.
    fn best(&self, found: &Found, make: impl Fn(&Found) -> Verdict) -> Verdict {
        let verdicts = self.alike(found).into_iter().map(|(_, pair)| make(&pair));
        verdicts.min_by_key(rank).unwrap_or(Verdict::NotDerivable)
    }

    /// The pairs in SENT and FAILED with the local id of a report.
    fn alike(&self, found: &Found) -> Vec<(Place, Found)> {
        let local_id = found.control.local_id.as_deref();
        let names = self.index.find(local_id).iter();
        let pairs = names.filter_map(|(place, name)| Some((*place, self.find(*place, name).ok()?.1.ok()?)));
        pairs.filter(|(_, pair)| pair.control.local_id.as_deref() == local_id).collect()
    }
}

/// The control file of a pair as it was in OUT, when a report was made of it.
fn in_out(pair: &ControlFile, report: &Found) -> ControlFile {
    ControlFile { dts_id: report.control.dts_id.clone(), status: None, ..pair.clone() }
}

/// How well a report fits; less is better.
fn rank(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Compared(comparison) if comparison.is_same() => 0,
        Verdict::Compared(comparison) => 1 + comparison.values.len(),
        _ => usize::MAX,
    }
}

/// A code as a number, however many digits it is written with; 1000 for those that are none.
fn code(status: &StatusRecord) -> u16 {
    code_of(&status.code)
}

fn code_of(code: &str) -> u16 {
    code.parse().unwrap_or(1000)
}
