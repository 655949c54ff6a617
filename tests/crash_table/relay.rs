//! A relay put together as `mesh_relay::relay` does it, out of the same parts and from the same configuration file, but
//! with ports that have a fate, and with sources whose systems are told of every change.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mesh_relay::adapters::{Place, Sharing};
use mesh_relay::journal::file;
use mesh_relay::mesh_port::MeshPort;
use mesh_relay::relay::OpenFolders;
use mesh_relay::routing::{self, Receiving};
use mesh_relay::settings::{AdapterSettings, Settings};
use mesh_relay::system::{SystemChance, SystemClock};
use relay_core::{
    Chance, Clock, DeliveryEvent, EventSink, Journal, Lease, MeshMailbox, PartLeases, Poller, ReceivePolicy,
    RelayHandle, Shutdown, ShutdownTrigger, SourceError, Surroundings, TellError, Teller, Tenure, Terms,
};
use relay_journal::SqliteJournal;
use relay_testkit::failing::{FailingEventSink, FailingJournal, FailingMesh, FailingSink, Fate};
use tokio::task::JoinSet;

/// Where a relay's events are told, beside its configuration: a line for each telling.
pub const EVENTS: &str = "events.log";

/// A relay at work in this process.
pub struct Relay {
    pub journal: Arc<FailingJournal>,
    sqlite: SqliteJournal,
    trigger: ShutdownTrigger,
    tasks: JoinSet<Result<(), SourceError>>,
}

impl Relay {
    /// Starts one. Its leases last for `ttl`.
    pub async fn start(config: &Path, fate: &Arc<Fate>, ttl: Duration) -> Self {
        let settings = Settings::load(config).unwrap_or_else(|faults| panic!("{faults}"));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let chance: Arc<dyn Chance> = Arc::new(SystemChance);
        let submit = http_adapter::Submit::default();
        let folders = OpenFolders::default();
        let place = Place {
            clock: &clock,
            chance: &chance,
            log: None,
            submit: &submit,
            folders: &folders,
            shared: false,
        };
        let adapters: Vec<_> = settings
            .adapters
            .into_iter()
            .map(|AdapterSettings { name, config, .. }| {
                let mailbox = config.mailbox().clone();
                let adapter = config.build(&name, place).expect("an adapter");
                (name, mailbox, adapter)
            })
            .collect();
        let sqlite = SqliteJournal::open(file(&settings.journal).expect("a file"))
            .unwrap_or_else(|error| panic!("{error}"));
        let journal = Arc::new(FailingJournal::new(Arc::new(sqlite.clone()), fate));
        let surroundings = Surroundings::new(Arc::clone(&journal) as _, clock, chance);
        let owner = surroundings.chance.relay_id(surroundings.clock.now()).to_string();
        let (trigger, shutdown) = Shutdown::channel();
        let mut tasks = JoinSet::new();
        let lease = |name: String| {
            let journal: Arc<dyn Journal> = Arc::clone(&surroundings.journal);
            (Lease::new(journal, name, owner.clone()).lasting(ttl), shutdown.clone())
        };

        let sinks: Vec<Receiving> = adapters
            .iter()
            .filter_map(|(name, mailbox, adapter)| {
                let sink = Arc::new(FailingSink::new(adapter.sink.clone()?, fate));
                Some(Receiving { adapter: name.clone(), mailbox: mailbox.clone(), sink })
            })
            .collect();
        let mut ports: Vec<Arc<dyn MeshMailbox>> = Vec::new();
        for mailbox in settings.mailboxes {
            let real = MeshPort::new(settings.client.mailbox(mailbox.id.clone(), mailbox.password));
            let port: Arc<dyn MeshMailbox> = Arc::new(FailingMesh::new(Arc::new(real), fate));
            ports.push(Arc::clone(&port));
            // One that only sends takes no messages.
            let taken = routing::sink_of(&settings.router, &sinks, &mailbox.id, &surroundings.pauses);
            let Some((sink, _)) = taken else { continue };
            let policy = ReceivePolicy {
                poll_every: mailbox.receive.poll_every,
                retry_first: Duration::from_millis(50),
                ..mailbox.receive.clone()
            };
            let poller = Poller::new(surroundings.clone(), port, Some(sink), policy);
            let (lease, stop) = lease(poller.lease_name());
            tasks.spawn(async move {
                let poller = &poller;
                let poll = |tenure, stop| async move {
                    poller.run(tenure, stop).await;
                    Ok(())
                };
                lease.while_held(stop, poll).await
            });
        }

        let relay = RelayHandle::new(surroundings.clone(), ports, settings.send, shutdown.clone());
        for (name, _, adapter) in adapters {
            // A folder's system is told nothing in the product.
            let log = || Arc::new(EventLog::beside(config)) as Arc<dyn EventSink>;
            let events = adapter.events.clone().unwrap_or_else(log);
            let relay = relay.on_terms(Terms { tell: true, ..adapter.terms.clone() });
            let teller = Teller::new(&surroundings, &name, Arc::new(FailingEventSink::new(events, fate)));
            let (held, stop) = lease(format!("events:{name}"));
            tasks.spawn(async move {
                let teller = &teller;
                let tell = |tenure, stop| async move {
                    teller.run(tenure, stop).await;
                    Ok(())
                };
                held.while_held(stop, tell).await
            });
            let lease_name = format!("adapter:{name}");
            if adapter.sharing == Sharing::Parts {
                let journal = Arc::clone(&surroundings.journal);
                let relay = relay.by_parts(PartLeases::new(journal, lease_name, &owner, ttl));
                let (source, stop) = (adapter.source, shutdown.clone());
                tasks.spawn(async move { source.run(relay, stop).await });
                continue;
            }
            let (held, stop) = lease(lease_name);
            tasks.spawn(async move {
                let (source, relay) = (&adapter.source, &relay);
                let carry =
                    |tenure: Tenure, stop| async move { source.run(relay.under(&tenure, &stop), stop).await };
                held.while_held(stop, carry).await
            });
        }
        Self { journal, sqlite, trigger, tasks }
    }

    /// Finishes what is under way, and closes the journal.
    pub async fn stop(mut self) {
        self.trigger.request();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a part that does not break").expect("a source that can go on");
        }
        self.sqlite.close().await;
    }
}

/// A far side that is told by lines added to a file: what is written is there, whatever becomes of this process.
struct EventLog {
    path: PathBuf,
    writing: Mutex<()>,
}

impl EventLog {
    fn beside(config: &Path) -> Self {
        Self { path: config.with_file_name(EVENTS), writing: Mutex::new(()) }
    }
}

#[async_trait]
impl EventSink for EventLog {
    async fn tell(&self, event: &DeliveryEvent) -> Result<(), TellError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{} {} {}\n", event.id.relay_id, event.id.sequence, event.state.name());
        File::options()
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| TellError { what: error.to_string() })
    }
}
