//! The body of a message from MESH as a broker gets it: with the message, or put elsewhere and named.

use std::io;

use futures_util::{StreamExt, TryStreamExt, stream};
use relay_core::{DeliveryError, FailureClass, Inbound, Owner};

use crate::ClaimCheck;
use crate::error::PutError;
use crate::put::Claim;

/// A body as it is published.
pub enum Body {
    /// With the message.
    Carried(Vec<u8>),
    /// Elsewhere, durably (INV-3); the message names it, and has an empty body.
    Claimed(Claim),
}

impl Body {
    /// Reads the body of `message`, of which at most `body_max` bytes are in memory. What is longer, or longer than
    /// `claim_check.inline_max`, is put elsewhere where the adapter has a place for that.
    ///
    /// # Errors
    /// When the bytes do not come, the store does not take them, or they are too many and there is no store.
    pub async fn read(
        claims: Option<&ClaimCheck>,
        adapter: &str,
        body_max: u64,
        message: &mut Inbound<'_>,
    ) -> Result<Self, DeliveryError> {
        let failed = |what: &dyn std::fmt::Display, class, owner| DeliveryError {
            what: format!("adapter {adapter}: {what}"),
            class,
            owner,
        };
        let unread = |error: &io::Error| match error.kind() {
            // As `PayloadStream` says: fetched again, it would fail in the same way.
            io::ErrorKind::InvalidData => {
                let what = format!("the message cannot be received: {error}");
                failed(&what, FailureClass::Permanent, Owner::Organisation)
            }
            _ => {
                let what = format!("the message did not come whole and is fetched again: {error}");
                failed(&what, FailureClass::Transient, Owner::Mesh)
            }
        };
        let claims = claims.filter(|claims| claims.writes());
        let most = claims.map_or(u64::MAX, ClaimCheck::inline_max).min(body_max);
        let mut body = Vec::new();
        loop {
            let piece = message.body.try_next().await.map_err(|error| unread(&error))?;
            let Some(piece) = piece else { return Ok(Self::Carried(body)) };
            if (body.len() + piece.len()) as u64 <= most {
                body.extend_from_slice(&piece);
                continue;
            }
            let Some(claims) = claims else {
                let what = format!(
                    "the message is longer than the {most} bytes that inbound.body_max lets through; this one waits at \
                     MESH for somebody to fetch it by hand (mesh-relay get); for those to come set claim_check.write, or \
                     raise inbound.body_max and what the broker takes"
                );
                return Err(failed(&what, FailureClass::Permanent, Owner::Operator));
            };
            let begun = stream::iter([Ok(body.into()), Ok(piece)]);
            let rest = std::mem::replace(&mut message.body, Box::pin(stream::empty()));
            let whole = Box::pin(begun.chain(rest));
            let put = claims.put(message.mailbox, &message.download.message_id, whole).await;
            return put.map(Self::Claimed).map_err(|error| match error {
                PutError::Body(error) => unread(&error),
                PutError::Store(_) => failed(&error, FailureClass::Transient, Owner::Operator),
            });
        }
    }

    /// Length of the payload in bytes, wherever it is.
    pub fn size(&self) -> u64 {
        match self {
            Self::Carried(body) => body.len() as u64,
            Self::Claimed(claim) => claim.size,
        }
    }

    /// What the message itself has: nothing where its payload is elsewhere.
    pub fn carried(&self) -> &[u8] {
        match self {
            Self::Carried(body) => body,
            Self::Claimed(_) => &[],
        }
    }

    /// Where the payload is, if not with the message.
    pub fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Carried(_) => None,
            Self::Claimed(claim) => Some(claim),
        }
    }
}
