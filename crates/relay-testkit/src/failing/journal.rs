//! A journal with a fate, and with a lease that can be taken away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId, MessageId};
use relay_core::audit::{AuditReport, Pruned};
use relay_core::{
    Begin, Change, ChangeCursor, Deed, DeedQuery, DeliveryEvent, EventId, Fence, HistoryEntry, InboundChange,
    InboundRecord, Journal, JournalError, MailboxTimes, MessageQuery, MessageSummary, NewDeed, NewInbound,
    NewOutbound, Oldest, OpenIncident, OutboundChange, OutboundRecord, Partner, Pausable, Pause, Records,
    RelayId, SourceKey, StateCount, Traffic,
};

use super::Fate;

/// Pause between two looks whether a write was refused.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A real journal, but for its fate.
pub struct FailingJournal {
    inner: Arc<dyn Journal>,
    fate: Arc<Fate>,
    elsewhere: Mutex<Option<Elsewhere>>,
}

/// A lease that "another instance" holds.
struct Elsewhere {
    fence: Fence,
    /// How often it was asked for here in vain.
    refused: usize,
    /// Writes that were begun under an older epoch of it after it was taken away: what each met.
    late: Vec<Result<(), JournalError>>,
}

impl FailingJournal {
    /// This journal with this fate.
    pub fn new(inner: Arc<dyn Journal>, fate: &Arc<Fate>) -> Self {
        Self { inner, fate: Arc::clone(fate), elsewhere: Mutex::default() }
    }

    /// Takes a lease anew, as another instance does that finds it run out, and keeps it. Here that is learnt the hard way:
    /// a renewal is answered only once a write was refused.
    ///
    /// # Panics
    /// When the journal does not give it.
    pub async fn take_away(&self, lease: &str) {
        let taken = self.inner.take_lease(lease, "elsewhere", Duration::from_secs(60)).await;
        let fence = taken.expect("a journal that can be written").expect("a lease that can be taken");
        *self.elsewhere() = Some(Elsewhere { fence, refused: 0, late: Vec::new() });
    }

    /// The other instance goes. Returns what writes met that were begun here under the lost lease meanwhile.
    ///
    /// # Panics
    /// When no lease was taken away.
    pub fn give_back(&self) -> Vec<Result<(), JournalError>> {
        self.elsewhere().take().expect("a lease that was taken away").late
    }

    /// How often the lease that was taken away was asked for in vain. Once it was, the work under the lost one is over.
    pub fn asked_in_vain(&self) -> usize {
        self.elsewhere().as_ref().map_or(0, |elsewhere| elsewhere.refused)
    }

    fn elsewhere(&self) -> MutexGuard<'_, Option<Elsewhere>> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a write that begins now names a lease that was lost.
    fn is_late(&self, fence: Option<&Fence>) -> bool {
        let taken = self.elsewhere();
        let (Some(elsewhere), Some(fence)) = (&*taken, fence) else { return false };
        fence.lease == elsewhere.fence.lease && fence.epoch < elsewhere.fence.epoch
    }

    fn none_was_late(&self) -> bool {
        self.elsewhere().as_ref().is_some_and(|elsewhere| elsewhere.late.is_empty())
    }

    fn note<T>(&self, late: bool, written: &Result<T, JournalError>) {
        if let (true, Some(elsewhere)) = (late, &mut *self.elsewhere()) {
            elsewhere.late.push(written.as_ref().map(drop).map_err(JournalError::clone));
        }
    }
}

#[async_trait]
impl Records for FailingJournal {
    async fn counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.inner.counts().await
    }

    async fn waiting_counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.inner.waiting_counts().await
    }

    async fn oldest_unended(&self) -> Result<Vec<Oldest>, JournalError> {
        self.inner.oldest_unended().await
    }

    async fn search(&self, query: &MessageQuery) -> Result<Vec<MessageSummary>, JournalError> {
        self.inner.search(query).await
    }

    async fn history(&self, relay_id: RelayId) -> Result<Vec<HistoryEntry>, JournalError> {
        self.inner.history(relay_id).await
    }

    async fn partners(&self, since: Timestamp) -> Result<Vec<Partner>, JournalError> {
        self.inner.partners(since).await
    }

    async fn message(&self, relay_id: RelayId) -> Result<Option<MessageSummary>, JournalError> {
        self.inner.message(relay_id).await
    }

    async fn traffic(&self, since: Timestamp, stretch: Duration) -> Result<Vec<Traffic>, JournalError> {
        self.inner.traffic(since, stretch).await
    }

    async fn change_cursor(&self) -> Result<ChangeCursor, JournalError> {
        self.inner.change_cursor().await
    }

    async fn changes(&self, behind: &ChangeCursor, limit: u32) -> Result<Vec<Change>, JournalError> {
        self.inner.changes(behind, limit).await
    }

    async fn deeds(&self, query: &DeedQuery) -> Result<Vec<Deed>, JournalError> {
        self.inner.deeds(query).await
    }

    async fn verify(&self) -> Result<AuditReport, JournalError> {
        self.inner.verify().await
    }
}

