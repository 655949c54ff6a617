//! Where sign-ins are recorded.

use async_trait::async_trait;
use relay_core::{JournalError, NewDeed};

/// The record of what people did. A sign-in that cannot be recorded does not take place.
#[async_trait]
pub trait Deeds: Send + Sync {
    /// Records a deed, durably, before it answers.
    async fn record(&self, deed: NewDeed) -> Result<(), JournalError>;
}
