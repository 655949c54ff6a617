//! Looks after messages that MESH has taken: reads reports on them, and asks whether they were collected.
//! [`crate::follow`] decides, this module acts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesh_api::{Download, MailboxId, MessageId, Tracking, TrackingStatus};

use crate::follow::{FollowEvent, Followed, follow};
use crate::happening::Happening;
use crate::happening::follow::{NotFollowed, StrangeReport, Uncollected, Warned};
use crate::journal::{JournalError, OutboundRecord};
use crate::lease::Tenure;
use crate::ledger::Ledger;
use crate::mesh::MeshMailbox;
use crate::outbound::Surroundings;
use crate::progress::{MESH_WITHIN, Pump, PumpKind, UNBOUNDED};
use crate::proven::ProvenTime;
use crate::shutdown::Shutdown;
use crate::source::SourceKey;
use crate::state::{OutboundState, Rejection};

/// Pause between two looks at what is due. The looks themselves are hours apart.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Messages looked after at a time, so that reports and stops are not kept waiting.
const BATCH: u32 = 100;
/// The version of a record of which only its first state is known.
const FIRST_VERSION: u64 = 1;
/// How many messages of a local id are read to find the one that a report is about.
const SAME_LOCAL_ID_MAX: u32 = 2;

/// Follows the sent messages of one mailbox.
pub(crate) struct FollowUp {
    mesh: Arc<dyn MeshMailbox>,
    ledger: Ledger,
    proven: Arc<ProvenTime>,
    track: bool,
    pump: Pump,
}

impl FollowUp {
    pub(crate) fn new(
        surroundings: &Surroundings,
        mesh: Arc<dyn MeshMailbox>,
        track: bool,
        tenure: &Tenure,
    ) -> Self {
        let proven = Arc::clone(&surroundings.proven);
        let pump = surroundings.progress.pump(PumpKind::FollowUp, mesh.mailbox().as_str(), LOOK_EVERY);
        Self { mesh, ledger: Ledger::under(surroundings, tenure), proven, track, pump }
    }

    /// Looks after what is due until shutdown.
    pub(crate) async fn run(&self, tenure: &Tenure, mut shutdown: Shutdown) {
        // By a clock that is wrong, everything could be due.
        tokio::select! {
            () = self.proven.known() => {}
            () = shutdown.requested() => {}
        }
        let mut failing = false;
        let step = self.pump.step("about to look");
        while !shutdown.is_requested() {
            // Each question is a step of its own.
            step.turn_within("looking after sent messages", UNBOUNDED);
            match self.look(tenure, &shutdown).await {
                // More is due than one batch.
                Ok(true) => continue,
                Ok(false) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let mailbox = self.mesh.mailbox();
                        NotFollowed { mailbox, error: &error }.tell();
                    }
                }
            }
            step.waits("waiting for its next look", LOOK_EVERY);
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// Looks once. `true`: there may be more that is due.
    async fn look(&self, tenure: &Tenure, shutdown: &Shutdown) -> Result<bool, JournalError> {
        let mailbox = self.mesh.mailbox();
        let Some(now) = self.proven.now() else { return Ok(false) };
        let due = self.ledger.journal.due(mailbox, now, BATCH).await?;
        let mut more = due.len() >= BATCH as usize;
        let mut silent = Silent::default();
        for record in due {
            let held = !shutdown.is_requested() && tenure.holds();
            let event = if held { self.ask(&record).await } else { None };
            let Some(event) = event else {
                more = false;
                break;
            };
            if let Applied::Warning(note) = self.apply(&record, event).await? {
                silent.add(record.recipient.unwrap_or_default(), note);
            }
        }
        silent.tell(mailbox);
        Ok(more)
    }

