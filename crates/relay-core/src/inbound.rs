//! One message's way in: from MESH to a sink, as far as it goes.

use std::sync::Arc;

use futures_util::StreamExt;
use mesh_api::{Download, FailureClass, Held, MessageId, MessageKind, PayloadStream};
use thiserror::Error;
use tracing::{Instrument, Span};

use crate::clock::{Chance, RelayId};
use crate::follow_up::{FollowUp, Reported};
use crate::happening::Happening;
use crate::happening::inbound::{About, Carried, Gone, LeftAlone, Parked, ParkedTooLate, Read};
use crate::journal::{Begin, InboundDetails, JournalError, NewInbound};
use crate::lease::Tenure;
use crate::ledger::{DeliveryRecorded, InboundEntry, Ledger, Seen};
use crate::mesh::{Incoming, MeshAnswer, MeshError, MeshMailbox};
use crate::policy::{ReceivePolicy, UnknownWorkflow};
use crate::progress::{MESH_WITHIN, Pump, Step};
use crate::sink::{DeliveryError, Inbound, Receipt, Sink};
use crate::state::InboundState;
use crate::trace::{self, Traces};

/// What is done while the journal is to record something.
const RECORDING: &str = "recording a message";
/// What is done while the sink has a message.
const DELIVERING: &str = "handing a message to the adapter";

/// Takes the messages of one mailbox.
pub(crate) struct Receiver<'a> {
    pub(crate) mesh: &'a Arc<dyn MeshMailbox>,
    pub(crate) sink: &'a Arc<dyn Sink>,
    pub(crate) chance: &'a Arc<dyn Chance>,
    pub(crate) policy: &'a ReceivePolicy,
    pub(crate) ledger: Ledger,
    pub(crate) follow_up: &'a FollowUp,
    pub(crate) tenure: &'a Tenure,
    pub(crate) pump: &'a Pump,
    pub(crate) traces: &'a Arc<dyn Traces>,
}

/// A message that did not arrive this time.
pub(crate) struct NotReceived {
    /// The relay's id of it, where the journal said so.
    pub(crate) relay_id: Option<RelayId>,
    pub(crate) error: ReceiveError,
}

/// Whether the inbox lists a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// It does.
    Holds,
    /// It did, and no more.
    Left,
}

/// What became of a message this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// The sink has it, and MESH knows.
    Delivered,
    /// It stays at MESH until a person or another configuration says otherwise.
    LeftAlone,
}

/// Why one message did not arrive this time.
#[derive(Debug, Error)]
pub(crate) enum ReceiveError {
    #[error(transparent)]
    Mesh(#[from] MeshError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Sink(#[from] DeliveryError),
    /// What a report is about has not ended here.
    #[error("the message that the report is about is still under way; the report waits for it")]
    UnderWay,
    /// Another instance may have the mailbox by now.
    #[error("the mailbox's lease is not certain to be held; whoever holds it goes on")]
    LeaseUncertain,
}

impl Receiver<'_> {
    /// Takes one message as far as it goes: delivered, recorded, acknowledged.
    pub(crate) async fn receive(&self, id: &MessageId, listing: Listing) -> Result<Received, NotReceived> {
        let mailbox = self.mesh.mailbox();
        let empty = tracing::field::Empty;
        // A trace of its own, since MESH carries none.
        let span = tracing::info_span!(parent: None, "receive", otel.kind = "consumer", %mailbox, message_id = %id, relay_id = empty);
        let mut relay_id = None;
        let received = self.receive_within(id, listing, &mut relay_id).instrument(span).await;
        received.map_err(|error| NotReceived { relay_id, error })
    }

