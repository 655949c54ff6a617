//! Handshake, acknowledging, tracking (`mesh-api.md` 4.1, 4.7, 4.10, 4.11), and opening a message.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Response};
use mesh_api::{Download, Held, LocalId, MessageId, PayloadStream, Tracking, header, path};

use crate::call::Outline;
use crate::client::Mailbox;
use crate::error::{Call, CallError, ErrorKind};

/// A message that is being downloaded.
pub struct OpenMessage {
    /// Its metadata.
    pub download: Download,
    /// Its bytes: chunks joined, transport compression undone. An error of the stream holds a [`CallError`],
    /// found by [`std::io::Error::get_ref`]. Dropping the stream ends the download. After each chunk but the last comes an
    /// empty piece, when [`Self::progress`] has moved and the next chunk is not yet asked for.
    pub body: PayloadStream,
    /// How much of the message is whole chunks, as the stream goes: worth keeping beside the bytes, because
    /// [`Mailbox::open_behind`] goes on there.
    pub progress: Progress,
}

/// How many whole chunks a download has given. Moves as its stream is read: with the empty piece that ends a chunk, it
/// counts that one.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Held>>);

impl Progress {
    /// Whole chunks so far.
    pub fn held(&self) -> Held {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, held: Held) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

/// What MESH knows of a local id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalIdMatch {
    /// No message.
    Nothing,
    /// One message.
    One(Tracking),
    /// More than one; MESH does not say which.
    Several,
}

impl Mailbox {
    /// Proves that MESH can be reached and takes the credentials (`mesh-api.md` 4.1). To be called daily.
    ///
    /// # Errors
    /// What every call may meet; [`ErrorKind::CredentialsRefused`] tells of the credentials.
    pub async fn handshake(&self) -> Result<(), CallError> {
        const CALL: Call = Call::Handshake;
        let fixed = |value| HeaderValue::from_static(value);
        let shared = &self.client.shared;
        let outline = Outline::new(CALL, Method::POST, path::handshake(&self.id))
            .header(HeaderName::from_static(header::CLIENT_VERSION), shared.application.clone())
            .header(HeaderName::from_static(header::OS_NAME), fixed(std::env::consts::OS))
            .header(HeaderName::from_static(header::OS_VERSION), shared.os_version.clone())
            .header(HeaderName::from_static(header::OS_ARCHITECTURE), fixed(std::env::consts::ARCH))
            .header(HeaderName::from_static(header::JAVA_VERSION), fixed("N/A"));
        let response = self.repeat(&outline, None).await?;
        self.drain(CALL, response).await;
        Ok(())
    }

    /// Metadata of a message, without its bytes (`mesh-api.md` 4.6): of one in this inbox, or of one that this
    /// mailbox sent, in whatever state.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchMessage`], [`ErrorKind::NoLongerAvailable`], or what every call may meet.
    pub async fn head(&self, id: &MessageId) -> Result<Download, CallError> {
        const CALL: Call = Call::Head;
        let outline = Outline::new(CALL, Method::HEAD, path::message(&self.id, id));
        let response = self.repeat(&outline, None).await?;
        self.metadata(CALL, id, &response)
    }

    /// Tells MESH that a message arrived; MESH forgets it (`mesh-api.md` 4.7). To be called only when the
    /// message is safe. May be repeated.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchMessage`] and [`ErrorKind::NoLongerAvailable`] may also mean that it was acknowledged
    /// before.
    pub async fn acknowledge(&self, id: &MessageId) -> Result<(), CallError> {
        const CALL: Call = Call::Acknowledge;
        let outline = Outline::new(CALL, Method::PUT, path::acknowledge(&self.id, id));
        let response = self.repeat(&outline, None).await?;
        self.drain(CALL, response).await;
        Ok(())
    }

    /// Asks where a sent message is (`mesh-api.md` 4.10).
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchMessage`] when this mailbox sent no such message.
    pub async fn track(&self, id: &MessageId) -> Result<Tracking, CallError> {
        const CALL: Call = Call::Track;
        let tracking = self.tracking(CALL, path::tracking(&self.id, id)).await?;
        if !tracking.message_id.as_str().eq_ignore_ascii_case(id.as_str()) {
            return Err(self.unusable(CALL, "it is about another message"));
        }
        Ok(tracking)
    }

    /// Asks what MESH knows of a local id (`mesh-api.md` 4.11, deprecated there, without a replacement). Only a
    /// 404 in MESH's own form counts as nothing: a proxy's would make a caller send twice.
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn track_by_local_id(&self, local_id: &LocalId) -> Result<LocalIdMatch, CallError> {
        let path = path::tracking_by_local_id(&self.id, local_id);
        match self.tracking(Call::TrackByLocalId, path).await {
            Ok(tracking) => Ok(LocalIdMatch::One(tracking)),
            Err(error) if *error.kind() == ErrorKind::NoSuchMessage => Ok(LocalIdMatch::Nothing),
            Err(error) if error.status() == Some(300) => Ok(LocalIdMatch::Several),
            Err(error) => Err(error),
        }
    }

    async fn tracking(&self, call: Call, path: String) -> Result<Tracking, CallError> {
        let response = self.repeat(&Outline::new(call, Method::GET, path), None).await?;
        let body = self.read_small(call, response).await?;
        Tracking::read(&body).ok_or_else(|| self.unusable(call, "it is no tracking record"))
    }

    /// Reads away a body that says nothing, so that the connection can be used again. What goes wrong there no
    /// longer matters.
    pub(crate) async fn drain(&self, call: Call, response: Response<Incoming>) {
        if let Err(error) = self.read_small(call, response).await {
            tracing::debug!(%error, "the rest of an answer was not read");
        }
    }
}
