//! The outbound way: from a source's message to its recorded end.
//!
//! The machine of [`crate::step`] decides, the journal records, then this module acts. Nothing here chooses.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mesh_api::MailboxId;
use tracing::Instrument;

use crate::board::Board;
use crate::clock::{Chance, Clock, RelayId};
use crate::engine::{Busy, Engine, Lane, OWN_FAULT_RETRY, Permit, own_fault};
use crate::happening::{Happening, outbound as happened};
use crate::journal::{Journal, JournalError, KeyReuse, MailboxTimes, NewOutbound, OutboundDetails};
use crate::lease::{PartLeases, Tenure};
use crate::ledger::{Ended, Ledger, Outbound};
use crate::mesh::{Found, MeshError, MeshMailbox};
use crate::pause::{Pauses, Wake, Woken};
use crate::policy::SendPolicy;
use crate::progress::{MESH_WITHIN, Progress, Pump, PumpKind};
use crate::proven::ProvenTime;
use crate::shutdown::Shutdown;
use crate::source::{Deferral, DeferralCause, Offer, Refused, SourceKey, SourceMessage};
use crate::state::{OutboundState, Rejection, Resent};
use crate::step::{OutboundEffect, OutboundEvent, may_be_delivered, step};
use crate::trace::{self, NoTraces, Trace, TraceContext, Traces};
use crate::vitals::Vitals;

/// How long a source waits before it offers a message again that has its turn after another.
const BEHIND_RETRY: Duration = Duration::from_millis(500);

/// How far MESH's clock and ours may be apart: what its tokens allow (`mesh-api.md` 2.2).
pub(crate) const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_hours(2);

/// What a message is parked with whose key is taken.
const OTHER_CONTENT: &str = "came under the same key with other content";

/// The code of a message that was not sent in its time ([`SourceMessage::not_after`]).
pub const TOO_LATE: &str = "too-late";

fn too_late(until: Timestamp) -> Rejection {
    Rejection {
        event: "TRANSFER".to_owned(),
        code: TOO_LATE.to_owned(),
        description: format!("it was not sent by {until}, as it asked"),
        message_id: None,
    }
}

/// Whether a message was parked because its key was taken by another one.
pub fn is_other_content(reason: &str) -> bool {
    reason.contains(OTHER_CONTENT)
}

/// What the engine takes from outside besides MESH.
#[derive(Clone)]
pub struct Surroundings {
    /// The durable record.
    pub journal: Arc<dyn Journal>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub chance: Arc<dyn Chance>,
    /// The time by which messages age.
    pub proven: Arc<ProvenTime>,
    /// What is paused.
    pub pauses: Pauses,
    /// How each mailbox fares.
    pub board: Arc<Board>,
    /// What moves and what does not.
    pub progress: Progress,
    /// Whether the relay lives and is ready.
    pub vitals: Arc<Vitals>,
    /// What ties spans to the traces of other systems.
    pub traces: Arc<dyn Traces>,
}

impl Surroundings {
    /// With a time that MESH has yet to confirm, nothing paused, and spans that are tied to nothing.
    pub fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        let proven = Arc::new(ProvenTime::new(Arc::clone(&clock)));
        Self {
            journal,
            clock,
            chance,
            proven,
            pauses: Pauses::default(),
            board: Arc::default(),
            progress: Progress::default(),
            vitals: Arc::default(),
            traces: Arc::new(NoTraces),
        }
    }
}

/// What sources hold of the engine. Cheap to clone.
#[derive(Clone)]
pub struct RelayHandle {
    engine: Arc<Engine>,
    ledger: Ledger,
    terms: Terms,
    tenure: Option<Tenure>,
    parts: Option<PartLeases>,
    /// The adapter whose source holds it, by its configured name.
    adapter: Option<Arc<str>>,
    /// Ends every wait of the source's messages.
    stop: Shutdown,
}

