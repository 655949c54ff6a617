//! From settings to a running relay, what other settings change of it, and its orderly end.

mod adapters;
mod changes;
mod drain;
mod ground;
mod mailboxes;
mod part;
mod reload;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dts_folder::{Names, TransferLog};
use http_adapter::{HttpSource, Limits as HandInLimits, Submit};
use keystore::SwappableIdentity;
use mesh_client::Client;
use relay_config::Imprint;
use relay_console::{Console, Mailbox, Site};
use relay_core::incident_watch::LOOK_EVERY;
use relay_core::vitals::feel_pulse;
use relay_core::{
    Chance, Clock, IncidentWatch, JournalError, KeyReuse, Limits, MailboxId, MeshMailbox, Operator, Phase,
    Progress, RelayHandle, Retention, Router, Scope, SendPolicy, Standing, Surroundings, Terms,
};
use thiserror::Error;
use tokio::sync::mpsc;

use self::adapters::{Built, Facts, Running};
use self::drain::Stages;
use self::ground::Leases;
use self::mailboxes::{Served, Takers};
use self::part::{Failure, Failures, Part};
use crate::adapters::{Adapter, AdapterError, Place, Sharing};
use crate::alerts::AlertSettings;
use crate::console::{ConsoleError, OpenConsole};
use crate::identity::IdentityWatch;
use crate::journal::{self, JournalOpenError, OpenJournal};
use crate::mesh_port::MeshPort;
use crate::service::Service;
use crate::settings::{AdapterSettings, Fixed, MailboxSettings, Settings};
use crate::system::{self, SystemChance, SystemClock};
use crate::telemetry;
use crate::volumes::Volumes;

pub use changes::{Changes, Differences};
pub use drain::Stopped;
pub use ground::OpenFolders;
pub use part::RelayError;
pub use reload::ReloadError;

/// The name under which messages are recorded that are handed in for a mailbox without an HTTP adapter. No adapter can have
/// it: names are letters, digits, `-` and `_`, and this begins with a bracket.
const BY_HAND: &str = "(by hand)";

/// A relay at work.
pub struct Relay {
    journal: OpenJournal,
    surroundings: Surroundings,
    leases: Leases,
    failures: Failures,
    failed: mpsc::Receiver<Failure>,
    making: Making,
    /// What only a start can change.
    fixed: Fixed,
    mesh: Mesh,
    send: SendPolicy,
    handle: RelayHandle,
    mailboxes: Vec<Served>,
    adapters: Vec<Running>,
    /// Which of them takes a message from MESH.
    router: Arc<Router>,
    /// Takes what people send from mailboxes without an HTTP adapter, where there is a console.
    by_hand: Option<Part>,
    /// How long messages under way may take to end when the relay, or a part of it, stops.
    drain: Duration,
    /// From when on what is wrong is an incident.
    limits: Limits,
    /// The disks that it writes to, and what looks at them.
    volumes: (Volumes, Part),
    /// What counts what stands where, for the metrics.
    standing: Part,
    /// What people see, also where nobody can look.
    pages: Console,
    operator: Operator,
    console: Option<Open>,
    /// What lasts as long as the relay, and takes nothing up.
    base: Part,
    /// What people look at, and what watches over the rest.
    last: Part,
    service: Service,
}

/// What adapters are made with.
struct Making {
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    log: Option<Arc<TransferLog>>,
    submit: Submit,
    folders: OpenFolders,
    shared: bool,
    /// Where the journal's file is, if it is one.
    journal_folder: Option<PathBuf>,
}

impl Making {
    fn build(&self, settings: AdapterSettings) -> Result<Built, StartError> {
        let place = Place {
            clock: &self.clock,
            chance: &self.chance,
            log: self.log.as_ref(),
            submit: &self.submit,
            folders: &self.folders,
            shared: self.shared,
        };
        let adapter = settings.name.clone();
        Built::new(settings, place).map_err(|source| StartError::Adapter { adapter, source })
    }
}

