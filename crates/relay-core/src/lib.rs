//! The relay's domain: what may happen to a message, in which order, and what proves it.
//!
//! This crate opens no socket and no file. MESH, the organisation's systems, the durable record, the clock and
//! chance come in through traits, so that every promise can be tried against ports that fail on purpose.
//!
//! The five invariants of the house (`ARCHITECTURE.md`) and where they are held:
//!
//! - INV-1, hand-over not custody: [`Source`] keeps its message until [`RelayHandle::send`] returns an
//!   [`Ended`]; MESH keeps its own until [`MeshMailbox::acknowledge`].
//! - INV-2, intent before effect: [`outbound`] commits [`OutboundState::Sending`] before it calls
//!   [`MeshMailbox::begin_send`].
//! - INV-3, nothing settled or acknowledged early: [`Ended`] and [`DeliveryRecorded`] can only be made by a
//!   commit; the wrong order does not compile.
//! - INV-4, three outcomes: [`Effect::Unknown`] leads to [`OutboundState::InDoubt`], which has a way out.
//! - INV-5, every message ends: [`OutboundState`] and [`InboundState`] have no state without a successor or an
//!   outcome.

pub mod clock;
pub mod inbound;
pub mod journal;
pub mod ledger;
pub mod mesh;
pub mod metric;
pub mod outbound;
pub mod policy;
pub mod shutdown;
pub mod sink;
pub mod source;
pub mod state;
pub mod step;

pub use clock::{Chance, Clock, RelayId};
pub use inbound::Poller;
pub use journal::{Begin, InboundRecord, Journal, JournalError, NewInbound, NewOutbound, OutboundRecord};
pub use ledger::{DeliveryRecorded, Ended};
pub use mesh::{Found, Incoming, MeshAnswer, MeshError, MeshMailbox, Outgoing, ReadProgress};
pub use mesh_api::envelope::{HeaderText, checksum};
pub use mesh_api::{
    Classify, Download, Effect, Envelope, FailureClass, Held, LocalId, MailboxId, MessageId, MessageKind,
    OpenPayload, Owner, Payload, PayloadStream, Recipient, WorkflowId,
};
pub use outbound::{RelayHandle, Surroundings};
pub use policy::{DoubtStrategy, Pattern, ReceivePolicy, SendPolicy, SendRoute};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use sink::{DeliveryError, Inbound, Receipt, Sink, SinkHealth};
pub use source::{Deferral, DeferralCause, Outcome, Refused, Source, SourceError, SourceKey, SourceMessage};
pub use state::{Evidence, InboundState, OutboundState, Rejection, Resent};
