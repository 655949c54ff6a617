//! OUT to MESH: finds pairs and has them worked on, a bounded number at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use relay_core::{Clock, RelayHandle, Shutdown, Source, SourceError, SourceKey};
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::config::Config;
use crate::folders::Folders;
use crate::pickup::Pickup;
use crate::worker::{Kept, Leftover, Worker};

/// Pairs of one folder in work at a time; the rest wait in OUT.
const PAIRS_MAX: usize = 64;
/// Pause after a file-system event before OUT is looked at, so that a thousand events cost one look.
const EVENT_PAUSE: Duration = Duration::from_millis(50);
/// Pause before a pair that could not be worked on is tried again.
const UNREADABLE_RETRY: Duration = Duration::from_secs(60);

/// Pause before the journal is asked again what the last run left.
const JOURNAL_RETRY: Duration = Duration::from_secs(5);

/// One mailbox's OUT.
pub struct FolderSource {
    adapter: Arc<str>,
    config: Config,
    folders: Arc<Folders>,
    clock: Arc<dyn Clock>,
}

/// The work on the pairs of a folder: each task is known by the name of its control file.
struct Tasks {
    running: JoinSet<Result<(), Kept>>,
    controls: HashMap<task::Id, String>,
}

/// How the work on one pair ended.
struct Done {
    control: String,
    result: Result<Result<(), Kept>, JoinError>,
}

impl Tasks {
    fn new() -> Self {
        Self { running: JoinSet::new(), controls: HashMap::new() }
    }

    fn is_full(&self) -> bool {
        self.running.len() >= PAIRS_MAX
    }

    fn has(&self, control: &str) -> bool {
        self.controls.values().any(|running| running == control)
    }

    /// Starts work on the control file of this name.
    fn start(&mut self, control: String, work: impl Future<Output = Result<(), Kept>> + Send + 'static) {
        let task = self.running.spawn(work);
        self.controls.insert(task.id(), control);
    }

    /// The next that ends. `None` when none runs. Cancel-safe.
    async fn next(&mut self) -> Option<Done> {
        let ended = self.running.join_next_with_id().await?;
        self.named(ended)
    }

    /// One that has ended already.
    fn try_next(&mut self) -> Option<Done> {
        let ended = self.running.try_join_next_with_id()?;
        self.named(ended)
    }

