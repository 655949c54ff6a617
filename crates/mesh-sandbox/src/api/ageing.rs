//! What happens by itself: messages expire, reports come, old messages go (`mesh-api.md` 7.2). It happens when the
//! next call comes or somebody looks, so that it needs no timer and follows a clock that is moved.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mesh_api::{MailboxId, MessageId, code};
use tokio::task::yield_now;

use crate::answer::Refusal;
use crate::api::{Api, Visit};
use crate::directory::Party;
use crate::faults::{Call, Effect};
use crate::reports::Until;
use crate::rules::Rule;
use crate::store::{Event, Kind, Message, Report, Sent, Status};
use crate::text::Text;

/// The text of a report that a message was not collected.
pub(super) const UNCOLLECTED: &str = "Message not collected by recipient after 5 days";
const DEACTIVATED: &str = "Message was not collected as the mailbox is deactivated";

/// Who fills an inbox that a fault clogs.
const STRANGER: &str = "SANDBOX";
/// What it sends.
const STRANGERS_BODY: &[u8] = b"one of many that clog this inbox";
/// Messages that a clogging fault makes before other calls get their turn.
const CLOGGED_AT_ONCE: u32 = 64;

/// Messages that expire or are deleted at the beginning of one call; the next ones do the rest.
const AGED_AT_ONCE: usize = 50;
/// Wait before what is due is tried again after the store could not be written.
const AGEING_RETRY: Duration = Duration::from_secs(5);

/// When what is due was last tried in vain.
#[derive(Default)]
pub(crate) struct Ageing {
    failed: Option<Instant>,
}

/// Subject of the report of a message with this subject (6.2).
pub(super) fn ndr_subject(subject: &str) -> String {
    if subject.is_empty() { "NDR".to_owned() } else { format!("NDR: {subject}") }
}

impl Api {
    /// Lets what is due happen, as much of it as a call can wait for.
    pub(crate) fn age(&self, now: Timestamp) {
        self.age_by(now, AGED_AT_ONCE);
    }

    /// Lets everything happen that is due.
    pub(crate) fn age_wholly(&self, now: Timestamp) {
        while self.age_by(now, AGED_AT_ONCE) {}
    }

    /// Gives whether more may be due.
    fn age_by(&self, now: Timestamp, limit: usize) -> bool {
        let mut ageing = self.ageing.lock().unwrap_or_else(PoisonError::into_inner);
        if ageing.failed.is_some_and(|failed| failed.elapsed() < AGEING_RETRY) {
            return false;
        }
        let aged = self.try_age(now, limit);
        ageing.failed = aged.is_err().then(Instant::now);
        aged.unwrap_or_else(|error| {
            tracing::error!(%error, "what is due cannot be written to the sandbox's folder; it is tried again");
            false
        })
    }

    fn try_age(&self, now: Timestamp, limit: usize) -> io::Result<bool> {
        let mut done = 0;
        if self.rules.hold(Rule::InboxExpiry) {
            for message in self.store.expired(now, limit) {
                self.expire(&message, now)?;
                done += 1;
            }
        }
        for report in self.held_reports.due(now) {
            self.put_report(report, now)?;
            done += 1;
        }
        if self.rules.hold(Rule::Deletion) {
            while done < limit && self.store.delete_one(now)? {
                done += 1;
            }
        }
        Ok(done >= limit)
    }

    /// A message leaves its inbox unread; whoever sent it is told. A report is not reported in its turn.
    fn expire(&self, message: &Message, now: Timestamp) -> io::Result<()> {
        let id = message.id.as_str();
        let gone = Event::plain(Status::Undeliverable, now);
        if message.is_report() {
            return self.store.expire(id, vec![gone], None, now).map(drop);
        }
        let recipient = message.recipient().and_then(|id| self.directory.mailbox(id.as_str()));
        let description = match recipient {
            Some(mailbox) if self.rules.hold(Rule::InactiveMailbox) && !self.is_active(mailbox) => {
                DEACTIVATED
            }
            _ => UNCOLLECTED,
        };
        let error = Event::failure(code::UNDELIVERED, description, now);
        let report = self.failure_report(message, error.clone());
        let until = report.as_ref().and_then(|report| self.held_until(report, now));
        let (at_once, later) = match until {
            None => (report.clone(), None),
            Some(until) => (None, report.clone().zip(Some(until))),
        };
        if !self.store.expire(id, vec![error, gone], at_once.clone(), now)? {
            return Ok(());
        }
        match (later, at_once) {
            (Some((report, until)), _) => match self.held_reports.hold(report, until) {
                Some(report) => self.put_report(report, now).map(drop),
                None => Ok(()),
            },
            (None, Some(report)) => self.release_after(&report, now),
            (None, None) => Ok(()),
        }
    }

