//! From settings to a running relay, what other settings change of it, and its orderly end.

mod adapters;
mod changes;
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
use http_adapter::{HttpSource, Limits, Submit};
use keystore::SwappableIdentity;
use relay_config::Imprint;
use relay_console::{Console, Mailbox, Site};
use relay_core::{
    Chance, Clock, JournalError, KeyReuse, MailboxId, MeshMailbox, Operator, RelayHandle, Retention, Router,
    SendPolicy, Surroundings, Terms,
};
use thiserror::Error;
use tokio::sync::mpsc;

use self::adapters::{Built, Facts, Running};
use self::ground::Leases;
use self::mailboxes::{Served, Takers};
use self::part::{Failure, Failures, Part};
use crate::adapters::{Adapter, AdapterError, Place, Sharing};
use crate::console::{ConsoleError, OpenConsole};
use crate::identity::IdentityWatch;
use crate::journal::{JournalOpenError, OpenJournal};
use crate::mesh_port::MeshPort;
use crate::settings::{AdapterSettings, Fixed, MailboxSettings, Settings};
use crate::system::{self, SystemChance, SystemClock};

pub use changes::{Changes, Differences};
pub use ground::OpenFolders;
pub use part::RelayError;
pub use reload::ReloadError;

/// Longest wait for messages under way when the relay, or a part of it, stops: longer than the client waits for an answer,
/// so that a stop does not make doubts. What is not finished by then is taken up by the next start.
const STOP_MAX: Duration = Duration::from_secs(75);

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
    console: Option<Open>,
    /// What lasts as long as the relay.
    base: Part,
}

/// What adapters are made with.
struct Making {
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    log: Option<Arc<TransferLog>>,
    submit: Submit,
    folders: OpenFolders,
    shared: bool,
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
    /// The certificate that it is shown, and what keeps that as its files are.
    identity: Option<(Arc<SwappableIdentity>, Part)>,
}

impl Mesh {
    fn new(
        url: String,
        imprint: Imprint,
        identity: Option<(IdentityWatch, Duration)>,
        failures: &Failures,
    ) -> Self {
        let identity = identity.map(|(watch, every)| {
            let mut part = Part::new("the certificate for MESH", failures);
            let (shown, stop) = (watch.shown(), part.shutdown());
            part.run(watch.run(every, stop));
            (shown, part)
        });
        Self { url, imprint, identity }
    }
}

/// A console that answers.
struct Open {
    address: SocketAddr,
    pages: Console,
    operator: Operator,
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
        };
        // The folders first: they are locked for this process, so that a second relay ends here.
        let built = settings.adapters.into_iter().map(|adapter| making.build(adapter));
        let built = built.collect::<Result<Vec<Built>, _>>()?;
        let journal = OpenJournal::open(&settings.journal).await?;
        let surroundings =
            Surroundings::new(journal.shared(), Arc::clone(&making.clock), Arc::clone(&making.chance));
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
        let mesh = Mesh::new(settings.mesh_url, settings.mesh_imprint, settings.identity, &failures);
        let ports: Vec<(MailboxSettings, Arc<MeshPort>)> = settings
            .mailboxes
            .into_iter()
            .map(|mailbox| {
                let own = settings.client.mailbox(mailbox.id.clone(), mailbox.password.clone());
                (mailbox, Arc::new(MeshPort::new(own)))
            })
            .collect();
        let meshes = ports.iter().map(|(_, port)| Arc::clone(port) as Arc<dyn MeshMailbox>);
        let handle = RelayHandle::new(surroundings.clone(), meshes, settings.send.clone(), base.shutdown());
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
        let mut relay = Self {
            adapters: running.collect(),
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
            console: None,
            base,
            surroundings,
        };
        if let Some(console) = console {
            relay.take_by_hand();
            relay.open(console, console_watch, settings.identity_look);
        }
        Ok(relay)
    }

    /// Answers those who look.
    fn open(&mut self, console: OpenConsole, watch: Option<IdentityWatch>, look: Duration) {
        let address = console.address();
        let shown = watch.as_ref().map(IdentityWatch::shown);
        let operator = Operator::new(self.surroundings.clone(), self.meshes(), self.keepers());
        let pages = Console::new(self.site(shown.as_ref()), self.surroundings.clone(), operator.clone());
        let (submissions, stop) = (self.making.submit.router(), self.base.shutdown());
        tracing::info!(%address, "the console is open");
        self.base.run(console.run(pages.clone(), submissions, stop.clone()));
        if let Some(watch) = watch {
            self.base.run(watch.run(look, stop));
        }
        self.console = Some(Open { address, pages, operator, shown });
    }

    /// People send from any mailbox, also from one without an adapter that takes what programs hand in.
    fn take_by_hand(&mut self) {
        let mailboxes = self.left_to_people();
        let source = HttpSource::new(BY_HAND, mailboxes, Limits::default(), &self.making.submit);
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
        let part =
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

    /// What people see. `console` is the certificate that the console shows.
    fn site(&self, console: Option<&Arc<SwappableIdentity>>) -> Site {
        let mut shown = Vec::new();
        if let Some((identity, _)) = &self.mesh.identity {
            shown.push(("MESH".to_owned(), Arc::clone(identity)));
        }
        for facts in self.adapters.iter().map(|adapter| &adapter.facts) {
            let identity = facts.shown.as_ref().map(Arc::clone);
            shown.extend(identity.map(|identity| (format!("adapter {}", facts.name), identity)));
        }
        shown.extend(console.map(|identity| ("the console".to_owned(), Arc::clone(identity))));
        let mailbox = |mailbox: &Served| Mailbox { id: mailbox.id.clone(), poll_every: mailbox.poll_every };
        Site {
            name: system::host_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mesh: self.mesh.url.clone(),
            mailboxes: self.mailboxes.iter().map(mailbox).collect(),
            adapters: self.adapters.iter().map(|adapter| adapter.facts.view()).collect(),
            certificates: crate::console::certificates(shown),
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

    /// Everything that runs.
    fn parts(&self) -> impl Iterator<Item = &Part> {
        let mailboxes = self.mailboxes.iter().map(|mailbox| &mailbox.poller);
        let adapters = self.adapters.iter().map(|adapter| &adapter.part);
        let by_hand = self.by_hand.iter();
        let identity = self.mesh.identity.iter().map(|(_, part)| part);
        std::iter::once(&self.base).chain(mailboxes).chain(adapters).chain(by_hand).chain(identity)
    }

    /// Takes up nothing new, finishes what is under way within a bound, and closes the journal.
    ///
    /// # Errors
    /// What broke on the way; the journal is closed all the same.
    pub async fn stop(mut self) -> Result<(), RelayError> {
        let mut parts = vec![self.base];
        parts.extend(self.mailboxes.into_iter().map(|mailbox| mailbox.poller));
        parts.extend(self.adapters.into_iter().map(|adapter| adapter.part));
        parts.extend(self.by_hand);
        parts.extend(self.mesh.identity.map(|(_, part)| part));
        let left = part::stop(parts, STOP_MAX).await;
        if left > 0 {
            tracing::warn!(left, "not everything ended in time; the next start takes up what is left");
        }
        self.journal.close().await;
        match self.failed.try_recv() {
            Ok(Failure { error, .. }) => Err(error),
            Err(_) => Ok(()),
        }
    }
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
