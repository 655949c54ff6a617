//! The only list of adapters. A new one adds an arm to [`AdapterConfig`], one to [`AdapterConfig::read`] and one
//! to [`AdapterConfig::build`]; nothing else in the relay names an adapter.

use std::path::Path;
use std::sync::Arc;

use amqp::{BrokerError, ExchangeSink, QueueSource, StatusExchange};
use claim_check::ClaimCheck;
use dts_folder::{Access, FolderError, FolderSink, FolderSource, Folders, TransferLog, Use};
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
    /// Its payloads by reference cannot be had.
    #[error("adapter {adapter}: {source}")]
    Claims {
        /// The adapter's configured name.
        adapter: String,
        /// What keeps them.
        source: claim_check::OpenError,
    },
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
}

/// The kinds, for messages.
const KINDS: [&str; 2] = ["dts-folder", "amqp"];

impl AdapterConfig {
    /// Reads a section by its kind. `None` when it has faults, which were added.
    pub fn read(section: &AdapterSection, folder: &Path, faults: &mut Faults) -> Option<Self> {
        match section.kind.as_str() {
            "amqp" => {
                let mut config: amqp::Config = section.read(faults)?;
                if let Some(claims) = &mut config.claim_check {
                    claims.start_at(folder);
                }
                for (key, message) in config.faults() {
                    faults.push(section.fault(Some(key), message, None));
                }
                Some(Self::Amqp(Box::new(config), SecretString::default()))
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
            Self::Amqp(config, urls) => {
                match config.url.resolve(secrets) {
                    Ok(found) => *urls = found,
                    Err(error) => faults.push(section.fault(Some("url"), error.to_string(), None)),
                }
                if let Some(Err(error)) = config.claim_check.as_mut().map(|claims| claims.resolve(secrets)) {
                    faults.push(section.fault(Some("claim_check.credentials"), error.to_string(), None));
                }
            }
        }
    }

    /// The mailbox whose messages the adapter carries.
    pub fn mailbox(&self) -> &MailboxId {
        match self {
            Self::DtsFolder(config) => &config.mailbox,
            Self::Amqp(config, _) => &config.mailbox,
        }
    }

    /// The configuration of a DTS folder, when it is one.
    pub fn dts_folder(&self) -> Option<&dts_folder::Config> {
        match self {
            Self::DtsFolder(config) => Some(config),
            Self::Amqp(..) => None,
        }
    }

    /// What two adapters must not share, in words, if there is such a thing.
    pub fn territory(&self) -> Option<String> {
        match self {
            Self::DtsFolder(config) => Some(format!("folder {}", config.root.display())),
            // Several may take from one queue; the broker shares its messages out.
            Self::Amqp(..) => None,
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
                Ok(Adapter { source: Box::new(source), sink: Some(Arc::new(sink)), events: None, terms })
            }
            Self::Amqp(config, urls) => {
                let (inbound, outbound) = (config.inbound.clone(), config.outbound.clone());
                let status = config.status.clone();
                let claims = config.claim_check.as_ref().map(ClaimCheck::open).transpose();
                let claims =
                    claims.map_err(|source| AdapterError::Claims { adapter: name.to_owned(), source })?;
                let shared = amqp::Shared::new(name, (**config).clone(), urls)?.with_claims(claims);
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
                Ok(Adapter { source: Box::new(source), sink, events, terms })
            }
        }
    }
}
