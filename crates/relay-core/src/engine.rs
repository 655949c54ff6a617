//! What all sources share on the way out: the mailboxes with their bounds, pace and order, and the calls to MESH.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mesh_api::{ChunkPlan, Effect, Envelope, FailureClass, MailboxId};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::board::{Board, Part, Trouble};
use crate::clock::{Chance, Clock};
use crate::journal::OutboundRecord;
use crate::ledger::Outbound;
use crate::mesh::{MeshAnswer, MeshError, MeshMailbox, Outgoing};
use crate::order::Order;
use crate::outbound::Surroundings;
use crate::pace::Pace;
use crate::pause::Pauses;
use crate::policy::{DoubtStrategy, SendPolicy, backoff};
use crate::progress::{MESH_WITHIN, Progress, Pump, PumpKind};
use crate::proven::ProvenTime;
use crate::shutdown::Shutdown;
use crate::source::{Deferral, DeferralCause, SourceKey, SourceMessage};
use crate::state::OutboundState;
use crate::step::{OutboundEvent, StepContext};
use crate::trace::Traces;

/// The unit in which bytes in flight are counted, so that a permit count fits.
const PERMIT_BYTES: u64 = 1024;

/// How long a source waits before it offers a message again that met a fault of the relay's own side.
pub(crate) const OWN_FAULT_RETRY: Duration = Duration::from_secs(5);

/// How long a source waits before it offers a message again whose mailbox or adapter is paused, unless it is woken.
const PAUSED_RETRY: Duration = Duration::from_secs(60);

/// What all sources share.
pub(crate) struct Engine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    pace: Pace<MailboxId>,
    recipient_pace: Pace<(MailboxId, String)>,
    pub(crate) order: Order,
    pub(crate) policy: SendPolicy,
    pub(crate) proven: Arc<ProvenTime>,
    pub(crate) pauses: Pauses,
    pub(crate) traces: Arc<dyn Traces>,
    board: Arc<Board>,
    pub(crate) progress: Progress,
    lanes: Mutex<HashMap<MailboxId, Arc<Lane>>>,
    /// One lock for each source message that is being worked on, so that the same one offered twice is sent once.
    busy: Mutex<HashMap<SourceKey, Arc<AsyncMutex<()>>>>,
}

/// One mailbox's way out, with its bounds.
pub(crate) struct Lane {
    pub(crate) mesh: Arc<dyn MeshMailbox>,
    pub(crate) pump: Pump,
    messages: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
    kibibytes_max: u32,
    reach: AsyncMutex<Reach>,
}

/// Whether MESH is known to take this mailbox's calls. A handshake can be repeated freely and a send cannot, so an
/// outage or a refused certificate is found out by the one and not by the other, which would only leave doubts.
#[derive(Default)]
struct Reach {
    proven: bool,
    /// The last handshake that failed, how many did in a row, and when: those who waited for it share its answer.
    failed: Option<(MeshError, u32, Instant)>,
}

/// The right to have a message on its way.
pub(crate) struct Permit {
    _message: OwnedSemaphorePermit,
    _kibibytes: OwnedSemaphorePermit,
}

impl Lane {
    fn new(mesh: Arc<dyn MeshMailbox>, policy: &SendPolicy, progress: &Progress) -> Self {
        let kibibytes_max =
            u32::try_from(policy.in_flight_bytes_max.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).max(1);
        Self {
            pump: progress.pump(PumpKind::Sending, mesh.mailbox().as_str(), Duration::ZERO),
            mesh,
            messages: Arc::new(Semaphore::new(policy.in_flight_max.max(1) as usize)),
            kibibytes: Arc::new(Semaphore::new(kibibytes_max as usize)),
            kibibytes_max,
            reach: AsyncMutex::default(),
        }
    }

    /// The same bounds, with those who use them, and nothing known of MESH.
    fn anew(&self, mesh: Arc<dyn MeshMailbox>) -> Self {
        Self {
            mesh,
            pump: self.pump.clone(),
            messages: Arc::clone(&self.messages),
            kibibytes: Arc::clone(&self.kibibytes),
            kibibytes_max: self.kibibytes_max,
            reach: AsyncMutex::default(),
        }
    }

    /// Waits until the message fits the bounds. An error when the source is to stop first.
    pub(crate) async fn permit(&self, length: u64, stop: &Shutdown) -> Result<Permit, Deferral> {
        let mut stop = stop.clone();
        let permit = tokio::select! {
            biased;
            () = stop.requested() => None,
            permit = self.wait(length) => permit,
        };
        permit.ok_or_else(|| own_fault(DeferralCause::Stopping))
    }

