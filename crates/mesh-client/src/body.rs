//! Request bodies that know how far they got.
//!
//! Whether a broken send may be repeated depends on one fact: was the last byte handed to the connection? So
//! every body keeps a [`Watch`], and holds its last piece back until its source has ended as promised. The last byte
//! counts, not the end behind it: a receiver may take the message once it has that byte.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use hyper::body::{Body, Frame, SizeHint};
use mesh_api::PayloadStream;
use tokio::time::Instant;

use crate::gzip::{CompressorFailed, Compressors};

/// Largest piece that is handed to the connection at once.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

/// How far a body got. Shared between the body, which the connection owns, and the call that waits.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Mutex<Progress>>);

#[derive(Debug)]
struct Progress {
    moved: Instant,
    handed_out: bool,
    given_up: bool,
    failure: Option<BodyFailure>,
    /// Of the connection, while it waits for the source.
    waiting: Option<Waker>,
}

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    /// Its source failed, or was not as long as promised.
    Source(io::ErrorKind),
    /// It could not be compressed.
    Compressor,
}

impl BodyFailure {
    fn of(error: &io::Error) -> Self {
        match error.get_ref() {
            Some(inner) if inner.is::<CompressorFailed>() => Self::Compressor,
            _ => Self::Source(error.kind()),
        }
    }
}

impl Watch {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Progress {
            moved: Instant::now(),
            handed_out: false,
            given_up: false,
            failure: None,
            waiting: None,
        })))
    }

    /// When the body last moved: a piece of it was handed out, or one of its source was read.
    pub(crate) fn moved(&self) -> Instant {
        self.lock().moved
    }

    /// Whether the connection was given the last byte. An empty body counts as given from the start, because a
    /// connection never asks for it.
    pub(crate) fn handed_out(&self) -> bool {
        self.lock().handed_out
    }

    /// Ends the body where it is, and with it the connection, and says whether that was given the last byte. After
    /// this no byte leaves, so the answer stays true while the request is being dropped.
    pub(crate) fn give_up(&self) -> bool {
        let mut progress = self.lock();
        progress.given_up = true;
        // A source that never moves again would keep the connection waiting.
        if let Some(connection) = progress.waiting.take() {
            connection.wake();
        }
        progress.handed_out
    }

    /// Notes that something moved.
    fn note_move(&self) {
        self.lock().moved = Instant::now();
    }

    /// Why the body failed, if it did.
    pub(crate) fn failure(&self) -> Option<BodyFailure> {
        self.lock().failure
    }

    /// A poisoned lock is taken as it is: each field is written whole.
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a request.
pub(crate) struct RequestBody {
    source: Option<PayloadStream>,
    /// Bytes still to come, when the length is known beforehand.
    left: Option<u64>,
    /// The piece that comes next, when the length is not known: it may be the last one.
    held_back: Option<Bytes>,
    watch: Watch,
}

impl RequestBody {
    /// No body.
    pub(crate) fn empty() -> Self {
        let watch = Watch::new();
        watch.lock().handed_out = true;
        Self { source: None, left: Some(0), held_back: None, watch }
    }

    /// Exactly `length` bytes of `source`.
    pub(crate) fn plain(source: PayloadStream, length: u64) -> Self {
        let source = Some(Box::pin(Exact::new(source, length)) as PayloadStream);
        Self { source, left: Some(length), held_back: None, watch: Watch::new() }
    }

    /// `length` bytes of `source`, gzipped on the way.
    pub(crate) fn gzipped(source: PayloadStream, length: u64, compressors: &Compressors) -> Self {
        let watch = Watch::new();
        // A slow source may take long to fill a block, and nothing goes out meanwhile.
        let reading = watch.clone();
        let source = Exact::new(source, length).inspect_ok(move |_| reading.note_move());
        let source = Some(compressors.compress(Box::pin(source)));
        Self { source, left: None, held_back: None, watch }
    }

