//! The mailboxes of a running relay: the way to MESH, which lasts, and the poller, which is started anew when its bounds or
//! the takers of its messages change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use relay_config::Imprint;
use relay_core::{MailboxId, MeshMailbox, Poller, ReceivePolicy, Route, Router, Sink, Surroundings};

use super::adapters::Facts;
use super::ground::Leases;
use super::part::{Failures, Part};
use crate::mesh_port::MeshPort;
use crate::routing::{self, Receiving};

/// A mailbox that is served.
pub(super) struct Served {
    pub(super) id: MailboxId,
    pub(super) imprint: Imprint,
    pub(super) poll_every: Duration,
    /// The way to MESH. It lasts as long as the mailbox is served.
    pub(super) port: Arc<MeshPort>,
    /// Who takes its messages.
    pub(super) takers: Takers,
    pub(super) poller: Part,
}

/// Who takes a mailbox's messages, and by which routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Takers {
    adapters: Vec<String>,
    routes: Vec<Route>,
}

impl Takers {
    pub(super) fn of(mailbox: &MailboxId, router: &Router, adapters: &[&Facts]) -> Self {
        let routes: Vec<Route> = router.routes_of(mailbox).map(|(_, route)| route.clone()).collect();
        let takes = |facts: &&&Facts| {
            let led = routes.iter().any(|route| route.to == facts.name);
            facts.sink.is_some() && (facts.mailbox == *mailbox || led)
        };
        let adapters = adapters.iter().filter(takes).map(|facts| facts.name.clone()).collect();
        Self { adapters, routes }
    }

    /// Whether one of these adapters is among them.
    pub(super) fn are_among(&self, adapters: &BTreeSet<String>) -> bool {
        self.adapters.iter().any(|name| adapters.contains(name))
    }
}

/// Where a mailbox's messages go, and the adapter that it is where that is one alone. `None`: nobody takes them.
pub(super) fn sink(
    mailbox: &MailboxId,
    router: &Arc<Router>,
    adapters: &[&Facts],
    surroundings: &Surroundings,
) -> Option<(Arc<dyn Sink>, Option<String>)> {
    let receiving = |facts: &&Facts| {
        let sink = Arc::clone(facts.sink.as_ref()?);
        Some(Receiving { adapter: facts.name.clone(), mailbox: facts.mailbox.clone(), sink })
    };
    let sinks: Vec<Receiving> = adapters.iter().filter_map(receiving).collect();
    routing::sink_of(router, &sinks, mailbox, &surroundings.pauses)
}

/// Looks into the inbox of a mailbox until the part is stopped.
pub(super) fn poll(
    port: &Arc<MeshPort>,
    sink: Option<(Arc<dyn Sink>, Option<String>)>,
    receive: ReceivePolicy,
    surroundings: &Surroundings,
    leases: &Leases,
    failures: &Failures,
) -> Part {
    let mesh: Arc<dyn MeshMailbox> = Arc::clone(port) as _;
    let mailbox = mesh.mailbox().clone();
    if sink.is_none() {
        tracing::warn!(%mailbox, "no adapter takes this mailbox's messages; they stay at MESH");
    }
    let (sink, adapter) = sink.unzip();
    let poller = Poller::new(surroundings.clone(), mesh, sink, receive);
    let poller = match adapter.flatten() {
        Some(adapter) => poller.into_adapter(&adapter),
        None => poller,
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