    /// The message, whose sending is a step of this lane until it is dropped.
    pub(crate) fn moving(&self, message: &SourceMessage) -> SourceMessage {
        let step = Arc::new(self.pump.step_within("sending a message to MESH", MESH_WITHIN));
        let payload = step.reading(&message.payload);
        SourceMessage { payload, ..message.clone() }
    }

    async fn wait(&self, length: u64) -> Option<Permit> {
        let kibibytes =
            u32::try_from(length.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).clamp(1, self.kibibytes_max);
        Some(Permit {
            _message: Arc::clone(&self.messages).acquire_owned().await.ok()?,
            _kibibytes: Arc::clone(&self.kibibytes).acquire_many_owned(kibibytes).await.ok()?,
        })
    }
}

/// A fault of the relay's own side: the source keeps the message for a short while.
pub(crate) fn own_fault(cause: DeferralCause) -> Deferral {
    Deferral { cause, after: OWN_FAULT_RETRY }
}

impl Engine {
    pub(crate) fn new(
        surroundings: &Surroundings,
        mailboxes: impl IntoIterator<Item = Arc<dyn MeshMailbox>>,
        policy: SendPolicy,
    ) -> Self {
        let lane = |mesh: Arc<dyn MeshMailbox>| {
            (mesh.mailbox().clone(), Arc::new(Lane::new(mesh, &policy, &surroundings.progress)))
        };
        let lanes = Mutex::new(mailboxes.into_iter().map(lane).collect());
        let Surroundings { clock, chance, proven, pauses, board, progress, traces, .. } =
            surroundings.clone();
        Self {
            clock,
            chance,
            proven,
            pauses,
            traces,
            board,
            progress,
            pace: Pace::new(policy.rate),
            recipient_pace: Pace::new(policy.recipient_rate),
            order: Order::default(),
            policy,
            lanes,
            busy: Mutex::default(),
        }
    }

