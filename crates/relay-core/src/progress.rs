//! What moves and what does not: each pump says what it is doing, and how long that may stand still.
//!
//! A pump that has nothing to do is at no step, or at one that waits for a time that it knows; so an empty inbox, a pause or
//! a lease of another instance is no stall. What has its own bounds, such as a call to MESH, is given longer than those:
//! MESH being away is told as that ([`crate::Board`]), and only a call that outlives all bounds stands still. Bytes that
//! flow are movement.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::poll_fn;
use futures_util::{FutureExt, StreamExt};
use mesh_api::{OpenPayload, Payload, PayloadStream};
use tokio::time::Instant;

/// How long a pump may stand still at least before that counts, unless configured: longer than a broker or a webhook that
/// does not answer takes to be given up, which is an outage of theirs.
pub const STALL_MIN: Duration = Duration::from_secs(120);
/// How long a call to MESH may stand still: longer than the client takes to give one up.
pub const MESH_WITHIN: Duration = Duration::from_secs(240);
/// A step that ends by itself, or lasts as long as it takes; others are counted meanwhile.
pub const UNBOUNDED: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A kind of pump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PumpKind {
    /// Looks into a mailbox's inbox, and takes what waits there.
    Inbox,
    /// Follows what was sent from a mailbox.
    FollowUp,
    /// Takes an adapter's messages.
    Source,
    /// Carries messages to MESH.
    Sending,
    /// Tells an adapter's events.
    Events,
    /// Commits to the journal.
    Journal,
}

impl PumpKind {
    /// Its name, as labels and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::FollowUp => "follow-up",
            Self::Source => "source",
            Self::Sending => "sending",
            Self::Events => "events",
            Self::Journal => "journal",
        }
    }

    /// What it is of this name, in words.
    fn words(self, of: &str) -> String {
        match self {
            Self::Inbox => format!("the inbox of mailbox {of}"),
            Self::FollowUp => format!("the look after what mailbox {of} sent"),
            Self::Source => format!("adapter {of}, which takes messages for MESH,"),
            Self::Sending => format!("the sending from mailbox {of}"),
            Self::Events => format!("the telling of events to adapter {of}"),
            Self::Journal => "the journal".to_owned(),
        }
    }
}

/// Everything that moves. Cheap to clone; all clones are the same. Bounded by what is under way.
#[derive(Debug, Clone)]
pub struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    floor: Duration,
    next: AtomicU64,
    steps: Mutex<BTreeMap<u64, Entry>>,
}

#[derive(Debug)]
struct Entry {
    kind: PumpKind,
    of: Arc<str>,
    doing: &'static str,
    moved: Instant,
    within: Duration,
}

/// Where a pump is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PumpView {
    /// Its kind.
    pub kind: PumpKind,
    /// The mailbox or the adapter that it is of; nothing else. Empty for the journal.
    pub of: String,
    /// What it is doing, in words that follow `it was`.
    pub doing: &'static str,
    /// How long it has not moved.
    pub still: Duration,
    /// Whether that is longer than it may be.
    pub is_stalled: bool,
}

impl fmt::Display for PumpView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.words(&self.of))
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::with_floor(STALL_MIN)
    }
}

impl Progress {
    /// Nothing moves yet, and no pump counts as stalled before it stood still for `floor`.
    pub fn with_floor(floor: Duration) -> Self {
        Self(Arc::new(Shared { floor, next: AtomicU64::default(), steps: Mutex::default() }))
    }

    /// A pump that looks again after `every`: one that stands still for one and a half times that is stalled, so that it is
    /// found before it would have looked twice.
    pub fn pump(&self, kind: PumpKind, of: &str, every: Duration) -> Pump {
        let within = (every + every / 2).max(self.0.floor);
        Pump { progress: self.clone(), kind, of: of.into(), within }
    }

