//! Gzip on up to four cores a body, as a stream that looks like any other.
//!
//! The source is cut into blocks, each compressed on one of tokio's blocking threads, a few at a time, and joined in
//! order. Every block ends at a byte (a sync flush), so that the joined blocks are one deflate stream and the whole
//! is one gzip member: there are receivers that stop after the first member.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use flate2::{Compress, Compression, Crc, FlushCompress};
use futures_util::future::{self, Either};
use futures_util::stream::{self, BoxStream};
use futures_util::{Future, StreamExt, TryStreamExt};
use mesh_api::PayloadStream;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::body::PIECE_BYTES;

/// How much is compressed at a time: some milliseconds of work, which dwarf what handing it to a thread costs.
const BLOCK_BYTES: usize = 256 * 1024;
/// Most blocks of a body that are compressed at a time, however many cores there are. In memory are two blocks more
/// before compression, the one being filled and the one before the first, which its window keeps whole; and after
/// compression the one being handed out and those of which the connection still has a piece, because a piece keeps its
/// whole block: hyper queues some 400 KiB. That is 3.5 MiB a body, and 375 KiB for each compressor at work. The
/// allocator keeps some times that much at hand.
const BLOCKS_AHEAD_MAX: usize = 4;
/// A block that is no longer is compressed where it is: a sixth of a millisecond holds nobody up, and a thread would
/// have to be woken for it.
const INLINE_BYTES: usize = 16 * 1024;
/// How far back deflate looks. So much of the block before is shown to a block's compressor: then cutting costs
/// nothing in size, and without it 1.5 %.
const WINDOW_BYTES: usize = 32 * 1024;
/// Room for what a sync flush adds to a block, and more.
const FLUSH_BYTES: usize = 64;
/// Gzip's own middle way. Measured on laboratory reports, a core makes 16 % of them at 100 MiB/s; level 3 makes 18 %
/// at 190, level 1 25 % at 450. So each core at level 6 fills some 130 Mbit/s of a line, and on a slower line fewer bytes
/// are sooner there.
const LEVEL: u32 = 6;

/// Deflate without name or time, from an unknown system (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The empty block that ends a deflate stream (RFC 1951, 3.2.6). It saves knowing which block is the last before the
/// source has ended.
const END: [u8; 2] = [3, 0];

/// What all bodies of a client compress with: as many blocks at a time as there are cores, so that many uploads do not
/// fill tokio's blocking threads with work that they only take turns at.
pub(crate) struct Compressors {
    cores: usize,
    free: Arc<Semaphore>,
}

/// A block could not be compressed. What an [`io::Error`] holds then, so that it does not pass for the source's.
#[derive(Debug, Error)]
#[error("the data could not be compressed")]
pub(crate) struct CompressorFailed;

impl Compressors {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cores, free: Arc::new(Semaphore::new(cores)) }
    }

    /// Gzips a stream. Where the source fails, so does the result, without the end that would make it valid.
    pub(crate) fn compress(&self, source: PayloadStream) -> PayloadStream {
        compress_ahead(source, self.cores.min(BLOCKS_AHEAD_MAX), &self.free)
    }
}

/// The same with at most `ahead` blocks under way or waiting to be taken.
fn compress_ahead(source: PayloadStream, ahead: usize, free: &Arc<Semaphore>) -> PayloadStream {
    let cutter = Cutter { source, piece: Bytes::new(), before: Bytes::new() };
    let free = Arc::clone(free);
    let blocks =
        stream::try_unfold(cutter, Cutter::next).map(move |block| start(block, &free)).buffered(ahead);
    let member = Member {
        blocks: blocks.boxed(),
        plain: Crc::new(),
        ready: Bytes::from_static(&HEADER),
        ended: false,
    };
    stream::try_unfold(member, Member::next).boxed()
}

/// Cuts the source into blocks.
struct Cutter {
    source: PayloadStream,
    /// What the last block left of a piece of the source.
    piece: Bytes,
    /// The end of the last block. Keeps the whole of it.
    before: Bytes,
}

