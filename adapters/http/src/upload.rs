//! A caller's body on its way to MESH: read once, in order, never kept.
//!
//! A chunk is read from the request while it is posted; the next one goes on behind it. When MESH has the first chunks of a
//! message from an earlier request, what lies before the next one is read and dropped. That it is the same as what was sent
//! then, no hash over the whole body can show, since the body of then never ended. So the hash of what was sent is kept,
//! in memory, at the end of each chunk ([`Begun`]). After a restart it is gone, and then only a body of which both
//! requests gave the digest goes on.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use relay_core::{OpenPayload, PayloadStream};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::time::timeout;

use crate::moves::Moves;

/// Ends of chunks that are remembered: MESH may not have taken the last one.
const ENDS_MAX: usize = 2;

/// SHA-256 of something.
pub(crate) type Sum = [u8; 32];

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BodyFault {
    /// The caller went away.
    #[error("the body ended before its Content-Length")]
    Gone,
    /// The caller sent nothing for long.
    #[error("nothing of the body came for too long")]
    Slow,
    /// It is not what `Content-Digest` says.
    #[error("the body is not the one that Content-Digest names, and MESH was not given the last of it")]
    Digest,
    /// It does not begin as the body of an earlier request did.
    #[error("the body does not begin as the one of an earlier request with this key did")]
    OtherContent,
    /// Nobody can tell whether it begins so.
    #[error("whether the body begins as the one that was begun before cannot be told")]
    Unverifiable,
    /// It was read, and is asked for again.
    #[error("the body was read already; the caller must repeat the request")]
    Spent,
}

impl From<BodyFault> for io::Error {
    /// Of a kind that nobody tries again with the same request.
    fn from(fault: BodyFault) -> Self {
        let kind = match fault {
            BodyFault::Digest => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::UnexpectedEof,
        };
        Self::new(kind, fault)
    }
}

/// What was sent of a message in requests before: hashes of its beginning, each up to the end of a chunk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Begun(Arc<Mutex<Vec<(u64, Sum)>>>);

impl Begun {
    fn note(&self, end: u64, sum: Sum) {
        let mut ends = self.lock();
        ends.retain(|(other, _)| *other < end);
        ends.push((end, sum));
        if ends.len() > ENDS_MAX {
            ends.remove(0);
        }
    }

    fn up_to(&self, end: u64) -> Option<Sum> {
        self.lock().iter().find(|(other, _)| *other == end).map(|(_, sum)| *sum)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Sum)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a body must be.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Its SHA-256, if the caller gave it.
    pub(crate) sum: Option<Sum>,
    /// Longest time without a byte of it.
    pub(crate) quiet_max: Duration,
}

/// A caller's body. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upload(Arc<Shared>);

struct Shared {
    reader: Mutex<Option<Reader>>,
    fault: Mutex<Option<BodyFault>>,
    moves: Moves,
}

impl Upload {
    pub(crate) fn new(body: Body, promise: Promise, begun: Begun) -> Self {
        let reader = Reader {
            body: body.into_data_stream(),
            read: Bytes::new(),
            at: 0,
            is_opened: false,
            hash: promise.sum.map(|_| Sha256::new()),
            promise,
            begun,
        };
        Self(Arc::new(Shared {
            reader: Mutex::new(Some(reader)),
            fault: Mutex::default(),
            moves: Moves::new(),
        }))
    }

    /// Why the body could not be read, if so.
    pub(crate) fn fault(&self) -> Option<BodyFault> {
        *self.0.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it moved last.
    pub(crate) fn moves(&self) -> &Moves {
        &self.0.moves
    }

    /// Reads and drops what lies before `start`, which MESH holds from an earlier request.
    ///
    /// # Errors
    /// When the body ends before, or is another one. [`Self::fault`] says which.
    pub(crate) async fn skip_to(&self, start: u64) -> Result<(), BodyFault> {
        let mut reader = self.0.take()?;
        match reader.skip_to(start, &self.0.moves).await {
            Ok(()) => {
                self.0.put(reader);
                Ok(())
            }
            Err(fault) => Err(self.0.failed(fault)),
        }
    }
}

impl Shared {
    fn take(&self) -> Result<Reader, BodyFault> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        reader.ok_or_else(|| self.failed(BodyFault::Spent))
    }

