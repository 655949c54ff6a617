//! The only way from the engine to the journal, and the values that prove a commit (INV-3).
//!
//! Settling and acknowledging take a proof that no one else can make:
//!
//! ```compile_fail,E0451
//! let ended = relay_core::Ended { relay_id: todo!(), outcome: relay_core::Outcome::Expired, was_known: false,
//!     possible_duplicate: false };
//! ```
//!
//! ```compile_fail,E0451
//! let proof = relay_core::DeliveryRecorded { message_id: "20260101_0".parse().unwrap() };
//! ```

use std::sync::Arc;

use jiff::Timestamp;
use mesh_api::MessageId;

use crate::clock::{Clock, RelayId};
use crate::follow;
use crate::happening::{Happening, inbound, outbound};
use crate::journal::{
    Begin, Fence, InboundChange, InboundDetails, InboundRecord, Journal, JournalError, NewInbound,
    NewOutbound, OutboundChange, OutboundRecord,
};
use crate::lease::Tenure;
use crate::metric::{self, Value};
use crate::outbound::Surroundings;
use crate::sink::Receipt;
use crate::source::{Outcome, SourceKey};
use crate::state::{InboundState, OutboundState, Resent};

/// Proof that a message's end is in the journal: what a source needs before it lets go of its copy.
#[derive(Debug)]
pub struct Ended {
    relay_id: RelayId,
    outcome: Outcome,
    was_known: bool,
    possible_duplicate: bool,
}

impl Ended {
    /// The relay's id of the message.
    pub fn relay_id(&self) -> RelayId {
        self.relay_id
    }

    /// How it ended.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether it had ended before it was offered this time, so that whoever let go of it then may have done what is done
    /// once more now.
    pub fn was_known(&self) -> bool {
        self.was_known
    }

    /// Whether MESH may have it twice, since it was sent again and nobody could be asked before. Told while that is
    /// recorded: until its recipient collected it.
    pub fn possible_duplicate(&self) -> bool {
        self.possible_duplicate
    }

    /// From a record that was read from the journal or committed to it.
    fn of(record: &OutboundRecord, was_known: bool) -> Option<Self> {
        let outcome = Outcome::of(&record.state)?;
        let possible_duplicate =
            matches!(record.state, OutboundState::Accepted { resent: Resent::Blindly, .. });
        Some(Self { relay_id: record.relay_id, outcome, was_known, possible_duplicate })
    }
}

/// Proof that a sink's receipt is in the journal: what MESH's acknowledgement needs.
#[derive(Debug)]
pub struct DeliveryRecorded {
    message_id: MessageId,
}

impl DeliveryRecorded {
    /// The message that was delivered.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    fn of(record: &InboundRecord) -> Option<Self> {
        matches!(record.state, InboundState::Delivered { .. } | InboundState::Acknowledged)
            .then(|| Self { message_id: record.message_id.clone() })
    }
}

/// An outbound record whose state is in the journal. Only a [`Ledger`] changes it.
pub(crate) struct Outbound {
    record: OutboundRecord,
    /// Whether it had ended when it was read.
    had_ended: bool,
}

impl Outbound {
    /// As it was read.
    fn known(record: OutboundRecord) -> Self {
        let had_ended = Outcome::of(&record.state).is_some();
        Self { record, had_ended }
    }

    pub(crate) fn record(&self) -> &OutboundRecord {
        &self.record
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        Ended::of(&self.record, self.had_ended)
    }
}

/// An inbound record whose state is in the journal. Only a [`Ledger`] changes it.
pub(crate) struct InboundEntry(InboundRecord);

impl InboundEntry {
    pub(crate) fn record(&self) -> &InboundRecord {
        &self.0
    }

    pub(crate) fn delivered(&self) -> Option<DeliveryRecorded> {
        DeliveryRecorded::of(&self.0)
    }
}

/// Commits changes and hands out the proofs.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What each write names, where only the holder of a lease may write.
    pub(crate) fence: Option<Fence>,
    /// Who takes messages from MESH, for what is counted of them.
    pub(crate) adapter: Value,
}

