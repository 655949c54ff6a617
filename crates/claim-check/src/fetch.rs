//! Payloads for MESH: taken from where it is allowed, and checked before anything of them is sent.

use std::io;
use std::sync::Arc;

use futures_util::TryStreamExt;
use relay_carrier::{ClaimHeaders, Reason, Unfit};
use relay_core::{OpenPayload, Payload};
use sha2::{Digest, Sha256};

use crate::error::{ClaimError, StoreTrouble};
use crate::place::Place;
use crate::{ClaimCheck, Store};

/// A payload that is what its message says.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Its bytes. Read under the version that was checked; of another one nothing is read, and the error is of the kind
    /// `InvalidData`.
    pub payload: Payload,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why there is no payload to what a message names.
#[derive(Debug)]
pub enum Unclaimed {
    /// The message can never be sent as it is.
    Unfit(Unfit),
    /// The store could not be asked. It may be another time, and the message is to be kept.
    Store(StoreTrouble),
}

/// The payload that a message for MESH names, checked; as [`ClaimCheck::fetch`], in the words of those who park messages.
/// Without a claim check nothing may be named.
///
/// # Errors
/// When it cannot be had.
pub async fn payload(claims: Option<&ClaimCheck>, claim: &ClaimHeaders) -> Result<Payload, Unclaimed> {
    let fetched = match claims {
        Some(claims) => claims.fetch(&claim.reference, &claim.sha256, claim.size).await,
        None => Err(ClaimError::Off),
    };
    fetched.map(|checked| checked.payload).map_err(|error| {
        let reason = match error {
            ClaimError::Store(trouble) => return Unclaimed::Store(trouble),
            ClaimError::TooLarge { .. } => Reason::TooLarge,
            _ => Reason::BadReference,
        };
        Unclaimed::Unfit(Unfit { reason, sentence: error.to_string() })
    })
}

impl ClaimCheck {
    /// Finds the payload that a message for MESH names, of `size` bytes with the SHA-256 `sha256` in hexadecimal, and reads
    /// it once to see that it is that one. As much as one request's worth of it is in memory at a time. How long that may
    /// take is the caller's to bound; each request to a store is.
    ///
    /// # Errors
    /// When it cannot be had; [`ClaimError::is_permanent`] says whether another time it could.
    pub async fn fetch(&self, reference: &str, sha256: &str, size: u64) -> Result<Checked, ClaimError> {
        let inner = &*self.0;
        if inner.read.is_empty() {
            return Err(ClaimError::Off);
        }
        let place = Place::reference(reference).map_err(ClaimError::Form)?;
        let shelf =
            inner.read.iter().find(|shelf| shelf.place.contains(&place)).ok_or(ClaimError::NotAllowed)?;
        let (length, holder): (u64, Arc<dyn OpenPayload>) = match &shelf.store {
            Store::Folder(folder) => {
                folder.look(&place).await.map(|(length, file)| (length, Arc::new(file) as _))?
            }
            Store::Bucket(bucket) => {
                bucket.look(&place).await.map(|(length, object)| (length, Arc::new(object) as _))?
            }
        };
        if length > inner.size_max {
            return Err(ClaimError::TooLarge { most: inner.size_max });
        }
        if length != size {
            return Err(ClaimError::WrongSize);
        }
        if length == 0 {
            return Err(ClaimError::Empty);
        }
        let payload = Payload::new(length, holder);
        let found = hash(&payload).await.map_err(|error| unread(&error))?;
        if !found.eq_ignore_ascii_case(sha256) {
            return Err(ClaimError::WrongHash);
        }
        Ok(Checked { payload, sha256: found })
    }
}

async fn hash(payload: &Payload) -> io::Result<String> {
    let mut stream = payload.open(0..payload.length()).await?;
    let mut hash = Sha256::new();
    while let Some(piece) = stream.try_next().await? {
        hash.update(&piece);
    }
    Ok(hex::encode(hash.finalize()))
}

fn unread(error: &io::Error) -> ClaimError {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    if matches!(error.kind(), InvalidData | NotFound | UnexpectedEof) {
        return ClaimError::Changed;
    }
    match error.get_ref().and_then(|source| source.downcast_ref::<StoreTrouble>()) {
        Some(trouble) => trouble.clone().into(),
        None => ClaimError::Store(StoreTrouble {
            store: "the folder of the claim check".to_owned(),
            what: "could not be read; look at its volume",
        }),
    }
}
