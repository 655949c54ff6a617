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

pub mod audit;
pub mod board;
pub mod clock;
pub mod decision;
pub mod deed;
pub mod diagnosis;
mod engine;
pub mod event;
pub mod follow;
mod follow_up;
pub mod happening;
mod inbound;
pub mod incident;
pub mod incident_watch;
pub mod journal;
pub mod kept;
pub mod lease;
pub mod ledger;
pub mod mesh;
pub mod metric;
pub mod operator;
mod order;
pub mod outbound;
pub mod pace;
pub mod pause;
pub mod person;
pub mod policy;
pub mod poller;
pub mod progress;
pub mod proven;
pub mod retention;
pub mod route;
pub mod routed_sink;
pub mod search;
pub mod shutdown;
pub mod sink;
pub mod source;
pub mod standing;
pub mod state;
pub mod step;
pub mod teller;
pub mod trace;
pub mod vitals;

pub use board::{Board, MailboxStatus, Part, Trouble};
pub use clock::{Chance, Clock, RelayId};
pub use decision::{Decided, Decision, NotNow, is_by_person};
pub use deed::{Deed, DeedKind, DeedPlace, DeedQuery, NewDeed};
pub use event::{DeliveryEvent, EventId, EventSink, TellError};
pub use happening::Happening;
pub use incident::{Condition, Incident, IncidentKind, Incidents, Limits, OpenIncident, Telling};
pub use incident_watch::{Alert, AlertSink, Conditions, IncidentWatch, Scope, Seen};
pub use journal::{
    Begin, Fence, InboundChange, InboundDetails, InboundRecord, Journal, JournalError, KeyReuse,
    MailboxTimes, NewInbound, NewOutbound, OutboundChange, OutboundDetails, OutboundRecord, Records,
};
pub use kept::{KeepsSent, NotKept};
pub use lease::{Lease, PartLeases, Tenure};
pub use ledger::{DeliveryRecorded, Ended};
pub use mesh::{Found, Incoming, MeshAnswer, MeshError, MeshMailbox, Outgoing, ReadProgress};
pub use mesh_api::envelope::{HeaderText, checksum};
pub use mesh_api::{
    Classify, Download, Effect, Endpoint, Envelope, FailureClass, Held, LocalId, MailboxId, MessageId,
    MessageKind, OpenPayload, Owner, Payload, PayloadStream, Recipient, WorkflowId,
};
pub use operator::{Operator, OperatorError};
pub use outbound::{Known, RelayHandle, Surroundings, Terms, Unsettled};
pub use pace::Rate;
pub use pause::{Pausable, Pause, Pauses, Wake, Woken};
pub use person::{Caller, NoSuchRole, Role};
pub use policy::{DoubtStrategy, Pattern, ReceivePolicy, SendPolicy, SendRoute, UnknownWorkflow};
pub use poller::Poller;
pub use progress::{Progress, Pump, PumpKind, PumpView, Step};
pub use proven::ProvenTime;
pub use retention::Retention;
pub use route::{Arrival, Choice, Route, Router};
pub use routed_sink::{RoutedSink, Taker};
pub use search::{
    Change, ChangeCursor, Collected, Cursor, Direction, HistoryEntry, MessageQuery, MessageSummary, Oldest,
    Partner, StateCount, Traffic,
};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use sink::{DeliveryError, Inbound, Polled, Receipt, Sink, SinkHealth};
pub use source::{
    Deferral, DeferralCause, Offer, Outcome, Refused, Source, SourceError, SourceKey, SourceMessage,
};
pub use standing::Standing;
pub use state::{Evidence, InboundState, OutboundState, Rejection, Resent};
pub use teller::Teller;
pub use trace::{NoTraces, Trace, TraceContext, Traces};
pub use vitals::{JournalState, Phase, Unready, Vitals};
