//! The outbound way: from a source's message to its recorded end.
//!
//! The machine of [`crate::step`] decides, the journal records, then this module acts. Nothing here chooses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mesh_api::{ChunkPlan, Effect, FailureClass, MailboxId};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::clock::{Chance, Clock};
use crate::journal::{Journal, JournalError, NewOutbound, OutboundDetails, OutboundRecord};
use crate::ledger::{Ended, Ledger, Outbound};
use crate::mesh::{Found, MeshAnswer, MeshError, MeshMailbox, Outgoing};
use crate::policy::{DoubtStrategy, SendPolicy, backoff};
use crate::shutdown::Shutdown;
use crate::source::{Deferral, DeferralCause, Refused, SourceKey, SourceMessage};
use crate::state::{OutboundState, Resent};
use crate::step::{OutboundEffect, OutboundEvent, StepContext, step};

/// The unit in which bytes in flight are counted, so that a permit count fits.
const PERMIT_BYTES: u64 = 1024;

/// How long a source waits before it offers a message again that met a fault of the relay's own side.
const OWN_FAULT_RETRY: Duration = Duration::from_secs(5);

/// How far MESH's clock and ours may be apart: what its tokens allow (`mesh-api.md` 2.2).
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_hours(2);

/// What the engine takes from outside besides MESH.
#[derive(Clone)]
pub struct Surroundings {
    /// The durable record.
    pub journal: Arc<dyn Journal>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub chance: Arc<dyn Chance>,
}

/// What sources hold of the engine. Cheap to clone.
#[derive(Clone)]
pub struct RelayHandle(Arc<Engine>);

struct Engine {
    ledger: Ledger,
    chance: Arc<dyn Chance>,
    policy: SendPolicy,
    shutdown: Shutdown,
    lanes: HashMap<MailboxId, Lane>,
    /// One lock for each source message that is being worked on, so that the same one offered twice is sent once.
    busy: Mutex<HashMap<SourceKey, Arc<AsyncMutex<()>>>>,
}

/// One mailbox's way out, with its bounds.
struct Lane {
    mesh: Arc<dyn MeshMailbox>,
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

struct Permit {
    _message: OwnedSemaphorePermit,
    _kibibytes: OwnedSemaphorePermit,
}

impl Lane {
    fn new(mesh: Arc<dyn MeshMailbox>, policy: &SendPolicy) -> Self {
        let kibibytes_max =
            u32::try_from(policy.in_flight_bytes_max.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).max(1);
        Self {
            mesh,
            messages: Arc::new(Semaphore::new(policy.in_flight_max.max(1) as usize)),
            kibibytes: Arc::new(Semaphore::new(kibibytes_max as usize)),
            kibibytes_max,
            reach: AsyncMutex::default(),
        }
    }

    /// Waits until the message fits the bounds. `None` when the relay stops first.
    async fn permit(&self, length: u64, shutdown: &Shutdown) -> Option<Permit> {
        let mut shutdown = shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.requested() => None,
            permit = self.wait(length) => permit,
        }
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

impl RelayHandle {
    /// An engine for these mailboxes.
    pub fn new(
        surroundings: Surroundings,
        mailboxes: impl IntoIterator<Item = Arc<dyn MeshMailbox>>,
        policy: SendPolicy,
        shutdown: Shutdown,
    ) -> Self {
        let lanes =
            mailboxes.into_iter().map(|mesh| (mesh.mailbox().clone(), Lane::new(mesh, &policy))).collect();
        let Surroundings { journal, clock, chance } = surroundings;
        let ledger = Ledger { journal, clock };
        Self(Arc::new(Engine { ledger, chance, policy, shutdown, lanes, busy: Mutex::default() }))
    }

    /// Carries a message to MESH and returns the recorded end of it. The same message offered again gets the
    /// recorded outcome, and nothing is sent twice.
    ///
    /// # Errors
    /// A [`Deferral`] when it has not ended yet: the source keeps the message and offers it again.
    pub async fn send(&self, message: SourceMessage) -> Result<Ended, Deferral> {
        let engine = &*self.0;
        let mailbox = &message.envelope.from;
        let Some(lane) = engine.lanes.get(mailbox) else {
            return Err(engine.own_fault(DeferralCause::UnknownMailbox(mailbox.clone())));
        };
        let _busy = engine.hold(&message.key).await;
        if engine.shutdown.is_requested() {
            return Err(engine.own_fault(DeferralCause::Stopping));
        }
        let new = NewOutbound {
            relay_id: engine.chance.relay_id(engine.ledger.clock.now()),
            source: message.key.clone(),
            mailbox: mailbox.clone(),
            details: Some(OutboundDetails {
                recipient: message.envelope.to.to_string(),
                workflow: message.envelope.workflow.to_string(),
                local_id: message.envelope.local_id.clone(),
                file_name: message.envelope.file_name.as_ref().map(|name| name.as_str().to_owned()),
                length: message.payload.length(),
            }),
            at: engine.ledger.clock.now(),
            state: OutboundState::Received { attempts: 0, resent: Resent::No },
        };
        let begun = engine.ledger.begin_outbound(new).await;
        let mut outbound = begun.map_err(|error| engine.own_fault(error.into()))?;
        if let Some(ended) = outbound.ended() {
            return Ok(ended);
        }
        let Some(_permit) = lane.permit(message.payload.length(), &engine.shutdown).await else {
            return Err(engine.own_fault(DeferralCause::Stopping));
        };
        if matches!(outbound.record().state, OutboundState::Received { .. }) {
            engine.reach(lane).await?;
        }
        engine.drive(lane, &message, &mut outbound).await
    }

