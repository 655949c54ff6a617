//! The body of a webhook's request, which knows how far it got.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use futures_util::stream;
use hyper::body::{Body, Frame, SizeHint};
use relay_core::PayloadStream;
use sha2::{Digest, Sha256};

use crate::moves::Moves;
use crate::signature::{DIGEST, SigningSecret};

/// SHA-256 of a body (RFC 9530): a header, or behind a streamed body a trailer.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// Signature over that digest: a trailer.
pub(crate) const BODY_SIGNATURE: HeaderName = HeaderName::from_static("webhook-body-signature");

/// How far a body got. Shared between the body, which the connection owns, and the call that waits.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) moves: Moves,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    handed_out: bool,
    failure: Option<io::Error>,
}

impl Progress {
    fn new() -> Self {
        Self { moves: Moves::new(), state: Arc::default() }
    }

    /// Whether the connection was given all of the body. A receiver that says before that that it has it does not.
    pub(crate) fn handed_out(&self) -> bool {
        self.lock().handed_out
    }

    /// Why the body's source failed, if it did.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.lock().failure.take()
    }

    /// Each field is written whole, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a request.
pub(crate) struct OutgoingBody {
    source: Option<PayloadStream>,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
    /// What makes the trailers of a body whose length is not known.
    seal: Option<Seal>,
    progress: Progress,
}

/// Sums up a streamed body, and signs the sum.
pub(crate) struct Seal {
    hash: Sha256,
    secret: SigningSecret,
    id: String,
    timestamp: String,
}

impl Seal {
    pub(crate) fn new(secret: &SigningSecret, id: &str, timestamp: &str) -> Self {
        let (id, timestamp) = (id.to_owned(), timestamp.to_owned());
        Self { hash: Sha256::new(), secret: secret.clone(), id, timestamp }
    }

    /// The trailers.
    fn close(self) -> HeaderMap {
        let digest = content_digest(&self.hash.finalize());
        let signature = self.secret.sign(DIGEST, &self.id, &self.timestamp, digest.as_bytes());
        let mut trailers = HeaderMap::new();
        for (name, value) in [(CONTENT_DIGEST, digest), (BODY_SIGNATURE, signature)] {
            // Base64 is visible ASCII.
            if let Ok(value) = HeaderValue::from_str(&value) {
                trailers.insert(name, value);
            }
        }
        trailers
    }
}

/// A digest as `Content-Digest` writes it.
fn content_digest(sha256: &[u8]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(sha256))
}

/// What announces the trailers of a streamed body.
pub(crate) fn announce(headers: &mut HeaderMap) {
    headers.insert(header::TRAILER, HeaderValue::from_static("content-digest, webhook-body-signature"));
}

impl OutgoingBody {
    /// A body in memory.
    pub(crate) fn whole(body: Bytes) -> Self {
        let (length, progress) = (body.len() as u64, Progress::new());
        progress.lock().handed_out = body.is_empty();
        let source: PayloadStream = Box::pin(stream::iter([Ok(body)]));
        Self { source: Some(source), left: Some(length), seal: None, progress }
    }

    /// A body of a length that nobody knows.
    pub(crate) fn streamed(source: PayloadStream, seal: Seal) -> Self {
        Self { source: Some(source), left: None, seal: Some(seal), progress: Progress::new() }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let Some(source) = &mut this.source else { return Poll::Ready(None) };
        let next = ready!(source.as_mut().poll_next(context));
        this.progress.moves.note();
        match next {
            Some(Ok(piece)) => {
                if let Some(left) = &mut this.left {
                    *left = left.saturating_sub(piece.len() as u64);
                    this.progress.lock().handed_out = *left == 0;
                }
                if let Some(seal) = &mut this.seal {
                    seal.hash.update(&piece);
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Some(Err(error)) => {
                this.source = None;
                let kind = error.kind();
                this.progress.lock().failure = Some(error);
                Poll::Ready(Some(Err(kind.into())))
            }
            None => {
                this.source = None;
                this.progress.lock().handed_out = true;
                let trailers = this.seal.take().map(Seal::close);
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0) || self.source.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
