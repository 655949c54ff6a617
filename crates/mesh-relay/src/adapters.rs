//! The only list of adapters. A new one adds an arm to [`AdapterConfig`], one to [`AdapterConfig::read`] and one
//! to [`AdapterConfig::build`]; nothing else in the relay names an adapter.

use std::path::Path;
use std::sync::Arc;

use amqp::{BrokerError, ExchangeSink, QueueSource, StatusExchange};
use dts_folder::{Access, FolderError, FolderSink, FolderSource, Folders, TransferLog, Use};
use kafka::{StatusTopic, TopicSink, TopicSource};
use relay_config::{AdapterSection, Faults, Secrets};
use relay_core::{Clock, EventSink, KeyReuse, MailboxId, Sink, Source, Terms};
use secrecy::SecretString;
use thiserror::Error;

/// The configuration of one adapter, by its `kind`.
#[derive(Debug, Clone)]
pub enum AdapterConfig {
    /// `dts-folder`.
    DtsFolder(dts_folder::Config),
    /// `amqp`, with where its broker is once that was read.
    Amqp(Box<amqp::Config>, SecretString),
    /// `kafka`, with its secrets once they were read.
    Kafka(Box<kafka::Config>, kafka::Secrets),
}

/// Why an adapter cannot run.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// Its folders cannot be worked on.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its broker cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Its Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] kafka::BrokerError),
}

/// What an adapter is to the rest of the relay.
pub struct Adapter {
    /// Where it takes messages from.
    pub source: Box<dyn Source>,
    /// Where it puts messages, if it takes any.
    pub sink: Option<Arc<dyn Sink>>,
    /// Where it tells what becomes of its messages, if it tells anyone.
    pub events: Option<Arc<dyn EventSink>>,
    /// What holds for every message of its source.
    pub terms: Terms,
    /// How instances on one journal share its source.
    pub sharing: Sharing,
}

/// How instances on one journal share a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One of them runs it, whichever holds its lease.
    Whole,
    /// All run it, and each part of it is one's, by a lease of its own.
    Parts,
}

/// The kinds, for messages.
const KINDS: [&str; 3] = ["dts-folder", "amqp", "kafka"];

impl AdapterConfig {
    /// Reads a section by its kind. `None` when it has faults, which were added.
    pub fn read(section: &AdapterSection, folder: &Path, faults: &mut Faults) -> Option<Self> {
        match section.kind.as_str() {
            "amqp" => {
                let config: amqp::Config = section.read(faults)?;
                for (key, message) in config.faults() {
                    faults.push(section.fault(Some(key), message, None));
                }
                Some(Self::Amqp(Box::new(config), SecretString::default()))
            }
            "kafka" => {
                let mut config: kafka::Config = section.read(faults)?;
                config.found_from(folder);
                let found = config.faults();
                if found.is_empty()
                    && let Err(error) = kafka::check(&config)
                {
                    faults.push(section.fault(Some("client"), error.to_string(), None));
                }
                for (key, message) in found {
                    faults.push(section.fault(Some(key), message, None));
                }
                Some(Self::Kafka(Box::new(config), kafka::Secrets::default()))
            }
            "dts-folder" => {
                let mut config: dts_folder::Config = section.read(faults)?;
                config.root = folder.join(config.root);
                for (key, message) in config.faults() {
                    faults.push(section.fault(Some(key), message, None));
                }
                Some(Self::DtsFolder(config))
            }
            other => {
                let hint = relay_config::did_you_mean(other, &KINDS)
                    .unwrap_or_else(|| format!("the kinds are: {}", KINDS.join(", ")));
                faults.push(section.fault(
                    Some("kind"),
                    format!("there is no adapter of kind `{other}`"),
                    Some(hint),
                ));
                None
            }
        }
    }

    /// Reads the secrets that the section refers to.
    pub fn resolve(&mut self, section: &AdapterSection, secrets: &Secrets, faults: &mut Faults) {
        match self {
            Self::DtsFolder(_) => {}
            Self::Amqp(config, urls) => match config.url.resolve(secrets) {
                Ok(found) => *urls = found,
                Err(error) => faults.push(section.fault(Some("url"), error.to_string(), None)),
            },
            Self::Kafka(config, found) => {
                let password = config.login.as_ref().and_then(|login| login.password.as_ref());
                let key_password = config.tls.as_ref().and_then(|tls| tls.key_password.as_ref());
                for (key, reference, place) in [
                    ("login.password", password, &mut found.password),
                    ("tls.key_password", key_password, &mut found.key_password),
                ] {
                    match reference.map(|reference| reference.resolve(secrets)).transpose() {
                        Ok(secret) => *place = secret,
                        Err(error) => faults.push(section.fault(Some(key), error.to_string(), None)),
                    }
                }
            }
        }
    }

