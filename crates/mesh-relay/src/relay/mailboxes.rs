//! The mailboxes of a running relay: the way to MESH, which lasts, and the poller, which is started anew when its bounds or
//! the takers of its messages change.

use std::sync::Arc;
use std::time::Duration;

use relay_config::Imprint;
use relay_core::{MailboxId, MeshMailbox, Poller, ReceivePolicy, Sink, Surroundings};

use super::adapters::Facts;
use super::ground::Leases;
use super::part::{Failures, Part};
use crate::mesh_port::MeshPort;

/// A mailbox that is served.
pub(super) struct Served {
    pub(super) id: MailboxId,
    pub(super) imprint: Imprint,
    pub(super) poll_every: Duration,
    /// The way to MESH. It lasts as long as the mailbox is served.
    pub(super) port: Arc<MeshPort>,
    /// Which adapters take its messages.
    pub(super) takers: Vec<String>,
    pub(super) poller: Part,
}

/// Who takes a mailbox's messages.
pub(super) struct Takers {
    pub(super) names: Vec<String>,
    sink: Option<Arc<dyn Sink>>,
}

impl Takers {
    pub(super) fn of<'a>(mailbox: &MailboxId, adapters: impl IntoIterator<Item = &'a Facts>) -> Self {
        let taker = adapters
            .into_iter()
            .find_map(|facts| Some((facts, facts.sink.clone()?)).filter(|_| facts.mailbox == *mailbox));
        match taker {
            Some((facts, sink)) => Self { names: vec![facts.name.clone()], sink: Some(sink) },
            None => Self { names: Vec::new(), sink: None },
        }
    }
}

/// Looks into the inbox of a mailbox until the part is stopped.
pub(super) fn poll(
    port: &Arc<MeshPort>,
    takers: Takers,
    receive: ReceivePolicy,
    surroundings: &Surroundings,
    leases: &Leases,
    failures: &Failures,
) -> Part {
    let mesh: Arc<dyn MeshMailbox> = Arc::clone(port) as _;
    let mailbox = mesh.mailbox().clone();
    if takers.sink.is_none() {
        tracing::warn!(%mailbox, "no adapter takes this mailbox's messages; they stay at MESH");
    }
    let poller = Poller::new(surroundings.clone(), mesh, takers.sink, receive);
    let poller = match &takers.names[..] {
        [adapter] => poller.into_adapter(adapter),
        _ => poller,
    };
    let mut part = Part::new(format!("mailbox {mailbox}"), failures);
    let (lease, stop) = (leases.of(poller.lease_name()), part.shutdown());
    part.spawn(async move {
        let poller = &poller;
        let poll = |tenure, stop| async move {
            poller.run(tenure, stop).await;
            Ok(())
        };
        lease.while_held(stop, poll).await
    });
    part
}
