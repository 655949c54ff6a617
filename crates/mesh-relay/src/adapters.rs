//! The only list of adapters. A new one adds an arm to [`AdapterConfig`], one to [`AdapterConfig::read`] and one
//! to [`AdapterConfig::build`]; nothing else in the relay names an adapter.

use std::path::Path;
use std::sync::Arc;

use dts_folder::{Access, FolderError, FolderSink, FolderSource, Folders, TransferLog, Use};
use relay_config::{AdapterSection, Faults};
use relay_core::{Clock, MailboxId, Sink, Source};

/// The configuration of one adapter, by its `kind`.
#[derive(Debug, Clone)]
pub enum AdapterConfig {
    /// `dts-folder`.
    DtsFolder(dts_folder::Config),
}

/// What an adapter is to the rest of the relay.
pub struct Adapter {
    /// Where it takes messages from.
    pub source: Box<dyn Source>,
    /// Where it puts messages.
    pub sink: Arc<dyn Sink>,
}

/// The kinds, for messages.
const KINDS: [&str; 1] = ["dts-folder"];

impl AdapterConfig {
    /// Reads a section by its kind. `None` when it has faults, which were added.
    pub fn read(section: &AdapterSection, folder: &Path, faults: &mut Faults) -> Option<Self> {
        match section.kind.as_str() {
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

    /// The mailbox whose messages the adapter carries.
    pub fn mailbox(&self) -> &MailboxId {
        match self {
            Self::DtsFolder(config) => &config.mailbox,
        }
    }

    /// The configuration of a DTS folder, when it is one.
    pub fn dts_folder(&self) -> Option<&dts_folder::Config> {
        match self {
            Self::DtsFolder(config) => Some(config),
        }
    }

    /// What two adapters must not share, in words, if there is such a thing.
    pub fn territory(&self) -> Option<String> {
        match self {
            Self::DtsFolder(config) => Some(format!("folder {}", config.root.display())),
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
    ) -> Result<Adapter, FolderError> {
        match self {
            Self::DtsFolder(config) => {
                let usage = if shared { Use::Shared } else { Use::Alone };
                let access = if config.group_writable { Access::Group } else { Access::Usual };
                let folders = Arc::new(Folders::open(&config.root, usage, access)?);
                let (config, clock, log) = (config.clone(), Arc::clone(clock), log.cloned());
                let sink =
                    FolderSink::new(config.clone(), Arc::clone(&folders), Arc::clone(&clock), log.clone());
                let source = FolderSource::new(name, config, folders, clock, log);
                Ok(Adapter { source: Box::new(source), sink: Arc::new(sink) })
            }
        }
    }
}
