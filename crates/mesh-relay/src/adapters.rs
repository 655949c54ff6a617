//! The only list of adapters. A new one adds an arm to [`AdapterConfig`], one to [`AdapterConfig::read`] and one
//! to [`AdapterConfig::build`]; nothing else in the relay names an adapter.

mod queues;
mod topics;
mod webhooks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amqp::BrokerError;
use claim_check::ClaimCheck;
use dts_folder::{Access, FolderError, FolderSink, FolderSource, Folders, KeptPairs, TransferLog, Use};
use http_adapter::{Config, Submit, WebhookError};
use relay_config::{AdapterSection, Faults, Identity, SecretRef, Secrets};
use relay_core::diagnosis::Finding;
use relay_core::{Chance, Clock, EventSink, KeepsSent, KeyReuse, MailboxId, Sink, Source, Terms};
use thiserror::Error;

use crate::clear_text::ClearWay;
use crate::identity::{self, IdentityError, IdentityWatch, Whose};
use crate::relay::OpenFolders;
use crate::settings::Note;
use crate::system;

pub use queues::Queues;
pub use topics::Topics;
pub use webhooks::Webhooks;

/// The configuration of one adapter, by its `kind`.
pub enum AdapterConfig {
    /// `dts-folder`.
    DtsFolder(dts_folder::Config),
    /// `amqp`.
    Amqp(Box<Queues>),
    /// `kafka`.
    Kafka(Box<Topics>),
    /// `http`.
    Http(Box<Webhooks>),
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
    /// Its webhook cannot be used.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
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
    /// What it keeps of messages that ended, if it keeps them where they can be sent from again.
    pub keeps: Option<Arc<dyn KeepsSent>>,
    /// What keeps the certificate that it shows as its files are, and how often to look.
    pub identity: Option<(IdentityWatch, Duration)>,
    /// The mailbox for which it takes what is handed in over HTTP, if it takes any.
    pub takes_in: Option<MailboxId>,
}

/// How instances on one journal share a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One of them runs it, whichever holds its lease.
    Whole,
    /// All run it, and each part of it is one's, by a lease of its own.
    Parts,
}

/// What an adapter gets from the relay.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Time.
    pub clock: &'a Arc<dyn Clock>,
    /// Randomness.
    pub chance: &'a Arc<dyn Chance>,
    /// The log of transfers, if one is kept.
    pub log: Option<&'a Arc<TransferLog>>,
    /// Where messages are handed in over HTTP.
    pub submit: &'a Submit,
    /// The folders that are open in this process.
    pub folders: &'a OpenFolders,
    /// Whether other instances may run the same adapter, on the same journal.
    pub shared: bool,
}

/// What to do about a secret that cannot be had, where its error does not say.
pub(crate) const SECRET: &str = "create what it names, and let the relay's account read it";
/// What to do about certificates that cannot be read, where their error does not say.
pub(crate) const AUTHORITIES: &str = "name a file of certificates (PEM) that the relay's account may read";
/// What to do about a certificate that cannot be read, where its error does not say.
pub(crate) const IDENTITY: &str =
    "name a certificate and its key, or a keystore, that the relay's account may read";
/// What to do about a claim check that cannot be opened, where its error does not say.
const CLAIMS: &str = "correct what claim_check says, or what the files that it names say";

/// The kinds, for messages.
const KINDS: [&str; 4] = ["dts-folder", "amqp", "kafka", "http"];

impl AdapterConfig {
    /// Reads a section by its kind. `None` when it has faults, which were added.
    pub fn read(section: &AdapterSection, folder: &Path, faults: &mut Faults) -> Option<Self> {
        match section.kind.as_str() {
            "amqp" => Queues::read(section, folder, faults).map(|queues| Self::Amqp(Box::new(queues))),
            "kafka" => Topics::read(section, folder, faults).map(|topics| Self::Kafka(Box::new(topics))),
            "http" => Webhooks::read(section, faults).map(|webhooks| Self::Http(Box::new(webhooks))),
            "dts-folder" => {
                let mut config: dts_folder::Config = section.read(faults)?;
                config.root = folder.join(config.root);
                for (key, message, hint) in config.faults() {
                    faults.push(section.fault(Some(key), message, hint));
                }
                Some(Self::DtsFolder(config))
            }
            other => {
                let hint = relay_config::did_you_mean(other, &KINDS);
                faults.push(section.fault(
                    Some("kind"),
                    format!("there is no adapter of kind `{other}`"),
                    hint,
                ));
                None
            }
        }
    }

