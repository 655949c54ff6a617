//! When a running relay reads its configuration again: when it is told to, and when a file of it changed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use keystore::Severity;
use relay_config::Faults;

use crate::java_client::StandIn;
use crate::settings::Settings;

/// What reading a configuration gave: the settings or every fault that was found, each with its place and what to do, and
/// what is to be told about where it comes from.
pub type Loaded = (Result<Settings, Faults>, Vec<(Severity, String)>);

/// Where a relay's configuration is.
#[derive(Debug, Clone)]
pub enum Configuration {
    /// A file of its own.
    Own(PathBuf),
    /// That of the Java MESH client whose place it takes.
    JavaClient(PathBuf),
}

impl Configuration {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(path) | Self::JavaClient(path) => path,
        }
    }

    /// Reads it and everything that it refers to: the settings or every fault that was found, and what is to be told about
    /// where that comes from. Waits for the disk.
    pub fn load(&self) -> Loaded {
        match self {
            Self::Own(path) => (Settings::load(path), Vec::new()),
            Self::JavaClient(path) => match StandIn::read(path) {
                Ok(stand_in) => {
                    let told = stand_in.told.iter().map(|told| (told.severity, told.text.to_string()));
                    let told = told.collect();
                    (stand_in.settings(), told)
                }
                Err(faults) => (Err(faults), Vec::new()),
            },
        }
    }
}

/// Tells one writing of a file from another. The number of the file is there for those that are replaced by a rename or by
/// another target of a link, as Kubernetes does it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    number: u64,
}

impl Stamp {
    /// `None`: there is no file, or it cannot be looked at.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let number = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let number = 0;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), number })
    }
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Why the configuration is to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The process was told to.
    Told,
    /// A file of it changed.
    Changed,
}

/// Follows a configuration. What was read of it last is what it was when [`Self::load`] began.
pub struct Follow {
    configuration: Configuration,
    signal: Signal,
    look: Duration,
    /// What the files were when they were read.
    read: Stamps,
    /// What they were at the last look, if that was something else: somebody may still be writing.
    moving: Option<Stamps>,
}

impl Follow {
    /// Follows what was just loaded.
    ///
    /// # Errors
    /// When the system does not let signals be heard.
    pub fn new(configuration: Configuration, settings: &Settings) -> io::Result<Self> {
        let read =
            stamps([configuration.path()].into_iter().chain(settings.files.iter().map(PathBuf::as_path)));
        let signal = Signal::new()?;
        Ok(Self { configuration, signal, look: settings.reload.look, read, moving: None })
    }

    /// Returns when the configuration is to be read again. Cancel-safe.
    pub async fn asked(&mut self) -> Cause {
        loop {
            tokio::select! {
                () = self.signal.heard() => return Cause::Told,
                () = pause(self.look) => {}
            }
            let files: Vec<PathBuf> = self.read.keys().cloned().collect();
            let look = tokio::task::spawn_blocking(move || stamps(files.iter().map(PathBuf::as_path)));
            // The runtime is ending.
            let Ok(now) = look.await else { return std::future::pending().await };
            if now == self.read {
                self.moving = None;
            } else if self.moving.as_ref() == Some(&now) {
                return Cause::Changed;
            } else {
                self.moving = Some(now);
            }
        }
    }

    /// Reads the configuration. What changes from now on is a change.
    pub async fn load(&mut self) -> Loaded {
        self.moving = None;
        let (configuration, files) =
            (self.configuration.clone(), self.read.keys().cloned().collect::<Vec<_>>());
        let load = tokio::task::spawn_blocking(move || {
            let before = stamps(files.iter().map(PathBuf::as_path));
            (before, configuration.load())
        });
        let (before, loaded) = match load.await {
            Ok(loaded) => loaded,
            // A bug of ours: told as one by whoever joins this task.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return std::future::pending().await,
        };
        match &loaded.0 {
            Ok(settings) => {
                self.look = settings.reload.look;
                let named = [self.configuration.path()].into_iter();
                let files = named.chain(settings.files.iter().map(PathBuf::as_path));
                self.read = stamps(files);
                // Those that were followed already may have been written to since they were read.
                for (path, stamp) in before {
                    self.read.entry(path).and_modify(|read| *read = stamp);
                }
            }
            Err(_) => self.read = before,
        }
        loaded
    }
}

async fn pause(look: Duration) {
    if look.is_zero() { std::future::pending().await } else { tokio::time::sleep(look).await }
}

fn stamps<'p>(files: impl Iterator<Item = &'p Path>) -> Stamps {
    files.map(|path| (path.to_owned(), Stamp::of(path))).collect()
}

/// Hears that the process is told to read its configuration again.
#[cfg(unix)]
struct Signal(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signal {
    fn new() -> io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map(Self)
    }

    async fn heard(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// There is no such signal here: files are looked at.
#[cfg(not(unix))]
struct Signal;

#[cfg(not(unix))]
impl Signal {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn heard(&mut self) {
        std::future::pending().await
    }
}
