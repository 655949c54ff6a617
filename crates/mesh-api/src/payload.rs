//! A message's bytes: a stream that can be opened again, for any part of it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;

/// Bytes on their way. An error ends the stream. One of the kind [`io::ErrorKind::InvalidData`] says that the bytes
/// themselves are at fault and will be the next time too; after any other, another attempt may do better.
pub type PayloadStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Opens a part of a payload. Implemented by whoever holds the bytes: a folder, a broker's delivery, a caller.
pub trait OpenPayload: Send + Sync {
    /// Opens the bytes of `range`. The stream yields exactly that many, or an error: a holder that finds its
    /// bytes changed since the payload was made must fail rather than yield others.
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>>;
}

/// A message's body: how long it is and how to read it, as often as attempts need it. Never the whole message
/// in memory unless its holder has it there anyway. Cheap to clone.
#[derive(Clone)]
pub struct Payload {
    length: u64,
    holder: Arc<dyn OpenPayload>,
}

impl Payload {
    /// A payload of `length` bytes.
    pub fn new(length: u64, holder: Arc<dyn OpenPayload>) -> Self {
        Self { length, holder }
    }

    /// A payload that is in memory already.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { length: bytes.len() as u64, holder: Arc::new(InMemory(bytes)) }
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Opens the bytes of `range`.
    ///
    /// # Errors
    /// Whatever the holder meets: the file is gone or was changed.
    pub async fn open(&self, range: Range<u64>) -> io::Result<PayloadStream> {
        self.holder.open(range).await
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.length)
    }
}

struct InMemory(Bytes);

impl OpenPayload for InMemory {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(self.0.len());
        let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
        let part = self.0.slice(start..end);
        Box::pin(async move {
            let stream: PayloadStream = Box::pin(futures_util::stream::once(async move { Ok(part) }));
            Ok(stream)
        })
    }
}
