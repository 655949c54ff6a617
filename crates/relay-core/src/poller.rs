//! Looks into one mailbox's inbox, whichever instance's turn it is, and hands out what waits there fairly.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};
use tokio::time::Instant;
use tracing::Instrument;

use crate::board::{Board, Part, Trouble};
use crate::clock::{Chance, Clock};
use crate::follow_up::FollowUp;
use crate::happening::Happening;
use crate::happening::inbound::{NotDelivered, NotEnded};
use crate::happening::mailbox::{LeftUnknown, NotLooked, Readable, ShookHands, Unreadable};
use crate::inbound::{Listing, NotReceived, Received, Receiver};
use crate::journal::MailboxTimes;
use crate::lease::Tenure;
use crate::ledger::Ledger;
use crate::mesh::{MeshError, MeshMailbox};
use crate::metric::{self, Value};
use crate::outbound::Surroundings;
use crate::pause::{Pauses, Woken};
use crate::policy::{ReceivePolicy, backoff};
use crate::progress::{MESH_WITHIN, Pump, PumpKind, Step, UNBOUNDED};
use crate::proven::ProvenTime;
use crate::shutdown::Shutdown;
use crate::sink::{Polled, Sink};

/// Empties one mailbox into one sink, and follows what was sent from it.
pub struct Poller {
    surroundings: Surroundings,
    mesh: Arc<dyn MeshMailbox>,
    sink: Option<Arc<dyn Sink>>,
    /// The adapter that the sink belongs to.
    adapter: Option<String>,
    policy: ReceivePolicy,
}

/// How long a message that waits for a person, or for another configuration, is not asked about in the journal again.
const LEFT_ALONE: Duration = Duration::from_secs(60 * 60);

/// Messages of the journal that are taken up again at a time although MESH does not list them.
const UNENDED_MAX: u32 = 50_000;

/// Messages that failed and when each may be tried again. Holds only ids that were in the last listing.
type Resting = HashMap<MessageId, Rest>;

struct Rest {
    failures: u32,
    until: Instant,
}

impl Poller {
    /// A poller for `mesh`'s mailbox. Without a sink messages stay at MESH, reports among them; what was sent is followed
    /// by asking MESH alone, and MESH hears a handshake as often as it wants.
    pub fn new(
        surroundings: Surroundings,
        mesh: Arc<dyn MeshMailbox>,
        sink: Option<Arc<dyn Sink>>,
        policy: ReceivePolicy,
    ) -> Self {
        Self { surroundings, mesh, sink, adapter: None, policy }
    }

    /// The same, whose sink belongs to the adapter of this name: while that is paused, nothing is taken.
    #[must_use]
    pub fn into_adapter(self, name: &str) -> Self {
        Self { adapter: Some(name.to_owned()), ..self }
    }

    /// The name of the lease under which the mailbox is polled.
    pub fn lease_name(&self) -> String {
        format!("mailbox:{}", self.mesh.mailbox())
    }

    /// Polls until shutdown. A message under way is finished first; those not begun stay at MESH.
    pub async fn run(&self, tenure: Tenure, shutdown: Shutdown) {
        let follow_up = FollowUp::new(&self.surroundings, Arc::clone(&self.mesh), self.policy.track, &tenure);
        let id = self.mesh.mailbox().as_str();
        let pump = self.surroundings.progress.pump(PumpKind::Inbox, id, self.policy.poll_every);
        let turn = Turn {
            pump: &pump,
            mesh: &self.mesh,
            policy: &self.policy,
            chance: &self.surroundings.chance,
            proven: &self.surroundings.proven,
            pauses: &self.surroundings.pauses,
            board: &self.surroundings.board,
            adapter: self.adapter.as_deref(),
            ledger: Ledger::under(&self.surroundings, &tenure),
            receiver: self.sink.as_ref().map(|sink| Receiver {
                mesh: &self.mesh,
                sink,
                chance: &self.surroundings.chance,
                policy: &self.policy,
                ledger: Ledger {
                    adapter: self.adapter.as_deref().map_or(metric::NO_ADAPTER.into(), Value::configured),
                    ..Ledger::under(&self.surroundings, &tenure)
                },
                follow_up: &follow_up,
                tenure: &tenure,
                pump: &pump,
                traces: &self.surroundings.traces,
            }),
            tenure: &tenure,
        };
        // Whoever has the mailbox next sees how it fares. Also where this is dropped because the lease was lost.
        let _seen = Seen { board: &self.surroundings.board, mailbox: self.mesh.mailbox() };
        tokio::join!(turn.run(shutdown.clone()), follow_up.run(&tenure, shutdown));
    }
}