    /// What its sender is told of a message that failed (6.2). `None` for one whose sender has no mailbox here.
    pub(super) fn failure_report(&self, message: &Message, error: Event) -> Option<Report> {
        let sender = message.sender().and_then(|id| self.directory.mailbox(id.as_str()))?;
        Some(Report {
            recipient: Arc::clone(&sender.party),
            workflow: message.sent.workflow.clone(),
            local_id: message.sent.local_id.clone(),
            subject: Text::new(ndr_subject(&message.sent.subject.read())),
            file_name: Text::default(),
            event: Event { linked: Some(message.id.to_string()), ..error },
        })
    }

    /// Puts a report into its inbox, unless a fault holds it back. Gives its id when it is there.
    pub(super) fn deliver_report(&self, report: Report, now: Timestamp) -> Option<MessageId> {
        let report = match self.held_until(&report, now) {
            Some(until) => self.held_reports.hold(report, until)?,
            None => report,
        };
        let put = self.put_report(report, now);
        put.inspect_err(|error| tracing::error!(%error, "a report cannot be written; it is tried again")).ok()
    }

    /// Until when a fault holds a report back.
    fn held_until(&self, report: &Report, now: Timestamp) -> Option<Until> {
        let mut until = None;
        for struck in self.faults.strike(report.recipient.id.as_ref(), Call::Report, now) {
            let new = match struck.effect {
                Effect::LateReport { seconds } => {
                    let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
                    Until::Time(now.saturating_add(by).unwrap_or(Timestamp::MAX))
                }
                Effect::ReportOutOfOrder => Until::AnotherReport,
                _ => continue,
            };
            until.get_or_insert(new);
        }
        until
    }

    /// Puts a report into its inbox, and those behind it that waited for it. One that cannot be written is held and
    /// tried again.
    fn put_report(&self, report: Report, now: Timestamp) -> io::Result<MessageId> {
        match self.store.report(report.clone(), now) {
            Ok(id) => {
                self.release_after(&report, now)?;
                Ok(id)
            }
            Err(error) => {
                self.held_reports.hold(report, Until::Time(now));
                Err(error)
            }
        }
    }

    fn release_after(&self, report: &Report, now: Timestamp) -> io::Result<()> {
        for held in self.held_reports.after_another(report.recipient.id.as_ref()) {
            self.put_report(held, now)?;
        }
        Ok(())
    }

    /// Puts a stranger's messages before all others of the caller's inbox.
    pub(super) async fn clog(&self, visit: &Visit, count: u32, workflow: &str) -> Result<(), Refusal> {
        let found = visit.mailbox.as_ref().and_then(|id| self.directory.mailbox(id.as_str()));
        let Some(recipient) = found else { return Ok(()) };
        let sender = Arc::new(Party { id: STRANGER.parse::<MailboxId>().ok(), ..Party::default() });
        let sent = Sent::new(Kind::Data, sender, Arc::clone(&recipient.party), Text::new(workflow));
        for number in 1..=count {
            let id = self.store.new_id(visit.now);
            let mut intake = self.store.intake(Some(&recipient.id), id.as_str(), 1);
            let written = async {
                intake.take(STRANGERS_BODY).await?;
                self.store.push_in(id, sent.clone(), intake.end().await?, visit.now)
            };
            written.await.map_err(|error| Refusal::unwritten(&error))?;
            if number % CLOGGED_AT_ONCE == 0 {
                yield_now().await;
            }
        }
        Ok(())
    }
}
