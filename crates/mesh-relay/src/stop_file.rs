//! A file that stops the relay, as the Java client's `mexclient.sig` (`dts-file-interface.md` 6.3).
//!
//! Who writes `1` into it asks for an orderly end; white space around it does not count. The file is looked at when the
//! file system tells of a change beside it, and every [`LOOK`] all the same, since network shares tell nothing.
//!
//! A file that asks already when the relay starts is from before: a stop that found no relay, or the one that ended the last
//! run. Heeding it would make the relay end at each start, so it is removed, which makes whatever is written next a new
//! request. Where it cannot be removed it is ignored until it changes. A file with any other content is left alone, and
//! after a stop the file stays for whoever wrote it to see.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Pause between two looks beside what the file system tells.
pub const LOOK: Duration = Duration::from_secs(1);

/// Pause after an event, so that many of them cost one look.
const EVENT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes that are read; a request has one, and perhaps a line end.
const BYTES_MAX: u64 = 16;

/// The stop signal of a relay.
#[derive(Debug, Clone)]
pub struct StopFile {
    path: Arc<Path>,
    /// What the file was when the relay started, if it asked already and could not be removed.
    stale: Option<Mark>,
}

/// Tells one writing of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    length: u64,
}

impl StopFile {
    /// Notes whether there is a request from before the start.
    pub fn note(path: PathBuf) -> Self {
        let stale = if asks(&path) { mark(&path).ok() } else { None };
        Self { path: path.into(), stale }
    }

    /// Puts a request from before the start out of the way, unless it was made again since.
    pub fn begin(&mut self) {
        if self.stale.is_none() || mark(&self.path).ok() != self.stale {
            return;
        }
        let file = self.path.display();
        match fs::remove_file(&self.path) {
            Ok(()) => {
                tracing::info!(%file, "a stop signal from before the start was removed");
                self.stale = None;
            }
            Err(error) => {
                tracing::warn!(%file, %error, "a stop signal from before the start cannot be removed; it is ignored until it changes");
            }
        }
    }

    /// Returns when the file asks for a stop.
    pub async fn asked(&self) {
        let (events, mut event) = mpsc::channel(1);
        let _watcher = watch(&self.path, events);
        loop {
            let look = self.clone();
            // The file may be on a share that does not answer.
            if matches!(tokio::task::spawn_blocking(move || look.look()).await, Ok(true)) {
                tracing::info!(file = %self.path.display(), "the stop signal was given");
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                Some(()) = event.recv() => tokio::time::sleep(EVENT_PAUSE).await,
            }
        }
    }

    fn look(&self) -> bool {
        asks(&self.path) && (self.stale.is_none() || mark(&self.path).ok() != self.stale)
    }
}

/// Whether a file holds a request.
fn asks(path: &Path) -> bool {
    let mut text = String::new();
    // A pipe would keep us waiting.
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut read = || File::open(path)?.take(BYTES_MAX).read_to_string(&mut text);
    let whole = is_file && read().is_ok_and(|read| (read as u64) < BYTES_MAX);
    whole && text.trim_start_matches('\u{feff}').trim() == "1"
}

fn mark(path: &Path) -> io::Result<Mark> {
    let metadata = fs::metadata(path)?;
    Ok(Mark { modified: metadata.modified().ok(), length: metadata.len() })
}

/// Watches the folder: the file comes and goes. `None` when it cannot be watched; then the looks alone see it.
fn watch(path: &Path, events: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().map(ToOwned::to_owned);
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Looking at the file makes events of its own, which must not cause the next look. Nor must other files, such as
        // a log in the same folder.
        let idle = matches!(&event, Ok(event) if is_reading(event.kind) || !concerns(event, name.as_deref()));
        if !idle {
            // A full channel means that a look is due anyway.
            let _ = events.try_send(());
        }
    });
    watcher
        .and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        })
        .inspect_err(|error| tracing::debug!(folder = %folder.display(), %error, "no file-system events; the stop signal is only looked for"))
        .ok()
}

/// Whether an event may be about the file. One that names no path may be about anything.
fn concerns(event: &Event, name: Option<&OsStr>) -> bool {
    event.paths.is_empty() || event.paths.iter().any(|path| path.file_name() == name)
}

fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a start makes it.
    fn begun(path: &Path) -> StopFile {
        let mut file = StopFile::note(path.to_owned());
        file.begin();
        file
    }
    use std::io::Write;

    fn write(path: &Path, content: &str) {
        File::create(path).and_then(|mut file| file.write_all(content.as_bytes())).expect("a file");
    }

    #[test]
    fn only_a_one_asks() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mexclient.sig");
        assert!(!asks(&path));
        for (content, asking) in [
            ("1", true),
            (" 1\r\n", true),
            ("\u{feff}1\n", true),
            ("", false),
            ("0", false),
            ("11", false),
            ("1               1", false),
        ] {
            write(&path, content);
            assert_eq!(asks(&path), asking, "{content:?}");
        }
        assert!(!asks(folder.path()));
    }

    #[test]
    fn a_request_from_before_the_start_does_not_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mexclient.sig");
        write(&path, "0");
        assert!(!begun(&path).look() && path.exists(), "what asks nothing is left alone");
        write(&path, "1");
        let stop = begun(&path);
        assert!(!stop.look() && !path.exists());
        write(&path, "1\n");
        assert!(stop.look());
        let kept = StopFile { path: path.as_path().into(), stale: mark(&path).ok() };
        assert!(!kept.look(), "one that cannot be removed is ignored");
        write(&path, "1");
        assert!(kept.look(), "until it changes");
    }

    #[tokio::test]
    async fn a_request_is_seen_with_and_without_a_folder_to_watch() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["mexclient.sig", "later/mexclient.sig"] {
            let path = folder.path().join(name);
            let stop = begun(&path);
            let waiting = tokio::spawn(async move { stop.asked().await });
            tokio::task::yield_now().await;
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write(&path, "");
            write(&path, "1\r\n");
            tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time").expect("no panic");
        }
    }
}
