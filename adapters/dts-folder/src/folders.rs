//! The five folders of a mailbox (`dts-file-interface.md` 2.1).

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::stage::{self, Access};

/// Held for as long as a relay works on the root, so that no second one does.
pub(crate) const LOCK_NAME: &str = ".mesh-relay.lock";
/// Written and removed at start, to find out whether a folder can be written.
pub(crate) const PROBE_NAME: &str = ".mesh-relay.probe";

/// How long what another instance began must have been left alone before it is thrown away, where several may work.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// The folders of one mailbox, found or made, writable, and locked for this process.
#[derive(Debug)]
pub struct Folders {
    /// Messages from MESH.
    pub inbox: PathBuf,
    /// Pairs to be sent.
    pub out: PathBuf,
    /// Pairs that MESH has accepted.
    pub sent: PathBuf,
    /// Pairs that MESH will never accept.
    pub failed: PathBuf,
    /// The relay's own.
    pub temp: PathBuf,
    /// Who may change what the relay puts there.
    pub access: Access,
    /// Whether OUT was not there and was made.
    pub out_is_new: bool,
    /// Counts the reports that are about no message.
    reports: Arc<AtomicU32>,
    lock: File,
}

/// Folders that cannot be worked on.
#[derive(Debug, Error)]
pub enum FolderError {
    /// A folder could not be made, listed or written.
    #[error(
        "folder {path}: {action} failed: {source}; give the relay's account the right to do so, or correct `root`"
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process works there.
    #[error("another relay works on {root}; stop it first, or give each its own root")]
    Locked {
        /// The root folder.
        root: PathBuf,
    },
}

/// Who else may work on a mailbox's folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Nobody: the root is locked for this process.
    Alone,
    /// Other instances that share this one's journal, whose leases say whose turn it is. A relay that does not is kept
    /// out.
    Shared,
}

impl Folders {
    /// Finds or makes the folders under `root`, tries to write each, and locks the root against those who may not use
    /// it beside this process.
    ///
    /// # Errors
    /// [`FolderError`] naming the folder at fault.
    pub fn open(root: &Path, usage: Use, access: Access) -> Result<Self, FolderError> {
        let temp = folder(root, "TEMP", access)?;
        let lock_path = temp.join(LOCK_NAME);
        let lock = File::create(&lock_path).map_err(unusable(&temp, "writing"))?;
        let locked = match usage {
            Use::Alone => lock.try_lock(),
            Use::Shared => lock.try_lock_shared(),
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::Locked { root: root.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(&lock_path, "locking")(source)),
        }
        let out_is_new = existing(root, "OUT").map_err(unusable(root, "listing"))?.is_none();
        let folders = Self {
            inbox: folder(root, "IN", access)?,
            out: folder(root, "OUT", access)?,
            sent: folder(root, "SENT", access)?,
            failed: folder(root, "FAILED", access)?,
            temp,
            access,
            out_is_new,
            reports: Arc::default(),
            lock,
        };
        // Before this process works here, what is unfinished belongs to no one, or to another instance.
        let idle = if usage == Use::Alone { Duration::ZERO } else { ABANDONED };
        let left = "removing what an earlier run left";
        stage::sweep(&folders.temp, idle).map_err(unusable(&folders.temp, left))?;
        for path in [&folders.inbox, &folders.out, &folders.sent, &folders.failed, &folders.temp] {
            // Of its own, since another instance may try at the same moment.
            let probe = path.join(format!("{PROBE_NAME}.{}", std::process::id()));
            File::create(&probe).map_err(unusable(path, "writing"))?;
            match fs::remove_file(&probe) {
                // Another instance with the same number was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(unusable(path, "removing a file"))?,
            }
            if volume(path)? != volume(&folders.temp)? {
                let (folder, temp) = (path.display(), folders.temp.display());
                tracing::info!(%folder, %temp, "the folder is on another volume than TEMP: files are copied there");
            }
            stage::sweep_parts(path).map_err(unusable(path, left))?;
        }
        Ok(folders)
    }