/// A message that its source may still hold.
#[derive(Debug)]
pub struct Unsettled {
    /// The relay's id of it.
    pub relay_id: RelayId,
    /// How its source knows it.
    pub key: SourceKey,
    /// When it was first seen.
    pub received_at: Timestamp,
    /// Its end, if it has ended.
    pub ended: Option<Ended>,
}

/// A message that was seen before.
#[derive(Debug)]
pub struct Known {
    /// The relay's id of it.
    pub relay_id: RelayId,
    /// Hash of its content, if its source gave one: [`SourceMessage::fingerprint`].
    pub fingerprint: Option<String>,
    /// How many of its first bytes MESH holds already, so that they are not asked for again.
    pub taken_bytes: u64,
    /// Its end, if it has ended.
    pub ended: Option<Ended>,
}

/// What holds for every message of one source.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whether a key may come again.
    pub reuse: KeyReuse,
    /// Whether its system is told of every change, by an [`EventSink`](crate::EventSink).
    pub tell: bool,
}

impl RelayHandle {
    /// An engine for these mailboxes, as a source without a lease and without events holds it.
    pub fn new(
        surroundings: Surroundings,
        mailboxes: impl IntoIterator<Item = Arc<dyn MeshMailbox>>,
        policy: SendPolicy,
        stop: Shutdown,
    ) -> Self {
        let engine = Arc::new(Engine::new(&surroundings, mailboxes, policy));
        let Surroundings { journal, clock, .. } = surroundings;
        let ledger = Ledger::new(journal, clock);
        let terms = Terms { reuse: KeyReuse::OnceSettled, tell: false };
        Self { engine, ledger, terms, tenure: None, parts: None, adapter: None, stop }
    }

    /// Carries messages of this mailbox too, or, where it does so already, finds out anew how MESH takes them: to be called
    /// when what the mailbox is reached with has changed. Whoever waits tries again at once.
    pub fn serve(&self, mesh: Arc<dyn MeshMailbox>) {
        self.engine.serve(mesh);
        self.engine.pauses.rouse(Woken::Anything);
    }

    /// Carries no new messages of this mailbox any more.
    pub fn leave(&self, mailbox: &MailboxId) {
        self.engine.leave(mailbox);
    }

    /// The same engine, for a source with these terms.
    #[must_use]
    pub fn on_terms(&self, terms: Terms) -> Self {
        Self { terms, ..self.clone() }
    }

    /// The same engine, for the source of an adapter of this name.
    #[must_use]
    pub fn of_adapter(&self, name: &str) -> Self {
        Self { adapter: Some(name.into()), ..self.clone() }
    }

    /// The same engine, for a source that works under a lease until `stop` says that it is about to be over.
    #[must_use]
    pub fn under(&self, tenure: &Tenure, stop: &Shutdown) -> Self {
        let ledger = Ledger { fence: Some(tenure.fence().clone()), ..self.ledger.clone() };
        Self { ledger, tenure: Some(tenure.clone()), stop: stop.clone(), ..self.clone() }
    }

    /// The same engine, for a source that takes a lease for each part of its work ([`Self::work_on_part`]).
    #[must_use]
    pub fn by_parts(&self, parts: PartLeases) -> Self {
        Self { parts: Some(parts), ..self.clone() }
    }

    /// Does `work` on a part of the source whenever this instance holds the part's lease, until `stop`; as
    /// [`Lease::while_held`](crate::Lease::while_held). Another instance that does the same waits meanwhile, and takes a
    /// message up only when its predecessor cannot send it any more. Without leases the work is simply done.
    ///
    /// # Errors
    /// The error of `work`.
    pub async fn work_on_part<W, F, E>(&self, part: &str, stop: Shutdown, mut work: W) -> Result<(), E>
    where
        W: FnMut(RelayHandle, Shutdown) -> F,
        F: Future<Output = Result<(), E>>,
    {
        match &self.parts {
            None => work(Self { stop: stop.clone(), ..self.clone() }, stop).await,
            Some(parts) => {
                let lease = parts.of(part);
                lease.while_held(stop, |tenure, stop| work(self.under(&tenure, &stop), stop)).await
            }
        }
    }