    /// Records that a source found a message which can never be sent, and returns its end.
    ///
    /// # Errors
    /// When the journal could not record it; the source keeps it.
    pub async fn refuse(&self, refused: Refused) -> Result<Ended, Deferral> {
        let engine = &*self.0;
        let _busy = engine.hold(&refused.key).await;
        let now = engine.ledger.clock.now();
        let new = NewOutbound {
            relay_id: engine.chance.relay_id(now),
            source: refused.key.clone(),
            mailbox: refused.mailbox,
            details: None,
            at: now,
            state: OutboundState::Rejected(refused.rejection.clone()),
        };
        let begun = engine.ledger.begin_outbound(new).await;
        let mut outbound = begun.map_err(|error| engine.own_fault(error.into()))?;
        if outbound.ended().is_none() {
            // Seen before, and unusable now: its data file is gone, say.
            engine.end(&mut outbound, OutboundEvent::Unusable(refused.rejection)).await?;
        }
        outbound.ended().ok_or_else(|| engine.own_fault(DeferralCause::Stopping))
    }

    /// Records that the source no longer holds a message that it offered, and returns its end. `None` when the
    /// journal knows no unsettled message of this key.
    ///
    /// # Errors
    /// When the journal could not record it.
    pub async fn withdraw(&self, key: &SourceKey) -> Result<Option<Ended>, Deferral> {
        let engine = &*self.0;
        let _busy = engine.hold(key).await;
        let known = engine.ledger.find(key).await.map_err(|error| engine.own_fault(error.into()))?;
        let Some(mut outbound) = known else { return Ok(None) };
        if outbound.ended().is_none() {
            engine.end(&mut outbound, OutboundEvent::Withdrawn).await?;
        }
        Ok(outbound.ended())
    }

    /// Records that the source has let go of its copy. Should this be lost, the source finds the message again
    /// among the [`RelayHandle::unsettled`] ones.
    ///
    /// # Errors
    /// When the journal could not record it.
    pub async fn settled(&self, ended: &Ended) -> Result<(), DeferralCause> {
        let ledger = &self.0.ledger;
        ledger.journal.settle(ended.relay_id(), ledger.clock.now()).await?;
        Ok(())
    }

    /// The messages of an adapter that its source may not have settled: after a start, what the last run left.
    /// With each comes its end, if it has ended.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn unsettled(&self, adapter: &str) -> Result<Vec<(SourceKey, Option<Ended>)>, DeferralCause> {
        let records = self.0.ledger.unsettled(adapter).await?;
        Ok(records.into_iter().map(|outbound| (outbound.record().source.clone(), outbound.ended())).collect())
    }
}

impl Engine {
    fn own_fault(&self, cause: DeferralCause) -> Deferral {
        Deferral { cause, after: OWN_FAULT_RETRY }
    }

    fn context(&self, record: &OutboundRecord, in_doubt: DoubtStrategy) -> StepContext<'_> {
        let (now, received_at) = (self.ledger.clock.now(), record.received_at);
        StepContext { now, received_at, policy: &self.policy, in_doubt }
    }

