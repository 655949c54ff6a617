//! Reports that a fault holds back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mesh_api::MailboxId;

use crate::store::Report;

/// Most reports held back at a time; beyond it they are delivered as if no fault had struck.
pub const REPORTS_HELD_MAX: usize = 10_000;

/// Until when a report is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Time(Timestamp),
    /// Until the next report of the same mailbox was delivered.
    AnotherReport,
}

/// Reports that were due and are not delivered yet. They end with the process.
#[derive(Default)]
pub(crate) struct HeldReports(Mutex<Vec<(Report, Until)>>);

impl HeldReports {
    /// Holds a report, or gives it back when there are too many.
    pub(crate) fn hold(&self, report: Report, until: Until) -> Option<Report> {
        let mut held = self.lock();
        if held.len() >= REPORTS_HELD_MAX {
            return Some(report);
        }
        held.push((report, until));
        None
    }

    /// Takes those whose time has come. One that cannot be delivered is to be held again.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Report> {
        self.take(|_, until| matches!(until, Until::Time(at) if *at <= now))
    }

    /// Takes those that waited for another report of this mailbox.
    pub(crate) fn after_another(&self, mailbox: Option<&MailboxId>) -> Vec<Report> {
        self.take(|report, until| *until == Until::AnotherReport && report.recipient.id.as_ref() == mailbox)
    }

    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    pub(crate) fn forget_of(&self, mailbox: &MailboxId) {
        self.lock().retain(|(report, _)| report.recipient.id.as_ref() != Some(mailbox));
    }

    fn take(&self, which: impl Fn(&Report, &Until) -> bool) -> Vec<Report> {
        let mut held = self.lock();
        held.extract_if(.., |(report, until)| which(report, until)).map(|(report, _)| report).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Report, Until)>> {
        // Each change is whole, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