    /// Reads what the section refers to. What is to be known and is no fault goes to `notes`.
    pub fn resolve(
        &mut self,
        section: &AdapterSection,
        secrets: &Secrets,
        notes: &mut Vec<Note>,
        faults: &mut Faults,
    ) {
        match self {
            Self::DtsFolder(_) => {}
            Self::Amqp(queues) => queues.resolve(section, secrets, notes, faults),
            Self::Kafka(topics) => topics.resolve(section, secrets, notes, faults),
            Self::Http(webhooks) => webhooks.resolve(section, secrets, notes, faults),
        }
    }

    /// Where its messages would go in clear text over a network. Known once it was resolved.
    pub fn clear_ways(&self) -> Vec<ClearWay> {
        let (claims, mut ways) = match self {
            // A webhook knows no such way.
            Self::DtsFolder(_) | Self::Http(_) => return Vec::new(),
            Self::Amqp(queues) => (queues.config.claim_check.as_ref(), queues.clear_ways()),
            Self::Kafka(topics) => (topics.config.claim_check.as_ref(), topics.clear_ways()),
        };
        if let Some((claims, to)) = claims.and_then(|claims| Some((claims, claims.in_clear_text()?))) {
            ways.push(ClearWay {
                key: "claim_check.options",
                to,
                accepting: "claim_check.clear_text",
                accepted: claims.clear_text,
                instead: "use an https endpoint, and leave allow_http out",
            });
        }
        ways
    }

    /// The mailbox whose messages the adapter carries.
    pub fn mailbox(&self) -> &MailboxId {
        match self {
            Self::DtsFolder(config) => &config.mailbox,
            Self::Amqp(queues) => &queues.config.mailbox,
            Self::Kafka(topics) => &topics.config.mailbox,
            Self::Http(webhooks) => &webhooks.config.mailbox,
        }
    }