    /// Where each pump is: of those that do several things at a time, what has stood still for longest beyond its bound.
    pub fn pumps(&self) -> Vec<PumpView> {
        let now = Instant::now();
        let mut pumps: BTreeMap<(PumpKind, String), (bool, PumpView)> = BTreeMap::new();
        for entry in self.steps().values() {
            let still = now.saturating_duration_since(entry.moved);
            let is_stalled = still >= entry.within;
            let of = entry.of.to_string();
            let view = PumpView { kind: entry.kind, of: of.clone(), doing: entry.doing, still, is_stalled };
            let known = pumps.entry((entry.kind, of)).or_insert_with(|| (is_stalled, view.clone()));
            if (is_stalled, still) > (known.0, known.1.still) {
                *known = (is_stalled, view);
            }
        }
        pumps.into_values().map(|(_, view)| view).collect()
    }

    /// The pumps that stand still.
    pub fn stalled(&self) -> Vec<PumpView> {
        self.pumps().into_iter().filter(|pump| pump.is_stalled).collect()
    }

    fn steps(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.0.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One pump. Cheap to clone: what it does at the same time are steps side by side.
#[derive(Debug, Clone)]
pub struct Pump {
    progress: Progress,
    kind: PumpKind,
    of: Arc<str>,
    within: Duration,
}

impl Pump {
    /// Begins a step that may stand still for as long as the pump may. `doing` follows `it was`.
    pub fn step(&self, doing: &'static str) -> Step {
        self.step_within(doing, self.within)
    }

    /// Begins a step that may stand still for this long; never less than the pump may.
    pub fn step_within(&self, doing: &'static str, within: Duration) -> Step {
        let Self { progress, kind, of, .. } = self;
        let number = progress.0.next.fetch_add(1, Ordering::Relaxed);
        let within = within.max(self.within);
        let entry = Entry { kind: *kind, of: Arc::clone(of), doing, moved: Instant::now(), within };
        progress.steps().insert(number, entry);
        Step { pump: self.clone(), number }
    }
}

/// A step under way. It is over when it is dropped.
#[derive(Debug)]
pub struct Step {
    pump: Pump,
    number: u64,
}

impl Step {
    /// Something moved.
    pub fn moved(&self) {
        if let Some(entry) = self.pump.progress.steps().get_mut(&self.number) {
            entry.moved = Instant::now();
        }
    }

    /// Something else is done now, which may stand still for as long as the pump may.
    pub fn turn(&self, doing: &'static str) {
        self.turn_within(doing, self.pump.within);
    }

    /// Something else is done now, which may stand still for this long; never less than the pump may.
    pub fn turn_within(&self, doing: &'static str, within: Duration) {
        if let Some(entry) = self.pump.progress.steps().get_mut(&self.number) {
            let within = within.max(self.pump.within);
            (entry.doing, entry.moved, entry.within) = (doing, Instant::now(), within);
        }
    }

    /// The pump waits for a time that it knows, and must move once that has come.
    pub fn waits(&self, doing: &'static str, wait: Duration) {
        self.turn_within(doing, wait.saturating_add(self.pump.within));
    }

    /// A message's body from MESH, whose bytes are movement. While none comes it is MESH that is waited for; while one is not
    /// asked for, whoever takes them, who may stand still for `within`.
    pub fn follow(
        self: &Arc<Self>,
        body: PayloadStream,
        taking: &'static str,
        within: Duration,
    ) -> PayloadStream {
        let (mut body, step, mut waits) = (body, Arc::clone(self), false);
        Box::pin(poll_fn(move |context| {
            let next = body.as_mut().poll_next(context);
            match (next.is_pending(), waits) {
                (true, false) => step.turn_within("reading a message from MESH", MESH_WITHIN),
                // Polled again although nothing came: no movement.
                (true, true) => {}
                (false, _) => step.turn_within(taking, within),
            }
            waits = next.is_pending();
            next
        }))
    }

    /// A message's payload, whose bytes are movement.
    pub fn reading(self: &Arc<Self>, payload: &Payload) -> Payload {
        let holder = Followed { payload: payload.clone(), step: Arc::clone(self) };
        Payload::new(payload.length(), Arc::new(holder))
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.pump.progress.steps().remove(&self.number);
    }
}

struct Followed {
    payload: Payload,
    step: Arc<Step>,
}

impl OpenPayload for Followed {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        let step = Arc::clone(&self.step);
        async move {
            let stream = self.payload.open(range).await?;
            let moving = stream.inspect(move |_| step.moved());
            Ok(Box::pin(moving) as PayloadStream)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_secs(300);

    fn inbox() -> (Progress, Pump) {
        let progress = Progress::default();
        let pump = progress.pump(PumpKind::Inbox, "X26ABC1", POLL);
        (progress, pump)
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_still_is_found_within_two_polls_and_not_before() {
        let (progress, pump) = inbox();
        let step = pump.step("handing a message to the adapter");
        tokio::time::advance(POLL).await;
        assert_eq!(progress.stalled(), []);
        tokio::time::advance(POLL).await;
        let stalled = progress.stalled();
        assert_eq!((stalled.len(), stalled[0].doing), (1, "handing a message to the adapter"));
        assert_eq!(
            (stalled[0].still, stalled[0].to_string().as_str()),
            (POLL * 2, "the inbox of mailbox X26ABC1")
        );
        step.moved();
        assert_eq!(progress.stalled(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_its_time_or_does_nothing_is_not_stalled() {
        let (progress, pump) = inbox();
        let step = pump.step("looking");
        step.waits("waiting for its next look", POLL * 4);
        tokio::time::advance(POLL * 5).await;
        assert_eq!(progress.stalled(), []);
        tokio::time::advance(POLL).await;
        assert_eq!(progress.stalled().len(), 1, "its time came and it did nothing");
        drop(step);
        tokio::time::advance(POLL * 100).await;
        assert_eq!(progress.pumps(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_many_that_hangs_is_seen_beside_those_that_move() {
        let (progress, pump) = inbox();
        let _hangs = pump.step("handing a message to the adapter");
        for _ in 0..5 {
            let moves = pump.step("recording a message");
            tokio::time::advance(Duration::from_secs(100)).await;
            moves.moved();
        }
        let pumps = progress.pumps();
        assert_eq!((pumps.len(), pumps[0].is_stalled), (1, true));
        assert_eq!(pumps[0].doing, "handing a message to the adapter");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_takes_hours_moves_as_long_as_its_bytes_do() {
        let (progress, pump) = inbox();
        let step = Arc::new(pump.step("opening"));
        let slow = futures_util::stream::iter(0..100).then(|_| async {
            tokio::time::sleep(Duration::from_secs(200)).await;
            Ok("x".into())
        });
        let mut body = step.follow(Box::pin(slow), "handing a message to the adapter", Duration::ZERO);
        while body.next().await.is_some() {
            assert_eq!(progress.stalled(), []);
        }
        // All of it was handed over, and nothing comes back.
        tokio::time::advance(POLL * 2).await;
        assert_eq!(progress.stalled()[0].doing, "handing a message to the adapter");
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_poll_does_not_make_a_slow_broker_a_stall() {
        let progress = Progress::default();
        let pump = progress.pump(PumpKind::Inbox, "X26ABC1", Duration::from_secs(1));
        let _step = pump.step("handing a message to the adapter");
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(progress.stalled(), []);
        tokio::time::advance(STALL_MIN).await;
        assert_eq!(progress.stalled().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_payload_that_is_read_moves() {
        let progress = Progress::default();
        let pump = progress.pump(PumpKind::Sending, "X26ABC1", POLL);
        let step = Arc::new(pump.step("sending a message"));
        let payload = step.reading(&Payload::from_bytes(vec![1_u8; 10]));
        tokio::time::advance(POLL * 2).await;
        assert_eq!(progress.stalled().len(), 1);
        let read: Vec<_> = payload.open(2..5).await.expect("a stream").collect().await;
        assert_eq!(read.len(), 1);
        assert_eq!(progress.stalled(), []);
    }
}
