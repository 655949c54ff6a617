//! The inbound way: from a mailbox's inbox to a sink, one poller for each mailbox.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use mesh_api::{FailureClass, Held, MailboxId, MessageId};
use thiserror::Error;
use tokio::time::Instant;

use crate::clock::{Chance, RelayId};
use crate::journal::{Begin, JournalError, NewInbound};
use crate::ledger::{InboundEntry, Ledger};
use crate::mesh::{Incoming, MeshAnswer, MeshError, MeshMailbox};
use crate::outbound::Surroundings;
use crate::policy::{ReceivePolicy, backoff};
use crate::shutdown::Shutdown;
use crate::sink::{DeliveryError, Inbound, Receipt, Sink};
use crate::state::InboundState;

/// Empties one mailbox into one sink.
pub struct Poller {
    mesh: Arc<dyn MeshMailbox>,
    sink: Arc<dyn Sink>,
    ledger: Ledger,
    chance: Arc<dyn Chance>,
    policy: ReceivePolicy,
}

/// Messages that failed and when each may be tried again. Holds only ids that were in the last listing.
type Resting = HashMap<MessageId, Rest>;

struct Rest {
    failures: u32,
    until: Instant,
}

/// Why one message did not arrive this time.
#[derive(Debug, Error)]
enum ReceiveError {
    #[error(transparent)]
    Mesh(#[from] MeshError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Sink(#[from] DeliveryError),
}

impl Poller {
    /// A poller for `mesh`'s mailbox.
    pub fn new(
        surroundings: Surroundings,
        mesh: Arc<dyn MeshMailbox>,
        sink: Arc<dyn Sink>,
        policy: ReceivePolicy,
    ) -> Self {
        let Surroundings { journal, clock, chance } = surroundings;
        Self { mesh, sink, ledger: Ledger { journal, clock }, chance, policy }
    }