    /// Whether the lease under which the source works is certainly still held. To be asked before anything that others
    /// see: a process that was paused does not notice how late it is.
    pub fn holds(&self) -> bool {
        self.tenure.as_ref().is_none_or(Tenure::holds)
    }

    /// Carries a message to MESH and returns the recorded end of it. The same message offered again gets the
    /// recorded outcome, and nothing is sent twice. Another message under a key that is taken is parked.
    ///
    /// # Errors
    /// A [`Deferral`] when it has not ended yet: the source keeps the message and offers it again.
    pub async fn send(&self, message: SourceMessage) -> Result<Ended, Deferral> {
        let span = trace::send(&message.trace, &message.key.adapter, &message.envelope.from);
        self.send_within(message).instrument(span).await
    }

    async fn send_within(&self, message: SourceMessage) -> Result<Ended, Deferral> {
        let engine = &*self.engine;
        let mailbox = &message.envelope.from;
        let Some(lane) = engine.lane(mailbox) else {
            return Err(own_fault(DeferralCause::UnknownMailbox(mailbox.clone())));
        };
        let _busy = self.hold(&message.key).await?;
        if self.stop.is_requested() {
            return Err(own_fault(DeferralCause::Stopping));
        }
        let new = self.received(&message);
        let mut outbound = self.begin(new.clone()).await?;
        if outbound.record().fingerprint != message.fingerprint {
            return self.park_other_content(new, outbound.record().relay_id).await;
        }
        if let Some(ended) = outbound.ended() {
            engine.order.ended(&message.key);
            return Ok(ended);
        }
        // Also where this work is dropped in the middle: those behind it must not wait for ever.
        let _place = engine.order.at_work(&message.key);
        let ended = self.carry(&lane, &message, &mut outbound).await?;
        engine.order.ended(&message.key);
        Ok(ended)
    }

    /// The arrival of a message at the source's adapter, with the trace context that it brought, if that is one. To be made
    /// before the message, and to be given along with it.
    pub fn arrival(&self, context: Option<TraceContext>) -> Trace {
        Trace::received(&*self.engine.traces, self.adapter.as_deref().unwrap_or_default(), context)
    }

    /// Sends a message, or records that it can never be sent; as [`Self::send`] and [`Self::refuse`]. What is offered may be
    /// offered again.
    ///
    /// # Errors
    /// As theirs.
    pub async fn offer(&self, offer: &Offer) -> Result<Ended, Deferral> {
        match offer {
            Offer::Send(message) => self.send((**message).clone()).await,
            Offer::Refuse(refused) => self.refuse((**refused).clone()).await,
        }
    }

    /// Records a message as seen, without sending anything of it, and returns the relay's id of it: for a source that
    /// says so to its system first. `None`: it has ended, or its key is taken by other content; [`RelayHandle::send`]
    /// says how.
    ///
    /// # Errors
    /// When the journal could not record it.
    pub async fn receive(&self, message: &SourceMessage) -> Result<Option<RelayId>, Deferral> {
        let _busy = self.engine.hold(&message.key).await;
        let outbound = self.begin(self.received(message)).await?;
        let record = outbound.record();
        let is_open = outbound.ended().is_none() && record.fingerprint == message.fingerprint;
        Ok(is_open.then_some(record.relay_id))
    }

    /// A message as it is recorded when it is seen.
    fn received(&self, message: &SourceMessage) -> NewOutbound {
        let envelope = &message.envelope;
        let details = OutboundDetails {
            recipient: envelope.to.to_string(),
            workflow: envelope.workflow.to_string(),
            local_id: envelope.local_id.clone(),
            file_name: envelope.file_name.as_ref().map(|name| name.as_str().to_owned()),
            length: message.payload.length(),
        };
        let state = OutboundState::Received { attempts: 0, resent: Resent::No };
        NewOutbound {
            fingerprint: message.fingerprint.clone(),
            details: Some(details),
            reply: message.reply.clone(),
            ..self.new_outbound(message.key.clone(), envelope.from.clone(), state)
        }
    }

