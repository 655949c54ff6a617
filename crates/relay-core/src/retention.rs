//! Keeps the journal's size bounded: what ended long ago goes.

use std::time::Duration;

use jiff::SignedDuration;

use crate::audit::Pruned;
use crate::happening::Happening;
use crate::happening::upkeep::{Forgotten, NotForgotten};
use crate::lease::Tenure;
use crate::outbound::Surroundings;
use crate::shutdown::Shutdown;

/// Pause between two prunings.
const PRUNE_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// Prunes the journal.
pub struct Retention {
    surroundings: Surroundings,
    keep: Duration,
}

impl Retention {
    /// The name of the lease under which one instance of all prunes.
    pub const LEASE: &str = "journal:retention";

    /// Keeps what ended for `keep`.
    pub fn new(surroundings: Surroundings, keep: Duration) -> Self {
        Self { surroundings, keep }
    }

    /// Prunes now and then until shutdown.
    pub async fn run(&self, tenure: Tenure, mut shutdown: Shutdown) {
        // By a clock that is wrong, everything could be long ago.
        tokio::select! {
            () = self.surroundings.proven.known() => {}
            () = shutdown.requested() => {}
        }
        while !shutdown.is_requested() {
            if tenure.holds() {
                self.prune().await;
            }
            tokio::select! {
                () = tokio::time::sleep(PRUNE_EVERY) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    async fn prune(&self) {
        let Some(now) = self.surroundings.proven.now() else { return };
        let keep = SignedDuration::try_from(self.keep).unwrap_or(SignedDuration::MAX);
        // A journal that must keep more than there was time has nothing to lose.
        let Ok(before) = now.checked_sub(keep) else { return };
        match self.surroundings.journal.prune(before).await {
            Ok(pruned) if pruned != Pruned::default() => {
                Forgotten { pruned, before }.tell();
            }
            Ok(_) => {}
            Err(error) => NotForgotten(&error).tell(),
        }
    }
}
