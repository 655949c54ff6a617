//! What a person may have done: about a message, about a mailbox or an adapter, and at MESH by hand.
//!
//! Each deed is recorded before it is done, with who did it; one that cannot be recorded is not done. What is decided about
//! a message is committed against the version that was seen, so that it never crosses what the engine records of it at the
//! same time: one of the two writers finds the record changed, and looks again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mesh_api::{
    Download, Endpoint, FailureClass, Held, MailboxId, MessageId, MessageKind, PayloadStream, Tracking,
    TrackingStatus, WorkflowId,
};
use thiserror::Error;
use tokio::sync::Mutex as AsyncMutex;

use crate::clock::RelayId;
use crate::decision::{self, Decision, NotNow};
use crate::deed::{DeedKind, DeedQuery, NewDeed};
use crate::follow;
use crate::happening::{Happening, inbound, outbound};
use crate::inbound::details;
use crate::journal::{InboundChange, JournalError, NewInbound, OutboundChange};
use crate::kept::{KeepsSent, NotKept};
use crate::ledger::{Ledger, Seen};
use crate::mesh::{Incoming, MeshAnswer, MeshError, MeshMailbox};
use crate::metric;
use crate::outbound::{CLOCKS_APART_MAX, Surroundings};
use crate::pause::{Pausable, Pause, Woken};
use crate::person::Caller;
use crate::search::{Direction, MessageQuery, MessageSummary};
use crate::sink::Receipt;
use crate::state::InboundState;

/// How long a message that was sent again cannot be sent again once more.
pub const RESEND_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Deeds about one message that are looked through for that.
const DEEDS: u32 = 50;

/// Characters of a reason that are kept.
pub const REASON_CHARS_MAX: usize = 500;

/// Does what people ask.
#[derive(Clone)]
pub struct Operator {
    surroundings: Surroundings,
    served: Arc<Mutex<Served>>,
    /// Held while something is sent again.
    resending: Arc<AsyncMutex<()>>,
}

/// What people may act on, as it is configured now.
struct Served {
    meshes: BTreeMap<MailboxId, Arc<dyn MeshMailbox>>,
    keepers: BTreeMap<String, Arc<dyn KeepsSent>>,
}

impl Served {
    fn new(
        mailboxes: impl IntoIterator<Item = Arc<dyn MeshMailbox>>,
        keepers: impl IntoIterator<Item = (String, Arc<dyn KeepsSent>)>,
    ) -> Self {
        let meshes = mailboxes.into_iter().map(|mesh| (mesh.mailbox().clone(), mesh)).collect();
        Self { meshes, keepers: keepers.into_iter().collect() }
    }
}

/// Why something was not done. Its text is for the person who asked.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// There is no such message.
    #[error("no message {0} is recorded; it may be older than the journal keeps")]
    NoSuchMessage(RelayId),
    /// There is no such mailbox here.
    #[error("mailbox {0} is not configured here")]
    NoSuchMailbox(MailboxId),
    /// The state that the message is in does not allow it.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// What was sent cannot be offered again.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// The journal could not record it. Nothing was done.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// MESH did not do it.
    #[error(transparent)]
    Mesh(#[from] MeshError),
}

/// A message on its way from MESH to a person.
pub struct Fetched {
    /// Its metadata.
    pub download: Download,
    /// Its bytes.
    pub body: PayloadStream,
}

impl Operator {
    /// One for these mailboxes.
    pub fn new(
        surroundings: Surroundings,
        mailboxes: impl IntoIterator<Item = Arc<dyn MeshMailbox>>,
        keepers: impl IntoIterator<Item = (String, Arc<dyn KeepsSent>)>,
    ) -> Self {
        let served = Arc::new(Mutex::new(Served::new(mailboxes, keepers)));
        Self { surroundings, served, resending: Arc::default() }
    }

