//! When control files become visible in a folder: by create events, as an application hears of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use mesh_relay_benches::now;
use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Eyes on one folder, open as long as this lives.
pub(crate) struct Eyes {
    seen: Arc<Mutex<HashMap<String, Timestamp>>>,
    _watcher: RecommendedWatcher,
}

impl Eyes {
    pub(crate) fn on(folder: &Path) -> Self {
        let seen = Arc::<Mutex<HashMap<_, _>>>::default();
        let told = Arc::clone(&seen);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let (at, event) = (now(), event.expect("an event"));
            assert!(!event.need_rescan(), "events were lost, so the figures would be wrong");
            let appears = EventKind::Modify(ModifyKind::Name(RenameMode::To));
            if event.kind != appears && !event.kind.is_create() {
                return;
            }
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let names =
                event.paths.iter().filter_map(|path| path.file_name()?.to_str()?.strip_suffix(".ctl"));
            told.extend(names.map(|stem| (stem.to_owned(), at)));
        })
        .expect("eyes");
        watcher.watch(folder, RecursiveMode::NonRecursive).expect("a folder to watch");
        Self { seen, _watcher: watcher }
    }

    /// How many control files have appeared.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// When the control file of that stem appeared.
    pub(crate) fn at(&self, stem: &str) -> Timestamp {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.get(stem).unwrap_or_else(|| panic!("{stem}.ctl has not appeared"))
    }
}
