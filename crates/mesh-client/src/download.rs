//! Downloading: chunks fetched one after the other, decoded each by itself, joined (`mesh-api.md` 4.4, 4.5, 5.3).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT_ENCODING, HeaderValue, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Response};
use mesh_api::chunk::MESSAGE_BYTES_MAX;
use mesh_api::{ChunkRange, Download, Effect, Held, MessageId, PayloadStream, header, path};
use tokio::time::timeout;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::call::{Coding, NOT_ASKED_FOR, Outline, coding, text, tokens};
use crate::client::Mailbox;
use crate::error::{Call, CallError, ErrorKind};
use crate::receive::{OpenMessage, Progress};

/// Pieces in which decoded bytes are handed on.
const PIECE_BYTES: usize = 64 * 1024;
/// Beyond [`crate::ClientConfig::expanded_bytes_max`], most decoded bytes of a chunk per encoded one. Deflate reaches
/// 1,030; records make 5 to 50.
const EXPANSION_RATIO_MAX: u64 = 200;

/// Times in a row that a chunk is fetched again after its connection broke, without a byte more than before.
const RESUMES_MAX: u32 = 3;

/// How much an answer may become.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Decoded bytes of a chunk that are taken whatever the ratio.
    free: u64,
    /// Beyond those, most decoded bytes of a chunk per encoded one.
    ratio: u64,
    /// Most decoded bytes of the message.
    message: u64,
}

impl Bounds {
    /// Whether so many decoded bytes of a chunk and of the message are still believable.
    fn hold(self, encoded: u64, chunk: u64, message: u64) -> bool {
        let ratio = chunk <= self.free || chunk <= encoded.saturating_mul(self.ratio);
        ratio && message <= self.message
    }
}

/// One chunk on its way.
struct Chunk {
    bytes: PayloadStream,
    encoded: Arc<AtomicU64>,
    decoded: u64,
}

/// A message on its way.
struct Joined {
    mailbox: Mailbox,
    id: MessageId,
    range: ChunkRange,
    chunk: Chunk,
    /// Whether this chunk was handed on to its end, and told as good.
    whole: bool,
    decoded: u64,
    bounds: Bounds,
    /// Bytes of this chunk that were handed on before its connection broke, and are passed over now.
    passing_over: u64,
    /// Resumes in a row that brought nothing new.
    resumes: u32,
    progress: Progress,
}

impl Mailbox {
    /// Opens a message: its metadata, and its bytes as a stream that goes on over all chunks by itself
    /// (`mesh-api.md` 4.4 and 4.5). Changes nothing at MESH. Where the connection breaks, the stream fetches that chunk
    /// again and goes on behind what it gave already; chunks before it are not fetched again.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchMessage`], [`ErrorKind::NoLongerAvailable`], or what every call may meet. The stream
    /// fails when a chunk does, when a body is cut short, when status and chunk range disagree, and with
    /// [`ErrorKind::ExpandsTooFar`] when the bytes become more than [`crate::ClientConfig::expanded_bytes_max`] allows,
    /// or than [`MESSAGE_BYTES_MAX`].
    pub async fn open(&self, id: &MessageId) -> Result<OpenMessage, CallError> {
        const CALL: Call = Call::Open;
        let response = self.fetch(CALL, path::message(&self.id, id)).await?;
        let download = self.metadata(CALL, id, &response)?;
        let range = download.chunk;
        self.agree(CALL, response.status().as_u16(), range, 1)?;
        self.joined(CALL, download, response, range, Held::default())
    }

    /// The same for somebody who has the first chunks already: the stream begins behind them. What is held must come
    /// from [`OpenMessage::progress`] of the same message.
    ///
    /// # Errors
    /// As [`Mailbox::open`].
    pub async fn open_behind(&self, id: &MessageId, held: Held) -> Result<OpenMessage, CallError> {
        const CALL: Call = Call::OpenChunk;
        if held.chunks == 0 {
            return self.open(id).await;
        }
        // Later chunks need not repeat what the first one says of the message.
        let download = self.head(id).await?;
        let range = ChunkRange { index: held.chunks + 1, of: download.chunk.of };
        if range.index > range.of {
            return Err(self.unusable(CALL, "the message has fewer chunks than it had before"));
        }
        let response = self.fetch_chunk(id, range).await?;
        self.joined(CALL, download, response, range, held)
    }