impl Ledger {
    /// One whose writes name no lease.
    pub(crate) fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { journal, clock, fence: None, adapter: metric::NO_ADAPTER.into() }
    }

    /// One whose writes name the lease of `tenure`.
    pub(crate) fn under(surroundings: &Surroundings, tenure: &Tenure) -> Self {
        let (journal, clock) = (Arc::clone(&surroundings.journal), Arc::clone(&surroundings.clock));
        Self { fence: Some(tenure.fence().clone()), ..Self::new(journal, clock) }
    }

    pub(crate) async fn begin_outbound(&self, new: NewOutbound) -> Result<Outbound, JournalError> {
        Ok(match self.journal.begin_outbound(new, self.fence.as_ref()).await? {
            Begin::New(record) => {
                outbound::Moved { record: &record, from: None, to: &record.state }.tell();
                Outbound { record, had_ended: false }
            }
            Begin::Known(record) => Outbound::known(record),
        })
    }

    pub(crate) async fn unsettled(&self, adapter: &str) -> Result<Vec<Outbound>, JournalError> {
        Ok(self.journal.unsettled(adapter).await?.into_iter().map(Outbound::known).collect())
    }

    pub(crate) async fn find(&self, key: &SourceKey) -> Result<Option<Outbound>, JournalError> {
        Ok(self.journal.find_outbound(key).await?.map(Outbound::known))
    }

    pub(crate) async fn advance(
        &self,
        outbound: &mut Outbound,
        state: OutboundState,
        note: Option<String>,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        if outbound.record.state == state {
            return Ok(());
        }
        self.commit(&outbound.record, state.clone(), note, at).await?;
        outbound.record.state = state;
        outbound.record.version += 1;
        Ok(())
    }

    /// Records a change, and with it when the message is to be looked after next. Made again after an error, it is the
    /// same change only with the same `at`.
    pub(crate) async fn commit(
        &self,
        record: &OutboundRecord,
        state: OutboundState,
        note: Option<String>,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        let change = OutboundChange { due: follow::due(&state), state, note, at };
        let to = change.state.clone();
        self.journal.commit_outbound(record, change, self.fence.as_ref()).await?;
        outbound::Moved { record, from: Some(&record.state), to: &to }.tell();
        Ok(())
    }

    pub(crate) async fn settle(&self, relay_id: RelayId) -> Result<(), JournalError> {
        self.journal.settle(relay_id, self.clock.now(), self.fence.as_ref()).await
    }

    pub(crate) async fn begin_inbound(&self, new: NewInbound) -> Result<Begin<InboundEntry>, JournalError> {
        Ok(match self.journal.begin_inbound(new, self.fence.as_ref()).await? {
            Begin::New(record) => Begin::New(InboundEntry(record)),
            Begin::Known(record) => Begin::Known(InboundEntry(record)),
        })
    }

    /// Records a sink's receipt and returns the proof of it.
    pub(crate) async fn deliver(
        &self,
        entry: &mut InboundEntry,
        receipt: &Receipt,
        seen: Seen,
    ) -> Result<DeliveryRecorded, JournalError> {
        self.advance_inbound(entry, InboundState::Delivered { receipt: receipt.0.clone() }, seen).await?;
        Ok(DeliveryRecorded { message_id: entry.0.message_id.clone() })
    }

    /// Reads what another writer made of a record.
    pub(crate) async fn read_again(&self, entry: &mut InboundEntry) -> Result<(), JournalError> {
        let relay_id = entry.0.relay_id;
        let now = self.journal.inbound(relay_id).await?;
        entry.0 = now.ok_or(JournalError::Conflict { relay_id })?;
        Ok(())
    }

    pub(crate) async fn advance_inbound(
        &self,
        entry: &mut InboundEntry,
        state: InboundState,
        seen: Seen,
    ) -> Result<(), JournalError> {
        if entry.0.state == state {
            return Ok(());
        }
        let Seen { details, note } = seen;
        let change = InboundChange { state: state.clone(), note, details, at: self.clock.now() };
        self.journal.commit_inbound(&entry.0, change, self.fence.as_ref()).await?;
        inbound::Moved { adapter: &self.adapter, from: &entry.0.state, to: &state }.tell();
        entry.0.state = state;
        entry.0.version += 1;
        Ok(())
    }
}

/// What is recorded of an inbound message beside its state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) details: Option<InboundDetails>,
    pub(crate) note: Option<String>,
}