    /// The watch over this body.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        loop {
            let Some(source) = &mut this.source else {
                return Poll::Ready(None);
            };
            let next = source.as_mut().poll_next(context);
            let mut progress = this.watch.lock();
            if progress.given_up {
                // Whoever waited was told what left, and that must stay true.
                this.source = None;
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            }
            let Poll::Ready(next) = next else {
                progress.waiting = Some(context.waker().clone());
                return Poll::Pending;
            };
            progress.moved = Instant::now();
            match (next, &mut this.left) {
                (Some(Ok(piece)), Some(left)) => {
                    *left = left.saturating_sub(piece.len() as u64);
                    progress.handed_out = *left == 0;
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                (Some(Ok(piece)), None) => {
                    if let Some(before) = this.held_back.replace(piece) {
                        return Poll::Ready(Some(Ok(Frame::data(before))));
                    }
                }
                (Some(Err(error)), _) => {
                    progress.failure = Some(BodyFailure::of(&error));
                    this.source = None;
                    return Poll::Ready(Some(Err(error)));
                }
                (None, _) => {
                    progress.handed_out = true;
                    this.source = None;
                    // Nothing comes behind it, so that the connection need not ask again.
                    this.left = Some(0);
                    return Poll::Ready(this.held_back.take().map(|last| Ok(Frame::data(last))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

/// A stream of exactly so many bytes, in pieces of at most [`PIECE_BYTES`]. The last piece is held back until
/// the source has ended, so that a source that yields too much, or fails at its end, never lets a whole body
/// out. Small pieces keep what the connection was given close to what it wrote.
struct Exact {
    source: PayloadStream,
    left: u64,
    buffer: Bytes,
    ended: bool,
}

impl Exact {
    fn new(source: PayloadStream, length: u64) -> Self {
        Self { source, left: length, buffer: Bytes::new(), ended: false }
    }

    fn fail(&mut self, error: io::Error) -> Poll<Option<io::Result<Bytes>>> {
        self.ended = true;
        self.buffer.clear();
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Exact {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            if this.buffer.len() > PIECE_BYTES {
                return Poll::Ready(Some(Ok(this.buffer.split_to(PIECE_BYTES))));
            }
            if this.left > 0 && !this.buffer.is_empty() {
                return Poll::Ready(Some(Ok(std::mem::take(&mut this.buffer))));
            }
            let piece = match ready!(this.source.as_mut().poll_next(context)) {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return this.fail(error),
                None if this.left > 0 => return this.fail(io::ErrorKind::UnexpectedEof.into()),
                None => {
                    this.ended = true;
                    let last = std::mem::take(&mut this.buffer);
                    return Poll::Ready((!last.is_empty()).then_some(Ok(last)));
                }
            };
            if piece.is_empty() {
                continue;
            }
            match this.left.checked_sub(piece.len() as u64) {
                Some(left) => {
                    this.left = left;
                    this.buffer = piece;
                }
                None => return this.fail(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;

    fn source(pieces: Vec<io::Result<&'static [u8]>>) -> PayloadStream {
        Box::pin(stream::iter(pieces).map(|piece| piece.map(Bytes::from_static)))
    }

    #[tokio::test]
    async fn a_body_of_the_promised_length_is_handed_out() {
        let body = RequestBody::plain(source(vec![Ok(b"ab"), Ok(b""), Ok(b"cd")]), 4);
        let watch = body.watch();
        assert!(!watch.handed_out());
        assert_eq!(body.size_hint().exact(), Some(4));
        let bytes = body.collect().await.expect("a body").to_bytes();
        assert_eq!(&bytes[..], b"abcd");
        assert!(watch.handed_out());
    }

    #[tokio::test]
    async fn no_byte_leaves_after_giving_up() {
        let mut body = RequestBody::plain(source(vec![Ok(b"ab"), Ok(b"cd")]), 4);
        let watch = body.watch();
        assert!(body.frame().await.expect("a frame").is_ok());
        assert!(!watch.give_up(), "the last byte is still here");
        assert!(body.frame().await.expect("an end").is_err());
        assert!(body.frame().await.is_none() && !watch.handed_out());
    }

    #[tokio::test]
    async fn a_source_that_breaks_its_promise_never_hands_out_its_last_byte() {
        let short = vec![Ok(&b"ab"[..])];
        let long = vec![Ok(&b"ab"[..]), Ok(b"cd"), Ok(b"e")];
        let late = vec![Ok(&b"ab"[..]), Ok(b"cd"), Err(io::Error::from(io::ErrorKind::NotFound))];
        for (pieces, kind) in [
            (short, io::ErrorKind::UnexpectedEof),
            (long, io::ErrorKind::InvalidData),
            (late, io::ErrorKind::NotFound),
        ] {
            let body = RequestBody::plain(source(pieces), 4);
            let watch = body.watch();
            assert!(body.collect().await.is_err());
            let failure = Some(BodyFailure::Source(kind));
            assert_eq!((watch.handed_out(), watch.failure()), (false, failure));
        }
    }

    #[tokio::test]
    async fn a_compressor_that_fails_is_not_told_as_the_sources_fault() {
        let mut body = RequestBody::plain(source(vec![Err(io::Error::other(CompressorFailed))]), 4);
        assert!(body.frame().await.expect("an end").is_err());
        assert_eq!(body.watch().failure(), Some(BodyFailure::Compressor));
    }

    /// A receiver may take the message when it has the member's end, and so before the body's.
    #[tokio::test]
    async fn gzip_counts_as_handed_out_with_its_last_byte() {
        let mut body = RequestBody::gzipped(source(vec![Ok(b"ab"), Ok(b"cd")]), 4, &Compressors::new());
        let watch = body.watch();
        let mut gzip = Vec::new();
        while !body.is_end_stream() {
            assert!(!watch.handed_out(), "the trailer is still here");
            gzip.extend_from_slice(
                &body.frame().await.expect("a frame").expect("a piece").into_data().expect("data"),
            );
        }
        assert!(watch.handed_out());
        let mut plain = Vec::new();
        io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut plain).expect("gzip");
        assert_eq!(plain, b"abcd");
    }

    #[tokio::test]
    async fn giving_up_wakes_a_connection_that_waits_for_the_source() {
        let mut body = RequestBody::plain(Box::pin(stream::pending()), 4);
        let watch = body.watch();
        let connection = tokio::spawn(async move { body.frame().await });
        tokio::task::yield_now().await;
        watch.give_up();
        assert!(connection.await.expect("a task").expect("a frame").is_err());
    }
}
