//! Whether MESH takes messages. While it does not, partitions are paused, polling goes on, and records in hand wait.

use std::sync::mpsc::Sender;

use relay_core::{Deferral, MailboxId, RelayHandle, Shutdown};
use tokio::sync::watch;

use crate::hold::Command;

/// Open or shut, for all records of an adapter.
pub(crate) struct Gate(watch::Sender<Option<Shut>>);

/// Why it is shut, and when to ask again.
#[derive(Clone)]
struct Shut {
    what: String,
    after: std::time::Duration,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self(watch::channel(None).0)
    }

    /// Shuts it, unless it is shut.
    pub(crate) fn shut(&self, deferral: &Deferral) {
        self.0.send_if_modified(|shut| {
            let was_open = shut.is_none();
            if was_open {
                *shut = Some(Shut { what: deferral.to_string(), after: deferral.after });
            }
            was_open
        });
    }

    /// Waits until it is open. `false`: a stop came first.
    pub(crate) async fn passed(&self, stop: &Shutdown) -> bool {
        let (mut stop, mut state) = (stop.clone(), self.0.subscribe());
        tokio::select! {
            // The sender lives as long as this.
            _ = state.wait_for(Option::is_none) => !stop.is_requested(),
            () = stop.requested() => false,
        }
    }

    /// Opens it again whenever MESH takes messages again, until `stop`.
    pub(crate) async fn keep(
        &self,
        adapter: &str,
        relay: &RelayHandle,
        mailbox: &MailboxId,
        group: &Sender<Command>,
        mut stop: Shutdown,
    ) {
        let mut state = self.0.subscribe();
        let mut wake = relay.wake();
        loop {
            let shut = tokio::select! {
                shut = state.wait_for(Option::is_some) => shut.ok().and_then(|shut| shut.clone()),
                () = stop.requested() => return,
            };
            let Some(Shut { what, mut after }) = shut else { return };
            tracing::error!(%adapter, "{what}; records stay in the topic");
            // Should the consumer be gone, there is nothing to pause.
            let _ = group.send(Command::Paused(true));
            loop {
                tokio::select! {
                    () = tokio::time::sleep(after) => {}
                    () = stop.requested() => return,
                    () = wake.woken_for_all() => {}
                }
                match relay.reachable(mailbox).await {
                    Ok(()) => break,
                    Err(deferral) => after = deferral.after,
                }
            }
            tracing::info!(%adapter, "going on with the topic");
            let _ = group.send(Command::Paused(false));
            self.0.send_replace(None);
        }
    }
}
