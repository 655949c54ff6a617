//! The disks that the relay writes to, looked at now and then: a share that is gone may keep whoever asks waiting.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relay_console::Volume;
use relay_core::Shutdown;

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What was seen last of each disk. Cheap to clone.
#[derive(Clone)]
pub struct Volumes {
    places: Arc<[(String, PathBuf)]>,
    seen: Arc<Mutex<Vec<Volume>>>,
}

impl Volumes {
    /// Disks by what is on them, for people, and a path there. Nothing is looked at yet.
    pub fn new(places: Vec<(String, PathBuf)>) -> Self {
        Self { places: places.into(), seen: Arc::default() }
    }

    /// What was seen last.
    pub fn seen(&self) -> Vec<Volume> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks now and then until shutdown. One look at a time; one that hangs holds up the next, and nothing else.
    pub async fn watch(self, mut shutdown: Shutdown) {
        while !shutdown.is_requested() {
            let all = self.clone();
            let looking = tokio::task::spawn_blocking(move || all.look());
            tokio::select! {
                _ = looking => {}
                () = shutdown.requested() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    fn look(&self) {
        let look = |(name, path): &(String, PathBuf)| {
            let (free, total) = room(path)?;
            Some(Volume { name: name.clone(), free, total })
        };
        let found: Vec<Volume> = self.places.iter().filter_map(look).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Bytes that are free to this account, and bytes in all. `None`: the system does not say.
#[cfg(unix)]
fn room(path: &Path) -> Option<(u64, u64)> {
    let room = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    Some((bytes(room.f_bavail), bytes(room.f_blocks)))
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<(u64, u64)> {
    None
}
