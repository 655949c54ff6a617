//! What happens by itself: messages expire, reports come, old messages go (`mesh-api.md` 7.2). It happens when the
//! next call comes or somebody looks, so that it needs no timer and follows a clock that is moved.

use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mesh_api::{MailboxId, MessageId};

use crate::answer::Refusal;
use crate::api::{Api, Visit};
use crate::directory::Party;
use crate::faults::{Call, Effect};
use crate::reports::Until;
use crate::rules::Rule;
use crate::store::{Event, Kind, Message, Report, Sent, Status};
use crate::text::Text;

const UNCOLLECTED: &str = "Message not collected by recipient after 5 days";
const DEACTIVATED: &str = "Message was not collected as the mailbox is deactivated";
const UNDELIVERED_CODE: &str = "14";

/// Who fills an inbox that a fault clogs.
const STRANGER: &str = "SANDBOX";
/// What it sends.
const STRANGERS_BODY: &[u8] = b"one of many that clog this inbox";

impl Api {
    /// Lets everything happen that is due.
    pub(crate) fn age(&self, now: Timestamp) {
        let _once = self.ageing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.rules.hold(Rule::InboxExpiry) {
            for message in self.store.expired(now) {
                self.expire(&message, now);
            }
        }
        for report in self.held_reports.due(now) {
            self.put_report(report, now);
        }
        if self.rules.hold(Rule::Deletion)
            && let Err(error) = self.store.delete_old(now)
        {
            tracing::error!(%error, "old messages cannot be deleted from the sandbox's folder; free it");
        }
    }

    /// A message leaves its inbox unread; whoever sent it is told. A report is not reported in its turn.
    fn expire(&self, message: &Message, now: Timestamp) {
        let recipient = message.recipient().and_then(|id| self.directory.mailbox(id.as_str()));
        let description = match recipient {
            Some(mailbox) if !self.is_active(mailbox) => DEACTIVATED,
            _ => UNCOLLECTED,
        };
        let error = Event {
            code: Some(UNDELIVERED_CODE.to_owned()),
            event: Some("SEND".to_owned()),
            description: Some(description.to_owned()),
            ..Event::plain(Status::Error, now)
        };
        let gone = Event::plain(Status::Undeliverable, now);
        let events = if message.is_report() { vec![gone] } else { vec![error.clone(), gone] };
        match self.store.push_events(message.id.as_str(), events) {
            Err(error) => tracing::error!(%error, "an expiry cannot be written; free the sandbox's folder"),
            Ok(_) if message.is_report() => {}
            Ok(_) => self.report_failure(message, error, now),
        }
    }

    /// Tells the sender of a message that it failed (6.2).
    pub(super) fn report_failure(&self, message: &Message, error: Event, now: Timestamp) {
        let sender = message.sender().and_then(|id| self.directory.mailbox(id.as_str()));
        let Some(sender) = sender else { return };
        let subject = message.sent.subject.read();
        let report = Report {
            recipient: Arc::clone(&sender.party),
            workflow: message.sent.workflow.clone(),
            local_id: message.sent.local_id.clone(),
            subject: Text::new(match subject.is_empty() {
                true => "NDR".to_owned(),
                false => format!("NDR: {subject}"),
            }),
            file_name: Text::default(),
            event: Event { linked: Some(message.id.to_string()), ..error },
        };
        self.deliver_report(report, now);
    }

    /// Puts a report into its inbox, unless a fault holds it back. Gives its id when it is there.
    pub(super) fn deliver_report(&self, report: Report, now: Timestamp) -> Option<MessageId> {
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
        let report = match until {
            Some(until) => self.held_reports.hold(report, until)?,
            None => report,
        };
        let recipient = report.recipient.id.clone();
        let id = self.put_report(report, now);
        for held in self.held_reports.after_another(recipient.as_ref()) {
            self.put_report(held, now);
        }
        id
    }

    fn put_report(&self, report: Report, now: Timestamp) -> Option<MessageId> {
        match self.store.report(report, now) {
            Ok(id) => Some(id),
            Err(error) => {
                tracing::error!(%error, "a report cannot be written; free the sandbox's folder");
                None
            }
        }
    }

    /// Puts a stranger's messages before all others of the caller's inbox.
    pub(super) async fn clog(&self, visit: &Visit, count: u32, workflow: &str) -> Result<(), Refusal> {
        let found = visit.mailbox.as_ref().and_then(|id| self.directory.mailbox(id.as_str()));
        let Some(recipient) = found else { return Ok(()) };
        let sender = Party { id: STRANGER.parse::<MailboxId>().ok(), ..Party::default() };
        let sent = Sent {
            kind: Kind::Data,
            sender: Arc::new(sender),
            recipient: Arc::clone(&recipient.party),
            unroutable: None,
            workflow: Text::new(workflow),
            local_id: Text::default(),
            subject: Text::default(),
            file_name: Text::default(),
            content_type: Text::default(),
            partner_id: Text::default(),
            checksum: Text::default(),
            encrypted: false,
            compressed: false,
            gzip: false,
            chunks: 1,
        };
        for _ in 0..count {
            let id = self.store.new_id(visit.now);
            let mut intake = self.store.intake(Some(&recipient.id), id.as_str(), 1);
            let written = async {
                intake.take(STRANGERS_BODY).await?;
                let body = intake.keep().await?;
                self.store.push_in(id, sent.clone(), body, visit.now)
            };
            written.await.map_err(|error| Refusal::unwritten(&error))?;
        }
        Ok(())
    }
}
