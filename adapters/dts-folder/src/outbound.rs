//! OUT to MESH: finds pairs, offers them to the engine, settles them by their outcome.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use relay_core::{
    Clock, Deferral, DeferralCause, Ended, MailboxId, Outcome, RelayHandle, Shutdown, Source, SourceError,
    SourceKey,
};
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::config::Config;
use crate::folders::Folders;
use crate::pair::{self, PairKey, Verdict};
use crate::pickup::{Pickup, ReadyPair};
use crate::settle::{Settling, forget, settle};

/// Pairs of one folder in work at a time; the rest wait in OUT.
const PAIRS_MAX: usize = 64;
/// Pause after a file-system event before OUT is looked at, so that a thousand events cost one look.
const EVENT_PAUSE: Duration = Duration::from_millis(50);
/// Pause between two tries to settle a pair whose folder does not let it.
const SETTLE_RETRY: Duration = Duration::from_secs(2);
/// Pause before a pair that could not be worked on is tried again.
const UNREADABLE_RETRY: Duration = Duration::from_secs(60);

/// One mailbox's OUT.
pub struct FolderSource {
    adapter: Arc<str>,
    config: Config,
    folders: Arc<Folders>,
    clock: Arc<dyn Clock>,
}

/// Why a pair is still in OUT after it was worked on.
enum Kept {
    /// The engine does not have it ended yet.
    Deferred(Box<Deferral>, SourceKey),
    /// Its control file cannot be opened now: locked, or not ours to read.
    Unreadable(io::Error),
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
    async fn run(self: Box<Self>, relay: RelayHandle, mut shutdown: Shutdown) -> Result<(), SourceError> {
        let fail = |what: String| SourceError { adapter: self.adapter.to_string(), what };
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
        let last_run = work.last_run().await.map_err(|cause| fail(cause.to_string()))?;
        out.take_up(last_run, &work, &mut tasks);
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
            paused_until: None,
            told: None,
            unnameable: 0,
        }
    }

    /// Goes on with what the last run left.
    fn take_up(&mut self, last_run: Vec<Leftover>, work: &Worker, tasks: &mut Tasks) {
        for Leftover { key, pair, ended, in_out } in last_run {
            let control = pair.control.clone();
            let work = work.clone();
            match ended {
                Some(ended) => {
                    tracing::info!(relay_id = %ended.relay_id(), adapter = %work.adapter, "settling a pair of the last run");
                    tasks.start(control, async move {
                        work.settle(pair, None, ended).await;
                        Ok(())
                    });
                }
                // The next look finds it, or finds it gone.
                None if in_out => {
                    self.unended.insert(control, key);
                }
                None => tasks.start(control, async move { work.withdraw(key).await }),
            }
        }
    }

    /// Starts work on every pair that may go now, and says when to look again.
    fn offer(&mut self, work: &Worker, tasks: &mut Tasks) -> Instant {
        let now = Instant::now();
        let mut wake = now + self.scan;
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
        let gone = self.unended.extract_if(|control, _| {
            !look.present.contains(control) && !tasks.has(control) && !self.resting.contains_key(control)
        });
        for (control, key) in gone.collect::<Vec<_>>() {
            let work = work.clone();
            tasks.start(control, async move { work.withdraw(key).await });
        }
        for next in look.next.into_iter().chain(self.resting.values().copied().min()) {
            wake = wake.min(next);
        }
        wake
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

/// A pair of the last run.
struct Leftover {
    key: SourceKey,
    pair: PairKey,
    /// Its end, if it has ended.
    ended: Option<Ended>,
    /// Whether it is still in OUT.
    in_out: bool,
}

/// What the work on one pair needs.
#[derive(Clone)]
struct Worker {
    adapter: Arc<str>,
    mailbox: MailboxId,
    folders: Arc<Folders>,
    clock: Arc<dyn Clock>,
    relay: RelayHandle,
    shutdown: Shutdown,
}

impl Worker {
    /// What the last run left unsettled.
    async fn last_run(&self) -> Result<Vec<Leftover>, DeferralCause> {
        let unsettled = self.relay.unsettled(&self.adapter).await?;
        let out = self.folders.out.clone();
        let looked = task::spawn_blocking(move || {
            let leftover = |(key, ended)| {
                let pair = PairKey::from_source_key(&key)?;
                let in_out = pair.is_in(&out);
                Some(Leftover { key, pair, ended, in_out })
            };
            unsettled.into_iter().filter_map(leftover).collect()
        });
        looked.await.map_err(|_| DeferralCause::Stopping)
    }

    /// Ends the message of a pair that is no longer in OUT.
    async fn withdraw(&self, key: SourceKey) -> Result<(), Kept> {
        let withdrawn = self.relay.withdraw(&key).await;
        let ended = withdrawn.map_err(|deferral| Kept::Deferred(Box::new(deferral), key.clone()))?;
        if let (Some(ended), Some(pair)) = (ended, PairKey::from_source_key(&key)) {
            let (relay_id, state) = (ended.relay_id(), ended.outcome().name());
            tracing::warn!(%relay_id, adapter = %self.adapter, state, "a pair was taken out of OUT, or changed there, before it was sent");
            self.settle(pair, None, ended).await;
        }
        Ok(())
    }

    async fn carry(&self, ready: &ReadyPair, previous: Option<SourceKey>) -> Result<(), Kept> {
        let pair = self.read(ready).await?;
        let key = pair.as_ref().map(|pair| pair.key.to_source_key(&self.adapter));
        if let Some(previous) = previous
            && Some(&previous) != key.as_ref()
        {
            self.withdraw(previous).await?;
        }
        let (Some(pair), Some(key)) = (pair, key) else { return Ok(()) };
        let ended = match pair.verdict {
            Verdict::Send(message) => self.relay.send(*message).await,
            Verdict::Refuse(refused) => self.relay.refuse(refused).await,
        };
        let ended = ended.map_err(|deferral| Kept::Deferred(Box::new(deferral), key))?;
        let (relay_id, adapter) = (ended.relay_id(), &self.adapter);
        match ended.outcome() {
            Outcome::Accepted(id) => {
                tracing::info!(%relay_id, %adapter, message_id = %id, "pair accepted by MESH");
            }
            Outcome::Rejected(rejection) => {
                let (event, code) = (&rejection.event, &rejection.code);
                tracing::warn!(%relay_id, %adapter, event, code, "pair refused; it goes to FAILED with a report in IN");
            }
            Outcome::Parked(reason) => {
                tracing::error!(%relay_id, %adapter, reason, "pair parked; it goes to FAILED with a report in IN");
            }
            Outcome::Expired => {
                tracing::error!(%relay_id, %adapter, "pair not accepted in time; it goes to FAILED with a report in IN");
            }
            Outcome::Cancelled => {}
        }
        self.settle(pair.key, Some(pair.bytes), ended).await;
        Ok(())
    }

    /// Reads the pair. `None` when it is gone.
    async fn read(&self, ready: &ReadyPair) -> Result<Option<pair::Pair>, Kept> {
        let (adapter, mailbox, folders) =
            (Arc::clone(&self.adapter), self.mailbox.clone(), Arc::clone(&self.folders));
        let ready = ready.clone();
        let read = task::spawn_blocking(move || pair::read(&adapter, &mailbox, &folders.out, &ready)).await;
        match read.map_err(io::Error::other).flatten() {
            Ok(pair) => Ok(Some(pair)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Kept::Unreadable(error)),
        }
    }

    /// Moves the pair by its outcome, as often as it takes, until shutdown; the next start goes on.
    async fn settle(&self, pair: PairKey, bytes: Option<Vec<u8>>, ended: Ended) {
        let relay_id = ended.relay_id();
        let settled = Arc::new((pair, bytes, ended));
        let mut told = None;
        let mut shutdown = self.shutdown.clone();
        loop {
            let (folders, mailbox, now) = (Arc::clone(&self.folders), self.mailbox.clone(), self.clock.now());
            let settled = Arc::clone(&settled);
            let moved = task::spawn_blocking(move || {
                let (key, bytes, ended) = &*settled;
                let settling = Settling { key, bytes: bytes.as_deref(), mailbox: &mailbox, now };
                settle(&folders, settling, ended)
            })
            .await;
            let Err(error) = moved.map_err(io::Error::other).flatten() else {
                break;
            };
            if told.replace(error.to_string()).as_deref() != Some(error.to_string().as_str()) {
                tracing::error!(
                    %relay_id, adapter = %self.adapter, %error,
                    "a pair has ended but cannot be moved to SENT or FAILED; make these folders, IN and TEMP writable"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(SETTLE_RETRY) => {}
                () = shutdown.requested() => return,
            }
        }
        let (_, _, ended) = &*settled;
        if let Err(error) = self.relay.settled(ended).await {
            tracing::error!(%relay_id, adapter = %self.adapter, %error, "the next start settles the pair again");
            return;
        }
        let folders = Arc::clone(&self.folders);
        let forgotten = task::spawn_blocking(move || forget(&folders, relay_id)).await;
        if let Err(error) = forgotten.map_err(io::Error::other).flatten() {
            tracing::warn!(%relay_id, adapter = %self.adapter, %error, "an empty work folder stays in TEMP");
        }
    }
}