    async fn receive_within(
        &self,
        id: &MessageId,
        listing: Listing,
        known_as: &mut Option<RelayId>,
    ) -> Result<Received, ReceiveError> {
        let now = self.ledger.clock.now();
        let mailbox = self.mesh.mailbox();
        let step = Arc::new(self.pump.step(RECORDING));
        let begun = self
            .ledger
            .begin_inbound(NewInbound {
                relay_id: self.chance.relay_id(now),
                mailbox: mailbox.clone(),
                message_id: id.clone(),
                at: now,
            })
            .await?;
        let (Begin::New(entry) | Begin::Known(entry)) = &begun;
        *known_as = Some(entry.record().relay_id);
        trace::is_about(&Span::current(), entry.record().relay_id);
        let mut entry = match begun {
            Begin::New(entry) => entry,
            Begin::Known(mut entry) => {
                let attempt = match &entry.record().state {
                    InboundState::Delivering { attempt } => Some(attempt + 1),
                    // Listed again, so it is not gone after all. What had come of it by then nobody knows.
                    InboundState::Gone => Some(2),
                    // The configuration was changed since.
                    InboundState::Listed { workflow } if self.takes(workflow) => Some(1),
                    _ => None,
                };
                if let Some(attempt) = attempt {
                    let state = InboundState::Delivering { attempt };
                    self.ledger.advance_inbound(&mut entry, state, Seen::default()).await?;
                }
                entry
            }
        };
        let relay_id = entry.record().relay_id;
        let delivered = match (entry.delivered(), entry.record().state.clone()) {
            (Some(delivered), state) => {
                // The last run may have stopped before it could say so.
                if let InboundState::Delivered { receipt } = state {
                    self.sink.recorded(&Receipt(receipt)).await;
                }
                delivered
            }
            (None, InboundState::Delivering { attempt }) => {
                let delivering = self.deliver(relay_id, id, attempt, &mut entry, &step);
                let Some((receipt, seen)) = delivering.await? else {
                    return Ok(Received::LeftAlone);
                };
                step.turn(RECORDING);
                let delivered = match self.ledger.deliver(&mut entry, &receipt, seen.clone()).await {
                    // A person parked it meanwhile: it has arrived all the same, and that is what holds.
                    Err(JournalError::Conflict { .. }) => {
                        self.deliver_parked(relay_id, &mut entry, &receipt, seen).await?
                    }
                    delivered => delivered?,
                };
                self.sink.recorded(&receipt).await;
                delivered
            }
            // It waited for another configuration, and MESH did not wait as long.
            (None, InboundState::Listed { .. }) if listing == Listing::Left => {
                self.ledger.advance_inbound(&mut entry, InboundState::Gone, Seen::default()).await?;
                return Ok(Received::LeftAlone);
            }
            // Parked waits for a person, listed for another configuration.
            (None, _) => return Ok(Received::LeftAlone),
        };
        self.certain()?;
        step.turn_within("acknowledging a message to MESH", MESH_WITHIN);
        let acknowledge = tracing::info_span!("acknowledge");
        match self.mesh.acknowledge(&delivered).instrument(acknowledge).await {
            Ok(()) => {}
            // Someone acknowledged it before: the aim is reached.
            Err(error)
                if matches!(error.answer, MeshAnswer::NoSuchMessage | MeshAnswer::NoLongerAvailable) => {}
            Err(error) => return Err(error.into()),
        }
        step.turn(RECORDING);
        self.ledger.advance_inbound(&mut entry, InboundState::Acknowledged, Seen::default()).await?;
        Carried(About { relay_id, mailbox, message_id: id }).tell();
        Ok(Received::Delivered)
    }

    /// Records the receipt of a message that was changed by another writer while the sink took it.
    async fn deliver_parked(
        &self,
        relay_id: RelayId,
        entry: &mut InboundEntry,
        receipt: &Receipt,
        seen: Seen,
    ) -> Result<DeliveryRecorded, ReceiveError> {
        self.ledger.read_again(entry).await?;
        if let Some(delivered) = entry.delivered() {
            return Ok(delivered);
        }
        ParkedTooLate(relay_id).tell();
        let parked = "it was parked while it was being delivered, and has arrived";
        let note = Some(seen.note.map_or_else(|| parked.to_owned(), |note| format!("{note}; {parked}")));
        Ok(self.ledger.deliver(entry, receipt, Seen { note, ..seen }).await?)
    }