    /// Waits for others that are at work on the same message, unless a stop comes first.
    async fn hold(&self, key: &SourceKey) -> Result<Busy<'_>, Deferral> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            busy = self.engine.hold(key) => Ok(busy),
            () = stop.requested() => Err(own_fault(DeferralCause::Stopping)),
        }
    }

    /// A wake-up for a source that lets messages rest: whenever a person did something that may let one go on, or end it.
    pub fn wake(&self) -> Wake {
        self.engine.pauses.wake()
    }

    /// Waits for everything that holds a message back, then sends it.
    async fn carry(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        outbound: &mut Outbound,
    ) -> Result<Ended, Deferral> {
        let engine = &*self.engine;
        self.keep_pauses(message, outbound)?;
        if let Some(key) = &message.order_key
            && !engine.order.turn(&message.envelope.from, key, &message.key).await
        {
            return Err(Deferral { cause: DeferralCause::Behind, after: BEHIND_RETRY });
        }
        let permit = lane.permit(message.payload.length(), &self.stop).await?;
        // It may have been paused while this one waited behind others.
        self.keep_pauses(message, outbound)?;
        if matches!(outbound.record().state, OutboundState::Received { .. }) {
            if let Err(deferral) = engine.reach(lane).await {
                // Ends it when its time is up, and leaves it as it is otherwise.
                self.end(outbound, OutboundEvent::NotApplied { after: deferral.after }).await?;
                return outbound.ended().ok_or(deferral);
            }
            if let (Some(until), Some(now)) = (message.not_after, engine.proven.now())
                && now > until
            {
                self.end(outbound, OutboundEvent::Unusable(too_late(until))).await?;
                return outbound.ended().ok_or_else(|| own_fault(DeferralCause::Stopping));
            }
            // A handshake may have taken long.
            self.keep_pauses(message, outbound)?;
            engine.keep_pace(&message.envelope)?;
        }
        self.drive(lane, message, outbound, permit).await
    }

    /// Holds a message back whose mailbox or adapter is paused, unless something of it may be at MESH: what that is worth is
    /// found out all the same.
    fn keep_pauses(&self, message: &SourceMessage, outbound: &Outbound) -> Result<(), Deferral> {
        let state = &outbound.record().state;
        if !matches!(state, OutboundState::Received { .. }) && may_be_delivered(state) {
            return Ok(());
        }
        self.engine.keep_pauses(&message.envelope.from, Some(&message.key.adapter))
    }

    /// Records that a source found a message which can never be sent, and returns its end.
    ///
    /// # Errors
    /// When the journal could not record it; the source keeps it.
    pub async fn refuse(&self, refused: Refused) -> Result<Ended, Deferral> {
        let span = trace::send(&refused.trace, &refused.key.adapter, &refused.mailbox);
        self.refuse_within(refused).instrument(span).await
    }

    async fn refuse_within(&self, refused: Refused) -> Result<Ended, Deferral> {
        let engine = &*self.engine;
        let _busy = self.hold(&refused.key).await?;
        let state = OutboundState::Rejected(refused.rejection.clone());
        let new = self.new_outbound(refused.key.clone(), refused.mailbox, state);
        let new = NewOutbound { reply: refused.reply, ..new };
        let mut outbound = self.begin(new).await?;
        if outbound.ended().is_none() {
            // Seen before, and unusable now: its data file is gone, say.
            self.end(&mut outbound, OutboundEvent::Unusable(refused.rejection)).await?;
        }
        engine.order.ended(&refused.key);
        outbound.ended().ok_or_else(|| own_fault(DeferralCause::Stopping))
    }

    /// Records that the source no longer holds a message that it offered, and returns its end. `None` when the
    /// journal knows no unsettled message of this key.
    ///
    /// # Errors
    /// When the journal could not record it.
    pub async fn withdraw(&self, key: &SourceKey) -> Result<Option<Ended>, Deferral> {
        let engine = &*self.engine;
        let _busy = engine.hold(key).await;
        engine.order.ended(key);
        let known = self.ledger.find(key).await.map_err(|error| own_fault(error.into()))?;
        let Some(mut outbound) = known else { return Ok(None) };
        if outbound.ended().is_none() {
            self.end(&mut outbound, OutboundEvent::Withdrawn).await?;
        }
        Ok(outbound.ended())
    }

    /// Records that the source has let go of its copy. Should this be lost, the source finds the message again
    /// among the [`RelayHandle::unsettled`] ones.
    ///
    /// # Errors
    /// When the journal could not record it.
    pub async fn settled(&self, ended: &Ended) -> Result<(), DeferralCause> {
        let span = tracing::info_span!("settle", relay_id = %ended.relay_id());
        self.ledger.settle(ended.relay_id()).instrument(span).await?;
        Ok(())
    }

    /// Whether a message of this key and this content was seen before.
    ///
    /// # Errors
    /// When the journal cannot be asked.
    pub async fn knows(&self, key: &SourceKey, fingerprint: &str) -> Result<bool, DeferralCause> {
        let known = self.ledger.find(key).await?;
        Ok(known.is_some_and(|known| known.record().fingerprint.as_deref() == Some(fingerprint)))
    }

    /// What is recorded of a key, for a source that answers from it before it takes the bytes. Records nothing.
    ///
    /// # Errors
    /// When the journal cannot be asked.
    pub async fn find(&self, key: &SourceKey) -> Result<Option<Known>, DeferralCause> {
        let known = self.ledger.find(key).await?;
        Ok(known.map(|known| {
            let taken_bytes = match known.record().state {
                OutboundState::Uploading { taken, chunk_bytes, .. } => u64::from(taken) * chunk_bytes,
                _ => 0,
            };
            let (relay_id, fingerprint) = (known.record().relay_id, known.record().fingerprint.clone());
            Known { relay_id, fingerprint, taken_bytes, ended: known.ended() }
        }))
    }

    /// The messages of an adapter that its source may not have settled: after a start, what the last run left.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn unsettled(&self, adapter: &str) -> Result<Vec<Unsettled>, DeferralCause> {
        let records = self.ledger.unsettled(adapter).await?;
        let unsettled = |outbound: Outbound| Unsettled {
            relay_id: outbound.record().relay_id,
            key: outbound.record().source.clone(),
            received_at: outbound.record().received_at,
            ended: outbound.ended(),
        };
        Ok(records.into_iter().map(unsettled).collect())
    }

    /// Finds out whether a message of this mailbox would be taken: nothing is paused, the journal shows by a commit that it
    /// takes something, MESH by a handshake unless the last send went well. For a source that would take messages from a queue in vain.
    ///
    /// # Errors
    /// When it does not, with when to ask again.
    pub async fn reachable(&self, mailbox: &MailboxId) -> Result<(), Deferral> {
        let lane = self.engine.lane(mailbox);
        let lane = lane.ok_or_else(|| own_fault(DeferralCause::UnknownMailbox(mailbox.clone())))?;
        self.engine.keep_pauses(mailbox, self.adapter.as_deref())?;
        let nothing = MailboxTimes::default();
        let kept = self.ledger.journal.commit_mailbox_times(mailbox, nothing, self.ledger.fence.as_ref());
        kept.await.map_err(|error| own_fault(error.into()))?;
        self.engine.reach(&lane).await
    }

    /// The pump of the source that holds this handle, which looks again after `every`: it says there what it does.
    pub fn pump(&self, every: Duration) -> Pump {
        self.engine.progress.pump(PumpKind::Source, self.adapter.as_deref().unwrap_or_default(), every)
    }

    /// The time by which a source may forget what is old.
    pub fn proven(&self) -> &ProvenTime {
        &self.engine.proven
    }

    fn new_outbound(&self, source: SourceKey, mailbox: MailboxId, state: OutboundState) -> NewOutbound {
        let at = self.engine.clock.now();
        let relay_id = self.engine.chance.relay_id(at);
        let Terms { reuse, tell } = self.terms;
        NewOutbound {
            relay_id,
            source,
            reuse,
            fingerprint: None,
            mailbox,
            details: None,
            tell,
            reply: None,
            state,
            at,
        }
    }

    async fn begin(&self, new: NewOutbound) -> Result<Outbound, Deferral> {
        let outbound = self.ledger.begin_outbound(new).await.map_err(|error| own_fault(error.into()))?;
        trace::is_about(&tracing::Span::current(), outbound.record().relay_id);
        Ok(outbound)
    }

    /// A key that is taken came with other content. Which of the two is meant, nobody here can know.
    async fn park_other_content(&self, new: NewOutbound, first: RelayId) -> Result<Ended, Deferral> {
        let fingerprint = new.fingerprint.as_deref().unwrap_or_default();
        let message = format!("{} other content {fingerprint}", new.source.message);
        let reason = format!(
            "message {first} {OTHER_CONTENT}; nothing of this one was sent: give it a \
             key of its own if it is meant as another message"
        );
        let source = SourceKey { message, ..new.source };
        let outbound =
            self.begin(NewOutbound { source, state: OutboundState::Parked { reason }, ..new }).await?;
        outbound.ended().ok_or_else(|| own_fault(DeferralCause::Again))
    }

    async fn drive(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        outbound: &mut Outbound,
        permit: Permit,
    ) -> Result<Ended, Deferral> {
        let engine = &*self.engine;
        let mut permit = Some(permit);
        let relay_id = outbound.record().relay_id;
        let began = match outbound.record().state {
            OutboundState::Uploading { chunk_bytes, .. } => Some(chunk_bytes),
            _ => None,
        };
        let plan = message.plan(&engine.policy, began);
        let mut event = match &plan {
            Ok(plan) => OutboundEvent::Start { of: plan.of(), chunk_bytes: plan.chunk_bytes() },
            Err(rejection) => OutboundEvent::Unusable(rejection.clone()),
        };
        let in_doubt = engine.policy.in_doubt(&message.envelope);
        let mut last_error = None;
        // What the last act met, which led to the event.
        let mut met: Option<MeshError> = None;
        loop {
            let decided = step(&outbound.record().state, event, engine.context(outbound.record(), in_doubt));
            let next = match decided {
                Ok(step) => step,
                Err(fault) => {
                    happened::NoStep { relay_id, state: fault.state }.tell();
                    return Err(own_fault(DeferralCause::Again));
                }
            };
            self.record(outbound, next.state, met.as_ref().map(|error| error.what.clone())).await?;
            last_error = met.take().or(last_error);
            if matches!(outbound.record().state, OutboundState::Accepted { .. }) {
                happened::Taken { bytes: message.payload.length() }.tell();
            }
            let posts = matches!(next.effect, OutboundEffect::Post | OutboundEffect::PostChunk { .. });
            if posts && !self.holds() {
                return Err(own_fault(DeferralCause::Stopping));
            }
            event = match (next.effect, &plan) {
                (OutboundEffect::Settle, _) | (_, Err(_)) => break,
                (OutboundEffect::Defer { after }, _) => {
                    let cause = last_error.map_or(DeferralCause::Again, DeferralCause::Mesh);
                    return Err(Deferral { cause, after });
                }
                (OutboundEffect::Post, Ok(plan)) => {
                    let message = &lane.moving(message);
                    let span = tracing::info_span!("post", chunks = plan.of());
                    engine.post(lane, message, plan, outbound, &mut met).instrument(span).await
                }
                (OutboundEffect::PostChunk { index }, Ok(plan)) => {
                    let message = &lane.moving(message);
                    let span = tracing::info_span!("chunk", index);
                    engine.post_chunk(lane, message, plan, outbound, index, &mut met).instrument(span).await
                }
                (OutboundEffect::Probe { after }, _) => {
                    // Others may go while this one waits.
                    drop(permit.take());
                    self.pause_in_doubt(after, outbound).await?;
                    let span = tracing::info_span!("probe");
                    self.probe(lane, message, outbound.record().received_at, &mut met)
                        .instrument(span)
                        .await?
                }
            };
        }
        outbound.ended().ok_or_else(|| own_fault(DeferralCause::Stopping))
    }

    /// Ends a message without sending anything more of it.
    async fn end(&self, outbound: &mut Outbound, event: OutboundEvent) -> Result<(), Deferral> {
        let context = self.engine.context(outbound.record(), self.engine.policy.in_doubt);
        let decided = step(&outbound.record().state, event, context);
        let Ok(next) = decided else { return Err(own_fault(DeferralCause::Again)) };
        let at = self.engine.clock.now();
        self.ledger.advance(outbound, next.state, None, at).await.map_err(|error| own_fault(error.into()))
    }

    /// Commits a state of a message on its way. A journal that cannot take it is tried until it can or the source is to
    /// stop: what MESH has said cannot be asked for again, and an intent that may have been written although nobody said
    /// so would be taken for an attempt.
    async fn record(
        &self,
        outbound: &mut Outbound,
        state: OutboundState,
        note: Option<String>,
    ) -> Result<(), Deferral> {
        let mut told = false;
        let at = self.engine.clock.now();
        loop {
            let error = match self.ledger.advance(outbound, state.clone(), note.clone(), at).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if !matches!(error, JournalError::Storage { .. }) {
                return Err(own_fault(error.into()));
            }
            if !std::mem::replace(&mut told, true) {
                let relay_id = outbound.record().relay_id;
                happened::NotRecorded { relay_id, state: &state, error: &error }.tell();
            }
            self.pause(OWN_FAULT_RETRY).await?;
        }
    }

    /// Waits before MESH is asked about a doubt, unless the source is to stop or a person settles it meanwhile.
    async fn pause_in_doubt(&self, wait: Duration, outbound: &Outbound) -> Result<(), Deferral> {
        let mut wake = self.engine.pauses.wake();
        let mut waiting = pin!(self.pause(wait));
        loop {
            tokio::select! {
                waited = &mut waiting => return waited,
                () = wake.woken_for(&outbound.record().source) => {}
            }
            let now = self.ledger.journal.outbound(outbound.record().relay_id).await;
            if let Ok(Some(now)) = now
                && now.version != outbound.record().version
            {
                return Err(Deferral { cause: DeferralCause::Changed, after: Duration::ZERO });
            }
        }
    }

    /// Waits, unless the source is to stop meanwhile.
    async fn pause(&self, wait: Duration) -> Result<(), Deferral> {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = stop.requested() => Err(own_fault(DeferralCause::Stopping)),
        }
    }

    /// Asks MESH whether it has a doubtful message. The answer counts only when the local id is this message's
    /// alone (`queue-bridging.md` 4.3).
    async fn probe(
        &self,
        lane: &Lane,
        message: &SourceMessage,
        first_seen: Timestamp,
        met: &mut Option<MeshError>,
    ) -> Result<OutboundEvent, Deferral> {
        let Some(local_id) = message.envelope.local_id.as_ref().filter(|id| id.can_be_tracked()) else {
            return Ok(OutboundEvent::CannotProbe);
        };
        let uses = self.ledger.journal.find_local_id(&message.envelope.from, local_id, 2).await;
        if uses.map_err(|error| own_fault(error.into()))?.len() > 1 {
            return Ok(OutboundEvent::CannotProbe);
        }
        let _step = lane.pump.step_within("asking MESH whether it has a message", MESH_WITHIN);
        Ok(match lane.mesh.find_by_local_id(local_id).await {
            // An older message with the same local id is another message, whatever this journal remembers.
            Ok(Found::One { id, uploaded }) => match uploaded {
                Some(uploaded) if uploaded + CLOCKS_APART_MAX >= first_seen => OutboundEvent::Found(id),
                _ => OutboundEvent::CannotProbe,
            },
            Ok(Found::Nothing) => OutboundEvent::NotFound,
            Ok(Found::Several) => OutboundEvent::CannotProbe,
            Err(error) => {
                *met = Some(error);
                OutboundEvent::ProbeFailed
            }
        })
    }
}