    /// The same folders once more within this process, for what takes the place of whoever works there: the lock is held
    /// by both, nothing that is unfinished is touched, and OUT was there. Who may change the relay's files may be others.
    ///
    /// # Errors
    /// When the system does not let the lock be shared.
    pub fn again(&self, access: Access) -> Result<Self, FolderError> {
        Ok(Self {
            inbox: self.inbox.clone(),
            out: self.out.clone(),
            sent: self.sent.clone(),
            failed: self.failed.clone(),
            temp: self.temp.clone(),
            access,
            out_is_new: false,
            reports: Arc::clone(&self.reports),
            lock: self.lock.try_clone().map_err(unusable(&self.temp, "sharing the lock"))?,
        })
    }

    /// Removes the folders again, as far as they are empty: made where a share was to be mounted, they would be taken for
    /// its folders at the next start.
    pub(crate) fn unmake(&self) {
        let lock = self.temp.join(LOCK_NAME);
        let removed = fs::remove_file(&lock);
        for folder in [&self.inbox, &self.out, &self.sent, &self.failed, &self.temp] {
            // One that is not empty is somebody's.
            let _ = fs::remove_dir(folder);
        }
        if let Err(error) = removed {
            tracing::debug!(%error, "the lock stays");
        }
    }

    /// A number for a report that is about no message.
    pub(crate) fn report_number(&self) -> u32 {
        self.reports.fetch_add(1, Ordering::Relaxed)
    }
}

fn unusable(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Unusable { path, action, source }
}

/// The folder of that name in whatever case it exists: on a case-sensitive file system there must never be two (checks
/// 1 and 2).
///
/// # Errors
/// When `root` cannot be listed.
pub(crate) fn existing(root: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let exact = root.join(name);
    if exact.is_dir() {
        return Ok(Some(exact));
    }
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().eq_ignore_ascii_case(name) && entry.path().is_dir() {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// The folder of that name as [`existing`] finds it, else a new one in upper case.
fn folder(root: &Path, name: &str, access: Access) -> Result<PathBuf, FolderError> {
    fs::create_dir_all(root).map_err(unusable(root, "making it"))?;
    if let Some(found) = existing(root, name).map_err(unusable(root, "listing"))? {
        return Ok(found);
    }
    let exact = root.join(name);
    fs::create_dir(&exact).map_err(unusable(&exact, "making it"))?;
    access.grant(&exact).map_err(unusable(&exact, "letting its group write"))?;
    Ok(exact)
}

#[cfg(unix)]
fn volume(path: &Path) -> Result<u64, FolderError> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata(path).map_err(unusable(path, "looking at it"))?.dev())
}

/// Volumes are not told apart here.
#[cfg(not(unix))]
fn volume(_: &Path) -> Result<u64, FolderError> {
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_made_and_existing_ones_of_any_case_are_used() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("in")).expect("a folder");
        let folders = Folders::open(root.path(), Use::Alone, Access::Usual).expect("folders");
        assert_eq!(folders.inbox, root.path().join("in"));
        assert_eq!(folders.sent, root.path().join("SENT"));
        assert!(!root.path().join("IN").exists());
    }

    #[test]
    fn a_root_is_worked_on_once() {
        let root = tempfile::tempdir().expect("a folder");
        let first = Folders::open(root.path(), Use::Alone, Access::Usual).expect("folders");
        for usage in [Use::Alone, Use::Shared] {
            assert!(matches!(
                Folders::open(root.path(), usage, Access::Usual),
                Err(FolderError::Locked { .. })
            ));
        }
        drop(first);
        assert!(Folders::open(root.path(), Use::Alone, Access::Usual).is_ok());
    }

    #[test]
    fn a_file_in_a_folders_place_is_named() {
        let root = tempfile::tempdir().expect("a folder");
        File::create(root.path().join("SENT")).expect("a file");
        let error = Folders::open(root.path(), Use::Alone, Access::Usual).expect_err("a fault").to_string();
        assert!(error.contains("SENT"), "{error}");
    }
}