    fn joined(
        &self,
        call: Call,
        download: Download,
        response: Response<Incoming>,
        range: ChunkRange,
        held: Held,
    ) -> Result<OpenMessage, CallError> {
        let progress = Progress::default();
        progress.set(held);
        let joined = Joined {
            chunk: self.chunk(call, response)?,
            mailbox: self.clone(),
            id: download.message_id.clone(),
            range,
            whole: false,
            decoded: held.bytes,
            bounds: Bounds {
                free: self.client.shared.expanded_bytes_max,
                ratio: EXPANSION_RATIO_MAX,
                message: MESSAGE_BYTES_MAX,
            },
            passing_over: 0,
            resumes: 0,
            progress: progress.clone(),
        };
        let body =
            stream::try_unfold(joined, |joined| async { joined.next().await.map_err(io::Error::from) });
        Ok(OpenMessage { download, body: Box::pin(body), progress })
    }

    /// Fetches a chunk and checks that it is the one.
    async fn fetch_chunk(
        &self,
        id: &MessageId,
        expected: ChunkRange,
    ) -> Result<Response<Incoming>, CallError> {
        const CALL: Call = Call::OpenChunk;
        let response = self.fetch(CALL, path::message_chunk(&self.id, id, expected.index)).await?;
        let stated = self.metadata(CALL, id, &response)?.chunk;
        if response.headers().contains_key(header::CHUNK_RANGE) && stated != expected {
            return Err(self.unusable(CALL, "it holds another chunk than was asked for"));
        }
        self.agree(CALL, response.status().as_u16(), expected, expected.index)?;
        Ok(response)
    }

    async fn fetch(&self, call: Call, path: String) -> Result<Response<Incoming>, CallError> {
        let outline =
            Outline::new(call, Method::GET, path).header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        self.repeat(&outline, None).await
    }

    pub(crate) fn metadata(
        &self,
        call: Call,
        id: &MessageId,
        response: &Response<Incoming>,
    ) -> Result<Download, CallError> {
        let headers = response.headers();
        let read = Download::read(id, |name| headers.get(name).map(text));
        let mut download = read.map_err(|error| match error {
            mesh_api::envelope::DownloadError::OtherMessage => {
                self.unusable(call, "it carries another message id than was asked for")
            }
            mesh_api::envelope::DownloadError::ChunkRange => {
                self.unusable(call, "its chunk range is not of the form n:total")
            }
        })?;
        // Live leaves the range out on single messages; where only the total is given, it counts (5.3).
        if !headers.contains_key(header::CHUNK_RANGE)
            && let Some(total) = headers.get(header::TOTAL_CHUNKS)
        {
            let total = text(total).trim().parse();
            download.chunk.of =
                total.map_err(|_| self.unusable(call, "its number of chunks is no number"))?;
        }
        Ok(download)
    }

    /// Status and range must tell the same: 206 while more is to come, 200 at the end (5.3).
    fn agree(&self, call: Call, status: u16, range: ChunkRange, index: u32) -> Result<(), CallError> {
        let more = range.index < range.of;
        match status {
            _ if range.index != index => {
                Err(self.unusable(call, "it holds another chunk than was asked for"))
            }
            206 if more => Ok(()),
            200 if !more => Ok(()),
            200 | 206 => {
                Err(self.unusable(call, "status and chunk range disagree on whether more is to come"))
            }
            _ => Err(self.unusable(call, "its status is neither 200 nor 206")),
        }
    }

    fn chunk(&self, call: Call, response: Response<Incoming>) -> Result<Chunk, CallError> {
        let coding = coding(response.headers()).ok_or_else(|| self.unusable(call, NOT_ASKED_FOR))?;
        // Nor would gzip's own end show it: a body may be cut between two of its members.
        if !is_framed(response.headers(), response.body()) {
            return Err(self.unusable(call, "it has no length, so that a cut would not be seen"));
        }
        let encoded = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&encoded);
        let frames = self.frames(call, response.into_body()).inspect_ok(move |piece| {
            counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
        });
        let bytes: PayloadStream = match coding {
            Coding::Gzip => gunzipped(Box::pin(frames)),
            Coding::Identity => Box::pin(frames),
        };
        Ok(Chunk { bytes, encoded, decoded: 0 })
    }

    /// The pieces of a body, each within the time limit.
    fn frames(&self, call: Call, body: Incoming) -> PayloadStream {
        let mailbox = self.clone();
        let frames = stream::try_unfold((mailbox, body), move |(mailbox, mut body)| async move {
            let limit = mailbox.client.shared.timeouts.answer;
            loop {
                let fail = |kind| io::Error::from(mailbox.fail(call, kind, Effect::NotApplied));
                let frame = match timeout(limit, body.frame()).await {
                    Ok(None) => return Ok(None),
                    Ok(Some(Ok(frame))) => frame,
                    Ok(Some(Err(_))) => return Err(fail(ErrorKind::Broken)),
                    Err(_) => return Err(fail(ErrorKind::TimedOut)),
                };
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some((piece, (mailbox, body))));
                }
            }
        });
        Box::pin(frames)
    }
}

