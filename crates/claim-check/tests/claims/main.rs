//! The claim check against real folders and a real S3 API.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use bytes::Bytes;
use claim_check::{Checked, ClaimCheck, ClaimError, Config};
use futures_util::{TryStreamExt, stream};
use relay_core::PayloadStream;
use sha2::{Digest, Sha256};

mod folders;
mod s3;

/// An opened claim check of a configuration.
fn open(config: serde_json::Value) -> ClaimCheck {
    let config = config_of(config);
    assert_eq!(config.faults(), []);
    ClaimCheck::open(&config).expect("a claim check")
}

fn config_of(config: serde_json::Value) -> Config {
    serde_json::from_value(config).expect("a configuration")
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

async fn fetch(claims: &ClaimCheck, reference: &str, bytes: &[u8]) -> Result<Checked, ClaimError> {
    claims.fetch(reference, &sha256(bytes), bytes.len() as u64).await
}

async fn read(checked: &Checked, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let pieces: Vec<Bytes> = checked.payload.open(range).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// Bytes that repeat late.
fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Bytes on their way, in pieces of odd lengths, and then perhaps an error.
fn body(bytes: &[u8], then: Option<std::io::ErrorKind>) -> PayloadStream {
    let pieces: Vec<std::io::Result<Bytes>> =
        bytes.chunks(700_001).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces.into_iter().chain(then.map(|kind| Err(kind.into())))))
}
