//! From settings to a running relay, and its orderly end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dts_folder::{Names, TransferLog};
use http_adapter::{HttpSource, Limits, Submit};
use relay_console::{self as console, Console, Mailbox, Site};
use relay_core::{
    Chance, Clock, JournalError, KeyReuse, Lease, MeshMailbox, Operator, PartLeases, Poller, RelayHandle,
    Retention, Shutdown, ShutdownTrigger, SourceError, Standing, Surroundings, Teller, Tenure, Terms,
};
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};

use crate::adapters::{Adapter, AdapterError, Place, Sharing};
use crate::console::{ConsoleError, OpenConsole};
use crate::journal::{JournalOpenError, OpenJournal};
use crate::mesh_port::MeshPort;
use crate::settings::Settings;
use crate::system::{self, SystemChance, SystemClock};
use crate::telemetry;

/// Longest wait for messages under way when the relay stops: longer than the client waits for an answer, so that a
/// stop does not make doubts. What is not finished by then is taken up by the next start.
const STOP_MAX: Duration = Duration::from_secs(75);

/// The name under which messages are recorded that are handed in for a mailbox without an HTTP adapter. No adapter can have
/// it: names are letters, digits, `-` and `_`, and this begins with a bracket.
const BY_HAND: &str = "(by hand)";