    /// Asks MESH about a message. `None`: it does not answer at all now, and the next look asks again.
    async fn ask(&self, record: &OutboundRecord) -> Option<FollowEvent> {
        let id = record.state.message_id()?;
        if !self.track {
            return Some(FollowEvent::NotAsked);
        }
        let _step = self.pump.step_within("asking MESH whether a message was collected", MESH_WITHIN);
        match self.mesh.track(id).await {
            Ok(tracking) => Some(told(id, tracking)),
            // One message that MESH cannot tell of must not keep the others from being looked after.
            Err(error) => {
                tracing::debug!(relay_id = %record.relay_id, %error, "a sent message could not be tracked");
                (!error.mailbox_wide).then_some(FollowEvent::NotAsked)
            }
        }
    }

    /// Records what a report says about the message that it is about.
    pub(crate) async fn report(&self, download: &Download) -> Result<Reported, JournalError> {
        let mailbox = self.mesh.mailbox();
        let Ok(id) = download.linked_message_id.parse::<MessageId>() else {
            return Ok(Reported::Unknown("a report that names no message".to_owned()));
        };
        loop {
            let Some(record) = self.reported(mailbox, &id, download).await? else {
                StrangeReport { mailbox, message_id: &id }.tell();
                let note = format!("a report on message {id}, which this journal does not know");
                return Ok(Reported::Unknown(note));
            };
            if !record.state.is_end() && !matches!(record.state, OutboundState::InDoubt { .. }) {
                return Ok(Reported::UnderWay);
            }
            let status = &download.status;
            let report = Rejection {
                event: status.event.clone(),
                code: status.code.clone(),
                description: status.description.clone(),
                message_id: Some(download.message_id.clone()),
            };
            let relay_id = record.relay_id;
            match self.apply(&record, FollowEvent::Reported { id: id.clone(), report }).await? {
                // It moved meanwhile, once: what it is now is looked at again.
                Applied::Moved => continue,
                Applied::Warning(note) => {
                    let recipient = record.recipient.as_deref().unwrap_or_default();
                    Warned { relay_id, mailbox, recipient, note: &note }.tell();
                }
                Applied::Quietly => {}
            }
            let note = format!("a report on message {relay_id}");
            let OutboundRecord { recipient, source: SourceKey { adapter, .. }, .. } = record;
            return Ok(Reported::Joined { note, recipient, adapter });
        }
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
        // One that was parked when it came was never sent.
        let unknown =
            same.len() == 1 && same[0].state.message_id().is_none() && same[0].version > FIRST_VERSION;
        Ok(if unknown { same.pop() } else { None })
    }

    async fn apply(&self, record: &OutboundRecord, event: FollowEvent) -> Result<Applied, JournalError> {
        let at = self.ledger.clock.now();
        let now = self.proven.now().unwrap_or(at);
        let Some(Followed { state, note, warn }) = follow(&record.state, event, now) else {
            return Ok(Applied::Quietly);
        };
        match self.ledger.commit(record, state, Some(note.clone()), at).await {
            Ok(()) if warn => Ok(Applied::Warning(note)),
            Ok(()) => Ok(Applied::Quietly),
            Err(JournalError::Conflict { .. }) => Ok(Applied::Moved),
            Err(error) => Err(error),
        }
    }
}

/// What came of a report.
pub(crate) enum Reported {
    /// It was joined to its message.
    Joined {
        /// In words for people.
        note: String,
        /// Who the message was for, if that was read.
        recipient: Option<String>,
        /// The adapter that took the message.
        adapter: String,
    },
    /// The journal knows no such message.
    Unknown(String),
    /// Its message has not ended; the report has to wait.
    UnderWay,
}

/// What came of an event.
enum Applied {
    /// Nothing that anyone must look into.
    Quietly,
    /// Something that someone should.
    Warning(String),
    /// The message was changed meanwhile; nothing was recorded.
    Moved,
}

/// Recipients that did not collect, so that each is named once for all its messages.
#[derive(Default)]
struct Silent(BTreeMap<(String, String), u64>);

impl Silent {
    fn add(&mut self, recipient: String, note: String) {
        *self.0.entry((recipient, note)).or_default() += 1;
    }

    fn tell(self, mailbox: &MailboxId) {
        for ((recipient, note), messages) in self.0 {
            Uncollected { mailbox, recipient: &recipient, messages, note: &note }.tell();
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
