//! A whole message up, however many chunks it takes, and on from where it broke off (`mesh-api.md` 5.2).

use std::fmt;

use mesh_api::chunk::{CHUNK_BYTES_DEFAULT, chunk_bytes_max};
use mesh_api::{
    ChunkPlan, Classify, Effect, Envelope, FailureClass, MessageId, Owner, Payload, TrackingStatus,
};
use thiserror::Error;

use crate::client::Mailbox;
use crate::error::{CallError, ErrorKind};

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendOptions {
    /// Largest chunk in bytes, before compression: at least 1; more than [`chunk_bytes_max`] counts as that
    /// (`mesh-api.md` 5.1). 20,000,000 by default, which every network and every document agrees on. A payload that
    /// fits goes in one request.
    pub chunk_bytes: u64,
    /// Whether each chunk is gzipped on the way. Off by default.
    pub gzip: bool,
    /// Whether even a small message is cut in two, so that a lost answer never leaves a doubt
    /// ([`ChunkPlan::two_step`]). Off by default: the recipient must be able to receive chunks.
    pub two_step: bool,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { chunk_bytes: CHUNK_BYTES_DEFAULT, gzip: false, two_step: false }
    }
}

impl SendOptions {
    /// How a payload of `length` bytes is cut.
    ///
    /// # Errors
    /// When MESH takes no payload of that length, or no chunks of that size.
    pub fn plan(&self, length: u64) -> Result<ChunkPlan, mesh_api::chunk::ChunkPlanError> {
        let chunk_bytes = self.chunk_bytes.min(chunk_bytes_max(self.gzip));
        match self.two_step {
            true => ChunkPlan::two_step(length, chunk_bytes),
            false => ChunkPlan::chunked(length, chunk_bytes),
        }
    }
}

/// How far an upload got. Worth keeping on disk: with it, the same payload and the same options, an upload goes on
/// after a restart. Of the payload only the length is known here: whoever keeps this must make sure that the bytes are
/// the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The id that MESH gave with the first chunk.
    pub message_id: MessageId,
    /// The chunk that comes next, counted from 1.
    pub next: u32,
    /// Length of the payload in bytes.
    pub length: u64,
    /// Size of all chunks but the last, in bytes before compression.
    pub chunk_bytes: u64,
    /// Whether each chunk is gzipped.
    pub gzip: bool,
}

/// An upload was begun otherwise than it is to go on: MESH would join chunks that do not fit each other. Nothing is
/// sent then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OtherUpload {
    /// The payload has another length.
    #[error("the data has {now} bytes, and had {before} when the upload began")]
    Length {
        /// Bytes when it began.
        before: u64,
        /// Bytes now.
        now: u64,
    },
    /// It is cut otherwise.
    #[error("it is cut into chunks of {now} bytes, and was into ones of {before} when the upload began")]
    ChunkBytes {
        /// Size of a chunk when it began, in bytes.
        before: u64,
        /// Size of a chunk now, in bytes.
        now: u64,
    },
    /// It is compressed now and was not, or the other way round.
    #[error("gzip is {}, and was {} when the upload began", on(!.before), on(*.before))]
    Gzip {
        /// Whether it was when the upload began.
        before: bool,
    },
}

fn on(gzip: bool) -> &'static str {
    if gzip { "on" } else { "off" }
}

impl Upload {
    /// Whether this upload can go on so.
    fn fits(&self, length: u64, plan: &ChunkPlan, gzip: bool) -> Result<(), OtherUpload> {
        if self.length != length {
            return Err(OtherUpload::Length { before: self.length, now: length });
        }
        if self.chunk_bytes != plan.chunk_bytes() {
            return Err(OtherUpload::ChunkBytes { before: self.chunk_bytes, now: plan.chunk_bytes() });
        }
        if self.gzip != gzip {
            return Err(OtherUpload::Gzip { before: self.gzip });
        }
        Ok(())
    }
}

/// A message that was not sent whole.
#[derive(Clone, Error)]
pub enum SendFailure {
    /// Nothing can be resumed: the first request failed, or the message was refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A later chunk failed. The message is not delivered; [`Mailbox::resume`] goes on.
    #[error("the upload of {} stopped at chunk {}: {error}", .upload.message_id, .upload.next)]
    Interrupted {
        /// Where it stopped.
        upload: Upload,
        /// Why.
        error: CallError,
    },
    /// The payload cannot be cut as asked.
    #[error(transparent)]
    Plan(#[from] mesh_api::chunk::ChunkPlanError),
    /// The upload that is to go on was begun otherwise.
    #[error(transparent)]
    Other(#[from] OtherUpload),
}

impl fmt::Debug for SendFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendFailure({self})")
    }
}

