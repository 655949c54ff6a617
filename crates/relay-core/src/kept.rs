//! What a source keeps of messages that ended, so that they can be offered once more.

use async_trait::async_trait;
use thiserror::Error;

use crate::search::MessageSummary;
use crate::source::SourceKey;

/// A source that keeps what was sent, such as a folder with its SENT.
#[async_trait]
pub trait KeepsSent: Send + Sync {
    /// Offers what was sent, or failed, under this key once more, as a new message. Returns in words what was done; they
    /// are for the person who asked, and may name files.
    ///
    /// # Errors
    /// When it is not kept any more, or could not be offered; nothing was offered then.
    async fn offer_again(&self, key: &SourceKey, message: &MessageSummary) -> Result<String, NotKept>;
}

/// What was sent cannot be offered again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NotKept(pub String);