    /// From now on it is for these mailboxes, as are its clones.
    pub fn serve(
        &self,
        mailboxes: impl IntoIterator<Item = Arc<dyn MeshMailbox>>,
        keepers: impl IntoIterator<Item = (String, Arc<dyn KeepsSent>)>,
    ) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Served::new(mailboxes, keepers);
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that `who` did or looked at something. To be called before it is done or shown.
    ///
    /// # Errors
    /// When it could not be recorded; it must not be done or shown then.
    pub async fn record(&self, who: &Caller, kind: DeedKind, about: About<'_>) -> Result<(), JournalError> {
        let About { relay_id, mailbox, message_id, note } = about;
        let deed = NewDeed {
            at: self.now(),
            who: who.name().to_owned(),
            kind,
            relay_id,
            mailbox: mailbox.cloned(),
            message_id: message_id.cloned(),
            note: note.map(|note| note.chars().take(REASON_CHARS_MAX).collect()),
        };
        self.surroundings.journal.record_deed(deed).await
    }

    /// Records what a person decided about an outbound message, and why: the reason stands with the deed alone. Its source
    /// hears of it at once.
    ///
    /// # Errors
    /// [`OperatorError::NotNow`] when its state does not allow it, or it changed meanwhile; what the journal and, for
    /// [`Decision::Arrived`], MESH may meet.
    pub async fn decide(
        &self,
        who: &Caller,
        relay_id: RelayId,
        decision: &Decision,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let journal = &self.surroundings.journal;
        let known = journal.outbound(relay_id).await?;
        let record = known.ok_or(OperatorError::NoSuchMessage(relay_id))?;
        let decided = decision::decide(&record.state, decision, self.now())?;
        let kind = match decision {
            Decision::Park => DeedKind::Park,
            Decision::Cancel => DeedKind::Cancel,
            Decision::Arrived(_) => DeedKind::Arrived,
            Decision::SendAgain => DeedKind::SendAgain,
        };
        let note = some(reason);
        let mut about = About { mailbox: Some(&record.mailbox), note, ..About::message(relay_id) };
        if let Decision::Arrived(message_id) = decision {
            about.message_id = Some(message_id);
            self.is_this_one(&record.mailbox, relay_id, message_id).await?;
        }
        self.record(who, kind, about).await?;
        let due = follow::due(&decided.state);
        let change = OutboundChange { state: decided.state, note: Some(decided.note), due, at: self.now() };
        let to = change.state.clone();
        let committed = journal.commit_outbound(&record, change, None).await;
        if committed.is_ok() {
            outbound::Moved { record: &record, from: Some(&record.state), to: &to }.tell();
        }
        // After any other error it may stand in the journal all the same.
        if matches!(committed, Err(JournalError::Conflict { .. })) {
            self.not_done(who, kind, about).await;
        }
        self.surroundings.pauses.rouse(Woken::Message(record.source));
        committed.map_err(changed_meanwhile)
    }