    /// Polls until shutdown. A message under way is finished first; those not begun stay at MESH.
    pub async fn run(self, mut shutdown: Shutdown) {
        let mailbox = self.mesh.mailbox().clone();
        let mut outage = Outage::new(mailbox.clone());
        let mut resting = Resting::new();
        let mut handshake_due = Instant::now();
        while !shutdown.is_requested() {
            self.poll(&mut outage, &mut resting, &mut handshake_due, &shutdown).await;
            tokio::select! {
                () = tokio::time::sleep(self.policy.poll_every) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    async fn poll(
        &self,
        outage: &mut Outage,
        resting: &mut Resting,
        handshake_due: &mut Instant,
        shutdown: &Shutdown,
    ) {
        if Instant::now() >= *handshake_due {
            if outage.note(self.mesh.handshake().await).is_none() {
                return;
            }
            *handshake_due = Instant::now() + self.policy.handshake_every;
            tracing::info!(mailbox = %self.mesh.mailbox(), "handshake done");
        }
        if let Some(ids) = outage.note(self.mesh.list().await) {
            self.receive_all(ids, resting, shutdown).await;
        }
    }

    async fn receive_all(&self, ids: Vec<MessageId>, resting: &mut Resting, shutdown: &Shutdown) {
        let now = Instant::now();
        resting.retain(|id, _| ids.contains(id));
        let due: Vec<MessageId> =
            ids.into_iter().filter(|id| resting.get(id).is_none_or(|rest| rest.until <= now)).collect();
        // Oldest first, a few at a time; one that fails rests and the others go on.
        let mut results = stream::iter(due)
            .take_while(|_| std::future::ready(!shutdown.is_requested()))
            .map(|id| async move {
                let result = self.receive(&id).await;
                (id, result)
            })
            .buffer_unordered(self.policy.downloads_max.max(1));
        while let Some((id, result)) = results.next().await {
            let Err(error) = result else {
                resting.remove(&id);
                continue;
            };
            let failures = resting.get(&id).map_or(0, |rest| rest.failures) + 1;
            let wait = backoff(failures, self.policy.retry_first, self.policy.retry_max, &*self.chance);
            let mailbox = self.mesh.mailbox();
            tracing::warn!(%mailbox, message_id = %id, failures, %error, "message not delivered; it stays at MESH");
            resting.insert(id, Rest { failures, until: Instant::now() + wait });
        }
    }

    /// Takes one message as far as it goes: delivered, recorded, acknowledged.
    async fn receive(&self, id: &MessageId) -> Result<(), ReceiveError> {
        let now = self.ledger.clock.now();
        let mailbox = self.mesh.mailbox();
        let begun = self
            .ledger
            .begin_inbound(NewInbound {
                relay_id: self.chance.relay_id(now),
                mailbox: mailbox.clone(),
                message_id: id.clone(),
                at: now,
            })
            .await?;
        let mut entry = match begun {
            Begin::New(entry) => entry,
            Begin::Known(mut entry) => {
                let attempt = match entry.record().state {
                    InboundState::Delivering { attempt } => Some(attempt + 1),
                    // Listed again, so it is not gone after all.
                    InboundState::Gone => Some(1),
                    _ => None,
                };
                if let Some(attempt) = attempt {
                    self.ledger.advance_inbound(&mut entry, InboundState::Delivering { attempt }).await?;
                }
                entry
            }
        };
        let relay_id = entry.record().relay_id;
        let delivered = match (entry.delivered(), entry.record().state.clone()) {
            (Some(delivered), state) => {
                // The last run may have stopped before it could say so.
                if let InboundState::Delivered { receipt } = state {
                    self.sink.recorded(&Receipt(receipt)).await;
                }
                delivered
            }
            (None, InboundState::Delivering { attempt }) => {
                let Some(receipt) = self.deliver(relay_id, id, attempt, &mut entry).await? else {
                    return Ok(());
                };
                let delivered = self.ledger.deliver(&mut entry, &receipt).await?;
                self.sink.recorded(&receipt).await;
                delivered
            }
            // Parked waits for a person.
            (None, _) => return Ok(()),
        };
        match self.mesh.acknowledge(&delivered).await {
            Ok(()) => {}
            // Someone acknowledged it before: the aim is reached.
            Err(error)
                if matches!(error.answer, MeshAnswer::NoSuchMessage | MeshAnswer::NoLongerAvailable) => {}
            Err(error) => return Err(error.into()),
        }
        self.ledger.advance_inbound(&mut entry, InboundState::Acknowledged).await?;
        tracing::info!(%relay_id, %mailbox, message_id = %id, "message delivered and acknowledged");
        Ok(())
    }

    /// Hands the message to the sink. `None` when it ended without a delivery, which is then recorded.
    async fn deliver(
        &self,
        relay_id: RelayId,
        id: &MessageId,
        attempt: u32,
        entry: &mut InboundEntry,
    ) -> Result<Option<Receipt>, ReceiveError> {
        let mailbox = self.mesh.mailbox();
        let mut held = self.sink.held(id).await;
        let mut opened = self.mesh.open(id, held).await;
        if held.chunks > 0
            && opened.as_ref().is_err_and(|error| error.answer != MeshAnswer::Nothing || !error.mailbox_wide)
        {
            // Whatever is wrong with going on, beginning again can do without it.
            held = Held::default();
            opened = self.mesh.open(id, held).await;
        }
        let incoming = match opened {
            Ok(incoming) => incoming,
            Err(error)
                if matches!(error.answer, MeshAnswer::NoSuchMessage | MeshAnswer::NoLongerAvailable) =>
            {
                tracing::warn!(%relay_id, %mailbox, message_id = %id, "message is gone from MESH; another reader took it or it expired");
                self.ledger.advance_inbound(entry, InboundState::Gone).await?;
                // An error, so that it rests should MESH go on listing it.
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        let Incoming { download, body, progress } = incoming;
        let message = Inbound { relay_id, mailbox, download: &download, body, held, progress, attempt };
        match self.sink.deliver(message).await {
            Ok(receipt) => Ok(Some(receipt)),
            Err(error) if error.class == FailureClass::Permanent => {
                tracing::error!(%relay_id, %mailbox, message_id = %id, %error, "message parked; MESH still holds it");
                self.ledger.advance_inbound(entry, InboundState::Parked { reason: error.what }).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Says once that a mailbox cannot be reached, and once that it can again.
struct Outage {
    mailbox: MailboxId,
    since: Option<Instant>,
    said: String,
}

impl Outage {
    fn new(mailbox: MailboxId) -> Self {
        Self { mailbox, since: None, said: String::new() }
    }

    fn note<T>(&mut self, result: Result<T, MeshError>) -> Option<T> {
        let mailbox = &self.mailbox;
        match result {
            Ok(value) => {
                if let Some(since) = self.since.take() {
                    let lasted = Duration::from_secs(since.elapsed().as_secs());
                    tracing::info!(%mailbox, ?lasted, "MESH answers again");
                    self.said.clear();
                }
                Some(value)
            }
            Err(error) => {
                self.since.get_or_insert_with(Instant::now);
                if self.said != error.what {
                    tracing::error!(%mailbox, %error, "mailbox cannot be read; messages stay at MESH");
                    self.said = error.what;
                }
                None
            }
        }
    }
}