/// How MESH is reached.
struct Mesh {
    url: String,
    imprint: Imprint,
    client: Client,
    /// The certificate that it is shown, and what keeps that as its files are.
    identity: Option<(Arc<SwappableIdentity>, Part)>,
}

impl Mesh {
    fn new(
        url: String,
        imprint: Imprint,
        client: Client,
        identity: Option<(IdentityWatch, Duration)>,
        failures: &Failures,
    ) -> Self {
        let identity = identity.map(|(watch, every)| {
            let mut part = Part::new("the certificate for MESH", failures);
            let (shown, stop) = (watch.shown(), part.shutdown());
            part.run(watch.run(every, stop));
            (shown, part)
        });
        Self { url, imprint, client, identity }
    }
}

/// A console that answers.
struct Open {
    address: SocketAddr,
    shown: Option<Arc<SwappableIdentity>>,
}

/// Why a relay cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalOpenError),
    /// The journal does not say what is paused.
    #[error("{0}; without it nobody knows what is paused, and nothing is started")]
    Pauses(JournalError),
    /// The log of transfers cannot be written.
    #[error("transfer log {}: {source}; let the relay's account write there, or correct `transfers`", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The console cannot be opened.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// An adapter cannot run.
    #[error("adapter {adapter}: {source}")]
    Adapter {
        /// Its name.
        adapter: String,
        /// What keeps it.
        source: AdapterError,
    },
}

fn transfer_log(path: &Path, names: Names) -> Result<TransferLog, StartError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .and_then(|()| TransferLog::open(path, names))
        .map_err(|source| StartError::Log { path: path.to_owned(), source })
}