/// A relay at work.
pub struct Relay {
    trigger: ShutdownTrigger,
    tasks: JoinSet<Result<(), SourceError>>,
    journal: OpenJournal,
    console: Option<SocketAddr>,
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

/// Why a relay ended by itself.
#[derive(Debug, Error)]
pub enum RelayError {
    /// An adapter cannot go on.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A part of the relay broke.
    #[error("a part of the relay broke: {0}")]
    Broken(#[from] JoinError),
}

impl Relay {
    /// Opens the journal, takes the folders, and starts a poller for each mailbox and a source for each adapter.
    ///
    /// # Errors
    /// What keeps it from starting. Nothing was sent or received then.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let chance: Arc<dyn Chance> = Arc::new(SystemChance);
        // The folders first: they are locked for this process, so that a second relay ends here.
        let mut adapters = Vec::new();
        let submit = Submit::default();
        let mut shown = Vec::new();
        if let Some((watch, _)) = &settings.identity {
            shown.push(("MESH".to_owned(), watch.shown()));
        }
        let log = match &settings.transfer_log {
            Some(path) => Some(Arc::new(transfer_log(path, settings.transfer_names)?)),
            None => None,
        };
        for (name, config) in settings.adapters {
            let (mailbox, kind) = (config.mailbox().clone(), config.kind());
            let place = Place {
                clock: &clock,
                chance: &chance,
                log: log.as_ref(),
                submit: &submit,
                shared: settings.journal.is_shared(),
            };
            let built = config.build(&name, place);
            let adapter = built.map_err(|source| StartError::Adapter { adapter: name.clone(), source })?;
            if let Some((watch, _)) = &adapter.identity {
                shown.push((format!("adapter {name}"), watch.shown()));
            }
            adapters.push((mailbox, name, kind, adapter));
        }
        let journal = OpenJournal::open(&settings.journal).await?;
        let mut surroundings = Surroundings::new(journal.shared(), clock, chance);
        surroundings.traces = telemetry::traces();
        // Before anything is sent or received: a pause lasts over every start.
        surroundings.pauses.read(&*surroundings.journal).await.map_err(StartError::Pauses)?;
        let mut console_watch = None;
        let console = match settings.console {
            Some(mut console) => {
                console_watch = console.identity.take();
                shown.extend(console_watch.as_ref().map(|watch| ("the console".to_owned(), watch.shown())));
                Some(console.open(&surroundings).await?)
            }
            None => None,
        };
        // Names this run of the relay among others that may share the journal.
        let owner = surroundings.chance.relay_id(surroundings.clock.now()).to_string();
        let ttl = settings.journal.lease();
        let lease_of = |name: String| Lease::new(journal.shared(), name, &owner).lasting(ttl);
        let (trigger, shutdown) = Shutdown::channel();
        let mut tasks: JoinSet<Result<(), SourceError>> = JoinSet::new();
        let (pauses, watched, stop) =
            (surroundings.pauses.clone(), Arc::clone(&surroundings.journal), shutdown.clone());
        tasks.spawn(async move {
            pauses.follow(&*watched, stop).await;
            Ok(())
        });
        let mut mailboxes = Vec::new();
        let mut by_hand = None;
        let mut ports: Vec<Arc<dyn MeshMailbox>> = Vec::new();
        for mailbox in settings.mailboxes {
            let port: Arc<dyn MeshMailbox> =
                Arc::new(MeshPort::new(settings.client.mailbox(mailbox.id.clone(), mailbox.password)));
            ports.push(Arc::clone(&port));
            let sink = adapters.iter().find_map(|(id, name, _, adapter)| {
                let sink = adapter.sink.as_ref().filter(|_| *id == mailbox.id)?;
                Some((name, Arc::clone(sink)))
            });
            mailboxes.push(Mailbox { id: mailbox.id.clone(), poll_every: mailbox.receive.poll_every });
            if sink.is_none() {
                tracing::warn!(mailbox = %mailbox.id, "no adapter takes this mailbox's messages; they stay at MESH");
            }
            let (taker, sink) = sink.unzip();
            let poller = Poller::new(surroundings.clone(), port, sink, mailbox.receive);
            let poller = match taker {
                Some(adapter) => poller.into_adapter(adapter),
                None => poller,
            };
            let lease = lease_of(poller.lease_name());
            let stop = shutdown.clone();
            tasks.spawn(async move {
                let poller = &poller;
                let poll = |tenure, stop| async move {
                    poller.run(tenure, stop).await;
                    Ok(())
                };
                lease.while_held(stop, poll).await
            });
        }
        let sinks = adapters.iter().filter_map(|(_, name, _, adapter)| {
            adapter.sink.as_ref().map(|sink| (name.clone(), Arc::clone(sink)))
        });
        let known = mailboxes.iter().map(|mailbox| mailbox.id.clone()).collect();
        let (standing, stop) = (Standing::new(surroundings.clone(), known, sinks), shutdown.clone());
        tasks.spawn(async move {
            standing.run(stop).await;
            Ok(())
        });
        let retention = Retention::new(surroundings.clone(), settings.keep);
        let lease = lease_of(Retention::LEASE.to_owned());
        let stop = shutdown.clone();
        tasks.spawn(async move {
            let retention = &retention;
            let prune = |tenure, stop| async move {
                retention.run(tenure, stop).await;
                Ok(())
            };
            lease.while_held(stop, prune).await
        });
        if let Some((watch, every)) = settings.identity {
            let stop = shutdown.clone();
            tasks.spawn(async move {
                watch.run(every, stop).await;
                Ok(())
            });
        }
        let address = console.as_ref().map(OpenConsole::address);
        if console.is_some() {
            // People send from any mailbox, also from one without an adapter that takes what programs hand in.
            let taken = submit.mailboxes();
            let left = mailboxes.iter().map(|mailbox| mailbox.id.clone()).filter(|id| !taken.contains(id));
            let source = HttpSource::new(BY_HAND, left.collect(), Limits::default(), &submit);
            let terms = Terms { reuse: KeyReuse::Never, tell: false };
            let adapter = Adapter {
                source: Box::new(source),
                sink: None,
                events: None,
                terms,
                sharing: Sharing::Whole,
                keeps: None,
                identity: None,
            };
            by_hand = Some(adapter);
        }
        if let Some(console) = console {
            let keepers = adapters.iter().filter_map(|(_, name, _, adapter)| {
                adapter.keeps.as_ref().map(|keeps| (name.clone(), Arc::clone(keeps)))
            });
            let operator = Operator::new(surroundings.clone(), ports.iter().cloned(), keepers);
            let site = Site {
                name: system::host_name(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                mesh: settings.mesh_url,
                mailboxes,
                adapters: adapters
                    .iter()
                    .map(|(mailbox, name, kind, adapter)| console::Adapter {
                        name: name.clone(),
                        kind,
                        mailbox: mailbox.clone(),
                        sink: adapter.sink.clone(),
                    })
                    .collect(),
                certificates: crate::console::certificates(shown),
            };
            let submissions = submit.router();
            let (pages, stop) = (Console::new(site, surroundings.clone(), operator), shutdown.clone());
            tracing::info!(address = %console.address(), "the console is open");
            tasks.spawn(async move {
                console.run(pages, submissions, stop).await;
                Ok(())
            });
        }
        if let Some(watch) = console_watch {
            let (every, stop) = (settings.identity_look, shutdown.clone());
            tasks.spawn(async move {
                watch.run(every, stop).await;
                Ok(())
            });
        }
        let relay = RelayHandle::new(surroundings.clone(), ports, settings.send, shutdown.clone());
        let by_hand = by_hand.map(|adapter| (BY_HAND.to_owned(), adapter));
        let adapters = adapters.into_iter().map(|(_, name, _, adapter)| (name, adapter)).chain(by_hand);
        for (name, adapter) in adapters {
            if let Some(events) = adapter.events {
                let teller = Teller::new(&surroundings, &name, events);
                let (lease, stop) = (lease_of(format!("events:{name}")), shutdown.clone());
                tasks.spawn(async move {
                    let teller = &teller;
                    let tell = |tenure, stop| async move {
                        teller.run(tenure, stop).await;
                        Ok(())
                    };
                    lease.while_held(stop, tell).await
                });
            }
            let relay = relay.on_terms(adapter.terms).of_adapter(&name);
            if let Some((watch, every)) = adapter.identity {
                let stop = shutdown.clone();
                tasks.spawn(async move {
                    watch.run(every, stop).await;
                    Ok(())
                });
            }
            let (source, stop) = (adapter.source, shutdown.clone());
            let lease_name = format!("adapter:{name}");
            if adapter.sharing == Sharing::Parts {
                let relay = relay.by_parts(PartLeases::new(journal.shared(), lease_name, &owner, ttl));
                tasks.spawn(async move { source.run(relay, stop).await });
                continue;
            }
            let lease = lease_of(lease_name);
            tasks.spawn(async move {
                let (source, relay) = (&source, &relay);
                let carry =
                    |tenure: Tenure, stop| async move { source.run(relay.under(&tenure, &stop), stop).await };
                lease.while_held(stop, carry).await
            });
        }
        Ok(Self { trigger, tasks, journal, console: address })
    }

    /// Where the console answers, if there is one.
    pub fn console(&self) -> Option<SocketAddr> {
        self.console
    }

    /// Returns when a part of the relay ends although nobody asked, which it never should.
    pub async fn failed(&mut self) -> RelayError {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => return error.into(),
                Some(Err(error)) => return error.into(),
                // Nothing was configured to run, so nothing can fail.
                None => std::future::pending().await,
            }
        }
    }

    /// Takes up nothing new, finishes what is under way within a bound, and closes the journal.
    ///
    /// # Errors
    /// What broke on the way; the journal is closed all the same.
    pub async fn stop(mut self) -> Result<(), RelayError> {
        self.trigger.request();
        let mut result = Ok(());
        let finished = tokio::time::timeout(STOP_MAX, async {
            while let Some(ended) = self.tasks.join_next().await {
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => result = Err(error.into()),
                    Err(error) => result = Err(error.into()),
                }
            }
        });
        if finished.await.is_err() {
            let left = self.tasks.len();
            tracing::warn!(left, "not everything ended in time; the next start takes up what is left");
            self.tasks.shutdown().await;
        }
        self.journal.close().await;
        result
    }
}
