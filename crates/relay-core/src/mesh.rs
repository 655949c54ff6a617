//! MESH as the core sees it.

use async_trait::async_trait;
use jiff::Timestamp;
use mesh_api::path::WorkflowFilter;
use mesh_api::{
    ChunkPlan, Classify, Download, Effect, Endpoint, Envelope, FailureClass, Held, LocalId, MailboxId,
    MessageId, Owner, Payload, PayloadStream, Tracking, WorkflowId,
};
use thiserror::Error;

use crate::ledger::DeliveryRecorded;
use crate::state::Rejection;

/// A message as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its metadata.
    pub envelope: &'a Envelope,
    /// Its bytes.
    pub payload: &'a Payload,
    /// How they are cut.
    pub plan: &'a ChunkPlan,
    /// Whether each chunk is gzipped.
    pub gzip: bool,
}

/// A message as it is received.
pub struct Incoming {
    /// Its metadata.
    pub download: Download,
    /// Its bytes, chunks joined and transport compression undone; without those that were held already.
    pub body: PayloadStream,
    /// How much of the message is whole chunks, as the body is read.
    pub progress: ReadProgress,
}

/// Tells how much of a message is whole chunks so far. Before the first byte of a chunk comes, it counts all chunks
/// before that one.
pub type ReadProgress = Box<dyn Fn() -> Held + Send + Sync>;

/// What a probe by local id found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No message.
    Nothing,
    /// One message.
    One {
        /// Its id.
        id: MessageId,
        /// When MESH took it, where it says so.
        uploaded: Option<Timestamp>,
    },
    /// More than one.
    Several,
}

/// One mailbox at MESH.
///
/// A call is one exchange: repeating is decided above, except that calls which may be repeated freely (all but
/// [`MeshMailbox::begin_send`]) may try a few times by themselves.
#[async_trait]
pub trait MeshMailbox: Send + Sync {
    /// Which mailbox.
    fn mailbox(&self) -> &MailboxId;

    /// Proves that MESH can be reached and takes the credentials.
    async fn handshake(&self) -> Result<(), MeshError>;

    /// Sends a whole message, or its first chunk. Never repeated by the implementation.
    async fn begin_send(&self, outgoing: Outgoing<'_>) -> Result<MessageId, MeshError>;

    /// Sends chunk `index` (from 2) of an upload; the last one completes it. May be repeated.
    async fn continue_send(
        &self,
        outgoing: Outgoing<'_>,
        id: &MessageId,
        index: u32,
    ) -> Result<(), MeshError>;

    /// Asks what became of messages with this local id.
    async fn find_by_local_id(&self, local_id: &LocalId) -> Result<Found, MeshError>;

    /// Asks where a sent message is.
    async fn track(&self, id: &MessageId) -> Result<Tracking, MeshError>;

    /// The ids in the inbox that the filter keeps, oldest first, all pages.
    async fn list(&self, filter: Option<&WorkflowFilter>) -> Result<Vec<MessageId>, MeshError>;

    /// The metadata of a message in the inbox. Changes nothing at MESH.
    async fn head(&self, id: &MessageId) -> Result<Download, MeshError>;

    /// The mailboxes that receive a workflow: those of an organisation, by its ODS code, or all of them.
    async fn lookup(&self, ods_code: Option<&str>, workflow: &WorkflowId)
    -> Result<Vec<Endpoint>, MeshError>;

    /// Opens a message, behind the chunks that are held already. Changes nothing at MESH.
    async fn open(&self, id: &MessageId, held: Held) -> Result<Incoming, MeshError>;

    /// Tells MESH that the message arrived; MESH forgets it. Takes the proof that it did (INV-3).
    async fn acknowledge(&self, delivered: &DeliveryRecorded) -> Result<(), MeshError>;
}

/// What MESH answered, where that decides what happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeshAnswer {
    /// Nothing usable: no connection, no answer, or one that says nothing about the message.
    Nothing,
    /// The message is refused for good.
    Refused(Box<Rejection>),
    /// The mailbox's credentials are refused.
    CredentialsRefused,
    /// One side does not trust the other's certificate.
    NotTrusted,
    /// No such message.
    NoSuchMessage,
    /// The message can no longer be downloaded.
    NoLongerAvailable,
    /// The upload is complete already.
    AlreadyComplete,
}

/// A call to MESH that failed.
#[derive(Debug, Clone, Error)]
#[error("{what}")]
pub struct MeshError {
    /// What happened, to which mailbox, and what to do. Holds nothing of the message.
    pub what: String,
    /// Whether to try again.
    pub class: FailureClass,
    /// Whether it took effect.
    pub effect: Effect,
    /// Whose it is to mend.
    pub owner: Owner,
    /// What MESH said.
    pub answer: MeshAnswer,
    /// Whether every other message of the mailbox would meet the same: no connection, credentials refused, MESH
    /// in trouble. Otherwise it may be this message alone.
    pub mailbox_wide: bool,
}

impl Classify for MeshError {
    fn class(&self) -> FailureClass {
        self.class
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn owner(&self) -> Owner {
        self.owner
    }
}
