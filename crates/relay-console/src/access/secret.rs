//! Values that nobody can guess, and comparing them without telling how much of a guess was right.

use rand::RngCore;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What is kept of a secret.
pub(crate) type Fingerprint = [u8; 32];

/// 256 random bits of the operating system, in 64 hexadecimal digits.
pub(crate) fn random() -> String {
    let mut bytes = [0; 32];
    OsRng.unwrap_err().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// Whether a text may be one of ours, so that what others put into a cookie goes no further.
pub(crate) fn is_random(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) fn fingerprint(secret: &str) -> Fingerprint {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether two secrets are the same, in a time that does not tell where they differ. Of different lengths too, because
/// their fingerprints are what is compared.
pub(crate) fn same(one: &str, other: &str) -> bool {
    fingerprint(one).ct_eq(&fingerprint(other)).into()
}
