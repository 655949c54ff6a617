//! OUT to MESH: finds pairs, offers them to the engine, settles them by their outcome.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use notify::{RecursiveMode, Watcher};
use relay_core::{Clock, Deferral, Ended, MailboxId, Outcome, RelayHandle, Shutdown, Source, SourceError};
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::config::Config;
use crate::folders::Folders;
use crate::pair::{self, Verdict};
use crate::pickup::{Pickup, ReadyPair};
use crate::settle::{Settling, settle};
use crate::stage;

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
    Deferred(Deferral),
    /// Its control file cannot be opened now: locked, or not ours to read.
    Unreadable(io::Error),
}

impl From<Deferral> for Kept {
    fn from(deferral: Deferral) -> Self {
        Self::Deferred(deferral)
    }
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

    fn start(&mut self, work: Worker, ready: ReadyPair) {
        let control = ready.control.clone();
        let task = self.running.spawn(async move { work.carry(&ready).await });
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
        stage::sweep(&self.folders.temp)
            .map_err(|error| fail(format!("folder {}: {error}", self.folders.temp.display())))?;
        let work = Worker {
            adapter: Arc::clone(&self.adapter),
            mailbox: self.config.mailbox.clone(),
            folders: Arc::clone(&self.folders),
            clock: Arc::clone(&self.clock),
            relay,
            shutdown: shutdown.clone(),
        };
        work.finish_last_run().await.map_err(|cause| fail(cause.to_string()))?;

        let (events, mut event) = mpsc::channel(1);
        let _watcher = watch(&self.folders, events);
        let mut out = OutFolder::new(&self.config);
        let mut tasks = Tasks::new();
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
    let watcher = notify::recommended_watcher(move |_| {
        // A full channel means that a look is due anyway.
        let _ = events.try_send(());
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

/// What the source remembers of OUT between two looks.
struct OutFolder {
    pickup: Pickup,
    scan: Duration,
    resting: HashMap<String, Instant>,
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
            paused_until: None,
            told: None,
            unnameable: 0,
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
            tasks.start(work.clone(), pair);
        }
        for next in look.next.into_iter().chain(self.resting.values().copied().min()) {
            wake = wake.min(next);
        }
        wake
    }

    fn done(&mut self, work: &Worker, done: Done) {
        let adapter = &work.adapter;
        let now = Instant::now();
        match done.result {
            Ok(Ok(())) => {
                if self.told.take().is_some() {
                    tracing::info!(%adapter, "sending goes on");
                }
            }
            Ok(Err(Kept::Deferred(deferral))) if deferral.is_mailbox_wide() => {
                let until = now + deferral.after;
                self.paused_until = Some(self.paused_until.map_or(until, |paused| paused.max(until)));
                self.tell(format!("adapter {adapter}: {deferral}; pairs stay in OUT"));
            }
            Ok(Err(Kept::Deferred(deferral))) => {
                tracing::warn!(%adapter, %deferral, "a pair stays in OUT for another try");
                self.resting.insert(done.control, now + deferral.after);
            }
            Ok(Err(Kept::Unreadable(error))) => {
                let folder = work.folders.out.display();
                tracing::warn!(%adapter, %folder, %error, "a control file cannot be opened; give the relay's account the right to read it");
                self.resting.insert(done.control, now + UNREADABLE_RETRY);
            }
            Err(error) => {
                tracing::error!(%adapter, %error, "work on a pair broke off; it stays in OUT for another try");
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
    /// Settles what ended in the last run and was not settled before it stopped.
    async fn finish_last_run(&self) -> Result<(), relay_core::DeferralCause> {
        for (record, ended) in self.relay.unsettled(&self.adapter).await? {
            let Some((control, identity)) = pair::of_key(&record.source) else {
                continue;
            };
            tracing::info!(relay_id = %ended.relay_id(), adapter = %self.adapter, "settling a pair of the last run");
            self.settle(control.to_owned(), identity.to_owned(), ended).await;
        }
        Ok(())
    }

    async fn carry(&self, ready: &ReadyPair) -> Result<(), Kept> {
        let Some(pair) = self.read(ready).await? else { return Ok(()) };
        let ended = match pair.verdict {
            Verdict::Send(message) => self.relay.send(*message).await?,
            Verdict::Refuse(refused) => self.relay.refuse(refused).await?,
        };
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
        }
        self.settle(ready.control.clone(), ready.control_identity.to_key(), ended).await;
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
    async fn settle(&self, control: String, identity: String, ended: Ended) {
        let relay_id = ended.relay_id();
        let ended = Arc::new(ended);
        let mut told = None;
        let mut shutdown = self.shutdown.clone();
        loop {
            let (folders, mailbox, now) = (Arc::clone(&self.folders), self.mailbox.clone(), self.clock.now());
            let (control, identity, proof) = (control.clone(), identity.clone(), Arc::clone(&ended));
            let moved = task::spawn_blocking(move || {
                let settling = Settling { control: &control, identity: &identity, mailbox: &mailbox, now };
                settle(&folders, settling, &proof)
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
        if let Err(error) = self.relay.settled(&ended).await {
            tracing::error!(%relay_id, adapter = %self.adapter, %error, "the next start settles the pair again");
        }
    }
}
