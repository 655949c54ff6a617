//! Another configuration for a running relay. Whatever can fail is done before anything is changed, so that a bad one never
//! takes the place of a good one; then only those parts stop and start again that are not what they are to be.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use relay_core::{MailboxId, MeshMailbox, RelayHandle, Router, Shutdown};
use thiserror::Error;
use tokio::time::Instant;

use super::adapters::{Built, Facts, Running};
use super::mailboxes::{Served, Takers, poll, sink};
use super::part::Part;
use super::{Changes, Differences, Mesh, MeshPort, Relay, StartError, part};
use crate::settings::{AdapterSettings, MailboxSettings, Settings};

/// Why a running relay does not take another configuration. It goes on as before.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// Something differs that only a start can change.
    #[error("{} changed, which only a restart can take; the relay goes on with all that it was started with", titles(.0))]
    NeedsRestart(Vec<String>),
    /// An adapter cannot run.
    #[error("{0}; the relay goes on as before")]
    Start(#[from] StartError),
    /// The relay is to stop. Parts of it have stopped already.
    #[error("the relay is to stop; the next start takes it")]
    Stopping,
}

fn titles(sections: &[String]) -> String {
    sections.iter().map(|section| format!("[{section}]")).collect::<Vec<_>>().join(", ")
}

impl Relay {
    /// Goes on with these settings. What they leave as it is goes on undisturbed; what they change finishes what it has
    /// under way, within a bound, and starts anew. Returns what changed.
    ///
    /// `stop` ends that: everything is asked to stop at once then, and only [`Self::stop`] may follow.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing was changed then, save where it was to stop.
    pub async fn reload(&mut self, settings: Settings, stop: &Shutdown) -> Result<Changes, ReloadError> {
        let fixed = self.fixed.differences(&settings.fixed);
        if !fixed.is_empty() {
            return Err(ReloadError::NeedsRestart(fixed));
        }
        let changes = self.changes(&settings);
        if changes.is_empty() {
            return Ok(changes);
        }
        let Settings {
            client,
            identity,
            mailboxes,
            send,
            adapters,
            mesh_url,
            mesh_imprint,
            router,
            drain,
            ..
        } = settings;
        let order: Vec<String> = adapters.iter().map(|adapter| adapter.name.clone()).collect();
        let begins = |adapter: &AdapterSettings| changes.send || changes.adapters.begins(&adapter.name);
        let built = adapters.into_iter().filter(begins).map(|adapter| self.making.build(adapter));
        let built = built.collect::<Result<Vec<Built>, _>>()?;

        let ending: BTreeSet<String> = self
            .adapters
            .iter()
            .map(|running| running.facts.name.clone())
            .filter(|name| changes.send || changes.adapters.ends(name))
            .collect();
        let staying = self.adapters.iter().map(|running| &running.facts);
        let to_be: Vec<&Facts> = staying
            .filter(|facts| !ending.contains(&facts.name))
            .chain(built.iter().map(|built| &built.facts))
            .collect();
        let resting: BTreeSet<MailboxId> = self
            .mailboxes
            .iter()
            .filter(|served| {
                let takers = Takers::of(&served.id, &router, &to_be);
                changes.mesh
                    || changes.mailboxes.ends(&served.id)
                    || takers != served.takers
                    || takers.are_among(&ending)
            })
            .map(|served| served.id.clone())
            .collect();

        self.end(&changes, &ending, &resting, stop).await;
        if stop.is_requested() {
            return Err(ReloadError::Stopping);
        }

        if changes.mesh {
            self.mesh = Mesh::new(mesh_url, mesh_imprint, client, identity, &self.failures);
        }
        self.drain = drain;
        self.reach(&mailboxes, &changes);
        if changes.send {
            let meshes = self.meshes();
            self.handle =
                RelayHandle::new(self.surroundings.clone(), meshes, send.clone(), self.base.shutdown());
            self.send = send;
        }
        for built in built {
            let running = built.start(&self.handle, &self.leases, &self.surroundings, &self.failures);
            self.adapters.push(running);
        }
        self.adapters.sort_by_key(|running| order.iter().position(|name| *name == running.facts.name));
        self.router = router;
        self.poll_again(mailboxes, &resting);
        self.show().await;
        Ok(changes)
    }

    fn changes(&self, settings: &Settings) -> Changes {
        let mailboxes: Vec<_> =
            self.mailboxes.iter().map(|served| (served.id.clone(), &served.imprint)).collect();
        let new_mailboxes: Vec<_> =
            settings.mailboxes.iter().map(|mailbox| (mailbox.id.clone(), &mailbox.imprint)).collect();
        let facts = self.adapters.iter().map(|running| &running.facts);
        let adapters: Vec<_> = facts.map(|facts| (facts.name.clone(), &facts.imprint)).collect();
        let new_adapters: Vec<_> =
            settings.adapters.iter().map(|adapter| (adapter.name.clone(), &adapter.imprint)).collect();
        Changes {
            mesh: self.mesh.imprint != settings.mesh_imprint,
            send: self.send != settings.send,
            routes: self.router.routes() != settings.router.routes(),
            mailboxes: Differences::between(&mailboxes, &new_mailboxes),
            adapters: Differences::between(&adapters, &new_adapters),
        }
    }

