//! Chunks (`mesh-api.md` section 5): the range header and the plan that cuts a payload.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use thiserror::Error;

/// Largest request body that MESH takes, in bytes. Whether the published 100 MB is decimal is not
/// established, so the smaller reading holds (`mesh-api.md` 5.1).
pub const REQUEST_BYTES_MAX: u64 = 100_000_000;
/// Chunk size unless configured otherwise, in bytes before compression: 20 MB, the Java MESH client's.
pub const CHUNK_BYTES_DEFAULT: u64 = 20_000_000;
/// Largest chunked message, in bytes (`mesh-api.md` 5.1).
pub const MESSAGE_BYTES_MAX: u64 = 100_000_000_000;

/// Largest chunk in bytes before compression. Of one that is gzipped, the thousandth part is kept free: what cannot be
/// compressed becomes longer by five bytes for each stored block (RFC 1951, 3.2.4), of 16 KiB or more in practice, and
/// must still fit in a request.
pub const fn chunk_bytes_max(gzip: bool) -> u64 {
    if gzip { REQUEST_BYTES_MAX - REQUEST_BYTES_MAX / 1_000 } else { REQUEST_BYTES_MAX }
}

/// `Mex-Chunk-Range`: chunk `index` of `of`, counted from 1. Reports carry `1:0`, read as nothing to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRange {
    /// Which chunk, from 1.
    pub index: u32,
    /// How many there are; 0 on a report.
    pub of: u32,
}

/// The header is not `index:of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the chunk range is not of the form n:total")]
pub struct ChunkRangeError;

impl FromStr for ChunkRange {
    type Err = ChunkRangeError;

    fn from_str(text: &str) -> Result<Self, ChunkRangeError> {
        let (index, of) = text.trim().split_once(':').ok_or(ChunkRangeError)?;
        let number = |digits: &str| match digits.trim() {
            d if !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()) => d.parse().ok(),
            _ => None,
        };
        match (number(index), number(of)) {
            (Some(index), Some(of)) if index >= 1 => Ok(Self { index, of }),
            _ => Err(ChunkRangeError),
        }
    }
}

impl fmt::Display for ChunkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.index, self.of)
    }
}

/// How much of a message somebody has already: whole chunks from the first on, and how many bytes they were once
/// decompressed. Nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Chunks 1 to this one.
    pub chunks: u32,
    /// Their bytes, decompressed and joined.
    pub bytes: u64,
}

/// How a payload is cut: `of` chunks of `chunk_bytes` before compression, the last one shorter. Cut first,
/// compress each piece after (`mesh-api.md` 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlan {
    length: u64,
    chunk_bytes: u64,
    of: u32,
}

/// A payload that cannot be cut as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChunkPlanError {
    /// MESH takes no empty message.
    #[error("the payload is empty")]
    Empty,
    /// The payload is larger than MESH takes.
    #[error("the payload has {length} bytes, more than the {limit} that MESH takes")]
    TooLarge {
        /// Bytes given.
        length: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The chunk size is zero, above one request's limit, or needs more chunks than can be counted.
    #[error("a chunk size of {chunk_bytes} bytes does not fit: it must be from 1 to {REQUEST_BYTES_MAX}")]
    ChunkSize {
        /// The size asked for.
        chunk_bytes: u64,
    },
}

impl ChunkPlan {
    /// One request with the whole payload.
    ///
    /// # Errors
    /// When the payload is empty or larger than [`REQUEST_BYTES_MAX`].
    pub fn whole(length: u64) -> Result<Self, ChunkPlanError> {
        match length {
            0 => Err(ChunkPlanError::Empty),
            1..=REQUEST_BYTES_MAX => Ok(Self { length, chunk_bytes: length, of: 1 }),
            _ => Err(ChunkPlanError::TooLarge { length, limit: REQUEST_BYTES_MAX }),
        }
    }

    /// Chunks of at most `chunk_bytes`.
    ///
    /// # Errors
    /// When the payload is empty or larger than [`MESSAGE_BYTES_MAX`], or the size is out of range.
    pub fn chunked(length: u64, chunk_bytes: u64) -> Result<Self, ChunkPlanError> {
        if length == 0 {
            return Err(ChunkPlanError::Empty);
        }
        if length > MESSAGE_BYTES_MAX {
            return Err(ChunkPlanError::TooLarge { length, limit: MESSAGE_BYTES_MAX });
        }
        if chunk_bytes == 0 || chunk_bytes > REQUEST_BYTES_MAX {
            return Err(ChunkPlanError::ChunkSize { chunk_bytes });
        }
        let of = u32::try_from(length.div_ceil(chunk_bytes))
            .map_err(|_| ChunkPlanError::ChunkSize { chunk_bytes })?;
        Ok(Self { length, chunk_bytes, of })
    }

