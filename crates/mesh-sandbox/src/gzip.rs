//! Transport compression (`mesh-api.md` 5.4). One chunk is one gzip stream, or several in a row.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use thiserror::Error;

/// Largest chunk, in bytes once decompressed, that [`StoredMessage::body`](crate::StoredMessage::body) decompresses.
/// It keeps a few crafted bytes from filling the memory.
pub const INFLATED_BYTES_MAX: u64 = 1_000_000_000;

/// The bytes are no gzip, or expand beyond [`INFLATED_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the chunk is not gzip or is too large once decompressed")]
pub(crate) struct NotGzip;

/// Decompresses a chunk. Nothing decompresses to nothing, as in the official emulator.
pub(crate) fn inflate(chunk: &[u8]) -> Result<Bytes, NotGzip> {
    inflate_at_most(chunk, INFLATED_BYTES_MAX)
}

fn inflate_at_most(chunk: &[u8], limit: u64) -> Result<Bytes, NotGzip> {
    let mut plain = Vec::new();
    if !chunk.is_empty() {
        let read = MultiGzDecoder::new(chunk).take(limit + 1).read_to_end(&mut plain);
        if read.is_err() || plain.len() as u64 > limit {
            return Err(NotGzip);
        }
    }
    Ok(plain.into())
}

/// Largest plain text, in bytes, that is made in one piece; a larger one is made as it goes out.
const SMALL_BYTES_MAX: u64 = 1_000_000;

/// Why a chunk is not decompressed in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotInflated {
    NotGzip,
    TooLarge,
}

/// Decompresses a chunk whose plain text is small.
pub(crate) fn inflate_small(chunk: &[u8]) -> Result<Bytes, NotInflated> {
    let mut plain = Vec::new();
    if !chunk.is_empty() {
        let read = MultiGzDecoder::new(chunk).take(SMALL_BYTES_MAX + 1).read_to_end(&mut plain);
        read.map_err(|_| NotInflated::NotGzip)?;
    }
    match plain.len() as u64 > SMALL_BYTES_MAX {
        true => Err(NotInflated::TooLarge),
        false => Ok(plain.into()),
    }
}

/// Compresses a chunk into one gzip stream, quickly rather than well.
pub(crate) fn deflate(chunk: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(chunk)?;
    Ok(encoder.finish()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_read_back() {
        let one = deflate(b"one").expect("memory");
        assert_eq!(inflate(&one).as_deref(), Ok(&b"one"[..]));
        let two = [one.as_ref(), deflate(b" two").expect("memory").as_ref()].concat();
        assert_eq!(inflate(&two).as_deref(), Ok(&b"one two"[..]), "two streams in a row");
        assert_eq!(inflate(b"").as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn junk_and_bombs_are_refused() {
        assert_eq!(inflate(b"not gzip"), Err(NotGzip));
        let zeros = deflate(&[0; 1000]).expect("memory");
        assert!(inflate_at_most(&zeros, 1000).is_ok());
        assert_eq!(inflate_at_most(&zeros, 999), Err(NotGzip));
        assert_eq!(inflate(&zeros[..zeros.len() - 1]), Err(NotGzip), "cut short");
        assert_eq!(inflate_small(&zeros).map(|plain| plain.len()), Ok(1000));
        assert_eq!(inflate_small(b"not gzip"), Err(NotInflated::NotGzip));
        let large = deflate(&vec![0; 1_000_001]).expect("memory");
        assert_eq!(inflate_small(&large), Err(NotInflated::TooLarge));
    }
}