    /// A mailbox's way out, if it is served.
    pub(crate) fn lane(&self, mailbox: &MailboxId) -> Option<Arc<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).get(mailbox).cloned()
    }

    /// Serves a mailbox from now on. One that is served already begins anew: what was found out about it does not hold
    /// any more, and what is on its way ends as it began.
    pub(crate) fn serve(&self, mesh: Arc<dyn MeshMailbox>) {
        let mailbox = mesh.mailbox().clone();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = match lanes.get(&mailbox) {
            Some(lane) => lane.anew(mesh),
            None => Lane::new(mesh, &self.policy, &self.progress),
        };
        lanes.insert(mailbox, Arc::new(lane));
    }

    /// Serves a mailbox no more. What is on its way ends as it began.
    pub(crate) fn leave(&self, mailbox: &MailboxId) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
    }

    pub(crate) fn context(&self, record: &OutboundRecord, in_doubt: DoubtStrategy) -> StepContext<'_> {
        let (now, age) = (self.clock.now(), self.proven.age(record.received_at));
        StepContext { now, age, policy: &self.policy, in_doubt }
    }

    /// Waits until no one else works on the message.
    pub(crate) async fn hold(&self, key: &SourceKey) -> Busy<'_> {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(busy.entry(key.clone()).or_default())
        };
        let held = lock.lock_owned().await;
        Busy { engine: self, key: key.clone(), held: Some(held) }
    }

    /// Holds a message back while its mailbox or its adapter is paused.
    pub(crate) fn keep_pauses(&self, mailbox: &MailboxId, adapter: Option<&str>) -> Result<(), Deferral> {
        let of_adapter = || adapter.and_then(|adapter| self.pauses.of_adapter(adapter));
        match self.pauses.of_mailbox(mailbox).or_else(of_adapter) {
            // Deferrals are logged, and by whom and why is for people who look.
            Some(pause) => Err(Deferral { cause: DeferralCause::Paused(pause.what), after: PAUSED_RETRY }),
            None => Ok(()),
        }
    }

    /// Holds a message back when its mailbox or its recipient was sent enough for now.
    pub(crate) fn keep_pace(&self, envelope: &Envelope) -> Result<(), Deferral> {
        let to = (envelope.from.clone(), envelope.to.to_string());
        // The mailbox is asked first and counted last: what it holds back costs its recipient nothing.
        let passed = self
            .pace
            .wait(&envelope.from)
            .and_then(|()| self.recipient_pace.pass(to))
            .and_then(|()| self.pace.pass(envelope.from.clone()));
        passed.map_err(|after| Deferral { cause: DeferralCause::Paced, after })
    }

    /// Makes sure by a handshake that MESH takes this mailbox's calls, unless the last send went well.
    pub(crate) async fn reach(&self, lane: &Lane) -> Result<(), Deferral> {
        let mut reach = lane.reach.lock().await;
        if reach.proven {
            return Ok(());
        }
        let failures = match &reach.failed {
            Some((error, failures, at)) if at.elapsed() < self.policy.retry_first / 2 => {
                let (cause, after) = (DeferralCause::Mesh(error.clone()), self.wait_after(error, *failures));
                return Err(Deferral { cause, after });
            }
            Some((_, failures, _)) => failures.saturating_add(1),
            None => 1,
        };
        let _step = lane.pump.step_within("asking MESH for a handshake", MESH_WITHIN);
        match lane.mesh.handshake().await {
            Ok(()) => {
                self.proven.prove();
                self.board.note(lane.mesh.mailbox(), Part::Sending, None);
                *reach = Reach { proven: true, failed: None };
                Ok(())
            }
            Err(mut error) => {
                error.mailbox_wide = true;
                let trouble = Trouble::of(&error, self.clock.now());
                self.board.note(lane.mesh.mailbox(), Part::Sending, Some(trouble));
                reach.failed = Some((error.clone(), failures, Instant::now()));
                let after = self.wait_after(&error, failures);
                Err(Deferral { cause: DeferralCause::Mesh(error), after })
            }
        }
    }

    /// Makes the first request of a message.
    pub(crate) async fn post(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        plan: &ChunkPlan,
        outbound: &Outbound,
        met: &mut Option<MeshError>,
    ) -> OutboundEvent {
        let attempt = match outbound.record().state {
            OutboundState::Sending { attempt, .. } => attempt,
            _ => 1,
        };
        match lane.mesh.begin_send(outgoing(message, plan)).await {
            Ok(id) => OutboundEvent::Taken { id, chunk_bytes: plan.chunk_bytes() },
            Err(error) => {
                let event = match (&error.answer, error.effect) {
                    (MeshAnswer::Refused(rejection), Effect::NotApplied) => {
                        OutboundEvent::Refused((**rejection).clone())
                    }
                    (_, Effect::NotApplied) => {
                        OutboundEvent::NotApplied { after: self.wait_after(&error, attempt) }
                    }
                    (_, Effect::Applied | Effect::Unknown) => OutboundEvent::Unclear,
                };
                if !matches!(event, OutboundEvent::Refused(_)) {
                    lane.reach.lock().await.proven = false;
                }
                *met = Some(error);
                event
            }
        }
    }

    /// Posts a later chunk, a few times over.
    pub(crate) async fn post_chunk(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        plan: &ChunkPlan,
        outbound: &Outbound,
        index: u32,
        met: &mut Option<MeshError>,
    ) -> OutboundEvent {
        let Some(id) = outbound.record().state.message_id() else {
            return OutboundEvent::UploadLost;
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match lane.mesh.continue_send(outgoing(message, plan), id, index).await {
                Ok(()) => return OutboundEvent::ChunkTaken,
                Err(error) => error,
            };
            let event = match &error.answer {
                MeshAnswer::AlreadyComplete => OutboundEvent::AlreadyComplete,
                MeshAnswer::NoSuchMessage => OutboundEvent::UploadLost,
                MeshAnswer::Refused(rejection) => OutboundEvent::Refused((**rejection).clone()),
                _ if tries < self.policy.chunk_attempts_max && error.class == FailureClass::Transient => {
                    tracing::debug!(index, tries, %error, "chunk posted again");
                    continue;
                }
                _ => OutboundEvent::NotApplied { after: self.wait_after(&error, tries) },
            };
            *met = Some(error);
            return event;
        }
    }

    fn wait_after(&self, error: &MeshError, attempt: u32) -> Duration {
        match error.class {
            FailureClass::Throttled { retry_after } => retry_after.min(self.policy.retry_max),
            FailureClass::Transient | FailureClass::Permanent => {
                backoff(attempt, self.policy.retry_first, self.policy.retry_max, &*self.chance)
            }
        }
    }
}

fn outgoing<'a>(message: &'a SourceMessage, plan: &'a ChunkPlan) -> Outgoing<'a> {
    Outgoing { envelope: &message.envelope, payload: &message.payload, plan, gzip: message.gzips(plan) }
}

/// Holds a source message; lets the next one in, or forgets the lock, when dropped.
pub(crate) struct Busy<'a> {
    engine: &'a Engine,
    key: SourceKey,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut busy = self.engine.busy.lock().unwrap_or_else(PoisonError::into_inner);
        self.held.take();
        // The map's own handle is the only one left: no one waits.
        if busy.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            busy.remove(&self.key);
        }
    }
}
