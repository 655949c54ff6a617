//! Whom a message is for (`mesh-api.md` 4.8, check 8, and section 9), and whether the two may exchange it.

use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use mesh_api::{MessageId, code};
use uuid::Uuid;

use crate::answer::Refusal;
use crate::api::{Api, Visit};
use crate::directory::Mailbox;
use crate::routing::{self, RoutingError};
use crate::rules::Rule;
use crate::store::{Event, Message, Report, Sent};
use crate::text::Text;

impl Api {
    /// Writes the recipient onto a message, and checks that sender and recipient may exchange its workflow. An
    /// address that leads to no practice is taken all the same, and reported once the message is complete.
    pub(super) fn address(
        &self,
        sender: &Mailbox,
        to: &str,
        sent: &mut Sent,
        id: &MessageId,
        visit: &mut Visit,
    ) -> Result<(), Refusal> {
        let workflow = sent.workflow.owned();
        let found = match self.directory.mailbox(&to.to_uppercase()) {
            Some(mailbox) => Some(mailbox),
            None if self.rules.hold(Rule::GpRouting) && routing::is_routing(to) => {
                let found = routing::resolve(&self.directory, to, &workflow);
                sent.unroutable = found.err();
                found.ok()
            }
            None => return Err(self.unregistered(sender, sent, id, visit)),
        };
        if let Some(mailbox) = found {
            sent.recipient = Arc::clone(&mailbox.party);
        }
        if self.rules.hold(Rule::RegisteredWorkflow) {
            let refused = |code, text| Refusal::coded(StatusCode::EXPECTATION_FAILED, "SEND", code, text);
            if !self.directory.sends(&sender.id, &workflow) {
                visit.broke(Rule::RegisteredWorkflow);
                return Err(refused(
                    code::SENDER_NOT_ALLOWED,
                    "Sender is not registered to send this workflow",
                ));
            }
            if found.is_some_and(|mailbox| !self.directory.receives(&mailbox.id, &workflow)) {
                visit.broke(Rule::RegisteredWorkflow);
                return Err(refused(code::WORKFLOW_NOT_REGISTERED, "Workflow ID not registered for mailbox"));
            }
        }
        Ok(())
    }

    fn unregistered(&self, sender: &Mailbox, sent: &Sent, id: &MessageId, visit: &mut Visit) -> Refusal {
        const TEXT: &str = "Unregistered to address";
        let refusal = Refusal::coded(StatusCode::EXPECTATION_FAILED, "SEND", code::UNREGISTERED, TEXT);
        if !self.rules.hold(Rule::RegisteredRecipient) {
            return refusal;
        }
        visit.broke(Rule::RegisteredRecipient);
        let report = Report {
            recipient: Arc::clone(&sender.party),
            workflow: sent.workflow.clone(),
            local_id: sent.local_id.clone(),
            subject: Text::new("NDR"),
            file_name: Text::default(),
            event: Event {
                linked: Some(id.to_string()),
                ..Event::failure(code::UNREGISTERED, TEXT, visit.now)
            },
        };
        self.deliver_report(report, visit.now);
        let tail = Uuid::new_v4().as_fields().0;
        refusal
            .about(id.as_str())
            .with_internal_id(format!("{}_{tail:08x}", visit.now.strftime("%Y%m%d%H%M%S%3f")))
    }

    /// A complete message that leads to nobody fails, and its sender is told. Others are left alone.
    pub(super) fn report_unroutable(&self, message: &Message, now: Timestamp) {
        if message.recipient().is_some() {
            return;
        }
        let error = message.sent.unroutable.unwrap_or(RoutingError::NoMailbox);
        let event = Event::failure(error.code(), error.text(), now);
        // Such a message is in memory alone, so this cannot fail for want of room.
        match self.store.push_event(message.id.as_str(), event.clone()) {
            Ok(_) => {
                if let Some(report) = self.failure_report(message, event) {
                    self.deliver_report(report, now);
                }
            }
            Err(error) => tracing::error!(%error, "a failure cannot be noted"),
        }
    }
}