impl Cutter {
    async fn next(mut self) -> io::Result<Option<(Block, Self)>> {
        let mut bytes = BytesMut::new();
        while bytes.len() < BLOCK_BYTES {
            if self.piece.is_empty() {
                match self.source.try_next().await? {
                    Some(piece) => self.piece = piece,
                    None => break,
                }
            }
            let room = BLOCK_BYTES - bytes.len();
            let part = self.piece.split_to(self.piece.len().min(room));
            // A small body is one piece and needs no whole block; behind a first piece, the rest is likely to come.
            bytes.reserve(if bytes.is_empty() { part.len() } else { room });
            bytes.extend_from_slice(&part);
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let bytes = bytes.freeze();
        let window = bytes.slice(bytes.len().saturating_sub(WINDOW_BYTES)..);
        let before = std::mem::replace(&mut self.before, window);
        Ok(Some((Block { bytes, before }, self)))
    }
}

/// Starts to compress a block. It begins now, not when the result is first asked for: so the blocks ahead are
/// compressed while the connection writes. A task waits for a free compressor, because a permit that is given to a body
/// whose connection stands still would be lost to the others. A body that is dropped leaves its blocks under way behind:
/// they are compressed in vain.
fn start(
    block: io::Result<Block>,
    free: &Arc<Semaphore>,
) -> impl Future<Output = io::Result<Packed>> + use<> {
    match block {
        Ok(block) if block.bytes.len() > INLINE_BYTES => {
            let free = Arc::clone(free);
            let job = tokio::spawn(async move {
                let permit = free.acquire_owned().await.map_err(failed)?;
                let packed = spawn_blocking(move || {
                    let _held_meanwhile = permit;
                    block.pack()
                });
                packed.await.map_err(failed)?
            });
            Either::Left(async move { job.await.map_err(failed)? })
        }
        block => Either::Right(future::ready(block.and_then(|block| unwound(|| block.pack())))),
    }
}

/// Runs a job where it is. Should it panic, this upload fails and not the connection's task.
fn unwound(job: impl FnOnce() -> io::Result<Packed>) -> io::Result<Packed> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| Err(failed(panic)))
}

/// The reason is left out: a panic was told where it happened, and the others say nothing more.
fn failed<E>(_reason: E) -> io::Error {
    io::Error::other(CompressorFailed)
}

/// A block of the source.
struct Block {
    bytes: Bytes,
    /// The end of the block before it.
    before: Bytes,
}

/// A block compressed.
struct Packed {
    bytes: Bytes,
    /// Of the block before compression.
    plain: Crc,
}

impl Block {
    fn pack(&self) -> io::Result<Packed> {
        let mut plain = Crc::new();
        plain.update(&self.bytes);
        let mut compressor = Compress::new(Compression::new(LEVEL), false);
        if !self.before.is_empty() {
            compressor.set_dictionary(&self.before).map_err(failed)?;
        }
        // Deflate makes nothing longer by more than an eighth. If it did, the loop would give it more room.
        let mut packed = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8 + FLUSH_BYTES);
        let mut left = &self.bytes[..];
        // A flush is complete once it leaves room (zlib's manual, `deflate`).
        while !left.is_empty() || packed.len() == packed.capacity() {
            packed.reserve(FLUSH_BYTES);
            let before = compressor.total_in();
            let outcome = compressor.compress_vec(left, &mut packed, FlushCompress::Sync);
            outcome.map_err(failed)?;
            let taken = usize::try_from(compressor.total_in() - before).unwrap_or(usize::MAX);
            left = left.get(taken..).unwrap_or_default();
        }
        // The connection holds several pieces; the room around them would be most of their memory.
        packed.shrink_to_fit();
        Ok(Packed { bytes: packed.into(), plain })
    }
}

/// Joins the compressed blocks to one member.
struct Member {
    blocks: BoxStream<'static, io::Result<Packed>>,
    /// Of all blocks so far, before compression.
    plain: Crc,
    /// What is to be handed out next.
    ready: Bytes,
    /// Whether the member's end was made ready.
    ended: bool,
}

