//! OUT to MESH: finds pairs and has them worked on, a bounded number at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use relay_core::{Clock, Happening, RelayHandle, Shutdown, Source, SourceError, SourceKey, Step, Woken};
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::config::Config;
use crate::folders::Folders;
use crate::happening::{Unreadable, Unreported, Waits};
use crate::housekeeping;
use crate::pickup::{Pickup, ReadyPair};
use crate::transfer_log::TransferLog;
use crate::worker::{Kept, Leftover, Worker};

/// Pairs of one folder in work at a time; the rest wait in OUT.
const PAIRS_MAX: usize = 64;
/// Pause between two looks at OUT because of file-system events, so that a thousand events cost a few.
const EVENT_PAUSE: Duration = Duration::from_millis(50);
/// Pause before a pair that could not be worked on is tried again; doubles from there. Other processes lock files for
/// seconds (9, Q14).
const UNREADABLE_FIRST: Duration = Duration::from_secs(1);
/// Longest pause before a pair that could not be worked on is tried again.
const UNREADABLE_MAX: Duration = Duration::from_secs(60);

/// Pause before the journal is asked again what the last run left.
const JOURNAL_RETRY: Duration = Duration::from_secs(5);

/// One mailbox's OUT.
pub struct FolderSource {
    adapter: Arc<str>,
    config: Arc<Config>,
    folders: Arc<Folders>,
    clock: Arc<dyn Clock>,
    log: Option<Arc<TransferLog>>,
}

/// The work on the pairs of a folder: each task is known by the name of its control file.
struct Tasks {
    running: JoinSet<Result<(), Kept>>,
    controls: HashMap<task::Id, String>,
    most: usize,
}

/// How the work on one pair ended.
struct Done {
    control: String,
    result: Result<Result<(), Kept>, JoinError>,
}

impl Tasks {
    fn new(config: &Config) -> Self {
        let most = if config.in_order { 1 } else { PAIRS_MAX };
        Self { running: JoinSet::new(), controls: HashMap::new(), most }
    }

