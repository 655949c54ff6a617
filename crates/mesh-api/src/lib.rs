//! MESH as data: what the NHS Message Exchange for Social Care and Health says on the wire, without saying it.
//!
//! This crate knows identifiers and their limits, header names, the authorisation token, JSON bodies of both
//! response versions, the chunk plan and the codes. It opens no socket and no file, so that a client, a server
//! and the relay's own domain can share it.
//!
//! Facts come from the MESH API specification 2.0.0 and from `mesh-api.md` of the reference; each item names
//! the section it rests on.

pub mod authorization;
pub mod body;
pub mod chunk;
pub mod code;
pub mod endpoint;
pub mod envelope;
pub mod failure;
pub mod header;
pub mod id;
pub mod path;
pub mod payload;
pub mod routing;
pub mod stamp;
pub mod tracking;
pub mod version;

pub use authorization::{Authorization, AuthorizationError, SharedKey};
pub use body::{InboxPage, ServiceError};
pub use chunk::{ChunkPlan, ChunkRange, Held};
pub use code::StatusEvent;
pub use endpoint::Endpoint;
pub use envelope::{Download, Envelope, EnvelopeError, MessageKind, StatusHeaders};
pub use failure::{Classify, Effect, FailureClass, Owner};
pub use id::{IdError, LocalId, MailboxId, MessageId, Recipient, WorkflowId};
pub use payload::{OpenPayload, Payload, PayloadStream};
pub use tracking::{Tracking, TrackingStatus};
pub use version::ApiVersion;