    fn put(&self, reader: Reader) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
    }

    /// Keeps the first fault: what follows comes of it.
    fn failed(&self, fault: BodyFault) -> BodyFault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault)
    }
}

impl OpenPayload for Upload {
    /// Ranges must follow each other; the first may begin anywhere behind what was read.
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        Box::pin(async move {
            let mut reader = self.0.take()?;
            let follows = reader.at == range.start || !reader.is_opened && reader.at < range.start;
            if !follows || range.end > reader.promise.length {
                return Err(self.0.failed(BodyFault::Spent).into());
            }
            reader.is_opened = true;
            if range.start > 0 || range.end < reader.promise.length {
                reader.must_hash();
            }
            let part = Part { shared: Arc::clone(&self.0), reader: Some(reader), range };
            let stream: PayloadStream = Box::pin(stream::try_unfold(part, Part::next));
            Ok(stream)
        })
    }
}

/// A range that is being read. Dropped before its end, it takes the body with it.
struct Part {
    shared: Arc<Shared>,
    reader: Option<Reader>,
    range: Range<u64>,
}

impl Part {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let Some(mut reader) = self.reader.take().filter(|_| !self.range.is_empty()) else { return Ok(None) };
        let moves = &self.shared.moves;
        let read = async {
            reader.skip_to(self.range.start, moves).await?;
            reader.next(self.range.end - reader.at, moves).await
        };
        let piece = read.await.map_err(|fault| self.shared.failed(fault))?;
        if reader.at == self.range.end {
            reader.note_end();
            // Before the last piece is handed on: whoever has it may not ask whether there is more.
            self.shared.put(reader);
        } else {
            self.reader = Some(reader);
        }
        Ok(Some((piece, self)))
    }
}

/// A body, read up to a place.
struct Reader {
    body: BodyDataStream,
    /// What was read and not handed on.
    read: Bytes,
    /// How much was handed on or dropped.
    at: u64,
    is_opened: bool,
    /// Of all that was handed on or dropped, where somebody will ask for it.
    hash: Option<Sha256>,
    promise: Promise,
    begun: Begun,
}

impl Reader {
    /// From the beginning, or not at all.
    fn must_hash(&mut self) {
        if self.at == 0 && self.hash.is_none() {
            self.hash = Some(Sha256::new());
        }
    }