impl Joined {
    /// The next piece, from this chunk or the next ones.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, CallError> {
        if self.whole {
            self.turn_to(self.range.index + 1).await?;
        }
        loop {
            let call = if self.range.index == 1 { Call::Open } else { Call::OpenChunk };
            match self.chunk.bytes.next().await {
                Some(Ok(mut piece)) => {
                    let length = piece.len() as u64;
                    self.chunk.decoded += length;
                    let encoded = self.chunk.encoded.load(Ordering::Relaxed);
                    let known = self.passing_over.min(length);
                    self.decoded += length - known;
                    if !self.bounds.hold(encoded, self.chunk.decoded, self.decoded) {
                        return Err(self.mailbox.fail(call, ErrorKind::ExpandsTooFar, Effect::NotApplied));
                    }
                    self.passing_over -= known;
                    // Never longer than the piece, which is in memory.
                    let _ = piece.split_to(usize::try_from(known).unwrap_or(piece.len()));
                    if piece.is_empty() {
                        continue;
                    }
                    self.resumes = 0;
                    return Ok(Some((piece, self)));
                }
                Some(Err(error)) => {
                    let error = self.failed(call, &error);
                    if !self.may_resume(&error) {
                        return Err(error);
                    }
                    tracing::debug!(chunk = self.range.index, %error, "the chunk is fetched again");
                    self.resume().await?;
                }
                None if self.passing_over > 0 => {
                    return Err(self.mailbox.unusable(call, "the chunk is shorter than it was before"));
                }
                None if self.range.index >= self.range.of => return Ok(None),
                None => {
                    self.whole = true;
                    self.progress.set(Held { chunks: self.range.index, bytes: self.decoded });
                    // So that what is held can be recorded before the next chunk is asked for.
                    return Ok(Some((Bytes::new(), self)));
                }
            }
        }
    }

    /// Whether a chunk is worth fetching again: its connection broke or fell silent, and not too often in a row.
    fn may_resume(&self, error: &CallError) -> bool {
        matches!(error.kind(), ErrorKind::Broken | ErrorKind::TimedOut) && self.resumes < RESUMES_MAX
    }

    /// Fetches the chunk again, to go on behind what was handed on.
    async fn resume(&mut self) -> Result<(), CallError> {
        self.resumes += 1;
        // Also what was still to be passed over had been handed on.
        let handed_on = self.chunk.decoded + self.passing_over;
        self.turn_to(self.range.index).await?;
        self.passing_over = handed_on;
        Ok(())
    }

    async fn turn_to(&mut self, index: u32) -> Result<(), CallError> {
        let range = ChunkRange { index, of: self.range.of };
        let response = self.mailbox.fetch_chunk(&self.id, range).await?;
        self.range = range;
        self.whole = false;
        self.chunk = self.mailbox.chunk(Call::OpenChunk, response)?;
        Ok(())
    }

    /// An error of the connection is passed on; any other is the decoder's.
    fn failed(&self, call: Call, error: &io::Error) -> CallError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<CallError>()) {
            Some(inner) => inner.clone(),
            None => self.mailbox.unusable(call, "its gzip is damaged or cut short"),
        }
    }
}

/// Whether a body shows its own end, so that a cut is seen: by its length, or in chunks and nothing else around them.
/// With any other transfer coding, the end of the connection is the end of the body.
fn is_framed(headers: &HeaderMap, body: &Incoming) -> bool {
    match tokens(headers, &TRANSFER_ENCODING).collect::<Vec<_>>().as_slice() {
        [] => body.size_hint().exact().is_some(),
        [only] => only == "chunked",
        _ => false,
    }
}

/// Undoes gzip. A body without a byte is an empty one, not a damaged one.
fn gunzipped(frames: PayloadStream) -> PayloadStream {
    let plain = async {
        let mut frames = frames.peekable();
        if Pin::new(&mut frames).peek().await.is_none() {
            return stream::empty().boxed();
        }
        let mut decoder = GzipDecoder::new(StreamReader::new(frames));
        decoder.multiple_members(true);
        ReaderStream::with_capacity(decoder, PIECE_BYTES).boxed()
    };
    plain.flatten_stream().boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_is_bounded_by_ratio_and_in_all() {
        let bounds = Bounds { free: 1000, ratio: 10, message: 5000 };
        assert!(bounds.hold(1, 1000, 1000), "small chunks may expand as they like");
        assert!(!bounds.hold(1, 1001, 1001));
        assert!(bounds.hold(200, 2000, 2000));
        assert!(!bounds.hold(200, 2001, 2001));
        assert!(!bounds.hold(5000, 2000, 5001), "the message as a whole is bounded");
    }
}
