//! Payloads from MESH: put where the configuration says, durable before they are named.

use std::fmt;

use relay_core::{MailboxId, MessageId, PayloadStream};

use crate::error::{PutError, StoreTrouble};
use crate::{ClaimCheck, Store};

/// Where a payload is and what it is, for the message that names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its URL.
    pub reference: String,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim(…, {} bytes)", self.size)
    }
}

impl ClaimCheck {
    /// Puts the payload of a message from MESH into the store, as `<place>/<mailbox>/<message id>`: one that comes again
    /// takes its own place. Returns once it is durable (INV-3); what did not come whole leaves nothing. The relay removes
    /// none of them.
    ///
    /// # Errors
    /// When the bytes do not come, or the store does not take them.
    pub async fn put(
        &self,
        mailbox: &MailboxId,
        message: &MessageId,
        body: PayloadStream,
    ) -> Result<Claim, PutError> {
        let trouble = |what| StoreTrouble { store: "claim_check.write".to_owned(), what };
        let shelf = self.0.write.as_ref().ok_or_else(|| trouble("names no place; name one"))?;
        let place = shelf.place.beneath(&[mailbox.as_str(), message.as_str()]).ok_or_else(|| {
            trouble("can hold no folder of this mailbox's name; leave it out for this mailbox")
        })?;
        let (size, sha256) = match &shelf.store {
            Store::Folder(folder) => folder.put(&place, body).await?,
            Store::Bucket(bucket) => bucket.put(&place, body).await?,
        };
        Ok(Claim { reference: place.to_reference(), sha256, size })
    }
}
