//! A message that names its payload instead of having it (`queue-bridging.md` 2.9).

use std::fmt;

use crate::header;
use crate::unfit::{Reason, Unfit};

/// Digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// Where a message's payload is, and what it must be. Private: the reference may hold patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimHeaders {
    /// Where: a URL, not looked at here.
    pub reference: String,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

impl fmt::Debug for ClaimHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimHeaders(…, {} bytes)", self.size)
    }
}

impl ClaimHeaders {
    /// Reads the three headers, all of them or none.
    pub(crate) fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, Unfit> {
        let names = [header::DATA_REF, header::DATA_SHA256, header::DATA_SIZE];
        let (reference, sha256, size) = match names.map(|name| get(name).map(str::trim)) {
            [None, None, None] => return Ok(None),
            [Some(reference), Some(sha256), Some(size)] => (reference, sha256, size),
            _ => {
                let sentence = format!(
                    "a payload by reference needs all three of {}; give all or none",
                    names.join(", ")
                );
                return Err(Unfit::new(Reason::BadReference, sentence));
            }
        };
        if sha256.len() != SHA256_DIGITS || !sha256.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let sentence = format!("{} is no SHA-256 of 64 hexadecimal digits", header::DATA_SHA256);
            return Err(Unfit::new(Reason::BadReference, sentence));
        }
        // Not as Rust reads numbers: `+5` is none.
        let size = size.parse().ok().filter(|_| size.bytes().all(|digit| digit.is_ascii_digit()));
        let Some(size) = size else {
            let sentence = format!("{} is no whole number of bytes", header::DATA_SIZE);
            return Err(Unfit::new(Reason::BadReference, sentence));
        };
        Ok(Some(Self { reference: reference.to_owned(), sha256: sha256.to_ascii_lowercase(), size }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Result<Option<ClaimHeaders>, Unfit> {
        ClaimHeaders::read(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn a_claim_is_all_three_or_none() {
        let hash = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCD";
        let whole =
            [("mesh_data_ref", "s3://b/secret"), ("mesh_data_sha256", hash), ("mesh_data_size", "42")];
        let claim = read(&whole).expect("it").expect("a claim");
        assert_eq!((claim.sha256, claim.size), (hash.to_lowercase(), 42));
        assert_eq!(read(&[]).expect("none"), None);
        assert!(!format!("{:?}", read(&whole)).contains("secret"));
        for missing in 0..3 {
            let two: Vec<_> = whole.into_iter().enumerate().filter(|(at, _)| *at != missing).collect();
            let two: Vec<_> = two.into_iter().map(|(_, header)| header).collect();
            assert!(read(&two).expect_err("two").sentence.contains("all three"));
        }
        for (at, value) in
            [(1, &hash[1..]), (1, "secret"), (2, "-1"), (2, "+1"), (2, "1e3"), (2, "99999999999999999999")]
        {
            let mut headers = whole;
            headers[at].1 = value;
            let unfit = read(&headers).expect_err(value);
            assert_eq!(unfit.reason, Reason::BadReference);
            assert!(unfit.sentence.contains(headers[at].0) && !unfit.sentence.contains("secret"), "{unfit}");
        }
    }
}