impl Member {
    /// The next piece. A large one would hide from the caller's watch how far the connection got.
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        while self.ready.is_empty() {
            if self.ended {
                return Ok(None);
            }
            match self.blocks.try_next().await? {
                Some(packed) => {
                    self.plain.combine(&packed.plain);
                    self.ready = packed.bytes;
                }
                None => {
                    self.ended = true;
                    self.ready = self.end();
                }
            }
        }
        let piece = self.ready.split_to(self.ready.len().min(PIECE_BYTES));
        Ok(Some((piece, self)))
    }

    /// The end of the deflate stream, then CRC-32 and length modulo 2^32 of all that was compressed.
    fn end(&self) -> Bytes {
        let checks = [self.plain.sum().to_le_bytes(), self.plain.amount().to_le_bytes()];
        [&END[..], checks.as_flattened()].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::{GzDecoder, MultiGzDecoder};
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use std::io::Read;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const AHEAD: usize = 3;

    /// Text that compresses, or noise that does not.
    fn bytes(length: usize, noise: bool) -> Bytes {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        if noise {
            return (0..length).map(|_| next() as u8).collect();
        }
        let mut text = String::new();
        while text.len() < length {
            text += &format!("OBX|{}|NM|GLU^Glucose||{}|mmol/L|||||F\n", next(), next());
        }
        Bytes::from(text).slice(..length)
    }

    fn free() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(AHEAD))
    }

    /// A source of `bytes` in pieces of at most `piece`.
    fn source(bytes: Bytes, piece: usize) -> PayloadStream {
        let pieces = (0..bytes.len()).step_by(piece).map(move |start| {
            let end = (start + piece).min(bytes.len());
            Ok(bytes.slice(start..end))
        });
        stream::iter(pieces).boxed()
    }

    async fn collect(gzip: PayloadStream) -> io::Result<Vec<u8>> {
        let pieces: Vec<Bytes> = gzip.try_collect().await?;
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE_BYTES));
        Ok(pieces.concat())
    }

    /// Reads gzip with `decoder` to the end.
    fn plain(mut decoder: impl Read) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        decoder.read_to_end(&mut plain).map(|_| plain)
    }

    async fn comes_back(plain_bytes: Bytes, piece: usize, ahead: usize) -> usize {
        let gzip =
            collect(compress_ahead(source(plain_bytes.clone(), piece), ahead, &free())).await.expect("gzip");
        // One member and nothing behind it.
        let mut rest = &gzip[..];
        let single = plain(flate2::bufread::GzDecoder::new(&mut rest)).expect("one member");
        assert!(single == plain_bytes && rest.is_empty());
        assert!(plain(GzDecoder::new(&gzip[..])).expect("a member") == plain_bytes);
        // `mesh_api::chunk::chunk_bytes_max` keeps this much free in a request.
        assert!(gzip.len() <= plain_bytes.len() + plain_bytes.len() / 1_000 + 64, "{} bytes", gzip.len());
        assert!(plain(MultiGzDecoder::new(&gzip[..])).expect("members") == plain_bytes);
        gzip.len()
    }

    #[tokio::test]
    async fn what_was_compressed_comes_back() {
        let lengths = [
            0,
            1,
            INLINE_BYTES,
            INLINE_BYTES + 1,
            BLOCK_BYTES - 1,
            BLOCK_BYTES,
            BLOCK_BYTES + 1,
            5 * BLOCK_BYTES,
            5 * BLOCK_BYTES + 12_345,
        ];
        for length in lengths {
            for noise in [false, true] {
                comes_back(bytes(length, noise), 64 * 1024, AHEAD).await;
            }
        }
        comes_back(bytes(3 * BLOCK_BYTES, false), usize::MAX / 2, 1).await;
    }

    #[test]
    fn pieces_and_lengths_of_any_size_come_back() {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
        let sizes = (0..4 * BLOCK_BYTES, 700..600_000usize, any::<bool>(), 1..5usize);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(40) });
        let result = runner.run(&sizes, |(length, piece, noise, ahead)| {
            runtime.block_on(comes_back(bytes(length, noise), piece, ahead));
            Ok(())
        });
        result.expect("all come back");
    }

    #[tokio::test]
    async fn cutting_costs_little_size() {
        let text = bytes(8 * BLOCK_BYTES, false);
        let cut = comes_back(text.clone(), 64 * 1024, AHEAD).await;
        let whole = plain(flate2::bufread::GzEncoder::new(&text[..], Compression::new(LEVEL))).expect("gzip");
        assert!(cut < whole.len() * 101 / 100, "{cut} bytes instead of {}", whole.len());
    }

    #[tokio::test]
    async fn a_source_that_fails_never_makes_valid_gzip() {
        for good in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 4 * BLOCK_BYTES + 7] {
            let failure = stream::iter([Err(io::ErrorKind::NotFound.into())]);
            // It would go on, but nobody asks.
            let more = source(bytes(3 * BLOCK_BYTES, false), 1000);
            let broken = source(bytes(good, false), 1000).chain(failure).chain(more).boxed();
            let mut gzip = compress_ahead(broken, AHEAD, &free());
            let mut got = Vec::new();
            let error = loop {
                match gzip.try_next().await {
                    Ok(piece) => got.extend_from_slice(&piece.expect("a failure before the end")),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(gzip.next().await.is_none(), "it goes on after a failure");
            assert!(plain(GzDecoder::new(&got[..])).is_err(), "{good} bytes became valid gzip");
        }
    }

    #[tokio::test]
    async fn bodies_take_turns_at_few_compressors_and_one_that_stands_still_keeps_none() {
        let free = Arc::new(Semaphore::new(1));
        let text = bytes(3 * BLOCK_BYTES, false);
        let mut still = compress_ahead(source(text.clone(), 1000), AHEAD, &free);
        while still.next().await.expect("a piece").expect("gzip").len() <= HEADER.len() {}
        let moving = (0..3).map(|_| collect(compress_ahead(source(text.clone(), 1000), AHEAD, &free)));
        for gzip in future::join_all(moving).await {
            assert!(plain(GzDecoder::new(&gzip.expect("gzip")[..])).expect("a member") == text);
        }
    }

    #[tokio::test]
    async fn no_more_is_compressed_at_a_time_than_there_are_compressors() {
        let free = Arc::new(Semaphore::new(1));
        let taken = Arc::clone(&free).acquire_owned().await.expect("a permit");
        let text = bytes(2 * BLOCK_BYTES, false);
        let mut waiting = tokio::spawn(collect(compress_ahead(source(text, 1000), AHEAD, &free)));
        let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiting).await;
        assert!(early.is_err(), "it compresses without a permit");
        drop(taken);
        waiting.await.expect("a task").expect("gzip");
    }

    #[test]
    fn a_compressor_that_panics_is_told_apart_from_a_source_that_fails() {
        let error = unwound(|| panic!("as if flate2 had")).err().expect("a failure");
        assert!(error.get_ref().is_some_and(|inner| inner.is::<CompressorFailed>()), "{error:?}");
    }

    #[tokio::test]
    async fn it_reads_ahead_but_no_further_than_it_may() {
        const BLOCKS: usize = 12;
        const PIECE: usize = 1000;
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        let counted = source(bytes(BLOCKS * BLOCK_BYTES, false), PIECE).inspect_ok(move |piece| {
            counter.fetch_add(piece.len(), Ordering::Relaxed);
        });
        let mut gzip = compress_ahead(counted.boxed(), AHEAD, &free());
        let mut decoder = flate2::write::GzDecoder::new(Vec::new());
        while let Some(piece) = gzip.try_next().await.expect("gzip") {
            std::io::Write::write_all(&mut decoder, &piece).expect("good gzip");
            std::io::Write::flush(&mut decoder).expect("good gzip");
            // The header comes before anything was read.
            let begun = decoder.get_ref().len().div_ceil(BLOCK_BYTES);
            let (least, most) = match begun {
                0 => (0, 0),
                _ => ((begun + AHEAD - 1).min(BLOCKS) * BLOCK_BYTES, (begun + AHEAD) * BLOCK_BYTES + PIECE),
            };
            let read = read.load(Ordering::Relaxed);
            assert!((least..=most).contains(&read), "read {read} of {least} to {most}, {begun} blocks begun");
        }
        assert_eq!(decoder.finish().expect("gzip").len(), BLOCKS * BLOCK_BYTES);
    }
}
