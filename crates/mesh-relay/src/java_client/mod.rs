//! In place of the Java MESH client: its `meshclient.cfg` becomes the configuration of the relay.
//!
//! There is one way from a configuration to [`Settings`]. The file of the old client ([`meshclient_cfg`]) is written anew
//! as the text of a `mesh-relay.toml`, and that text goes through the loader: with `import` by way of the
//! disk, with `run --meshclient-cfg` in memory, where the secrets stand in for the files that the text names
//! ([`relay_config::Secrets::held`]). So both give the same settings, and a fault of the text is told at the key of the
//! old file that it came from.
//!
//! What each key means here:
//!
//! | key | becomes | meaning here |
//! |---|---|---|
//! | `PrimaryURL` | `[mesh] environment` | the server; plain `http` only to this machine |
//! | `KeyStorePath`, `KeyStorePassword` | `[mesh] identity`, `roots` | JKS or PKCS#12, for the certificate and for whom to trust; not used over plain `http` |
//! | `AuthenticationKey` | `[mesh] shared_key` | clients before 6.3 had none in the file: then the variable `MESH_SHARED_KEY` |
//! | `WorkPath` | `[journal] path` | the journal is `mesh-relay/journal.db` in it, for this account alone; without the key, beside the file |
//! | `LogPath` | `[log] transfers` | `mesh.log` in it |
//! | `SignalPath` | `[stop] signal` | `mexclient.sig` in it stops the relay once it holds `1` ([`stop_file`](crate::stop_file)) |
//! | `ProxyPath` | nothing | what stands in `proxy.ini` is not public; if there is one, that is told, with what to write instead |
//! | `PollPeriod` | `poll` of each mailbox | minutes; at NHS England's servers at least 5. The first poll is at the start |
//! | `MaxConnections` | `[send] in_flight` | messages of one mailbox on their way at a time |
//! | `ProcessingDelay` | `grace` of each adapter | seconds |
//! | `ServerRetry` | nothing | waits and their end are by time (`[send] retry_first`, `retry_max`, `give_up_after`), not by number |
//! | `MaxMessages` | nothing | an inbox is always read to its end |
//! | `AutoUpgrade` | nothing | the relay never replaces itself |
//! | `ClientIdentity`, `ClientAuthentication` | `[[mailbox]] id`, `password` | |
//! | `InterfaceRoot` | `root` of an `[[adapter]]` | |
//! | `SaveSent` | `save_sent` | |
//! | `CollectReport`, `TransferReport`, `DelayReport`, `PollReport` | `reports` | |
//! | `MailboxType`, `ClientLogLevel` | nothing | how much is logged says the variable `MESH_RELAY_LOG` |
//!
//! A relative path starts at the folder of the old file, not where the process was started: a service starts anywhere.
//! Where the old client looked there is not public.

mod import;
pub(crate) mod secret_files;
mod translate;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use keystore::Severity;
use meshclient_cfg::{Kind, MeshClientCfg, NoteKind, Position, key};
use relay_config::{Environment, Fault, Faults, Secrets, UrlError};
use secret_file::{Lax, ReadError};

pub use import::ImportArgs;
pub(crate) use import::run as import;
pub(crate) use translate::quoted;

use crate::adapters::AdapterConfig;
use crate::settings::{self, Settings};
use translate::{Origin, Translation};

/// The folder of the secrets unless `import` is told another; relative to the file that it prints.
const SECRETS: &str = "secrets";

/// The file whose presence in `ProxyPath` turns the old client's proxy on.
const PROXY_INI: &str = "proxy.ini";

/// Keys named in one line; the rest is counted.
const NAMED_MAX: usize = 20;

/// What is to be known of an old client's file and hinders nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// How bad it is; no error.
    pub severity: Severity,
    /// What it is, in one line.
    pub text: String,
}

/// A relay on a client's own configuration.
pub struct StandIn {
    path: PathBuf,
    translation: Translation,
    /// What is to be known, each once.
    pub told: Vec<Told>,
}