    /// Hands the message to the sink. `None` when it ended without a delivery, which is then recorded.
    async fn deliver(
        &self,
        relay_id: RelayId,
        id: &MessageId,
        attempt: u32,
        entry: &mut InboundEntry,
        step: &Arc<Step>,
    ) -> Result<Option<(Receipt, Seen)>, ReceiveError> {
        self.certain()?;
        let mailbox = self.mesh.mailbox();
        step.turn("asking the adapter what it holds of a message");
        let mut held = self.sink.held(id).await;
        step.turn_within("opening a message at MESH", MESH_WITHIN);
        let about = About { relay_id, mailbox, message_id: id };
        let opening = tracing::info_span!("open");
        let mut opened = self.mesh.open(id, held).instrument(opening).await;
        if held.chunks > 0
            && opened.as_ref().is_err_and(|error| error.answer != MeshAnswer::Nothing || !error.mailbox_wide)
        {
            // Whatever is wrong with going on, beginning again can do without it.
            held = Held::default();
            let opening = tracing::info_span!("open");
            opened = self.mesh.open(id, held).instrument(opening).await;
        }
        let incoming = match opened {
            Ok(incoming) => incoming,
            Err(error)
                if matches!(error.answer, MeshAnswer::NoSuchMessage | MeshAnswer::NoLongerAvailable) =>
            {
                Gone(about).tell();
                self.ledger.advance_inbound(entry, InboundState::Gone, Seen::default()).await?;
                // An error, so that it rests should MESH go on listing it.
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        let Incoming { download, body, progress } = incoming;
        step.turn(RECORDING);
        let mut seen = Seen { details: Some(details(&download)), note: None };
        let (mut reported_recipient, mut reported_adapter) = (None, None);
        if download.kind == MessageKind::Report {
            match self.follow_up.report(&download).await? {
                Reported::Joined { note, recipient, adapter } => {
                    seen.note = Some(note);
                    reported_recipient = recipient;
                    reported_adapter = Some(adapter);
                }
                Reported::Unknown(note) => seen.note = Some(note),
                Reported::UnderWay => return Err(ReceiveError::UnderWay),
            }
        } else if !self.takes(&download.workflow) {
            LeftAlone(about).tell();
            let state = InboundState::Listed { workflow: download.workflow.clone() };
            self.ledger.advance_inbound(entry, state, seen).await?;
            return Ok(None);
        }
        let delivering = tracing::info_span!("deliver", otel.kind = "producer", attempt);
        let message = Inbound {
            relay_id,
            mailbox,
            download: &download,
            reported_recipient,
            reported_adapter,
            body: step.follow(counted(body), DELIVERING, self.sink.patience()),
            held,
            progress,
            trace: self.traces.context(&delivering),
            attempt,
        };
        step.turn_within(DELIVERING, self.sink.patience());
        match self.sink.deliver(message).instrument(delivering).await {
            Ok(receipt) => Ok(Some((receipt, seen))),
            Err(error) if error.class == FailureClass::Permanent => {
                Parked { about, error: &error }.tell();
                let state = InboundState::Parked { reason: error.what };
                self.ledger.advance_inbound(entry, state, seen).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn takes(&self, workflow: &str) -> bool {
        self.policy.unknown == UnknownWorkflow::Deliver || self.policy.knows(workflow)
    }

    fn certain(&self) -> Result<(), ReceiveError> {
        if self.tenure.holds() { Ok(()) } else { Err(ReceiveError::LeaseUncertain) }
    }
}

/// A body that counts what is read of it.
fn counted(body: PayloadStream) -> PayloadStream {
    Box::pin(body.inspect(|piece| {
        if let Ok(piece) = piece {
            Read { bytes: piece.len() as u64 }.tell();
        }
    }))
}

pub(crate) fn details(download: &Download) -> InboundDetails {
    let Download { from, workflow, local_id, file_name, kind, .. } = download;
    InboundDetails {
        sender: from.clone(),
        workflow: workflow.clone(),
        local_id: local_id.parse().ok(),
        file_name: Some(file_name.clone()).filter(|name| !name.is_empty()),
        report: *kind == MessageKind::Report,
    }
}
