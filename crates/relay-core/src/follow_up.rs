//! Looks after messages that MESH has taken: reads reports on them, and asks whether they were collected.
//! [`crate::follow`] decides, this module acts.

use std::sync::Arc;
use std::time::Duration;

use mesh_api::{Download, FailureClass, MailboxId, MessageId, Tracking, TrackingStatus};

use crate::follow::{FollowEvent, Followed, follow};
use crate::journal::{JournalError, OutboundRecord};
use crate::lease::Tenure;
use crate::ledger::Ledger;
use crate::mesh::{MeshAnswer, MeshMailbox};
use crate::outbound::Surroundings;
use crate::shutdown::Shutdown;
use crate::state::Rejection;

/// Pause between two looks at what is due. The looks themselves are hours apart.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Messages looked after at a time, so that reports and stops are not kept waiting.
const BATCH: u32 = 100;
/// How many messages of a local id are read to find the one that a report is about.
const SAME_LOCAL_ID_MAX: u32 = 2;

/// Follows the sent messages of one mailbox.
pub(crate) struct FollowUp {
    mesh: Arc<dyn MeshMailbox>,
    ledger: Ledger,
    track: bool,
}

impl FollowUp {
    pub(crate) fn new(
        surroundings: &Surroundings,
        mesh: Arc<dyn MeshMailbox>,
        track: bool,
        tenure: &Tenure,
    ) -> Self {
        Self { mesh, ledger: Ledger::under(surroundings, tenure), track }
    }

    /// Looks after what is due until shutdown.
    pub(crate) async fn run(&self, tenure: &Tenure, mut shutdown: Shutdown) {
        let mut failing = false;
        while !shutdown.is_requested() {
            match self.look(tenure, &shutdown).await {
                // More is due than one batch.
                Ok(true) => continue,
                Ok(false) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let mailbox = self.mesh.mailbox();
                        tracing::warn!(%mailbox, %error, "sent messages cannot be looked after for now");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Looks once. `true`: there may be more that is due.
    async fn look(&self, tenure: &Tenure, shutdown: &Shutdown) -> Result<bool, JournalError> {
        let mailbox = self.mesh.mailbox();
        let due = self.ledger.journal.due(mailbox, self.ledger.clock.now(), BATCH).await?;
        let more = due.len() >= BATCH as usize;
        for record in due {
            if shutdown.is_requested() || !tenure.holds() {
                return Ok(false);
            }
            let Some(event) = self.ask(&record).await else {
                // MESH does not answer now; the next look asks again.
                return Ok(false);
            };
            self.apply(&record, event).await?;
        }
        Ok(more)
    }

    /// Asks MESH about a message. `None`: no usable answer.
    async fn ask(&self, record: &OutboundRecord) -> Option<FollowEvent> {
        let id = record.state.message_id()?;
        if !self.track {
            return Some(FollowEvent::NotAsked);
        }
        match self.mesh.track(id).await {
            Ok(tracking) => Some(told(id, tracking)),
            // MESH forgets what ended long ago.
            Err(error) if error.answer == MeshAnswer::NoSuchMessage => Some(FollowEvent::NotAsked),
            Err(error) => {
                tracing::debug!(relay_id = %record.relay_id, %error, "a sent message could not be tracked");
                (error.class == FailureClass::Permanent).then_some(FollowEvent::NotAsked)
            }
        }
    }

    /// Records what a report says about the message that it is about. Returns what is to be known of that, when the
    /// journal knows no such message.
    pub(crate) async fn report(&self, download: &Download) -> Result<Option<String>, JournalError> {
        let mailbox = self.mesh.mailbox();
        let Ok(id) = download.linked_message_id.parse::<MessageId>() else {
            return Ok(Some("a report that names no message".to_owned()));
        };
        let Some(record) = self.reported(mailbox, &id, download).await? else {
            tracing::warn!(%mailbox, message_id = %id, "MESH reports on a message that this journal does not know");
            return Ok(Some(format!("a report on message {id}, which this journal does not know")));
        };
        let status = &download.status;
        let report = Rejection {
            event: status.event.clone(),
            code: status.code.clone(),
            description: status.description.clone(),
            message_id: Some(download.message_id.clone()),
        };
        self.apply(&record, FollowEvent::Reported { id, report }).await?;
        Ok(Some(format!("a report on message {}", record.relay_id)))
    }

    /// The message that a report is about: the one with its id, or a doubtful one whose local id is its alone.
    async fn reported(
        &self,
        mailbox: &MailboxId,
        id: &MessageId,
        download: &Download,
    ) -> Result<Option<OutboundRecord>, JournalError> {
        let journal = &self.ledger.journal;
        if let Some(record) = journal.find_sent(mailbox, id).await? {
            return Ok(Some(record));
        }
        let Ok(local_id) = download.local_id.parse() else { return Ok(None) };
        let mut same = journal.find_local_id(mailbox, &local_id, SAME_LOCAL_ID_MAX).await?;
        let unknown = same.len() == 1 && same[0].state.message_id().is_none();
        Ok(if unknown { same.pop() } else { None })
    }

    async fn apply(&self, record: &OutboundRecord, event: FollowEvent) -> Result<(), JournalError> {
        let Some(Followed { state, note, warn }) = follow(&record.state, event, self.ledger.clock.now())
        else {
            return Ok(());
        };
        let (relay_id, mailbox) = (record.relay_id, self.mesh.mailbox());
        let recipient = record.recipient.as_deref().unwrap_or("its recipient");
        let name = state.name();
        match self.ledger.commit(record, state, Some(note.clone())).await {
            Ok(()) if warn => {
                tracing::warn!(%relay_id, %mailbox, recipient, state = name, "{note}");
                Ok(())
            }
            Ok(()) => Ok(()),
            // It moved meanwhile; the next look sees where to.
            Err(JournalError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What tracking means.
fn told(id: &MessageId, tracking: Tracking) -> FollowEvent {
    match tracking.status {
        TrackingStatus::Acknowledged => FollowEvent::Collected,
        TrackingStatus::Undeliverable | TrackingStatus::Error => FollowEvent::Reported {
            id: id.clone(),
            report: Rejection {
                event: String::new(),
                code: tracking.status_code,
                description: tracking.status_description,
                message_id: None,
            },
        },
        TrackingStatus::Accepted | TrackingStatus::Uploading | TrackingStatus::Other(_) => {
            FollowEvent::NotCollected
        }
    }
}