impl Relay {
    /// Opens the journal, takes the folders, and starts a poller for each mailbox and a source for each adapter.
    ///
    /// # Errors
    /// What keeps it from starting. Nothing was sent or received then.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let log = match &settings.transfer_log {
            Some(path) => Some(Arc::new(transfer_log(path, settings.transfer_names)?)),
            None => None,
        };
        let making = Making {
            clock: Arc::new(SystemClock),
            chance: Arc::new(SystemChance),
            log,
            submit: Submit::default(),
            folders: OpenFolders::default(),
            shared: settings.journal.is_shared(),
            journal_folder: journal::file(&settings.journal).map(folder_of),
        };
        // The folders first: they are locked for this process, so that a second relay ends here.
        let built = settings.adapters.into_iter().map(|adapter| making.build(adapter));
        let built = built.collect::<Result<Vec<Built>, _>>()?;
        let journal = OpenJournal::open(&settings.journal).await?;
        let mut surroundings =
            Surroundings::new(journal.shared(), Arc::clone(&making.clock), Arc::clone(&making.chance));
        surroundings.traces = telemetry::traces();
        if let Some(stall) = settings.alerts.stall {
            surroundings.progress = Progress::with_floor(stall);
        }
        // Before anything is sent or received: a pause lasts over every start.
        surroundings.pauses.read(&*surroundings.journal).await.map_err(StartError::Pauses)?;
        let mut console_watch = None;
        let console = match settings.console {
            Some(mut console) => {
                console_watch = console.identity.take();
                Some(console.open(&surroundings).await?)
            }
            None => None,
        };
        let leases = Leases {
            journal: journal.shared(),
            owner: surroundings.chance.relay_id(surroundings.clock.now()).to_string(),
            ttl: settings.journal.lease(),
        };
        let (failures, failed) = Failures::channel();
        let mut base = Part::new("the relay", &failures);
        follow_pauses(&mut base, &surroundings);
        prune(&mut base, &surroundings, settings.keep, &leases);
        let Settings { mesh_url, mesh_imprint, client, identity, .. } = settings;
        let mesh = Mesh::new(mesh_url, mesh_imprint, client, identity, &failures);
        let ports: Vec<(MailboxSettings, Arc<MeshPort>)> = settings
            .mailboxes
            .into_iter()
            .map(|mailbox| {
                let own = mesh.client.mailbox(mailbox.id.clone(), mailbox.password.clone());
                (mailbox, Arc::new(MeshPort::new(own)))
            })
            .collect();
        let meshes = ports.iter().map(|(_, port)| Arc::clone(port) as Arc<dyn MeshMailbox>);
        let handle = RelayHandle::new(surroundings.clone(), meshes, settings.send.clone(), base.shutdown());
        let pulse = ports.first().map(|(mailbox, _)| mailbox.id.clone());
        let mut mailboxes = Vec::with_capacity(ports.len());
        for (mailbox, port) in ports {
            let facts: Vec<&Facts> = built.iter().map(|built| &built.facts).collect();
            let takers = Takers::of(&mailbox.id, &settings.router, &facts);
            let sink = mailboxes::sink(&mailbox.id, &settings.router, &facts, &surroundings);
            let poll_every = mailbox.receive.poll_every;
            let poller = mailboxes::poll(&port, sink, mailbox.receive, &surroundings, &leases, &failures);
            let MailboxSettings { id, imprint, .. } = mailbox;
            mailboxes.push(Served { id, imprint, poll_every, port, takers, poller });
        }
        let running = built.into_iter().map(|built| built.start(&handle, &leases, &surroundings, &failures));
        let adapters: Vec<Running> = running.collect();
        let operator = Operator::new(surroundings.clone(), [], []);
        let pages = Console::new(nowhere(), surroundings.clone(), operator.clone());
        let mut relay = Self {
            volumes: (Volumes::new(Vec::new()), Part::new("the disks", &failures)),
            standing: Part::new("the count of what stands where", &failures),
            last: Part::new("what watches over the relay", &failures),
            adapters,
            mailboxes,
            router: settings.router,
            journal,
            leases,
            failures,
            failed,
            making,
            fixed: settings.fixed,
            mesh,
            send: settings.send,
            handle,
            by_hand: None,
            drain: settings.drain,
            limits: settings.alerts.limits.clone(),
            pages,
            operator,
            console: None,
            base,
            service: Service::find(),
            surroundings,
        };
        if let Some(console) = console {
            relay.open(console, console_watch, settings.identity_look);
        }
        relay.show().await;
        relay.watch_incidents(&settings.alerts, settings.journal.instance());
        relay.live(pulse);
        Ok(relay)
    }

    /// Answers those who look.
    fn open(&mut self, console: OpenConsole, watch: Option<IdentityWatch>, look: Duration) {
        let address = console.address();
        let shown = watch.as_ref().map(IdentityWatch::shown);
        let submissions = self.making.submit.router();
        tracing::info!(%address, "the console is open");
        self.last.run(console.run(self.pages.clone(), submissions, self.last.shutdown()));
        if let Some(watch) = watch {
            self.base.run(watch.run(look, self.base.shutdown()));
        }
        self.console = Some(Open { address, shown });
    }

    /// Tells people of what goes wrong, once when it begins and once when it is over.
    fn watch_incidents(&mut self, alerts: &AlertSettings, instance: String) {
        let watch = |scope| {
            let (conditions, every) = (Arc::new(self.pages.clone()), alerts.look.unwrap_or(LOOK_EVERY));
            let (sink, limits) = (alerts.sink.clone(), alerts.limits.clone());
            IncidentWatch::new(self.surroundings.clone(), conditions, sink, limits, every, scope)
        };
        let (own, shared) = (watch(Scope::Own(instance)), watch(Scope::Shared));
        let stop = self.last.shutdown();
        self.last.run(async move { own.run(stop).await });
        let (lease, stop) = (self.leases.of(IncidentWatch::LEASE), self.last.shutdown());
        self.last.spawn(async move {
            let shared = &shared;
            let look = |_, stop| async move {
                shared.run(stop).await;
                Ok(())
            };
            lease.while_held(stop, look).await
        });
    }

    /// From now on it runs, and says so to the service manager for as long as it moves.
    fn live(&mut self, pulse: Option<MailboxId>) {
        if let Some(mailbox) = pulse {
            let (surroundings, stop) = (self.surroundings.clone(), self.last.shutdown());
            self.last.run(async move { feel_pulse(&surroundings, &mailbox, stop).await });
        }
        let (service, stop) = (self.service.clone(), self.last.shutdown());
        let Surroundings { vitals, progress, .. } = self.surroundings.clone();
        self.last.run(async move { service.keep(&vitals, &progress, stop).await });
        self.surroundings.vitals.set_phase(Phase::Running);
        self.service.ready();
    }

    /// Counts what stands where, of what is configured now.
    fn count_standing(&mut self) {
        let mailboxes = self.mailboxes.iter().map(|mailbox| mailbox.id.clone()).collect();
        let facts = self.adapters.iter().map(|adapter| &adapter.facts);
        let sinks = facts.filter_map(|facts| Some((facts.name.clone(), Arc::clone(facts.sink.as_ref()?))));
        let standing = Standing::new(self.surroundings.clone(), mailboxes, sinks);
        let mut part = Part::new("the count of what stands where", &self.failures);
        let stop = part.shutdown();
        part.run(async move { standing.run(stop).await });
        self.standing = part;
    }

    /// Looks at the disks that are written to now.
    fn watch_volumes(&mut self) {
        let mut places = Vec::new();
        places.extend(self.making.journal_folder.clone().map(|folder| ("the journal".to_owned(), folder)));
        for facts in self.adapters.iter().map(|adapter| &adapter.facts) {
            places.extend(facts.root.clone().map(|root| (format!("adapter {}", facts.name), root)));
        }
        let volumes = Volumes::new(places);
        let mut part = Part::new("the disks", &self.failures);
        let stop = part.shutdown();
        part.run(volumes.clone().watch(stop));
        // A look of the one before may hang; it is let go.
        self.volumes = (volumes, part);
    }

    /// People send from any mailbox, also from one without an adapter that takes what programs hand in.
    fn take_by_hand(&mut self) {
        let mailboxes = self.left_to_people();
        let source = HttpSource::new(BY_HAND, mailboxes, HandInLimits::default(), &self.making.submit);
        let adapter = Adapter {
            source: Box::new(source),
            sink: None,
            events: None,
            terms: Terms { reuse: KeyReuse::Never, tell: false },
            sharing: Sharing::Whole,
            keeps: None,
            identity: None,
            takes_in: None,
        };
        let (part, _) =
            adapters::start(BY_HAND, adapter, &self.handle, &self.leases, &self.surroundings, &self.failures);
        self.by_hand = Some(part);
    }

    /// The mailboxes for which no adapter takes what is handed in.
    fn left_to_people(&self) -> Vec<MailboxId> {
        let taken =
            |id: &MailboxId| self.adapters.iter().any(|adapter| adapter.facts.takes_in.as_ref() == Some(id));
        self.mailboxes.iter().map(|mailbox| mailbox.id.clone()).filter(|id| !taken(id)).collect()
    }

    fn meshes(&self) -> Vec<Arc<dyn MeshMailbox>> {
        self.mailboxes.iter().map(|mailbox| Arc::clone(&mailbox.port) as Arc<dyn MeshMailbox>).collect()
    }

    fn keepers(&self) -> Vec<(String, Arc<dyn relay_core::KeepsSent>)> {
        let keeper = |facts: &Facts| Some((facts.name.clone(), Arc::clone(facts.keeps.as_ref()?)));
        self.adapters.iter().filter_map(|adapter| keeper(&adapter.facts)).collect()
    }

    /// What people see.
    fn site(&self) -> Site {
        let mut shown = Vec::new();
        if let Some((identity, _)) = &self.mesh.identity {
            shown.push(("MESH".to_owned(), Arc::clone(identity)));
        }
        for facts in self.adapters.iter().map(|adapter| &adapter.facts) {
            let identity = facts.shown.as_ref().map(Arc::clone);
            shown.extend(identity.map(|identity| (format!("adapter {}", facts.name), identity)));
        }
        let console = self.console.as_ref().and_then(|console| console.shown.clone());
        shown.extend(console.map(|identity| ("the console".to_owned(), identity)));
        let mailbox = |mailbox: &Served| Mailbox { id: mailbox.id.clone(), poll_every: mailbox.poll_every };
        let (volumes, client) = (self.volumes.0.clone(), self.mesh.client.clone());
        Site {
            mesh: self.mesh.url.clone(),
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
            adapters: self.adapters.iter().map(|adapter| adapter.facts.view()).collect(),
            certificates: crate::console::certificates(shown),
            volumes: Arc::new(move || volumes.seen()),
            clock_skew: Arc::new(move || client.clock_skew()),
            limits: self.limits.clone(),
            ..nowhere()
        }
    }

    /// Where the console answers, if there is one.
    pub fn console(&self) -> Option<SocketAddr> {
        self.console.as_ref().map(|console| console.address)
    }

    /// Returns when a part of the relay ends although nobody asked, which it never should. Cancel-safe.
    pub async fn failed(&mut self) -> RelayError {
        loop {
            match self.failed.recv().await {
                Some(Failure { error, stopping: true }) => {
                    tracing::warn!(%error, "a part that was to stop ended with an error");
                }
                Some(Failure { error, stopping: false }) => return error,
                // This relay holds a sending end itself.
                None => std::future::pending().await,
            }
        }
    }

    /// Everything that takes messages up.
    fn intake(&self) -> impl Iterator<Item = &Part> {
        let mailboxes = self.mailboxes.iter().map(|mailbox| &mailbox.poller);
        let adapters = self.adapters.iter().map(|adapter| &adapter.part);
        mailboxes.chain(adapters).chain(&self.by_hand)
    }

    /// The service manager's ear.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Takes up nothing new, finishes what is under way within the configured bound, and closes the journal. May be dropped,
    /// which breaks everything off; the next start takes up what is left.
    ///
    /// # Errors
    /// What broke on the way; the journal is closed all the same.
    pub async fn stop(mut self) -> Result<Stopped, RelayError> {
        self.surroundings.vitals.set_phase(Phase::Stopping);
        self.service.stopping();
        let mut intake: Vec<Part> = self.mailboxes.into_iter().map(|mailbox| mailbox.poller).collect();
        let mut telling = Vec::new();
        for Running { facts, part, telling: tells } in self.adapters {
            intake.push(part);
            telling.extend(tells.map(|tells| (facts.name, tells)));
        }
        intake.extend(self.by_hand);
        intake.push(self.base);
        intake.extend(self.mesh.identity.map(|(_, part)| part));
        let stages = Stages { intake, telling, last: vec![self.last, self.volumes.1, self.standing] };
        let Surroundings { journal, board, .. } = &self.surroundings;
        let stopped = stages.stop(self.drain, &**journal, board).await;
        self.journal.close().await;
        match self.failed.try_recv() {
            Ok(Failure { error, .. }) => Err(error),
            Err(_) => Ok(stopped),
        }
    }
}

/// What people see of a relay for which nothing is configured yet.
fn nowhere() -> Site {
    Site {
        name: system::host_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mesh: String::new(),
        mailboxes: Vec::new(),
        adapters: Vec::new(),
        certificates: Arc::new(Vec::new),
        volumes: Arc::new(Vec::new),
        clock_skew: Arc::new(|| None),
        limits: Limits::default(),
    }
}

/// The folder of a file; `.` for a name without one.
fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// Follows what is paused.
fn follow_pauses(part: &mut Part, surroundings: &Surroundings) {
    let (pauses, journal) = (surroundings.pauses.clone(), Arc::clone(&surroundings.journal));
    let stop = part.shutdown();
    part.run(async move { pauses.follow(&*journal, stop).await });
}

/// Keeps the journal's size bounded.
fn prune(part: &mut Part, surroundings: &Surroundings, keep: Duration, leases: &Leases) {
    let retention = Retention::new(surroundings.clone(), keep);
    let (lease, stop) = (leases.of(Retention::LEASE), part.shutdown());
    part.spawn(async move {
        let retention = &retention;
        let prune = |tenure, stop| async move {
            retention.run(tenure, stop).await;
            Ok(())
        };
        lease.while_held(stop, prune).await
    });
}
