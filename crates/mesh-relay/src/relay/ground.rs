//! What every part of a running relay stands on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use dts_folder::{Access, FolderError, Folders, Use};
use relay_core::{Journal, Lease, PartLeases};

/// The leases of this run of the relay.
#[derive(Clone)]
pub(super) struct Leases {
    pub(super) journal: Arc<dyn Journal>,
    /// Names this run among others that may share the journal.
    pub(super) owner: String,
    pub(super) ttl: Duration,
}

impl Leases {
    pub(super) fn of(&self, name: impl Into<String>) -> Lease {
        Lease::new(Arc::clone(&self.journal), name, &self.owner).lasting(self.ttl)
    }

    pub(super) fn parts(&self, name: impl Into<String>) -> PartLeases {
        PartLeases::new(Arc::clone(&self.journal), name, &self.owner, self.ttl)
    }
}

/// The folders that this process has locked: an adapter that takes another's place works on the same ones, which nobody
/// else could lock.
#[derive(Default)]
pub struct OpenFolders(Mutex<HashMap<PathBuf, Weak<Folders>>>);

impl OpenFolders {
    /// Opens the folders under `root`, or shares those that are open.
    ///
    /// # Errors
    /// As [`Folders::open`].
    pub fn open(&self, root: &Path, usage: Use, access: Access) -> Result<Arc<Folders>, FolderError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, folders| folders.strong_count() > 0);
        let folders = match open.get(root).and_then(Weak::upgrade) {
            Some(folders) => Arc::new(folders.again(access)?),
            None => Arc::new(Folders::open(root, usage, access)?),
        };
        open.insert(root.to_owned(), Arc::downgrade(&folders));
        Ok(folders)
    }
}
