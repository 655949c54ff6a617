//! Going on with the files that come while the old client works.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dts_folder::pickup::Pickup;
use dts_folder::shadow::{Place, Shadow};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{ShadowError, View, blocking};
use crate::{stop, system};

/// Pause between two looks beside what the file system tells, which network shares do not.
const LOOK: Duration = Duration::from_secs(2);

/// Pause after an event, so that many of them cost one look.
const EVENT_PAUSE: Duration = Duration::from_millis(200);

/// How long a control file must have been left alone beside its data, at least: the old client may write it in place.
const QUIET_MIN: Duration = Duration::from_secs(1);

/// How long a report waits for the pair that it is about to come to SENT or FAILED, and a pair in FAILED for its report.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// One folder between two looks.
struct Watched {
    shadow: usize,
    place: Place,
    folder: PathBuf,
    pickup: Pickup,
    /// Control files that were told and are still there.
    told: HashSet<String>,
    /// Since when a file waits for another that makes it clear.
    waiting: HashMap<String, Instant>,
}

/// Tells of new files as they are complete, until the process is told to stop.
pub(super) async fn follow(mut view: View) -> Result<View, ShadowError> {
    let (events, mut event) = mpsc::channel(1);
    let stopped = stop::asked();
    tokio::pin!(stopped);
    let mut watched = watched(&mut view);
    let _watcher = watch(&watched, events);
    let mut told = None;
    loop {
        let end = tokio::select! {
            heard = &mut stopped => { heard.map_err(ShadowError::Signals)?; true }
            () = tokio::time::sleep(LOOK) => false,
            Some(()) = event.recv() => { tokio::time::sleep(EVENT_PAUSE).await; false }
        };
        let failed;
        (view, watched, failed) = blocking(move || look(view, watched, end)).await?;
        if failed != told
            && let Some(failed) = &failed
        {
            tracing::warn!("{failed}; it is tried again");
        }
        told = failed;
        if end {
            return Ok(view);
        }
    }
}

/// The folders as the first look left them.
fn watched(view: &mut View) -> Vec<Watched> {
    let mut watched = Vec::new();
    for (index, shadow) in view.shadows.iter().enumerate() {
        for place in Place::ALL {
            let Some(folder) = shadow.places().folder(place) else { continue };
            let told = view.told.remove(&(index, place)).unwrap_or_default();
            let config = shadow.config();
            let pickup = Pickup::new(config.grace().max(QUIET_MIN), config.scan());
            let (folder, waiting) = (folder.to_owned(), HashMap::new());
            watched.push(Watched { shadow: index, place, folder, pickup, told, waiting });
        }
    }
    watched
}

/// What a look gives back: with what kept a folder from being listed.
type Looked = (View, Vec<Watched>, Option<String>);

/// Looks at every folder; what waits is told in any case at the `end`.
fn look(mut view: View, mut watched: Vec<Watched>, end: bool) -> Result<Looked, ShadowError> {
    let (now, mut failed) = (Instant::now(), None);
    for one in &mut watched {
        if let Err(error) = one.look(&mut view, now, end)? {
            failed = Some(format!("folder {} cannot be listed: {error}", one.folder.display()));
        }
    }
    std::io::Write::flush(&mut view.out).map_err(ShadowError::Stdout)?;
    Ok((view, watched, failed))
}

impl Watched {
    fn look(&mut self, view: &mut View, now: Instant, end: bool) -> Result<std::io::Result<()>, ShadowError> {
        let still = RefCell::new(HashSet::new());
        let is_told = |name: &str| {
            let told = self.told.contains(name);
            if told {
                still.borrow_mut().insert(name.to_owned());
            }
            told
        };
        let look = match self.pickup.look(&self.folder, is_told, now) {
            Ok(look) => look,
            Err(error) => return Ok(Err(error)),
        };
        // A name that went and comes again is another file.
        self.told = still.into_inner();
        self.waiting.retain(|name, _| look.present.contains(name));
        let ready = look.ready.into_iter().map(|pair| pair.control);
        for name in ready {
            let shadow: &mut Shadow = &mut view.shadows[self.shadow];
            let Some(judged) = shadow.judge(self.place, &name, system::now()) else { continue };
            let since = *self.waiting.entry(name.clone()).or_insert(now);
            if judged.may_become_clear() && now < since + PATIENCE && !end {
                continue;
            }
            view.tell(self.shadow, self.place, &name, &judged)?;
            self.waiting.remove(&name);
            self.told.insert(name);
        }
        Ok(Ok(()))
    }
}

/// Wakes the next look when something is written in one of the folders.
fn watch(watched: &[Watched], events: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if !matches!(&event, Ok(event) if is_reading(event.kind)) {
            // A full channel means that a look is due anyway.
            let _ = events.try_send(());
        }
    });
    let mut watcher = watcher
        .inspect_err(|error| tracing::warn!(%error, "no file-system events; folders are only looked at"))
        .ok()?;
    for Watched { folder, .. } in watched {
        not_watched(folder, watcher.watch(folder, RecursiveMode::NonRecursive));
    }
    Some(watcher)
}

fn not_watched(folder: &Path, result: notify::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(folder = %folder.display(), %error, "no file-system events; the folder is only looked at");
    }
}

/// Our own looks make events, too, and must not cause the next one.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