    fn named(&mut self, ended: Result<(task::Id, Result<(), Kept>), JoinError>) -> Option<Done> {
        let (id, result) = match ended {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        Some(Done { control: self.controls.remove(&id)?, result })
    }
}

impl FolderSource {
    /// A source named `adapter` in the configuration.
    pub fn new(adapter: &str, config: Config, folders: Arc<Folders>, clock: Arc<dyn Clock>) -> Self {
        Self { adapter: adapter.into(), config, folders, clock }
    }
}

#[async_trait]
impl Source for FolderSource {
    async fn run(&self, relay: RelayHandle, mut shutdown: Shutdown) -> Result<(), SourceError> {
        let work = Worker {
            adapter: Arc::clone(&self.adapter),
            mailbox: self.config.mailbox.clone(),
            folders: Arc::clone(&self.folders),
            clock: Arc::clone(&self.clock),
            relay,
            shutdown: shutdown.clone(),
        };
        let (events, mut event) = mpsc::channel(1);
        let _watcher = watch(&self.folders, events);
        let mut out = OutFolder::new(&self.config);
        let mut tasks = Tasks::new();
        out.leftovers = loop {
            match work.last_run().await {
                Ok(leftovers) => break leftovers,
                Err(error) => {
                    tracing::error!(adapter = %self.adapter, %error, "what the last run left is not known; nothing is taken up");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(JOURNAL_RETRY) => {}
                () = shutdown.requested() => return Ok(()),
            }
        };
        while !shutdown.is_requested() {
            let wake = out.offer(&work, &mut tasks);
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                Some(()) = event.recv() => tokio::time::sleep(EVENT_PAUSE).await,
                Some(done) = tasks.next() => out.done(&work, done),
                () = shutdown.requested() => {}
            }
            // All that have ended, so that a look at OUT serves them all.
            while let Some(done) = tasks.try_next() {
                out.done(&work, done);
            }
        }
        while let Some(done) = tasks.next().await {
            out.done(&work, done);
        }
        Ok(())
    }
}

/// Wakes the source when something happens in OUT. Network shares send no events, and then the scan finds it.
fn watch(folders: &Folders, events: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Looking at OUT makes events of its own, which must not cause the next look.
        let looked_at = matches!(&event, Ok(event) if is_reading(event.kind));
        if !looked_at {
            // A full channel means that a look is due anyway.
            let _ = events.try_send(());
        }
    })
    .and_then(|mut watcher| {
        watcher.watch(&folders.out, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(|error| {
            tracing::warn!(folder = %folders.out.display(), %error, "no file-system events; OUT is only scanned");
        })
        .ok()
}

fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// What the source remembers of OUT between two looks.
struct OutFolder {
    pickup: Pickup,
    scan: Duration,
    resting: HashMap<String, Instant>,
    /// Pairs that were offered and have not ended, by control file. Should one change or go, its message ends.
    unended: HashMap<String, SourceKey>,
    /// Since when the control file of an unended pair has been missing.
    missing: HashMap<String, Instant>,
    /// What the last run left and nobody has gone on with yet.
    leftovers: VecDeque<Leftover>,
    /// How long a control file must be missing before its pair counts as taken away.
    missing_wait: Duration,
    /// No pair is offered before this, because MESH or the journal does not answer.
    paused_until: Option<Instant>,
    /// The outage that was last told, so that it is told once.
    told: Option<String>,
    /// Files whose names cannot be sent, when last told.
    unnameable: usize,
}

impl OutFolder {
    fn new(config: &Config) -> Self {
        Self {
            pickup: Pickup::new(config.grace(), config.scan()),
            scan: config.scan(),
            resting: HashMap::new(),
            unended: HashMap::new(),
            missing: HashMap::new(),
            leftovers: VecDeque::new(),
            missing_wait: config.grace() + config.scan(),
            paused_until: None,
            told: None,
            unnameable: 0,
        }
    }

    /// Goes on with what the last run left, as many at a time as may be.
    fn take_up(&mut self, work: &Worker, tasks: &mut Tasks) {
        while !tasks.is_full() {
            let Some(Leftover { key, control, ended, in_out }) = self.leftovers.pop_front() else { return };
            let work = work.clone();
            match (ended, in_out) {
                (true, _) => tasks.start(control, async move { work.settle_leftover(key).await }),
                // The next look finds it.
                (false, true) => {
                    self.unended.insert(control, key);
                }
                (false, false) => tasks.start(control, async move { work.withdraw(key).await.map(|_| ()) }),
            }
        }
    }

    /// Starts work on every pair that may go now, and says when to look again.
    fn offer(&mut self, work: &Worker, tasks: &mut Tasks) -> Instant {
        let now = Instant::now();
        let mut wake = now + self.scan;
        self.take_up(work, tasks);
        if let Some(until) = self.paused_until {
            if until > now {
                return until;
            }
            self.paused_until = None;
        }
        self.resting.retain(|_, until| *until > now);
        let resting = &self.resting;
        let passed_over = |name: &str| tasks.has(name) || resting.contains_key(name);
        let look = match self.pickup.look(&work.folders.out, passed_over, now) {
            Ok(look) => look,
            Err(error) => {
                let folder = work.folders.out.display();
                self.tell(format!(
                    "folder {folder}: listing failed: {error}; nothing is sent until it can be listed"
                ));
                return wake;
            }
        };
        if look.unnameable != self.unnameable {
            self.unnameable = look.unnameable;
            tracing::warn!(
                folder = %work.folders.out.display(),
                count = look.unnameable,
                "files in OUT whose names are not UTF-8 are not sent; rename them"
            );
        }
        for pair in look.ready {
            // Full: the end of a task brings the next look.
            if tasks.is_full() {
                break;
            }
            let (work, previous) = (work.clone(), self.unended.get(&pair.control).cloned());
            tasks.start(pair.control.clone(), async move { work.carry(&pair, previous).await });
        }
        self.withdraw_missing(&look.present, now, work, tasks);
        for next in look.next.into_iter().chain(self.resting.values().copied().min()) {
            wake = wake.min(next);
        }
        wake
    }

    /// Ends the messages of pairs that have been taken out of OUT.
    fn withdraw_missing(
        &mut self,
        present: &HashSet<String>,
        now: Instant,
        work: &Worker,
        tasks: &mut Tasks,
    ) {
        let resting = &self.resting;
        self.missing.retain(|control, _| !present.contains(control));
        let absent: Vec<String> = self
            .unended
            .keys()
            .filter(|control| {
                !present.contains(*control) && !tasks.has(control) && !resting.contains_key(*control)
            })
            .cloned()
            .collect();
        for control in absent {
            let since = *self.missing.entry(control.clone()).or_insert(now);
            if now >= since + self.missing_wait
                && !tasks.is_full()
                && let Some(key) = self.unended.remove(&control)
            {
                self.missing.remove(&control);
                let work = work.clone();
                tasks.start(control, async move { work.withdraw(key).await.map(|_| ()) });
            }
        }
    }

    fn done(&mut self, work: &Worker, done: Done) {
        let adapter = &work.adapter;
        let now = Instant::now();
        let kept = match done.result {
            Ok(Ok(())) => {
                self.unended.remove(&done.control);
                if self.told.take().is_some() {
                    tracing::info!(%adapter, "sending goes on");
                }
                return;
            }
            Ok(Err(kept)) => kept,
            Err(error) => {
                let panicked = error.is_panic();
                tracing::error!(%adapter, panicked, "work on a pair broke off; it stays in OUT for another try");
                self.resting.insert(done.control, now + UNREADABLE_RETRY);
                return;
            }
        };
        match kept {
            Kept::Deferred(deferral, key) => {
                let until = now + deferral.after;
                self.unended.insert(done.control.clone(), key);
                self.resting.insert(done.control, until);
                if deferral.is_mailbox_wide() {
                    self.paused_until = Some(self.paused_until.map_or(until, |paused| paused.max(until)));
                    self.tell(format!("adapter {adapter}: {deferral}; pairs stay in OUT"));
                } else {
                    tracing::warn!(%adapter, %deferral, "a pair stays in OUT for another try");
                }
            }
            Kept::Unreadable(error) => {
                let folder = work.folders.out.display();
                tracing::warn!(%adapter, %folder, %error, "a control file cannot be opened; give the relay's account the right to read it");
                self.resting.insert(done.control, now + UNREADABLE_RETRY);
            }
        }
    }

    fn tell(&mut self, outage: String) {
        if self.told.as_ref() != Some(&outage) {
            tracing::error!("{outage}");
            self.told = Some(outage);
        }
    }
}