impl StandIn {
    /// Reads a `meshclient.cfg`.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn read(path: &Path) -> Result<Self, Faults> {
        Self::read_as(path, Kind::Mesh, Path::new(SECRETS))
    }

    /// Reads a configuration of that kind; its secrets are to be in the folder `secrets`.
    fn read_as(path: &Path, kind: Kind, secrets: &Path) -> Result<Self, Faults> {
        let cfg = read_cfg(path, kind)?;
        let url = cfg.primary_url.as_deref().map(Environment::from_url);
        if let (Some(Err(error @ UrlError::Credentials)), Some(at)) = (url, cfg.place(key::PRIMARY_URL)) {
            // Refused here: the text that is printed would show them.
            let message = format!("{}: {error}", key::PRIMARY_URL);
            let hint = "write https://host";
            return Err(Fault::elsewhere(path, (at.line, at.column), message, hint).into());
        }
        let absolute = std::path::absolute(path).map_err(|error| unreadable(path, &error))?;
        let base = absolute.parent().unwrap_or(Path::new("")).to_owned();
        let translation = translate::translate(&cfg, path, &base, secrets);
        let mut told = of_the_file(&cfg);
        told.extend(translation.told.iter().cloned());
        told.extend(proxy(&cfg, &base));
        told.extend(exposed(path, "passwords"));
        let keystore = cfg.key_store_path.as_ref().map(|keystore| base.join(keystore));
        told.extend(keystore.and_then(|keystore| exposed(&keystore, "a private key")));
        Ok(Self { path: path.to_owned(), translation, told })
    }

    /// What the relay is started with.
    ///
    /// # Errors
    /// Every fault that was found, each at the key of the client's file that it comes from.
    pub fn settings(&self) -> Result<Settings, Faults> {
        self.check_whole()?;
        Settings::load_text(&self.path, self.translation.text.clone(), self.held())
            .map_err(|faults| self.at_home(faults))
    }

    /// The adapters alone, without anything that they need to run.
    ///
    /// # Errors
    /// As [`Self::settings`].
    pub fn adapters(&self) -> Result<Vec<(String, AdapterConfig)>, Faults> {
        self.check_whole()?;
        settings::adapters_of_text(&self.path, self.translation.text.clone(), self.held())
            .map_err(|faults| self.at_home(faults))
    }

    /// Whether the text says all that it must.
    fn check_whole(&self) -> Result<(), Faults> {
        match &self.translation.lacking {
            Some((origin, message, hint)) => Err(self.fault(*origin, message, hint).into()),
            None => Ok(()),
        }
    }

    fn held(&self) -> Secrets {
        let held: HashMap<_, _> = self.translation.secrets.iter().cloned().collect();
        // The paths of the text are whole, so the folder of the file does not count.
        Secrets::held(held)
    }

    /// Faults of the text, at the keys of the client's file.
    fn at_home(&self, faults: Faults) -> Faults {
        let mut mapped = Faults::new();
        for fault in faults {
            let origin = fault.line.checked_sub(1).and_then(|line| self.translation.origins.get(line));
            mapped.push(self.fault(origin.copied().flatten(), &fault.message, &fault.hint));
        }
        mapped
    }

    fn fault(&self, origin: Option<Origin>, message: &str, hint: &str) -> Fault {
        match origin {
            Some(Origin { key, at }) => {
                Fault::elsewhere(&self.path, (at.line, at.column), format!("{key}: {message}"), hint)
            }
            None => Fault::elsewhere(&self.path, (0, 0), message, hint),
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Faults {
    let hint = "check the path, and that this user may read the file";
    Fault::elsewhere(path, (0, 0), format!("cannot read the configuration: {error}"), hint).into()
}

/// Reads a file as far as one is ever read, whatever length it claims.
fn read_cfg(path: &Path, kind: Kind) -> Result<MeshClientCfg, Faults> {
    // What is longer than is ever read, `meshclient_cfg` refuses with its words.
    let bytes = secret_file::read(path, meshclient_cfg::SIZE_MAX + 1, Lax::Taken).map_err(|error| {
        let source = match error {
            ReadError::Unreadable { source } => source,
            other => io::Error::other(other.to_string()),
        };
        unreadable(path, &source)
    })?;
    let cfg = match kind {
        Kind::Mesh => MeshClientCfg::read(&bytes),
        Kind::Dts => MeshClientCfg::read_dts(&bytes),
    };
    cfg.map_err(|error| {
        let place = error.position().map_or((0, 0), |at: Position| (at.line, at.column));
        let (message, hint) =
            relay_config::advice(&error.to_string(), "save it as the client itself could read it");
        Fault::elsewhere(path, place, message, hint).into()
    })
}

/// Says that others may read a file of the old client with something secret in it. It is not refused: that client made it
/// so, and both must be able to run on it.
fn exposed(path: &Path, holds: &str) -> Option<Told> {
    // One that cannot be opened is told where it is read.
    let exposure = secret_file::exposure(&File::open(path).ok()?).ok()??;
    let text = format!(
        "{0} holds {holds}, and {exposure}; make it its owner's alone: chmod 600 {0}",
        path.display()
    );
    Some(Told { severity: Severity::Warning, text })
}

/// What is odd in the file: keys that nobody knows in one line, all else in a line of its own.
fn of_the_file(cfg: &MeshClientCfg) -> Vec<Told> {
    let mut told = Vec::new();
    let mut unknown = Vec::new();
    for note in &cfg.notes {
        match &note.kind {
            NoteKind::Unknown { key } => unknown.push(format!("{key} (line {})", note.at.line)),
            _ => told.push(Told { severity: Severity::Warning, text: note.to_string() }),
        }
    }
    if !unknown.is_empty() {
        let text = format!("keys that are not known and not used: {}", listed(&unknown));
        told.push(Told { severity: Severity::Warning, text });
    }
    told
}

/// Items in one line, of which no more than [`NAMED_MAX`] are named.
fn listed(items: &[String]) -> String {
    let named = items[..items.len().min(NAMED_MAX)].join(", ");
    match items.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Says that the old client went through a proxy, if it did (`dts-file-interface.md` 6.6, U11).
fn proxy(cfg: &MeshClientCfg, base: &Path) -> Option<Told> {
    let path = base.join(cfg.proxy_path.as_ref()?).join(PROXY_INI);
    path.exists().then(|| Told {
        severity: Severity::Warning,
        text: format!(
            "{}: {} is there, so the old client went through a proxy. What stands in that file is not public, so it is not \
             read and MESH is called directly. To go through a proxy, run `mesh-relay import`, write proxy = {{ url = \
             \"http://host:port\" }} under [mesh], and run that file",
            key::PROXY_PATH,
            path.display()
        ),
    })
}

#[cfg(test)]
mod tests;