    /// Its kind, as it is configured.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::DtsFolder(_) => "dts-folder",
            Self::Amqp(_) => "amqp",
            Self::Kafka(_) => "kafka",
            Self::Http(_) => "http",
        }
    }

    /// What it keeps of messages that ended, for a command that works without a running relay. `None`: nothing, or it
    /// cannot be had, which a relay at work there would cause.
    pub fn keeps(&self, shared: bool) -> Option<Arc<dyn KeepsSent>> {
        let config = self.dts_folder()?;
        // A share that is not mounted must not become a folder of its own.
        if !config.root.is_dir() {
            return None;
        }
        let usage = if shared { Use::Shared } else { Use::Alone };
        let access = if config.group_writable { Access::Group } else { Access::Usual };
        let folders = Folders::open(&config.root, usage, access)
            .inspect_err(|error| tracing::warn!(%error, "what is kept there cannot be sent again"));
        Some(Arc::new(KeptPairs::new(Arc::new(folders.ok()?))))
    }

    /// The configuration of a DTS folder, when it is one.
    pub fn dts_folder(&self) -> Option<&dts_folder::Config> {
        match self {
            Self::DtsFolder(config) => Some(config),
            Self::Amqp(_) | Self::Kafka(_) | Self::Http(_) => None,
        }
    }

    /// What two adapters must not share, in words, each with the key that says so.
    pub fn territories(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::DtsFolder(config) => vec![("root", format!("folder {}", config.root.display()))],
            // By another adapter's name the same message would be another one.
            Self::Amqp(queues) => {
                let (config, outbound) = (&queues.config, queues.config.outbound.as_ref());
                let names = outbound.map_or(&[][..], |outbound| &outbound.queue.0);
                let broker = match &config.url {
                    SecretRef::File(path) => format!("the broker in {}", path.display()),
                    SecretRef::Env(name) => format!("the broker in {name}"),
                };
                names.iter().map(|name| ("outbound.queue", format!("queue {name} of {broker}"))).collect()
            }
            // The same here; and of two that write under one transactional id each stops the other.
            Self::Kafka(topics) => {
                let kafka::Config { brokers, outbound, inbound, mailbox, .. } = &topics.config;
                let group = outbound.as_ref().map(|outbound| {
                    let (topic, group) = (&outbound.topic, &outbound.group);
                    ("outbound.group", format!("topic {topic} of {brokers} for the group {group}"))
                });
                let transaction = inbound.as_ref().and_then(|inbound| inbound.transaction.as_ref());
                let id = transaction.map(|transaction| {
                    let id = transaction.id(mailbox);
                    ("inbound.transaction", format!("transactional id {id} of {brokers}"))
                });
                group.into_iter().chain(id).collect()
            }
            // Of two, the first would get all that is handed in.
            Self::Http(webhooks) => {
                let Config { mailbox, submit, .. } = &webhooks.config;
                submit
                    .then(|| ("submit", format!("what is handed in for mailbox {mailbox}")))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// Whether messages from MESH go to it.
    pub fn receives(&self) -> bool {
        match self {
            Self::DtsFolder(_) => true,
            Self::Amqp(queues) => queues.config.inbound.is_some(),
            Self::Kafka(topics) => topics.config.inbound.is_some(),
            Self::Http(webhooks) => webhooks.config.inbound.is_some(),
        }
    }

    /// Why messages of no other mailbox may be led to it, where that is so.
    pub fn keeps_to_its_mailbox(&self) -> Option<&'static str> {
        match self {
            Self::Kafka(topics) => {
                let transaction =
                    topics.config.inbound.as_ref().and_then(|inbound| inbound.transaction.as_ref());
                // Another mailbox may be in the hands of another instance, and of two with one transactional id each
                // stops the other.
                transaction.map(|_| "its transactions are those of its own mailbox")
            }
            Self::DtsFolder(_) | Self::Amqp(_) | Self::Http(_) => None,
        }
    }

    /// Looks at what the adapter `name` leads to, once it was resolved, for whoever sets it up. Sends and takes nothing.
    pub(crate) async fn diagnose(self, name: &str) -> Vec<Finding> {
        match self {
            Self::DtsFolder(config) => crate::doctor::aside(move || dts_folder::diagnose::diagnose(&config))
                .await
                .unwrap_or_default(),
            Self::Amqp(queues) => queues.diagnose(name).await,
            Self::Kafka(topics) => topics.diagnose(name).await,
            Self::Http(webhooks) => webhooks.diagnose(name).await,
        }
    }

    /// Makes the adapter ready to run.
    ///
    /// # Errors
    /// What keeps it from running, with what to do.
    pub fn build(self, name: &str, place: Place<'_>) -> Result<Adapter, AdapterError> {
        match self {
            Self::DtsFolder(config) => {
                let usage = if place.shared { Use::Shared } else { Use::Alone };
                let access = if config.group_writable { Access::Group } else { Access::Usual };
                let folders = place.folders.open(&config.root, usage, access)?;
                let (clock, log) = (Arc::clone(place.clock), place.log.cloned());
                let sink =
                    FolderSink::new(config.clone(), Arc::clone(&folders), Arc::clone(&clock), log.clone());
                let keeps: Option<Arc<dyn KeepsSent>> = Some(Arc::new(KeptPairs::new(Arc::clone(&folders))));
                let source = FolderSource::new(name, config, folders, clock, log);
                let terms = Terms { reuse: KeyReuse::OnceSettled, tell: false };
                let sink: Option<Arc<dyn Sink>> = Some(Arc::new(sink));
                let (source, sharing) = (Box::new(source), Sharing::Whole);
                let events = None;
                Ok(Adapter { source, sink, events, terms, sharing, keeps, identity: None, takes_in: None })
            }
            Self::Amqp(queues) => queues.build(name, place),
            Self::Kafka(topics) => topics.build(name, place),
            Self::Http(webhooks) => webhooks.build(name, place),
        }
    }
}

/// Opens an adapter's payloads by reference. `None` when that cannot be done, with the fault added.
fn open_claims(
    config: &mut claim_check::Config,
    section: &AdapterSection,
    secrets: &Secrets,
    faults: &mut Faults,
) -> Option<ClaimCheck> {
    if let Err(error) = config.resolve(secrets) {
        faults.push(section.fault_of(Some("claim_check.credentials"), &error, SECRET));
        return None;
    }
    ClaimCheck::open(config)
        .map_err(|error| faults.push(section.fault_of(Some("claim_check"), &error, CLAIMS)))
        .ok()
}

/// Reads an adapter's certificate, to be followed from then on. `None` when it cannot be shown, with the fault at `key`.
fn watch_identity(
    identity: &Identity,
    section: &AdapterSection,
    key: &'static str,
    secrets: &Secrets,
    notes: &mut Vec<Note>,
    faults: &mut Faults,
) -> Option<IdentityWatch> {
    let whose = Whose::Adapter(section.name.clone());
    match IdentityWatch::start(identity::files(identity, secrets), whose, system::now()) {
        Ok((watch, findings)) => {
            notes.extend(findings.into_iter().map(|finding| {
                let fault = section.fault(Some(key), finding.sentence, finding.advice);
                Note { severity: finding.severity, fault }
            }));
            return Some(watch);
        }
        Err(IdentityError::Unfit(finding)) => {
            faults.push(section.fault(Some(key), finding.sentence, finding.advice));
        }
        Err(IdentityError::Load(error)) => faults.push(section.fault_of(Some(key), &error, IDENTITY)),
    }
    None
}