    /// Whether a person may say that a doubtful message is the one of this id: MESH knows it, and no other message here has
    /// that id.
    async fn is_this_one(
        &self,
        mailbox: &MailboxId,
        relay_id: RelayId,
        message_id: &MessageId,
    ) -> Result<(), OperatorError> {
        let other = self.surroundings.journal.find_sent(mailbox, message_id).await?;
        if let Some(other) = other.filter(|other| other.relay_id != relay_id) {
            let which = other.relay_id;
            return Err(NotNow(format!("{message_id} is the id of another message, {which}")).into());
        }
        let summary = self.surroundings.journal.message(relay_id).await?;
        let summary = summary.ok_or(OperatorError::NoSuchMessage(relay_id))?;
        match self.mesh(mailbox)?.track(message_id).await {
            Ok(tracking) => is_same(&tracking, &summary).map_err(OperatorError::from),
            Err(error) if error.answer == MeshAnswer::NoSuchMessage => {
                let what = format!("MESH knows no message {message_id} sent from mailbox {mailbox}");
                Err(NotNow(what).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Has a parked message from MESH delivered once more, at the next look into its inbox.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub async fn deliver_again(
        &self,
        who: &Caller,
        relay_id: RelayId,
        reason: &str,
    ) -> Result<(), OperatorError> {
        self.decide_inbound(who, relay_id, DeedKind::DeliverAgain, some(reason), decision::deliver_again)
            .await
    }

    /// Leaves a message from MESH that cannot be delivered to a person.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub async fn park_inbound(
        &self,
        who: &Caller,
        relay_id: RelayId,
        reason: &str,
    ) -> Result<(), OperatorError> {
        self.decide_inbound(who, relay_id, DeedKind::Park, some(reason), decision::park_inbound).await
    }

    async fn decide_inbound(
        &self,
        who: &Caller,
        relay_id: RelayId,
        kind: DeedKind,
        note: Option<&str>,
        decide: impl FnOnce(&InboundState) -> Result<decision::Decided<InboundState>, NotNow>,
    ) -> Result<(), OperatorError> {
        let journal = &self.surroundings.journal;
        let known = journal.inbound(relay_id).await?;
        let record = known.ok_or(OperatorError::NoSuchMessage(relay_id))?;
        let message = journal.message(relay_id).await?;
        let message = message.ok_or(OperatorError::NoSuchMessage(relay_id))?;
        let decided = decide(&record.state)?;
        self.record(who, kind, About { note, ..About::message(relay_id) }).await?;
        let change =
            InboundChange { state: decided.state, note: Some(decided.note), details: None, at: self.now() };
        let to = change.state.clone();
        let committed = journal.commit_inbound(&record, change, None).await;
        if committed.is_ok() {
            inbound::Moved { adapter: &metric::BY_HAND.into(), from: &record.state, to: &to }.tell();
        }
        if matches!(committed, Err(JournalError::Conflict { .. })) {
            self.not_done(who, kind, About::message(relay_id)).await;
        }
        self.surroundings.pauses.rouse(Woken::Inbox(message.mailbox));
        committed.map_err(changed_meanwhile)
    }

    /// Whether what became of this message can be sent again from what its source keeps.
    pub fn keeps(&self, message: &MessageSummary) -> bool {
        let adapter = message.adapter.as_ref();
        message.direction == Direction::Outbound
            && adapter.is_some_and(|adapter| self.served().keepers.contains_key(adapter))
    }

    /// Offers what was sent, or failed, once more as a new message, from what its source keeps. Returns what was done.
    ///
    /// # Errors
    /// [`OperatorError::NotNow`] while it has not ended; [`OperatorError::NotKept`] when it cannot be had any more.
    pub async fn resend(
        &self,
        who: &Caller,
        relay_id: RelayId,
        reason: &str,
    ) -> Result<String, OperatorError> {
        let journal = &self.surroundings.journal;
        let known = journal.outbound(relay_id).await?;
        let record = known.ok_or(OperatorError::NoSuchMessage(relay_id))?;
        let summary = journal.message(relay_id).await?;
        let summary = summary.ok_or(OperatorError::NoSuchMessage(relay_id))?;
        if !record.state.is_end() || summary.settled_at.is_none() {
            let state = record.state.name();
            return Err(NotNow(format!("it is {state} and still under way; it is not sent twice")).into());
        }
        let keeper = self.served().keepers.get(&record.source.adapter).cloned();
        let Some(keeper) = keeper else {
            let adapter = &record.source.adapter;
            let what =
                format!("adapter {adapter} keeps nothing of what was sent; send it again from where it came");
            return Err(NotKept(what).into());
        };
        let note = some(reason);
        let about = About { mailbox: Some(&record.mailbox), note, ..About::message(relay_id) };
        {
            // One at a time: each sees the deed of the one before.
            let _turn = self.resending.lock().await;
            self.not_just_resent(relay_id).await?;
            self.record(who, DeedKind::Resend, about).await?;
        }
        match keeper.offer_again(&record.source, &summary).await {
            Ok(done) => Ok(done),
            Err(not_kept) => {
                self.not_done(who, DeedKind::Resend, about).await;
                Err(not_kept.into())
            }
        }
    }

    /// Holds a second click, and whatever repeats a request whose answer was lost, from sending a letter twice.
    async fn not_just_resent(&self, relay_id: RelayId) -> Result<(), OperatorError> {
        let query = DeedQuery { relay_id: Some(relay_id), before: None, limit: DEEDS };
        let deeds = self.surroundings.journal.deeds(&query).await?;
        // Newest first: one that was not done stands before the deed that was tried.
        let undone = |deed: &NewDeed| {
            deed.kind == DeedKind::NotDone && deed.note.as_deref() == Some(DeedKind::Resend.as_str())
        };
        let last = deeds.iter().find(|deed| deed.deed.kind == DeedKind::Resend || undone(&deed.deed));
        let Some(last) = last.filter(|deed| deed.deed.kind == DeedKind::Resend) else { return Ok(()) };
        let ago = self.now().duration_since(last.deed.at);
        if ago >= RESEND_AGAIN_AFTER {
            return Ok(());
        }
        // A clock that was set back makes nobody send twice.
        let (minutes, who) = (ago.as_mins().max(0), &last.deed.who);
        let what = format!(
            "it was sent again {minutes} minutes ago by {who}; once more can be asked for {} minutes after that",
            RESEND_AGAIN_AFTER.as_mins()
        );
        Err(NotNow(what).into())
    }

    /// Records that what was recorded before was not done after all. Where even that cannot be recorded, the record of the
    /// message itself shows it.
    async fn not_done(&self, who: &Caller, kind: DeedKind, about: About<'_>) {
        let about = About { note: Some(kind.as_str()), ..about };
        if let Err(error) = self.record(who, DeedKind::NotDone, about).await {
            tracing::warn!(%error, "that a deed was not done could not be recorded");
        }
    }

    /// Pauses a mailbox or an adapter until someone ends that, over every start and for every instance.
    ///
    /// # Errors
    /// When the journal could not record it.
    pub async fn pause(&self, who: &Caller, what: Pausable, reason: &str) -> Result<(), OperatorError> {
        let reason: String = reason.trim().chars().take(REASON_CHARS_MAX).collect();
        self.record_pause(who, DeedKind::Pause, &what, &reason).await?;
        let pause = Pause { what, by: who.name().to_owned(), at: self.now(), reason };
        self.surroundings.journal.pause(pause).await?;
        Ok(self.surroundings.pauses.read(&*self.surroundings.journal).await?)
    }

    /// Ends a pause. `false`: there was none.
    ///
    /// # Errors
    /// When the journal could not record it.
    pub async fn resume(&self, who: &Caller, what: &Pausable) -> Result<bool, OperatorError> {
        self.record_pause(who, DeedKind::Resume, what, "").await?;
        let ended = self.surroundings.journal.resume(what).await?;
        self.surroundings.pauses.read(&*self.surroundings.journal).await?;
        Ok(ended)
    }

    async fn record_pause(
        &self,
        who: &Caller,
        kind: DeedKind,
        what: &Pausable,
        reason: &str,
    ) -> Result<(), JournalError> {
        let mailbox = match what {
            Pausable::Mailbox(mailbox) => Some(mailbox),
            Pausable::Adapter(_) => None,
        };
        let note = if reason.is_empty() { what.to_string() } else { format!("{what}: {reason}") };
        self.record(who, kind, About { mailbox, note: Some(&note), ..About::default() }).await
    }

    /// The ids in an inbox, oldest first.
    ///
    /// # Errors
    /// What the journal and MESH may meet.
    pub async fn inbox(&self, who: &Caller, mailbox: &MailboxId) -> Result<Vec<MessageId>, OperatorError> {
        let mesh = self.mesh(mailbox)?;
        let about = About { mailbox: Some(mailbox), ..About::default() };
        self.record(who, DeedKind::ListInbox, about).await?;
        Ok(mesh.list(None).await?)
    }

    /// The metadata of a message in an inbox, its subject among them.
    ///
    /// # Errors
    /// What the journal and MESH may meet.
    pub async fn look_into(
        &self,
        who: &Caller,
        mailbox: &MailboxId,
        id: &MessageId,
    ) -> Result<Download, OperatorError> {
        let mesh = self.mesh(mailbox)?;
        self.record(who, DeedKind::LookInto, About::at_mesh(mailbox, id)).await?;
        Ok(mesh.head(id).await?)
    }

    /// A message in an inbox with its bytes. It stays at MESH, and whatever takes the mailbox's messages takes it all the
    /// same.
    ///
    /// # Errors
    /// What the journal and MESH may meet.
    pub async fn fetch(
        &self,
        who: &Caller,
        mailbox: &MailboxId,
        id: &MessageId,
    ) -> Result<Fetched, OperatorError> {
        let mesh = self.mesh(mailbox)?;
        self.record(who, DeedKind::Fetch, About::at_mesh(mailbox, id)).await?;
        let Incoming { download, body, .. } = mesh.open(id, Held::default()).await?;
        Ok(Fetched { download, body })
    }

    /// Tells MESH that a message arrived, because a person says that they have it. MESH forgets it.
    ///
    /// # Errors
    /// [`OperatorError::NotNow`] when it changed meanwhile; what the journal and MESH may meet.
    pub async fn acknowledge(
        &self,
        who: &Caller,
        mailbox: &MailboxId,
        id: &MessageId,
    ) -> Result<(), OperatorError> {
        let mesh = self.mesh(mailbox)?;
        let now = self.now();
        let Surroundings { journal, clock, chance, .. } = &self.surroundings;
        let ledger =
            Ledger { adapter: metric::BY_HAND.into(), ..Ledger::new(Arc::clone(journal), Arc::clone(clock)) };
        let details = match mesh.head(id).await {
            Ok(download) if download.kind == MessageKind::Report => {
                let what = "it is a report on a message of yours, which the relay takes in by itself; give the mailbox an \
                            adapter that takes its messages, or end its pause";
                return Err(NotNow(what.to_owned()).into());
            }
            // MESH shows a message to its sender as well.
            Ok(download)
                if !download.to.is_empty() && !download.to.eq_ignore_ascii_case(mailbox.as_str()) =>
            {
                return Err(NotNow("it is not in this mailbox's inbox".to_owned()).into());
            }
            Ok(download) => Some(details(&download)),
            // The aim may be reached already, by an earlier try of which the answer was lost, or by the poller.
            Err(error) if is_gone(&error) => return self.acknowledged_before(mailbox, id, error).await,
            Err(error) => return Err(error.into()),
        };
        self.record(who, DeedKind::Acknowledge, About::at_mesh(mailbox, id)).await?;
        let (relay_id, message_id) = (chance.relay_id(now), id.clone());
        let new = NewInbound { relay_id, mailbox: mailbox.clone(), message_id, at: now };
        let mut entry = ledger.begin_inbound(new).await?.into_record();
        let proof = match entry.delivered() {
            Some(proof) => proof,
            None => {
                let receipt = Receipt("on the word of an operator, who has fetched it by hand".to_owned());
                let delivered = ledger.deliver(&mut entry, &receipt, Seen { details, note: None }).await;
                delivered.map_err(changed_meanwhile)?
            }
        };
        match mesh.acknowledge(&proof).await {
            Ok(()) => {}
            // Somebody was faster: the aim is reached.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let acknowledged = ledger.advance_inbound(&mut entry, InboundState::Acknowledged, Seen::default());
        acknowledged.await.map_err(changed_meanwhile)
    }

    /// Whether a message that MESH does not have any more was acknowledged from here.
    async fn acknowledged_before(
        &self,
        mailbox: &MailboxId,
        id: &MessageId,
        error: MeshError,
    ) -> Result<(), OperatorError> {
        let query = MessageQuery {
            direction: Some(Direction::Inbound),
            mailbox: Some(mailbox.clone()),
            words: vec![id.to_string()],
            limit: 1,
            ..MessageQuery::default()
        };
        let known = self.surroundings.journal.search(&query).await?;
        let done = known.iter().any(|message| matches!(message.state.as_str(), "delivered" | "acknowledged"));
        if done { Ok(()) } else { Err(error.into()) }
    }

    /// The mailboxes that receive a workflow: those of an organisation, or all of them. Asked as one of the mailboxes here.
    ///
    /// # Errors
    /// What MESH may meet.
    pub async fn lookup(
        &self,
        ods_code: Option<&str>,
        workflow: &WorkflowId,
    ) -> Result<Vec<Endpoint>, OperatorError> {
        let any = self.served().meshes.values().next().cloned();
        let Some(mesh) = any else { return Ok(Vec::new()) };
        Ok(mesh.lookup(ods_code, workflow).await?)
    }

    /// The mailboxes here.
    pub fn mailboxes(&self) -> Vec<MailboxId> {
        self.served().meshes.keys().cloned().collect()
    }

    fn mesh(&self, mailbox: &MailboxId) -> Result<Arc<dyn MeshMailbox>, OperatorError> {
        let mesh = self.served().meshes.get(mailbox).cloned();
        mesh.ok_or_else(|| OperatorError::NoSuchMailbox(mailbox.clone()))
    }

    fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }
}

/// What a deed is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// Which message of the journal.
    pub relay_id: Option<RelayId>,
    /// Which mailbox.
    pub mailbox: Option<&'a MailboxId>,
    /// Which message at MESH.
    pub message_id: Option<&'a MessageId>,
    /// What else, or why. Holds no subject and no payload.
    pub note: Option<&'a str>,
}

impl<'a> About<'a> {
    /// A message of the journal.
    pub fn message(relay_id: RelayId) -> Self {
        Self { relay_id: Some(relay_id), ..Self::default() }
    }

    /// A message in an inbox at MESH.
    pub fn at_mesh(mailbox: &'a MailboxId, id: &'a MessageId) -> Self {
        Self { mailbox: Some(mailbox), message_id: Some(id), ..Self::default() }
    }
}

/// Whether MESH's word on a message may be about this one: it is all there, and nothing of it is another's.
fn is_same(tracking: &Tracking, message: &MessageSummary) -> Result<(), NotNow> {
    let id = &tracking.message_id;
    let refuse = |why: String| Err(NotNow(why));
    match tracking.status {
        TrackingStatus::Accepted | TrackingStatus::Acknowledged | TrackingStatus::Undeliverable => {}
        TrackingStatus::Uploading => {
            return refuse(format!("MESH has only a part of {id}, which is never delivered; send it again"));
        }
        TrackingStatus::Error | TrackingStatus::Other(_) => {
            return refuse(format!("MESH does not say that it has taken {id}"));
        }
    }
    let other = |ours: &Option<String>, theirs: &Option<String>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => !ours.eq_ignore_ascii_case(theirs),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    // A recipient that MESH finds by a patient's particulars is a mailbox to MESH, and none here.
    let addressed = message.partner.as_ref().filter(|partner| partner.parse::<MailboxId>().is_ok()).cloned();
    let early = tracking.uploaded.is_some_and(|uploaded| uploaded + CLOCKS_APART_MAX < message.received_at);
    let differs = [
        ("recipient", addressed.is_some() && other(&addressed, &tracking.recipient)),
        ("workflow", other(&message.workflow, &tracking.workflow)),
        ("local id", other(&message.local_id, &tracking.local_id)),
        ("time", early),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        Some((what, _)) => refuse(format!("{id} is another message at MESH: its {what} is not this one's")),
        None => Ok(()),
    }
}

fn is_gone(error: &MeshError) -> bool {
    matches!(error.answer, MeshAnswer::NoSuchMessage | MeshAnswer::NoLongerAvailable)
}

/// What was typed, if anything was.
fn some(reason: &str) -> Option<&str> {
    Some(reason.trim()).filter(|reason| !reason.is_empty())
}

fn changed_meanwhile(error: JournalError) -> OperatorError {
    match error {
        JournalError::Conflict { .. } => {
            NotNow("it has changed this moment; look at it again before you decide".to_owned()).into()
        }
        error => error.into(),
    }
}

impl OperatorError {
    /// Whether the same may do later what could not be done now.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Journal(_) => true,
            Self::Mesh(error) => !matches!(error.class, FailureClass::Permanent),
            _ => false,
        }
    }
}