#[async_trait]
impl Journal for FailingJournal {
    async fn begin_outbound(
        &self,
        new: NewOutbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<OutboundRecord>, JournalError> {
        self.fate.reach("before begin").await;
        let late = self.is_late(fence);
        let begun = self.inner.begin_outbound(new, fence).await;
        self.note(late, &begun);
        self.fate.reach("after begin").await;
        begun
    }

    async fn commit_outbound(
        &self,
        record: &OutboundRecord,
        change: OutboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let state = change.state.name();
        self.fate.reach(&format!("before commit of {state}")).await;
        let late = self.is_late(fence);
        let written = self.inner.commit_outbound(record, change, fence).await;
        self.note(late, &written);
        self.fate.reach(&format!("after commit of {state}")).await;
        written
    }

    async fn settle(
        &self,
        relay_id: RelayId,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        self.fate.reach("before settled").await;
        let late = self.is_late(fence);
        let written = self.inner.settle(relay_id, at, fence).await;
        self.note(late, &written);
        self.fate.reach("after settled").await;
        written
    }

    async fn begin_inbound(
        &self,
        new: NewInbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<InboundRecord>, JournalError> {
        let late = self.is_late(fence);
        let begun = self.inner.begin_inbound(new, fence).await;
        self.note(late, &begun);
        begun
    }

    async fn commit_inbound(
        &self,
        record: &InboundRecord,
        change: InboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let state = change.state.name();
        self.fate.reach(&format!("before commit of {state}")).await;
        let late = self.is_late(fence);
        let written = self.inner.commit_inbound(record, change, fence).await;
        self.note(late, &written);
        self.fate.reach(&format!("after commit of {state}")).await;
        written
    }

    async fn unended_inbound(&self, mailbox: &MailboxId, limit: u32) -> Result<Vec<MessageId>, JournalError> {
        self.inner.unended_inbound(mailbox, limit).await
    }

    async fn find_outbound(&self, source: &SourceKey) -> Result<Option<OutboundRecord>, JournalError> {
        self.inner.find_outbound(source).await
    }

    async fn find_sent(
        &self,
        mailbox: &MailboxId,
        message_id: &MessageId,
    ) -> Result<Option<OutboundRecord>, JournalError> {
        self.inner.find_sent(mailbox, message_id).await
    }

    async fn find_local_id(
        &self,
        mailbox: &MailboxId,
        local_id: &LocalId,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError> {
        self.inner.find_local_id(mailbox, local_id, limit).await
    }

    async fn unsettled(&self, adapter: &str) -> Result<Vec<OutboundRecord>, JournalError> {
        self.inner.unsettled(adapter).await
    }

    async fn due(
        &self,
        mailbox: &MailboxId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError> {
        self.inner.due(mailbox, now, limit).await
    }

    async fn untold(
        &self,
        adapter: &str,
        except: &[RelayId],
        limit: u32,
    ) -> Result<Vec<DeliveryEvent>, JournalError> {
        self.inner.untold(adapter, except, limit).await
    }

    async fn told(&self, events: &[EventId], fence: Option<&Fence>) -> Result<(), JournalError> {
        let late = self.is_late(fence);
        let written = self.inner.told(events, fence).await;
        self.note(late, &written);
        written
    }

    async fn outbound(&self, relay_id: RelayId) -> Result<Option<OutboundRecord>, JournalError> {
        self.inner.outbound(relay_id).await
    }

    async fn inbound(&self, relay_id: RelayId) -> Result<Option<InboundRecord>, JournalError> {
        self.inner.inbound(relay_id).await
    }

    async fn record_deed(&self, deed: NewDeed) -> Result<(), JournalError> {
        self.inner.record_deed(deed).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, JournalError> {
        self.inner.pauses().await
    }

    async fn pause(&self, pause: Pause) -> Result<(), JournalError> {
        self.inner.pause(pause).await
    }

    async fn resume(&self, what: &Pausable) -> Result<bool, JournalError> {
        self.inner.resume(what).await
    }

    async fn incidents(&self, owner: &str) -> Result<Vec<OpenIncident>, JournalError> {
        self.inner.incidents(owner).await
    }

    async fn put_incident(&self, kept: OpenIncident) -> Result<(), JournalError> {
        self.inner.put_incident(kept).await
    }

    async fn remove_incident(&self, owner: &str, id: &str) -> Result<(), JournalError> {
        self.inner.remove_incident(owner, id).await
    }

    async fn mailbox_times(&self, mailbox: &MailboxId) -> Result<MailboxTimes, JournalError> {
        self.inner.mailbox_times(mailbox).await
    }

    async fn commit_mailbox_times(
        &self,
        mailbox: &MailboxId,
        times: MailboxTimes,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let late = self.is_late(fence);
        let written = self.inner.commit_mailbox_times(mailbox, times, fence).await;
        self.note(late, &written);
        written
    }

    async fn take_lease(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Fence>, JournalError> {
        if let Some(elsewhere) = &mut *self.elsewhere()
            && *elsewhere.fence.lease == *name
        {
            elsewhere.refused += 1;
            return Ok(None);
        }
        self.inner.take_lease(name, owner, ttl).await
    }

    async fn renew_lease(&self, fence: &Fence, ttl: Duration) -> Result<bool, JournalError> {
        while self.is_late(Some(fence)) && self.none_was_late() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.inner.renew_lease(fence, ttl).await
    }

    async fn release_lease(&self, fence: &Fence) -> Result<(), JournalError> {
        self.inner.release_lease(fence).await
    }

    async fn prune(&self, before: Timestamp) -> Result<Pruned, JournalError> {
        self.inner.prune(before).await
    }
}