    fn is_full(&self) -> bool {
        self.running.len() >= self.most
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
    pub fn new(
        adapter: &str,
        config: Config,
        folders: Arc<Folders>,
        clock: Arc<dyn Clock>,
        log: Option<Arc<TransferLog>>,
    ) -> Self {
        Self { adapter: adapter.into(), config: Arc::new(config), folders, clock, log }
    }

    /// Takes pairs up until shutdown, and finishes those that are in work.
    async fn carry(&self, work: Worker, mut shutdown: Shutdown) {
        let (events, mut event) = mpsc::channel(1);
        let _watcher = watch(&self.folders, events);
        let mut out = OutFolder::new(&self.config);
        let mut tasks = Tasks::new(&self.config);
        let step = work.pump.step("looking at what the last run left");
        out.leftovers = loop {
            step.turn("looking at what the last run left");
            match work.last_run().await {
                Ok(leftovers) => break leftovers,
                Err(error) => {
                    tracing::error!(adapter = %self.adapter, %error, "what the last run left is not known; nothing is taken up");
                }
            }
            step.waits("waiting for the journal", JOURNAL_RETRY);
            tokio::select! {
                () = tokio::time::sleep(JOURNAL_RETRY) => {}
                () = shutdown.requested() => return,
            }
        };
        let mut woken = work.relay.wake();
        while !shutdown.is_requested() {
            let wake = out.offer(&work, &mut tasks, &step).await;
            step.waits("waiting for its next look into OUT", wake.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                changed = woken.woken() => out.rest_no_more(&changed),
                Some(()) = event.recv() => out.is_changed = true,
                Some(done) = tasks.next() => out.done(&work, done),
                () = shutdown.requested() => {}
            }
            // All that have ended, so that a look at OUT serves them all.
            while let Some(done) = tasks.try_next() {
                out.done(&work, done);
            }
        }
        // What is in work are steps of its own.
        drop(step);
        while let Some(done) = tasks.next().await {
            out.done(&work, done);
        }
    }
}

#[async_trait]
impl Source for FolderSource {
    async fn run(&self, relay: RelayHandle, shutdown: Shutdown) -> Result<(), SourceError> {
        let work = Worker {
            adapter: Arc::clone(&self.adapter),
            config: Arc::clone(&self.config),
            folders: Arc::clone(&self.folders),
            clock: Arc::clone(&self.clock),
            log: self.log.clone(),
            pump: relay.pump(self.config.scan()),
            relay: relay.clone(),
            shutdown: shutdown.clone(),
            told: Arc::default(),
        };
        let tidying = housekeeping::run(Arc::clone(&self.folders), self.config.keep, relay, shutdown.clone());
        tokio::join!(self.carry(work, shutdown), tidying);
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
    pickup: Arc<Mutex<Pickup>>,
    scan: Duration,
    in_order: bool,
    /// In order: the pair that was begun and has not ended; nothing else goes before it.
    head: Option<String>,
    /// Whether something has happened in OUT since the last look.
    is_changed: bool,
    /// Pairs that were ready at the last look and have not been offered yet, oldest first.
    ready: VecDeque<ReadyPair>,
    looked_at: Instant,
    /// When the next look is due, whatever happens.
    look_at: Instant,
    resting: HashMap<String, Instant>,
    /// How often in a row each pair could not be worked on.
    unreadable: HashMap<String, u32>,
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
            pickup: Arc::new(Mutex::new(Pickup::new(config.grace(), config.scan()))),
            scan: config.scan(),
            in_order: config.in_order,
            head: None,
            is_changed: true,
            ready: VecDeque::new(),
            looked_at: Instant::now(),
            look_at: Instant::now(),
            resting: HashMap::new(),
            unreadable: HashMap::new(),
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
    async fn offer(&mut self, work: &Worker, tasks: &mut Tasks, step: &Step) -> Instant {
        let now = Instant::now();
        self.take_up(work, tasks);
        if let Some(until) = self.paused_until {
            if until > now {
                return until;
            }
            self.paused_until = None;
        }
        let resting = self.resting.len();
        self.resting.retain(|_, until| *until > now);
        // Those whose time has come are found by the next look.
        self.is_changed |= self.resting.len() < resting;
        // While there is work enough, OUT is listed no more often than it must be: with ten thousand pairs in it, that
        // takes longer than sending some.
        let is_called_for = self.is_idle(tasks) && self.is_changed;
        if now >= self.look_at || is_called_for && now >= self.looked_at + EVENT_PAUSE {
            step.turn("looking into OUT");
            self.look(work, tasks, now).await;
        }
        self.start_ready(work, tasks);
        let called = (self.is_idle(tasks) && self.is_changed).then(|| self.looked_at + EVENT_PAUSE);
        let resting = self.resting.values().copied().min();
        called.into_iter().chain(resting).fold(self.look_at, Instant::min)
    }

    /// Whether nothing that is ready may be begun.
    fn is_idle(&self, tasks: &Tasks) -> bool {
        match &self.head {
            Some(head) => !tasks.has(head) && !self.ready.iter().any(|pair| pair.control == *head),
            None => self.ready.is_empty(),
        }
    }

    /// Looks at OUT, and decides when it is looked at next.
    async fn look(&mut self, work: &Worker, tasks: &mut Tasks, now: Instant) {
        self.is_changed = false;
        let passed_over: HashSet<String> =
            tasks.controls.values().chain(self.resting.keys()).cloned().collect();
        let (pickup, folders) = (Arc::clone(&self.pickup), Arc::clone(&work.folders));
        // A share may take its time, which no lease must wait for.
        let looked = task::spawn_blocking(move || {
            let mut pickup = pickup.lock().unwrap_or_else(PoisonError::into_inner);
            pickup.look(&folders.out, |name| passed_over.contains(name), now)
        });
        let looked = looked.await.map_err(io::Error::other).flatten();
        self.looked_at = Instant::now();
        self.look_at = self.looked_at + self.scan;
        let resting = &self.resting;
        let look = match looked {
            Ok(look) => look,
            Err(error) => {
                let folder = work.folders.out.display();
                self.tell(format!(
                    "folder {folder}: listing failed: {error}; nothing is sent until it can be listed"
                ));
                return;
            }
        };
        if look.unnameable != self.unnameable {
            self.unnameable = look.unnameable;
            tracing::warn!(
                folder = %work.folders.out.display(),
                count = look.unnameable,
                "control files in OUT whose names are not UTF-8 or hold a backslash are not sent; rename them"
            );
        }
        self.unreadable.retain(|control, _| {
            look.present.contains(control) || resting.contains_key(control) || tasks.has(control)
        });
        let is_gone =
            |head: &String| !look.present.contains(head) && !resting.contains_key(head) && !tasks.has(head);
        if self.head.as_ref().is_some_and(is_gone) {
            self.head = None;
        }
        self.ready = look.ready.into();
        self.withdraw_missing(&look.present, now, work, tasks);
        self.look_at = look.next.map_or(self.look_at, |next| next.min(self.look_at));
    }

    /// Starts work on the pairs that are ready, as many at a time as may be. The end of one makes room for the next.
    fn start_ready(&mut self, work: &Worker, tasks: &mut Tasks) {
        while !tasks.is_full() {
            let next = match &self.head {
                // In order, one that has to wait holds up those behind it.
                Some(head) => self.ready.iter().position(|pair| pair.control == *head),
                None => Some(0),
            };
            let Some(pair) = next.and_then(|next| self.ready.remove(next)) else { return };
            if tasks.has(&pair.control) || self.resting.contains_key(&pair.control) {
                continue;
            }
            if self.in_order {
                self.head = Some(pair.control.clone());
            }
            let (work, previous) = (work.clone(), self.unended.get(&pair.control).cloned());
            tasks.start(pair.control.clone(), async move { work.carry(&pair, previous).await });
        }
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
                self.unreadable.remove(&done.control);
                self.head.take_if(|head| *head == done.control);
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
                self.rest(done.control, now);
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
                    Waits { adapter, deferral: &deferral }.tell();
                }
            }
            Kept::Unreadable(error) => {
                Unreadable { adapter, folder: &work.folders.out, error: &error }.tell();
                self.rest(done.control, now);
            }
            Kept::Unreported(error, key) => {
                self.unended.insert(done.control.clone(), key);
                Unreported { adapter, folder: &work.folders.inbox, error: &error }.tell();
                self.rest(done.control, now);
            }
            Kept::Changed => self.is_changed = true,
        }
    }

    /// A person did something that may let a pair go on, or ended its message: it is offered again.
    fn rest_no_more(&mut self, changed: &Woken) {
        let unended = &self.unended;
        if *changed != Woken::Anything && !unended.values().any(|key| changed.concerns(key)) {
            return;
        }
        self.resting.retain(|control, _| !unended.get(control).is_some_and(|key| changed.concerns(key)));
        // What is offered along with it is held back again before anybody is called.
        self.paused_until = None;
        self.is_changed = true;
    }

    /// Lets a pair rest that could not be worked on.
    fn rest(&mut self, control: String, now: Instant) {
        let times = self.unreadable.entry(control.clone()).or_default();
        let pause = UNREADABLE_FIRST.saturating_mul(1 << (*times).min(16)).min(UNREADABLE_MAX);
        *times += 1;
        self.resting.insert(control, now + pause);
    }

    fn tell(&mut self, outage: String) {
        if self.told.as_ref() != Some(&outage) {
            tracing::error!("{outage}");
            self.told = Some(outage);
        }
    }
}