    /// Two chunks or more, so that sending has two steps: MESH delivers nothing before the last chunk, and a lost
    /// answer to the first leaves no message that anybody receives (`queue-bridging.md` 4.4). A payload of one byte
    /// cannot be cut and goes in one request. The recipient must be able to receive chunks.
    ///
    /// # Errors
    /// As [`ChunkPlan::chunked`].
    pub fn two_step(length: u64, chunk_bytes: u64) -> Result<Self, ChunkPlanError> {
        Self::chunked(length, chunk_bytes.min(length.div_ceil(2).max(1)))
    }

    /// Size of all chunks but the last, in bytes before compression.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }

    /// How many chunks.
    pub fn of(&self) -> u32 {
        self.of
    }

    /// The bytes of the payload that make up chunk `index`, from 1. Empty for an index that does not exist.
    pub fn bytes(&self, index: u32) -> Range<u64> {
        if index == 0 || index > self.of {
            return 0..0;
        }
        let start = u64::from(index - 1) * self.chunk_bytes;
        start..(start + self.chunk_bytes).min(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_steps_need_two_bytes() {
        for (length, chunk_bytes, of, first) in
            [(1, 10, 1, 0..1), (2, 10, 2, 0..1), (3, 10, 2, 0..2), (15, 10, 2, 0..8), (30, 10, 3, 0..10)]
        {
            let plan = ChunkPlan::two_step(length, chunk_bytes).expect("a plan");
            assert_eq!((plan.of(), plan.bytes(1)), (of, first), "{length}");
        }
        assert_eq!(ChunkPlan::two_step(0, 10), Err(ChunkPlanError::Empty));
        assert_eq!(ChunkPlan::two_step(10, 0), Err(ChunkPlanError::ChunkSize { chunk_bytes: 0 }));
    }

    #[test]
    fn ranges_are_read_and_written() {
        assert_eq!("2:17".parse(), Ok(ChunkRange { index: 2, of: 17 }));
        assert_eq!("1:0".parse(), Ok(ChunkRange { index: 1, of: 0 }));
        assert_eq!(ChunkRange { index: 1, of: 3 }.to_string(), "1:3");
        for bad in ["", "1", ":", "0:1", "a:b", "1:-1", "1:2:3", "+1:2", "99999999999:1"] {
            assert!(bad.parse::<ChunkRange>().is_err(), "{bad:?} was read");
        }
    }

    #[test]
    fn payloads_that_mesh_does_not_take_are_refused() {
        assert_eq!(ChunkPlan::whole(0), Err(ChunkPlanError::Empty));
        assert!(ChunkPlan::whole(REQUEST_BYTES_MAX).is_ok());
        assert!(ChunkPlan::whole(REQUEST_BYTES_MAX + 1).is_err());
        assert!(ChunkPlan::chunked(MESSAGE_BYTES_MAX + 1, 1_000_000).is_err());
        assert!(ChunkPlan::chunked(10, 0).is_err());
        assert!(ChunkPlan::chunked(10, REQUEST_BYTES_MAX + 1).is_err());
        assert!(ChunkPlan::chunked(MESSAGE_BYTES_MAX, 1).is_err(), "more chunks than can be counted");
    }

    proptest! {
        #[test]
        fn a_plan_covers_every_byte_once(length in 1u64..5_000_000, chunk in 1u64..100_000) {
            let plan = ChunkPlan::chunked(length, chunk).expect("a plan");
            let mut next = 0;
            for index in 1..=plan.of() {
                let bytes = plan.bytes(index);
                prop_assert_eq!(bytes.start, next);
                prop_assert!(bytes.end > bytes.start && bytes.end - bytes.start <= chunk);
                next = bytes.end;
            }
            prop_assert_eq!(next, length);
            prop_assert!(plan.bytes(plan.of() + 1).is_empty() && plan.bytes(0).is_empty());
        }
    }
}