    /// Waits until no one else works on the message.
    async fn hold(&self, key: &SourceKey) -> Busy<'_> {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(busy.entry(key.clone()).or_default())
        };
        let held = lock.lock_owned().await;
        Busy { engine: self, key: key.clone(), held: Some(held) }
    }

    async fn drive(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        outbound: &mut Outbound,
    ) -> Result<Ended, Deferral> {
        let relay_id = outbound.record().relay_id;
        let plan = message.plan(&self.policy);
        let mut event = match &plan {
            Ok(plan) => OutboundEvent::Start { of: plan.of(), chunk_bytes: plan.chunk_bytes() },
            Err(rejection) => OutboundEvent::Unusable(rejection.clone()),
        };
        let in_doubt = self.policy.in_doubt(&message.envelope);
        let mut last_error = None;
        loop {
            let decided = step(&outbound.record().state, event, self.context(outbound.record(), in_doubt));
            let next = match decided {
                Ok(step) => step,
                Err(fault) => {
                    tracing::error!(%relay_id, state = fault.state, "INV-5: a step that cannot be; message left as it is");
                    return Err(self.own_fault(DeferralCause::Again));
                }
            };
            self.record(outbound, next.state).await?;
            let state = outbound.record().state.name();
            tracing::debug!(%relay_id, mailbox = %message.envelope.from, state, "outbound message");

            event = match (next.effect, &plan) {
                (OutboundEffect::Settle, _) | (_, Err(_)) => break,
                (OutboundEffect::Defer { after }, _) => {
                    let cause = last_error.map_or(DeferralCause::Again, DeferralCause::Mesh);
                    return Err(Deferral { cause, after });
                }
                (OutboundEffect::Post, Ok(plan)) => {
                    self.post(lane, message, plan, outbound, &mut last_error).await
                }
                (OutboundEffect::PostChunk { index }, Ok(plan)) => {
                    self.post_chunk(lane, message, plan, outbound, index, &mut last_error).await
                }
                (OutboundEffect::Probe { after }, _) => {
                    self.pause(after).await?;
                    self.probe(lane, message, outbound.record().received_at, &mut last_error).await?
                }
            };
        }
        outbound.ended().ok_or_else(|| self.own_fault(DeferralCause::Stopping))
    }

    /// Makes sure by a handshake that MESH takes this mailbox's calls, unless the last send went well.
    async fn reach(&self, lane: &Lane) -> Result<(), Deferral> {
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
        match lane.mesh.handshake().await {
            Ok(()) => {
                *reach = Reach { proven: true, failed: None };
                Ok(())
            }
            Err(mut error) => {
                error.mailbox_wide = true;
                reach.failed = Some((error.clone(), failures, Instant::now()));
                let after = self.wait_after(&error, failures);
                Err(Deferral { cause: DeferralCause::Mesh(error), after })
            }
        }
    }

    /// Ends a message without sending anything more of it.
    async fn end(&self, outbound: &mut Outbound, event: OutboundEvent) -> Result<(), Deferral> {
        let context = self.context(outbound.record(), self.policy.in_doubt);
        let decided = step(&outbound.record().state, event, context);
        let Ok(next) = decided else { return Err(self.own_fault(DeferralCause::Again)) };
        self.record(outbound, next.state).await
    }

    /// Commits a state. What MESH has said cannot be asked for again, so a journal that cannot take it is tried
    /// until it can or the relay stops.
    async fn record(&self, outbound: &mut Outbound, state: OutboundState) -> Result<(), Deferral> {
        let learned = matches!(state, OutboundState::Accepted { .. } | OutboundState::Uploading { .. });
        let mut told = false;
        loop {
            let error = match self.ledger.advance(outbound, state.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !learned || !matches!(error, JournalError::Storage { .. }) {
                return Err(self.own_fault(error.into()));
            }
            if !std::mem::replace(&mut told, true) {
                let (relay_id, message_id) = (outbound.record().relay_id, state.message_id());
                tracing::error!(%relay_id, ?message_id, %error, "MESH has answered and the journal cannot take it");
            }
            self.pause(OWN_FAULT_RETRY).await?;
        }
    }

    /// Waits, unless the relay stops meanwhile.
    async fn pause(&self, wait: Duration) -> Result<(), Deferral> {
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = shutdown.requested() => Err(self.own_fault(DeferralCause::Stopping)),
        }
    }

    async fn post(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        plan: &ChunkPlan,
        outbound: &Outbound,
        last_error: &mut Option<MeshError>,
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
                *last_error = Some(error);
                event
            }
        }
    }

    async fn post_chunk(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        plan: &ChunkPlan,
        outbound: &Outbound,
        index: u32,
        last_error: &mut Option<MeshError>,
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
            *last_error = Some(error);
            return event;
        }
    }

    /// Asks MESH whether it has a doubtful message. The answer counts only when the local id is this message's
    /// alone (`queue-bridging.md` 4.3).
    async fn probe(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        first_seen: Timestamp,
        last_error: &mut Option<MeshError>,
    ) -> Result<OutboundEvent, Deferral> {
        let Some(local_id) = &message.envelope.local_id else {
            return Ok(OutboundEvent::CannotProbe);
        };
        let uses = self.ledger.journal.local_id_uses(&message.envelope.from, local_id).await;
        if uses.map_err(|error| self.own_fault(error.into()))? > 1 {
            return Ok(OutboundEvent::CannotProbe);
        }
        Ok(match lane.mesh.find_by_local_id(local_id).await {
            // An older message with the same local id is another message, whatever this journal remembers.
            Ok(Found::One { id, uploaded }) => match uploaded {
                Some(uploaded) if uploaded + CLOCKS_APART_MAX >= first_seen => OutboundEvent::Found(id),
                _ => OutboundEvent::CannotProbe,
            },
            Ok(Found::Nothing) => OutboundEvent::NotFound,
            Ok(Found::Several) => OutboundEvent::CannotProbe,
            Err(error) => {
                *last_error = Some(error);
                OutboundEvent::ProbeFailed
            }
        })
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
    Outgoing { envelope: &message.envelope, payload: &message.payload, plan, gzip: message.gzip }
}

/// Holds a source message; lets the next one in, or forgets the lock, when dropped.
struct Busy<'a> {
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