    /// Stops what is not to run any more, or not as it is.
    async fn end(
        &mut self,
        changes: &Changes,
        adapters: &BTreeSet<String>,
        pollers: &BTreeSet<MailboxId>,
        stop: &Shutdown,
    ) {
        let mut parts = Vec::new();
        for served in &mut self.mailboxes {
            if pollers.contains(&served.id) {
                let idle = Part::new("", &self.failures);
                parts.push(std::mem::replace(&mut served.poller, idle));
            }
        }
        let (ending, staying): (Vec<Running>, Vec<Running>) =
            self.adapters.drain(..).partition(|running| adapters.contains(&running.facts.name));
        self.adapters = staying;
        // What the last messages made to be told, the next teller finds in the journal.
        parts
            .extend(ending.into_iter().flat_map(|running| running.telling.into_iter().chain([running.part])));
        if changes.mesh {
            parts.extend(self.mesh.identity.take().map(|(_, part)| part));
        }
        // What people send goes by the same bounds; and mailboxes may come to be theirs, or an adapter's.
        if changes.send || !changes.mailboxes.is_empty() || !changes.adapters.is_empty() {
            parts.extend(self.by_hand.take());
        }
        let mut stop = stop.clone();
        let mut ending = pin!(part::stop(parts, Instant::now() + self.drain));
        tokio::select! {
            _ = &mut ending => return,
            () = stop.requested() => self.intake().for_each(Part::request),
        }
        ending.await;
    }

    /// Reaches the mailboxes of the settings, and no others.
    fn reach(&mut self, mailboxes: &[MailboxSettings], changes: &Changes) {
        // The one whose certificate is followed: that of settings which leave MESH as it is was read for nothing.
        let client = self.mesh.client.clone();
        self.mailboxes.retain(|served| {
            let stays = !changes.mailboxes.removed.contains(&served.id);
            if !stays {
                self.handle.leave(&served.id);
                self.surroundings.board.forget(&served.id);
            }
            stays
        });
        for mailbox in mailboxes {
            let own = || client.mailbox(mailbox.id.clone(), mailbox.password.clone());
            let (imprint, poll_every) = (mailbox.imprint.clone(), mailbox.receive.poll_every);
            match self.mailboxes.iter_mut().find(|served| served.id == mailbox.id) {
                Some(served) if changes.mesh || changes.mailboxes.changed.contains(&mailbox.id) => {
                    served.port.replace(own());
                    (served.imprint, served.poll_every) = (imprint, poll_every);
                    self.handle.serve(Arc::clone(&served.port) as Arc<dyn MeshMailbox>);
                }
                Some(_) => {}
                None => {
                    let port = Arc::new(MeshPort::new(own()));
                    self.handle.serve(Arc::clone(&port) as Arc<dyn MeshMailbox>);
                    let (id, poller) = (mailbox.id.clone(), Part::new("", &self.failures));
                    let takers = Takers::of(&id, &Router::default(), &[]);
                    self.mailboxes.push(Served { id, imprint, poll_every, port, takers, poller });
                }
            }
        }
        let place = |served: &Served| mailboxes.iter().position(|mailbox| mailbox.id == served.id);
        self.mailboxes.sort_by_key(place);
    }

    /// Starts the pollers that were stopped, and those of mailboxes that are new.
    fn poll_again(&mut self, mailboxes: Vec<MailboxSettings>, stopped: &BTreeSet<MailboxId>) {
        for mailbox in mailboxes {
            let Some(served) = self.mailboxes.iter_mut().find(|served| served.id == mailbox.id) else {
                continue;
            };
            if !stopped.contains(&mailbox.id) && !served.poller.is_idle() {
                continue;
            }
            let (surroundings, leases, failures) = (&self.surroundings, &self.leases, &self.failures);
            let facts: Vec<&Facts> = self.adapters.iter().map(|running| &running.facts).collect();
            served.takers = Takers::of(&mailbox.id, &self.router, &facts);
            let sink = sink(&mailbox.id, &self.router, &facts, surroundings);
            served.poller = poll(&served.port, sink, mailbox.receive, surroundings, leases, failures);
        }
    }

    /// Shows people what is configured now.
    pub(super) async fn show(&mut self) {
        if self.console.is_some() && self.by_hand.is_none() {
            self.take_by_hand();
        }
        self.watch_volumes();
        self.count_standing();
        self.operator.serve(self.meshes(), self.keepers());
        self.pages.show(self.site()).await;
    }
}