impl SendFailure {
    /// Where the upload stopped, if it can be resumed.
    pub fn upload(&self) -> Option<&Upload> {
        match self {
            Self::Interrupted { upload, .. } => Some(upload),
            _ => None,
        }
    }
}

impl Classify for SendFailure {
    fn class(&self) -> FailureClass {
        match self {
            Self::Call(error) | Self::Interrupted { error, .. } => error.class(),
            Self::Plan(_) | Self::Other(_) => FailureClass::Permanent,
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Call(error) | Self::Interrupted { error, .. } => error.effect(),
            Self::Plan(_) | Self::Other(_) => Effect::NotApplied,
        }
    }

    fn owner(&self) -> Owner {
        match self {
            Self::Call(error) | Self::Interrupted { error, .. } => error.owner(),
            Self::Plan(_) | Self::Other(_) => Owner::Organisation,
        }
    }
}

impl Mailbox {
    /// Sends a message with all its chunks and returns the id that MESH gave it. The first request is made once,
    /// later chunks are repeated within bounds.
    ///
    /// # Errors
    /// [`SendFailure::Call`] with [`Effect::Unknown`] when MESH may have the message; a message of several chunks is
    /// never delivered then, and can be sent anew. [`SendFailure::Interrupted`] tells where to go on.
    pub async fn send_message(
        &self,
        envelope: &Envelope,
        payload: &Payload,
        options: &SendOptions,
    ) -> Result<MessageId, SendFailure> {
        let plan = options.plan(payload.length())?;
        let message_id = self.send(envelope, payload, &plan, options.gzip).await?;
        let upload = Upload {
            message_id,
            next: 2,
            length: payload.length(),
            chunk_bytes: plan.chunk_bytes(),
            gzip: options.gzip,
        };
        self.go_on(upload, payload, &plan).await
    }

    /// Goes on with an upload. Chunks that MESH has already may be sent again without harm; an upload that is
    /// complete already counts as sent if MESH, asked by tracking, says that it accepted the message. Whether
    /// that message is this payload's is not checked, because tracking (version 2) tells no length: the id must be the
    /// upload's own.
    ///
    /// # Errors
    /// [`SendFailure::Other`], before anything is sent, when the upload was begun with another length or other options.
    /// [`SendFailure::Interrupted`], from where it can be resumed again, or [`SendFailure::Call`] when MESH knows no
    /// such upload any more.
    pub async fn resume(
        &self,
        upload: Upload,
        payload: &Payload,
        options: &SendOptions,
    ) -> Result<MessageId, SendFailure> {
        let plan = options.plan(payload.length())?;
        upload.fits(payload.length(), &plan, options.gzip)?;
        let last = upload.next == plan.of();
        match self.go_on(upload.clone(), payload, &plan).await {
            // The attempt before may have brought the last chunk there, whatever became of this one.
            Err(SendFailure::Interrupted { upload: at, error }) if last && at == upload => {
                Err(SendFailure::Interrupted { upload: at, error: error.doubted() })
            }
            outcome => outcome,
        }
    }

    async fn go_on(
        &self,
        mut upload: Upload,
        payload: &Payload,
        plan: &ChunkPlan,
    ) -> Result<MessageId, SendFailure> {
        for index in upload.next..=plan.of() {
            upload.next = index;
            match self.send_chunk(&upload.message_id, payload, plan, upload.gzip, index).await {
                Ok(()) => {}
                // MESH says so of uploads that failed or expired, too.
                Err(error) if *error.kind() == ErrorKind::AlreadyComplete => {
                    let tracked = self.track(&upload.message_id).await.map(|tracking| tracking.status);
                    if matches!(tracked, Ok(TrackingStatus::Accepted | TrackingStatus::Acknowledged)) {
                        break;
                    }
                    let error = if tracked.is_err() { error.doubted() } else { error };
                    return Err(SendFailure::Interrupted { upload, error });
                }
                Err(error) if *error.kind() == ErrorKind::NoSuchMessage => return Err(error.into()),
                Err(error) => return Err(SendFailure::Interrupted { upload, error }),
            }
        }
        Ok(upload.message_id)
    }
}