    /// The next bytes, at most `most`.
    async fn next(&mut self, most: u64, moves: &Moves) -> Result<Bytes, BodyFault> {
        while self.read.is_empty() {
            let frame = timeout(self.promise.quiet_max, self.body.next()).await;
            self.read = match frame {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(_)) | None) => return Err(BodyFault::Gone),
                Err(_) => return Err(BodyFault::Slow),
            };
        }
        moves.note();
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.read.len());
        let piece = self.read.split_to(most);
        self.at += piece.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&piece);
        }
        if self.at == self.promise.length && self.promise.sum.is_some() && self.sum() != self.promise.sum {
            return Err(BodyFault::Digest);
        }
        Ok(piece)
    }

    async fn skip_to(&mut self, start: u64, moves: &Moves) -> Result<(), BodyFault> {
        if self.at >= start {
            return Ok(());
        }
        self.must_hash();
        let before = self.begun.up_to(start);
        if before.is_none() && self.promise.sum.is_none() {
            return Err(BodyFault::Unverifiable);
        }
        while self.at < start {
            self.next(start - self.at, moves).await?;
        }
        if before.is_some() && self.sum() != before {
            return Err(BodyFault::OtherContent);
        }
        Ok(())
    }

    /// The hash of what was read so far.
    fn sum(&self) -> Option<Sum> {
        self.hash.clone().map(|hash| hash.finalize().into())
    }

    /// A chunk was handed on to its end.
    fn note_end(&self) {
        if self.at < self.promise.length
            && let Some(sum) = self.sum()
        {
            self.begun.note(self.at, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use relay_core::Payload;

    fn upload(body: &'static [u8], sum: Option<Sum>, begun: &Begun) -> (Upload, Payload) {
        // In frames of three bytes, none of which ends where a chunk does.
        let frames = stream::iter(body.chunks(3).map(|frame| Ok::<_, io::Error>(Bytes::from_static(frame))));
        let promise = Promise { length: 10, sum, quiet_max: Duration::from_secs(5) };
        let upload = Upload::new(Body::from_stream(frames), promise, begun.clone());
        let payload = Payload::new(10, Arc::new(upload.clone()));
        (upload, payload)
    }

    async fn read(payload: &Payload, range: Range<u64>) -> io::Result<Vec<u8>> {
        payload.open(range).await?.map_ok(|piece| piece.to_vec()).try_concat().await
    }

    const BODY: &[u8] = b"0123456789";

    fn sum(body: &[u8]) -> Option<Sum> {
        Some(Sha256::digest(body).into())
    }

    #[tokio::test]
    async fn ranges_follow_each_other_and_none_comes_twice() {
        let (upload, payload) = upload(BODY, None, &Begun::default());
        assert_eq!(read(&payload, 0..4).await.expect("a chunk"), b"0123");
        assert_eq!(read(&payload, 4..8).await.expect("a chunk"), b"4567");
        let error = read(&payload, 4..8).await.expect_err("it was read");
        assert!(error.to_string().contains("repeat the request"), "{error}");
        assert_eq!(upload.fault(), Some(BodyFault::Spent));
        assert!(read(&payload, 8..10).await.is_err(), "it is over");
    }

    #[tokio::test]
    async fn a_range_that_was_left_in_the_middle_takes_the_body_with_it() {
        let (upload, payload) = upload(BODY, None, &Begun::default());
        let mut stream = payload.open(0..8).await.expect("a stream");
        assert!(stream.next().await.is_some_and(|piece| piece.is_ok()));
        drop(stream);
        assert!(read(&payload, 3..8).await.is_err());
        assert_eq!(upload.fault(), Some(BodyFault::Spent));
    }

    #[tokio::test]
    async fn the_last_bytes_of_a_body_that_is_another_one_are_never_handed_on() {
        for (body, fault) in [
            (&b"012345678X"[..], Some(BodyFault::Digest)),
            (&b"01234567"[..], Some(BodyFault::Gone)),
            (BODY, None),
        ] {
            let (upload, payload) = upload(body, sum(BODY), &Begun::default());
            let mut stream = payload.open(0..10).await.expect("a stream");
            let mut handed_on = 0;
            while let Some(Ok(piece)) = stream.next().await {
                handed_on += piece.len();
            }
            assert_eq!((upload.fault(), handed_on == 10), (fault, fault.is_none()));
        }
    }

    #[tokio::test]
    async fn what_goes_on_must_begin_as_what_was_begun() {
        let begun = Begun::default();
        let (_, first) = upload(BODY, None, &begun);
        assert_eq!(read(&first, 0..4).await.expect("a chunk"), b"0123");
        let (again, payload) = upload(BODY, None, &begun);
        again.skip_to(4).await.expect("the same");
        assert_eq!(read(&payload, 4..10).await.expect("the rest"), b"456789");
        let (_, payload) = upload(BODY, None, &begun);
        assert_eq!(read(&payload, 4..10).await.expect("the rest"), b"456789", "opened there at once");
        let (other, _) = upload(b"01X3456789", None, &begun);
        assert_eq!(other.skip_to(4).await, Err(BodyFault::OtherContent));
        // Nobody remembers.
        let (unknown, _) = upload(BODY, None, &Begun::default());
        assert_eq!(unknown.skip_to(4).await, Err(BodyFault::Unverifiable));
        let (summed, payload) = upload(BODY, sum(BODY), &Begun::default());
        summed.skip_to(4).await.expect("it is known by its digest");
        assert_eq!(read(&payload, 4..10).await.expect("the rest"), b"456789");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_ends() {
        let promise = Promise { length: 10, sum: None, quiet_max: Duration::from_secs(50) };
        let body = Body::from_stream(stream::pending::<io::Result<Bytes>>());
        let upload = Upload::new(body, promise, Begun::default());
        assert!(read(&Payload::new(10, Arc::new(upload.clone())), 0..10).await.is_err());
        assert_eq!(upload.fault(), Some(BodyFault::Slow));
    }
}
