//! The adapters of a running relay: built first, which may fail, and started then, which cannot.

use std::path::PathBuf;
use std::sync::Arc;

use keystore::SwappableIdentity;
use relay_config::Imprint;
use relay_console as console;
use relay_core::{KeepsSent, MailboxId, RelayHandle, Sink, Surroundings, Teller, Tenure};

use super::ground::Leases;
use super::part::{Failures, Part};
use crate::adapters::{Adapter, AdapterError, Place, Sharing};
use crate::settings::AdapterSettings;

/// What the rest of the relay knows of an adapter.
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) mailbox: MailboxId,
    pub(super) imprint: Imprint,
    /// Where it puts messages, if it takes any.
    pub(super) sink: Option<Arc<dyn Sink>>,
    /// What it keeps of messages that ended.
    pub(super) keeps: Option<Arc<dyn KeepsSent>>,
    /// The mailbox for which it takes what is handed in over HTTP, if it takes any.
    pub(super) takes_in: Option<MailboxId>,
    /// The folder that it works on, if it is one that has some.
    pub(super) root: Option<PathBuf>,
    /// The certificate that it shows.
    pub(super) shown: Option<Arc<SwappableIdentity>>,
}

impl Facts {
    /// What people see of it.
    pub(super) fn view(&self) -> console::Adapter {
        console::Adapter {
            name: self.name.clone(),
            kind: self.kind,
            mailbox: self.mailbox.clone(),
            sink: self.sink.clone(),
        }
    }
}

/// An adapter that is ready to run.
pub(super) struct Built {
    pub(super) facts: Facts,
    adapter: Adapter,
}

impl Built {
    /// # Errors
    /// What keeps it from running, with what to do. Nothing of it is left then.
    pub(super) fn new(settings: AdapterSettings, place: Place<'_>) -> Result<Self, AdapterError> {
        let AdapterSettings { name, config, imprint } = settings;
        let (mailbox, kind) = (config.mailbox().clone(), config.kind());
        let root = config.dts_folder().map(|folder| folder.root.clone());
        let adapter = config.build(&name, place)?;
        let facts = Facts {
            name,
            kind,
            mailbox,
            imprint,
            root,
            sink: adapter.sink.clone(),
            keeps: adapter.keeps.clone(),
            takes_in: adapter.takes_in.clone(),
            shown: adapter.identity.as_ref().map(|(watch, _)| watch.shown()),
        };
        Ok(Self { facts, adapter })
    }

    /// Runs it until its part is stopped.
    pub(super) fn start(
        self,
        relay: &RelayHandle,
        leases: &Leases,
        surroundings: &Surroundings,
        failures: &Failures,
    ) -> Running {
        let Self { facts, adapter } = self;
        let (part, telling) = start(&facts.name, adapter, relay, leases, surroundings, failures);
        Running { facts, part, telling }
    }
}

/// An adapter at work.
pub(super) struct Running {
    pub(super) facts: Facts,
    pub(super) part: Part,
    /// Tells its system what becomes of its messages, if it is told.
    pub(super) telling: Option<Part>,
}

/// Runs an adapter, by its name, until the parts are stopped: what takes its messages up, and what tells of them.
pub(super) fn start(
    name: &str,
    adapter: Adapter,
    relay: &RelayHandle,
    leases: &Leases,
    surroundings: &Surroundings,
    failures: &Failures,
) -> (Part, Option<Part>) {
    let mut part = Part::new(format!("adapter {name}"), failures);
    let stop = part.shutdown();
    let telling = adapter.events.map(|events| {
        let mut telling = Part::new(format!("the events of adapter {name}"), failures);
        let teller = Teller::new(surroundings, name, events);
        let (lease, stop) = (leases.of(format!("events:{name}")), telling.shutdown());
        telling.spawn(async move {
            let teller = &teller;
            let tell = |tenure, stop| async move {
                teller.run(tenure, stop).await;
                Ok(())
            };
            lease.while_held(stop, tell).await
        });
        telling
    });
    if let Some((watch, every)) = adapter.identity {
        part.run(watch.run(every, stop.clone()));
    }
    let relay = relay.on_terms(adapter.terms).of_adapter(name);
    let source = adapter.source;
    let lease_name = format!("adapter:{name}");
    match adapter.sharing {
        Sharing::Parts => {
            let relay = relay.by_parts(leases.parts(lease_name));
            part.spawn(async move { source.run(relay, stop).await });
        }
        Sharing::Whole => {
            let lease = leases.of(lease_name);
            part.spawn(async move {
                let (source, relay) = (&source, &relay);
                let carry =
                    |tenure: Tenure, stop| async move { source.run(relay.under(&tenure, &stop), stop).await };
                lease.while_held(stop, carry).await
            });
        }
    }
    (part, telling)
}