/// Takes back what this instance saw of a mailbox once it does not look any more.
struct Seen<'a> {
    board: &'a Board,
    mailbox: &'a MailboxId,
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        self.board.forget(self.mailbox);
    }
}

/// The time during which this instance has the mailbox.
struct Turn<'a> {
    pump: &'a Pump,
    mesh: &'a Arc<dyn MeshMailbox>,
    policy: &'a ReceivePolicy,
    chance: &'a Arc<dyn Chance>,
    proven: &'a ProvenTime,
    pauses: &'a Pauses,
    board: &'a Arc<Board>,
    adapter: Option<&'a str>,
    ledger: Ledger,
    receiver: Option<Receiver<'a>>,
    tenure: &'a Tenure,
}

/// What one look at the inbox left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing that could be tried now.
    Nothing,
    /// More waits and may be tried at once.
    More,
}

impl Turn<'_> {
    async fn run(&self, mut shutdown: Shutdown) {
        let mut outage = Outage {
            mailbox: self.mesh.mailbox().clone(),
            board: Arc::clone(self.board),
            clock: Arc::clone(&self.ledger.clock),
            since: None,
            said: String::new(),
        };
        let mut resting = Resting::new();
        let mut left = Left::Nothing;
        let mut wake = self.pauses.wake();
        let step = self.pump.step("about to look");
        while !shutdown.is_requested() {
            // From look to look, however long it takes to carry what one finds.
            let next = Instant::now() + self.policy.poll_every;
            left = self.look(left, &mut outage, &mut resting, &step, &shutdown).await;
            if left == Left::More && self.tenure.holds() {
                continue;
            }
            step.waits("waiting for its next look", next.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = shutdown.requested() => {}
                // A person may have decided about a message that rests. When MESH may be asked again stands in the
                // journal.
                woken = wake.woken() => match woken {
                    Woken::Anything => resting.clear(),
                    Woken::Inbox(mailbox) if mailbox == *self.mesh.mailbox() => resting.clear(),
                    Woken::Inbox(_) | Woken::Message(_) => {}
                },
            }
        }
    }

    /// Whether a person has paused the mailbox, or the adapter that takes its messages.
    fn paused(&self) -> bool {
        self.pauses.of_mailbox(self.mesh.mailbox()).is_some()
            || self.adapter.is_some_and(|adapter| self.pauses.of_adapter(adapter).is_some())
    }

    async fn look(
        &self,
        known: Left,
        outage: &mut Outage,
        resting: &mut Resting,
        step: &Step,
        shutdown: &Shutdown,
    ) -> Left {
        step.turn("asking the journal when MESH was called last");
        let Some(times) = self.times().await else { return Left::Nothing };
        // MESH allows another look at once when more is known to wait.
        if known == Left::Nothing
            && let Some(wait) = self.remaining(times.polled_at, self.policy.poll_every)
        {
            // Another instance, or this one before it was started again, looked a short while ago.
            let mut shutdown = shutdown.clone();
            step.waits("waiting for its next look", wait);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => return Left::Nothing,
            }
        }
        if !self.tenure.holds() {
            return Left::Nothing;
        }
        if self.remaining(times.handshake_at, self.policy.handshake_every).is_none() {
            step.turn_within("asking MESH for a handshake", MESH_WITHIN);
            let span = tracing::info_span!(parent: None, "handshake", mailbox = %self.mesh.mailbox());
            let made = self.mesh.handshake().instrument(span).await;
            step.turn("recording a handshake");
            if let (Err(error), Some(receiver)) = (&made, &self.receiver) {
                step.turn("telling the adapter how the look went");
                receiver.sink.polled(Polled::Failed(error)).await;
            }
            if outage.note(made).is_none() {
                return Left::Nothing;
            }
            self.proven.prove();
            self.board.note(self.mesh.mailbox(), Part::Sending, None);
            let now = Some(self.ledger.clock.now());
            self.keep(MailboxTimes { handshake_at: now, ..MailboxTimes::default() }).await;
            ShookHands(self.mesh.mailbox()).tell();
        }
        // MESH hears of a paused mailbox as often as it wants, and is asked for nothing.
        if self.paused() {
            return Left::Nothing;
        }
        let Some(receiver) = &self.receiver else { return Left::Nothing };
        let now = Some(self.ledger.clock.now());
        if !self.keep(MailboxTimes { polled_at: now, ..MailboxTimes::default() }).await {
            return Left::Nothing;
        }
        // The process may have been paused since it was asked.
        if !self.tenure.holds() {
            return Left::Nothing;
        }
        step.turn_within("listing the inbox at MESH", MESH_WITHIN);
        let span = tracing::info_span!(parent: None, "poll", mailbox = %self.mesh.mailbox());
        let listed = self.mesh.list(None).instrument(span).await;
        step.turn("telling the adapter how the look went");
        let polled = listed.as_ref().map_or_else(Polled::Failed, |ids| Polled::Listed(ids.len()));
        receiver.sink.polled(polled).await;
        let Some(ids) = outage.note(listed) else { return Left::Nothing };
        self.board.listed(self.mesh.mailbox(), self.ledger.clock.now(), ids.len());
        self.proven.prove();
        // Each message is a step of its own from here.
        step.turn_within("taking messages", UNBOUNDED);
        self.go_on(receiver, &ids, shutdown).await;
        self.receive_all(receiver, ids, outage, resting, shutdown).await
    }

    /// Goes on with what has not ended and is not among the listed: MESH lists no more what it heard acknowledged, also
    /// where its answer was lost (4.6, row 18), nor what another reader took or what expired.
    async fn go_on(&self, receiver: &Receiver<'_>, listed: &[MessageId], shutdown: &Shutdown) {
        let mailbox = self.mesh.mailbox();
        let unended = match self.ledger.journal.unended_inbound(mailbox, UNENDED_MAX).await {
            Ok(unended) => unended,
            Err(error) => {
                LeftUnknown { mailbox, error: &error }.tell();
                return;
            }
        };
        let listed: HashSet<&MessageId> = listed.iter().collect();
        for id in unended.iter().filter(|id| !listed.contains(id)) {
            if shutdown.is_requested() || !self.tenure.holds() || self.paused() {
                return;
            }
            // Most of them are gone, which is what is to be recorded; the next look tries the others again.
            if let Err(NotReceived { relay_id, error }) = receiver.receive(id, Listing::Left).await {
                NotEnded { relay_id, mailbox, message_id: id, error: &error }.tell();
            }
        }
    }

    /// When the mailbox was last called about. `None`: the journal does not say, and nothing is done without it.
    async fn times(&self) -> Option<MailboxTimes> {
        let mailbox = self.mesh.mailbox();
        self.ledger
            .journal
            .mailbox_times(mailbox)
            .await
            .inspect_err(|error| NotLooked { mailbox, error }.tell())
            .ok()
    }

    async fn keep(&self, times: MailboxTimes) -> bool {
        let mailbox = self.mesh.mailbox();
        let kept = self.ledger.journal.commit_mailbox_times(mailbox, times, self.ledger.fence.as_ref()).await;
        if let Err(error) = &kept {
            NotLooked { mailbox, error }.tell();
        }
        kept.is_ok()
    }

    /// How long until `every` has passed since `last`. A clock that was set back makes nobody wait longer than once.
    fn remaining(&self, last: Option<Timestamp>, every: Duration) -> Option<Duration> {
        let since = Duration::try_from(self.ledger.clock.now().duration_since(last?)).ok()?;
        every.checked_sub(since).filter(|left| !left.is_zero())
    }

    async fn receive_all(
        &self,
        receiver: &Receiver<'_>,
        ids: Vec<MessageId>,
        outage: &mut Outage,
        resting: &mut Resting,
        shutdown: &Shutdown,
    ) -> Left {
        let listed: HashSet<&MessageId> = ids.iter().collect();
        resting.retain(|id, _| listed.contains(id));
        let now = Instant::now();
        let due: Vec<MessageId> =
            ids.into_iter().filter(|id| resting.get(id).is_none_or(|rest| rest.until <= now)).collect();
        let Fair { ids: due, left } = self.share(due, outage).await;
        let begun = due.len();
        // A few at a time; one that fails rests and the others go on.
        let mut results = stream::iter(due)
            .take_while(|_| {
                std::future::ready(!shutdown.is_requested() && self.tenure.holds() && !self.paused())
            })
            .map(|id| async move {
                let result = receiver.receive(&id, Listing::Holds).await;
                (id, result)
            })
            .buffer_unordered(self.policy.downloads_max.max(1));
        let mut failed = 0;
        while let Some((id, result)) = results.next().await {
            let NotReceived { relay_id, error } = match result {
                Ok(Received::Delivered) => {
                    resting.remove(&id);
                    continue;
                }
                Ok(Received::LeftAlone) => {
                    resting.insert(id, Rest { failures: 0, until: Instant::now() + LEFT_ALONE });
                    continue;
                }
                Err(error) => error,
            };
            failed += 1;
            let failures = resting.get(&id).map_or(0, |rest| rest.failures) + 1;
            let wait = backoff(failures, self.policy.retry_first, self.policy.retry_max, &**self.chance);
            let mailbox = self.mesh.mailbox();
            NotDelivered { relay_id, mailbox, message_id: &id, failures, error: &error }.tell();
            resting.insert(id, Rest { failures, until: Instant::now() + wait });
        }
        // Where nothing went well, trying the rest at once would help nobody.
        if left && failed < begun { Left::More } else { Left::Nothing }
    }

    /// Puts the expected workflows first, one of each in turn, and lets no others than a few stand before the next
    /// listing. Only when much waits: listing each workflow by itself is a call to MESH more.
    async fn share(&self, ids: Vec<MessageId>, outage: &mut Outage) -> Fair {
        let policy = self.policy;
        if ids.len() <= policy.fair_above || policy.workflows.is_empty() {
            return Fair { ids, left: false };
        }
        let mut groups = Vec::with_capacity(policy.workflows.len());
        let mut waiting: HashSet<MessageId> = ids.iter().cloned().collect();
        for workflow in &policy.workflows {
            let Some(listed) = outage.note(self.mesh.list(Some(workflow)).await) else {
                return Fair { ids, left: false };
            };
            // What rests or was put into another group is not taken here.
            groups.push(listed.into_iter().filter(|id| waiting.remove(id)).collect::<VecDeque<_>>());
        }
        let mut fair = Vec::with_capacity(ids.len());
        while groups.iter().any(|group| !group.is_empty()) {
            fair.extend(groups.iter_mut().filter_map(VecDeque::pop_front));
        }
        let others = waiting.len();
        fair.extend(ids.into_iter().filter(|id| waiting.contains(id)).take(policy.strangers_max));
        Fair { ids: fair, left: others > policy.strangers_max }
    }
}

/// Messages in the order in which they are tried.
struct Fair {
    ids: Vec<MessageId>,
    /// Whether some were left for the next listing.
    left: bool,
}

/// Says once that a mailbox cannot be reached, and once that it can again.
struct Outage {
    mailbox: MailboxId,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    since: Option<Instant>,
    said: String,
}

impl Outage {
    fn note<T>(&mut self, result: Result<T, MeshError>) -> Option<T> {
        let mailbox = &self.mailbox;
        match result {
            Ok(value) => {
                if let Some(since) = self.since.take() {
                    let lasted = Duration::from_secs(since.elapsed().as_secs());
                    Readable { mailbox, lasted }.tell();
                    self.said.clear();
                }
                self.board.note(mailbox, Part::Receiving, None);
                Some(value)
            }
            Err(error) => {
                self.since.get_or_insert_with(Instant::now);
                let trouble = Trouble::of(&error, self.clock.now());
                self.board.note(mailbox, Part::Receiving, Some(trouble));
                if self.said != error.what {
                    Unreadable { mailbox, error: &error }.tell();
                    self.said = error.what;
                }
                None
            }
        }
    }
}