    /// The mailbox whose messages the adapter carries.
    pub fn mailbox(&self) -> &MailboxId {
        match self {
            Self::DtsFolder(config) => &config.mailbox,
            Self::Amqp(config, _) => &config.mailbox,
            Self::Kafka(config, _) => &config.mailbox,
        }
    }

    /// The configuration of a DTS folder, when it is one.
    pub fn dts_folder(&self) -> Option<&dts_folder::Config> {
        match self {
            Self::DtsFolder(config) => Some(config),
            Self::Amqp(..) | Self::Kafka(..) => None,
        }
    }

    /// What two adapters must not share, in words, if there is such a thing.
    pub fn territory(&self) -> Option<String> {
        match self {
            Self::DtsFolder(config) => Some(format!("folder {}", config.root.display())),
            // Several may take from one queue; the broker shares its messages out.
            Self::Amqp(..) | Self::Kafka(..) => None,
        }
    }

    /// Makes the adapter ready to run, with the log of transfers if one is kept; `shared` when other instances may run
    /// it, on the same journal.
    ///
    /// # Errors
    /// What keeps it from running, with what to do.
    pub fn build(
        &self,
        name: &str,
        clock: &Arc<dyn Clock>,
        log: Option<&Arc<TransferLog>>,
        shared: bool,
    ) -> Result<Adapter, AdapterError> {
        match self {
            Self::DtsFolder(config) => {
                let usage = if shared { Use::Shared } else { Use::Alone };
                let access = if config.group_writable { Access::Group } else { Access::Usual };
                let folders = Arc::new(Folders::open(&config.root, usage, access)?);
                let (config, clock, log) = (config.clone(), Arc::clone(clock), log.cloned());
                let sink =
                    FolderSink::new(config.clone(), Arc::clone(&folders), Arc::clone(&clock), log.clone());
                let source = FolderSource::new(name, config, folders, clock, log);
                let terms = Terms { reuse: KeyReuse::OnceSettled, tell: false };
                let (source, sink) = (Box::new(source), Some(Arc::new(sink) as Arc<dyn Sink>));
                Ok(Adapter { source, sink, events: None, terms, sharing: Sharing::Whole })
            }
            Self::Amqp(config, urls) => {
                let (inbound, outbound) = (config.inbound.clone(), config.outbound.clone());
                let status = config.status.clone();
                let shared = amqp::Shared::new(name, (**config).clone(), urls)?;
                let sink = inbound.map(|inbound| {
                    let sink = ExchangeSink::new(shared.clone(), inbound, Arc::clone(clock));
                    Arc::new(sink) as Arc<dyn Sink>
                });
                let events = status.map(|status| {
                    Arc::new(StatusExchange::new(shared.clone(), status)) as Arc<dyn EventSink>
                });
                // A queue may deliver again what was settled.
                let terms = Terms { reuse: KeyReuse::Never, tell: events.is_some() };
                let source = QueueSource::new(shared, outbound, Arc::clone(clock));
                Ok(Adapter { source: Box::new(source), sink, events, terms, sharing: Sharing::Whole })
            }
            Self::Kafka(config, secrets) => {
                let (inbound, outbound) = (config.inbound.clone(), config.outbound.clone());
                let status = config.status.clone();
                let shared = kafka::Shared::new(name, (**config).clone(), secrets.clone())?;
                let sink = inbound.map(|inbound| {
                    let sink = TopicSink::new(shared.clone(), inbound, Arc::clone(clock));
                    Arc::new(sink) as Arc<dyn Sink>
                });
                let events = status
                    .map(|status| Arc::new(StatusTopic::new(shared.clone(), status)) as Arc<dyn EventSink>);
                // A topic keeps what was read, and may be read again from anywhere.
                let terms = Terms { reuse: KeyReuse::Never, tell: events.is_some() };
                let source = TopicSource::new(shared, outbound, Arc::clone(clock));
                Ok(Adapter { source: Box::new(source), sink, events, terms, sharing: Sharing::Parts })
            }
        }
    }
}
