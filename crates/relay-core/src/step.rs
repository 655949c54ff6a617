//! The outbound state machine: a pure function from a state and an event to the next state and the one thing to
//! do. It decides; [`crate::outbound`] acts.

use std::time::Duration;

use jiff::Timestamp;
use mesh_api::MessageId;
use thiserror::Error;

use crate::policy::{DoubtStrategy, SendPolicy};
use crate::state::{BY_SOURCE, Evidence, OutboundState, Rejection, Resent};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboundEvent {
    /// The message may go: a permit is held, or the process starts again and finds the record.
    Start {
        /// How many chunks the payload is cut into now.
        of: u32,
        /// Size of a chunk in bytes now.
        chunk_bytes: u64,
    },
    /// MESH answered the first request with an id.
    Taken {
        /// The id.
        id: MessageId,
        /// Size of a chunk in bytes.
        chunk_bytes: u64,
    },
    /// MESH took a later chunk.
    ChunkTaken,
    /// MESH says that the upload is complete already.
    AlreadyComplete,
    /// The request certainly had no effect and may be tried again.
    NotApplied {
        /// How long to wait, from back-off or from MESH.
        after: Duration,
    },
    /// MESH's answer to the request refuses the message for good.
    Refused(Rejection),
    /// The message can no longer be sent from here: its files are unreadable, empty or too large. Says nothing
    /// about what an earlier attempt did.
    Unusable(Rejection),
    /// The source no longer holds the message.
    Withdrawn,
    /// The request may have had its effect; no usable answer came.
    Unclear,
    /// MESH no longer knows the upload.
    UploadLost,
    /// A probe found the message.
    Found(MessageId),
    /// A probe found nothing.
    NotFound,
    /// A probe got no usable answer.
    ProbeFailed,
    /// A probe cannot tell: no local id, one used more than once, or several messages with it.
    CannotProbe,
}

/// What to do next. At most one thing, and only after the state was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundEffect {
    /// Make the first request.
    Post,
    /// Post chunk `index`.
    PostChunk {
        /// Which chunk, from 2.
        index: u32,
    },
    /// Wait, then ask MESH by local id.
    Probe {
        /// How long to wait first.
        after: Duration,
    },
    /// Let the source keep the message for a while.
    Defer {
        /// How long.
        after: Duration,
    },
    /// Tell the source the outcome.
    Settle,
}

/// The next state and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To be committed first.
    pub state: OutboundState,
    /// To be done then.
    pub effect: OutboundEffect,
}

/// An event that has no meaning in a state: a fault in the relay. The message is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("INV-5: a message in state {state} cannot take the event {event:?}")]
pub struct IllegalTransition {
    /// Name of the state.
    pub state: &'static str,
    /// The event.
    pub event: OutboundEvent,
}

/// What a step may look at besides state and event.
#[derive(Debug, Clone, Copy)]
pub struct StepContext<'a> {
    /// Now.
    pub now: Timestamp,
    /// How long ago the message was first seen. `None`: not known, and then no message is too old.
    pub age: Option<Duration>,
    /// Bounds.
    pub policy: &'a SendPolicy,
    /// What is done in doubt about this message.
    pub in_doubt: DoubtStrategy,
}

impl StepContext<'_> {
    fn out_of_time(&self) -> bool {
        self.age.is_some_and(|age| age >= self.policy.give_up_after)
    }
}

/// How long ago `then` was; zero when a clock was set back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// Whether MESH may be able to deliver the message without anything more from here.
pub(crate) fn may_be_delivered(state: &OutboundState) -> bool {
    match state {
        OutboundState::Sending { of, .. } => *of == 1,
        OutboundState::Uploading { taken, of, .. } => taken + 1 == *of,
        OutboundState::InDoubt { .. } => true,
        // An attempt before may have arrived, and nobody could be asked.
        OutboundState::Received { resent: Resent::Blindly, .. } => true,
        _ => false,
    }
}

/// Words for a person who must find out whether a message arrived.
pub(crate) fn unknown_whether(state: &OutboundState, what: &str) -> String {
    let ask = match state.message_id() {
        Some(id) => format!("track message {id} or ask the recipient"),
        None => "ask the recipient".to_owned(),
    };
    format!("{what}, and MESH may have it; {ask} before sending again")
}

/// Decides the next step of an outbound message.
///
/// # Errors
/// [`IllegalTransition`] when the event cannot happen in that state.
pub fn step(
    state: &OutboundState,
    event: OutboundEvent,
    context: StepContext<'_>,
) -> Result<Step, IllegalTransition> {
    use OutboundEffect::{Defer, Post, PostChunk, Probe, Settle};
    use OutboundEvent as Event;
    use OutboundState as State;

    let go = |state, effect| Ok(Step { state, effect });
    // Back to the source, unless its time is up.
    let failed = |attempts, resent, after| {
        if !context.out_of_time() {
            go(State::Received { attempts, resent }, Defer { after })
        } else if resent == Resent::Blindly {
            go(State::Parked { reason: unknown_whether(state, "its time is up") }, Settle)
        } else {
            go(State::Expired { at: context.now }, Settle)
        }
    };
    let doubt = |attempt, resent| {
        let strategy = context.in_doubt;
        let state = State::InDoubt { attempt, since: context.now, probes: 0, strategy, resent };
        go(state, Probe { after: context.policy.doubt_wait })
    };
    let accepted =
        |id, by, resent| go(State::Accepted { id, at: context.now, by, resent, followed: 0 }, Settle);
    let parked = |reason: String| go(State::Parked { reason }, Settle);

    match (state, event) {
        // What may be at MESH is never reported as refused or withdrawn because of what is left of it here.
        (state, Event::Unusable(_) | Event::Withdrawn) if may_be_delivered(state) => {
            parked(unknown_whether(state, "it was taken away, changed or too late while it was being sent"))
        }
        (state, Event::Unusable(rejection)) if !state.is_end() => go(State::Rejected(rejection), Settle),
        (state, Event::Withdrawn) if !state.is_end() => {
            go(State::Cancelled { by: BY_SOURCE.to_owned() }, Settle)
        }

        // MESH takes nothing now. One whose time is up has been tried, or could not be.
        (&State::Received { attempts, resent }, Event::NotApplied { after }) => {
            failed(attempts, resent, after)
        }
        (&State::Received { attempts, resent }, Event::Start { of, .. }) => {
            go(State::Sending { attempt: attempts + 1, of, resent }, Post)
        }

        (&State::Sending { of: 1, resent, .. }, Event::Taken { id, .. }) => {
            accepted(id, Evidence::Answer, resent)
        }
        (&State::Sending { attempt, of, resent }, Event::Taken { id, chunk_bytes }) => {
            let state = State::Uploading { attempt, id, taken: 1, of, chunk_bytes, resent };
            go(state, PostChunk { index: 2 })
        }
        // An attempt before may have arrived, and nobody could be asked: that MESH refuses this one says nothing of it.
        (
            State::Sending { resent: Resent::Blindly, .. } | State::Uploading { resent: Resent::Blindly, .. },
            Event::Refused(_),
        ) => parked(unknown_whether(state, "MESH refused it when it was sent once more")),
        (State::Sending { .. }, Event::Refused(rejection)) => go(State::Rejected(rejection), Settle),
        (&State::Sending { attempt, resent, .. }, Event::NotApplied { after }) => {
            failed(attempt, resent, after)
        }
        // A restart finds the attempt open: the process may have died on either side of the request.
        (&State::Sending { attempt, of: 1, resent }, Event::Unclear | Event::Start { .. }) => {
            doubt(attempt, resent)
        }
        // A first chunk without its successors is never delivered, so a lost answer costs nothing (4.6, row 8).
        (&State::Sending { attempt, resent, .. }, Event::Unclear) => {
            failed(attempt, resent, context.policy.retry_first)
        }
        (&State::Sending { attempt, resent, .. }, Event::Start { of, .. }) => {
            go(State::Sending { attempt: attempt + 1, of, resent }, Post)
        }

        (
            State::Uploading { attempt, id, taken, of, chunk_bytes, resent },
            Event::Start { of: now_of, chunk_bytes: now_bytes },
        ) => {
            if (*of, *chunk_bytes) == (now_of, now_bytes) {
                go(state.clone(), PostChunk { index: taken + 1 })
            } else if may_be_delivered(state) {
                parked(unknown_whether(
                    state,
                    "the chunk size was changed before the last chunk was confirmed",
                ))
            } else {
                // The payload would be cut elsewhere than the chunks that `id` holds: begin anew.
                tracing::debug!(message_id = %id, "chunk size changed, upload begun again");
                go(State::Sending { attempt: attempt + 1, of: now_of, resent: *resent }, Post)
            }
        }
        (State::Uploading { id, taken, of, resent, .. }, Event::ChunkTaken) if taken + 1 >= *of => {
            accepted(id.clone(), Evidence::Answer, *resent)
        }
        (State::Uploading { attempt, id, taken, of, chunk_bytes, resent }, Event::ChunkTaken) => {
            let (attempt, taken, of, chunk_bytes, resent) = (*attempt, taken + 1, *of, *chunk_bytes, *resent);
            let state = State::Uploading { attempt, id: id.clone(), taken, of, chunk_bytes, resent };
            go(state, PostChunk { index: taken + 1 })
        }
        // Only the last chunk completes an upload; for an earlier one MESH and the journal disagree.
        (State::Uploading { id, taken, of, resent, .. }, Event::AlreadyComplete) if taken + 1 == *of => {
            accepted(id.clone(), Evidence::AlreadyComplete, *resent)
        }
        (State::Uploading { .. }, Event::AlreadyComplete) => go(
            State::Parked {
                reason: "MESH says that the upload is complete although chunks of it were never sent; \
                         ask the recipient what arrived before sending again"
                    .to_owned(),
            },
            Settle,
        ),
        (State::Uploading { .. }, Event::NotApplied { after }) if !context.out_of_time() => {
            // MESH keeps the chunks it has; the upload goes on where it broke.
            go(state.clone(), Defer { after })
        }
        // The last chunk may have been taken by a request whose answer was lost, and then the message is complete.
        (State::Uploading { .. }, Event::Refused(_) | Event::UploadLost | Event::NotApplied { .. })
            if may_be_delivered(state) =>
        {
            parked(unknown_whether(state, "MESH no longer takes the last chunk of the upload"))
        }
        (State::Uploading { .. }, Event::Refused(rejection)) => go(State::Rejected(rejection), Settle),
        (State::Uploading { .. }, Event::NotApplied { .. }) => go(State::Expired { at: context.now }, Settle),
        // A chunk may be posted again whatever became of it (4.6, row 10).
        (State::Uploading { .. }, Event::Unclear) => {
            go(state.clone(), Defer { after: context.policy.retry_first })
        }
        (&State::Uploading { attempt, resent, .. }, Event::UploadLost) => {
            failed(attempt, resent, context.policy.retry_first)
        }

        (State::InDoubt { .. }, Event::Start { .. }) => {
            go(state.clone(), Probe { after: context.policy.doubt_wait })
        }
        (&State::InDoubt { resent, .. }, Event::Found(id)) => accepted(id, Evidence::Probe, resent),
        (&State::InDoubt { attempt, since, probes, strategy, resent }, Event::NotFound) => {
            let probes = probes + 1;
            if probes < context.policy.doubt_probes {
                let state = State::InDoubt { attempt, since, probes, strategy, resent };
                go(state, Probe { after: context.policy.doubt_wait })
            } else if strategy == DoubtStrategy::Park {
                parked(unknown_whether(
                    state,
                    "the answer to sending was lost, MESH says that it has no such message, and no message of this \
                     route is sent twice",
                ))
            } else {
                failed(attempt, Resent::Probed.max(resent), Duration::ZERO)
            }
        }
        (&State::InDoubt { attempt, since: doubted, strategy, resent, .. }, Event::ProbeFailed) => {
            if since(doubted, context.now) < context.policy.doubt_max {
                go(state.clone(), Probe { after: context.policy.doubt_wait })
            } else if may_resend(strategy, resent) {
                failed(attempt, Resent::Blindly, Duration::ZERO)
            } else {
                let reason = "the answer to sending was lost and MESH could not be asked in time whether it \
                              has the message; track it by its local id or ask the recipient, then send \
                              again if it did not arrive";
                parked(reason.to_owned())
            }
        }
        (&State::InDoubt { attempt, strategy, resent, .. }, Event::CannotProbe) => {
            if may_resend(strategy, resent) {
                failed(attempt, Resent::Blindly, Duration::ZERO)
            } else {
                let what = "the answer to sending was lost and MESH cannot be asked about the message, because it \
                            has no local id of its own";
                parked(unknown_whether(state, what))
            }
        }

        (ended, Event::Start { .. }) if ended.is_end() => go(ended.clone(), Settle),
        (state, event) => Err(IllegalTransition { state: state.name(), event }),
    }
}

/// Whether a message may be sent again although nobody could ask about it: once, where its route says so.
fn may_resend(strategy: DoubtStrategy, resent: Resent) -> bool {
    strategy == DoubtStrategy::Resend && resent != Resent::Blindly
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: OutboundEvent = OutboundEvent::Start { of: 1, chunk_bytes: 10 };
    const START_3: OutboundEvent = OutboundEvent::Start { of: 3, chunk_bytes: 10 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).expect("a time")
    }

    fn next(state: &OutboundState, event: OutboundEvent, now: i64) -> Result<Step, IllegalTransition> {
        let policy = SendPolicy::default();
        let age = Duration::try_from(at(now).duration_since(at(0))).ok();
        let context = StepContext { now: at(now), age, policy: &policy, in_doubt: DoubtStrategy::Probe };
        step(state, event, context)
    }

    fn state(state: &OutboundState, event: OutboundEvent) -> OutboundState {
        next(state, event, 1).expect("a legal step").state
    }

    fn received(attempts: u32) -> OutboundState {
        OutboundState::Received { attempts, resent: Resent::No }
    }

    fn id() -> MessageId {
        "20260329234512345678_0A1B2C".parse().expect("an id")
    }

    fn taken() -> OutboundEvent {
        OutboundEvent::Taken { id: id(), chunk_bytes: 10 }
    }

    fn sending(of: u32) -> OutboundState {
        OutboundState::Sending { attempt: 1, of, resent: Resent::No }
    }

    fn uploading(taken: u32) -> OutboundState {
        OutboundState::Uploading { attempt: 1, id: id(), taken, of: 3, chunk_bytes: 10, resent: Resent::No }
    }

    #[test]
    fn what_may_have_arrived_before_is_never_reported_as_not_sent() {
        let again = OutboundState::Received { attempts: 1, resent: Resent::Blindly };
        let rejection = Rejection {
            event: "TRANSFER".to_owned(),
            code: "too-late".to_owned(),
            description: String::new(),
            message_id: None,
        };
        for event in [OutboundEvent::Withdrawn, OutboundEvent::Unusable(rejection)] {
            assert!(matches!(state(&again, event), OutboundState::Parked { .. }));
        }
        let late = OutboundEvent::NotApplied { after: Duration::ZERO };
        let much_later = 100 * 24 * 60 * 60;
        let parked = next(&again, late, much_later).expect("a legal step").state;
        assert!(matches!(parked, OutboundState::Parked { .. }), "{parked:?}");
    }

    fn doubted(probes: u32, strategy: DoubtStrategy, resent: Resent) -> OutboundState {
        OutboundState::InDoubt { attempt: 1, since: at(1), probes, strategy, resent }
    }

    fn in_doubt(probes: u32) -> OutboundState {
        doubted(probes, DoubtStrategy::Probe, Resent::No)
    }

    #[test]
    fn intent_is_recorded_before_the_post() {
        let first = next(&received(0), START, 1).expect("a step");
        assert_eq!((first.state, first.effect), (sending(1), OutboundEffect::Post));
    }

    #[test]
    fn a_single_message_is_accepted_by_its_answer_and_a_chunked_one_by_its_last_chunk() {
        assert!(matches!(state(&sending(1), taken()), OutboundState::Accepted { .. }));
        assert_eq!(state(&sending(3), taken()), uploading(1));
        assert_eq!(state(&uploading(1), OutboundEvent::ChunkTaken), uploading(2));
        assert!(matches!(state(&uploading(2), OutboundEvent::ChunkTaken), OutboundState::Accepted { .. }));
        assert!(matches!(
            state(&uploading(2), OutboundEvent::AlreadyComplete),
            OutboundState::Accepted { .. }
        ));
        assert!(matches!(state(&uploading(1), OutboundEvent::AlreadyComplete), OutboundState::Parked { .. }));
    }

    #[test]
    fn an_unclear_single_post_is_doubted_never_repeated() {
        for event in [OutboundEvent::Unclear, START] {
            let doubt = next(&sending(1), event, 1).expect("a step");
            assert!(matches!(doubt.state, OutboundState::InDoubt { .. }));
            assert!(matches!(doubt.effect, OutboundEffect::Probe { .. }));
        }
    }

    #[test]
    fn an_unclear_first_chunk_may_be_repeated_because_an_orphan_is_never_delivered() {
        assert_eq!(state(&sending(3), OutboundEvent::Unclear), received(1));
        assert_eq!(
            state(&sending(3), START_3),
            OutboundState::Sending { attempt: 2, of: 3, resent: Resent::No }
        );
    }

    #[test]
    fn an_upload_goes_on_where_it_broke_unless_it_would_be_cut_differently() {
        let again = next(&uploading(2), START_3, 1).expect("a step");
        assert_eq!((again.state, again.effect), (uploading(2), OutboundEffect::PostChunk { index: 3 }));
        let other = OutboundEvent::Start { of: 3, chunk_bytes: 11 };
        assert_eq!(
            state(&uploading(1), other),
            OutboundState::Sending { attempt: 2, of: 3, resent: Resent::No }
        );
        let lost = state(&uploading(1), OutboundEvent::UploadLost);
        assert_eq!(lost, received(1));
    }

    #[test]
    fn a_doubt_ends_by_proof_or_by_a_person() {
        assert!(matches!(state(&in_doubt(0), OutboundEvent::Found(id())), OutboundState::Accepted { .. }));
        assert_eq!(state(&in_doubt(0), OutboundEvent::NotFound), in_doubt(1));
        let again = OutboundState::Received { attempts: 1, resent: Resent::Probed };
        assert_eq!(state(&in_doubt(1), OutboundEvent::NotFound), again);
        assert!(matches!(state(&in_doubt(0), OutboundEvent::CannotProbe), OutboundState::Parked { .. }));
        assert_eq!(state(&in_doubt(0), OutboundEvent::ProbeFailed), in_doubt(0));
        let late = next(&in_doubt(0), OutboundEvent::ProbeFailed, 700).expect("a step");
        assert!(matches!(late.state, OutboundState::Parked { .. }), "a doubt is parked within ten minutes");
    }

    #[test]
    fn a_route_may_ask_for_one_marked_repeat_or_for_none_at_all() {
        use OutboundEvent::{CannotProbe, NotFound, ProbeFailed};
        let again = |resent| OutboundState::Received { attempts: 1, resent };
        let resend = doubted(1, DoubtStrategy::Resend, Resent::No);
        assert_eq!(state(&resend, NotFound), again(Resent::Probed));
        assert_eq!(state(&resend, CannotProbe), again(Resent::Blindly));
        let late = next(&resend, ProbeFailed, 700).expect("a step");
        assert_eq!(late.state, again(Resent::Blindly));
        let twice = doubted(1, DoubtStrategy::Resend, Resent::Blindly);
        assert!(matches!(state(&twice, CannotProbe), OutboundState::Parked { .. }), "once, not for ever");
        assert_eq!(state(&twice, NotFound), again(Resent::Blindly), "the mark stays");

        let park = doubted(1, DoubtStrategy::Park, Resent::No);
        for event in [NotFound, CannotProbe] {
            assert!(matches!(state(&park, event), OutboundState::Parked { .. }));
        }
        let found = state(&park, OutboundEvent::Found(id()));
        assert!(matches!(found, OutboundState::Accepted { by: Evidence::Probe, .. }));
    }

    #[test]
    fn the_mark_of_a_repeat_stays_to_the_end() {
        let resent = Resent::Blindly;
        let sending = state(&OutboundState::Received { attempts: 1, resent }, START);
        assert_eq!(sending, OutboundState::Sending { attempt: 2, of: 1, resent });
        assert!(matches!(state(&sending, taken()), OutboundState::Accepted { resent: Resent::Blindly, .. }));
    }

    #[test]
    fn a_message_that_is_never_taken_expires() {
        let late = 73 * 60 * 60;
        let fresh = received(3);
        for (state, event) in [
            (&fresh, OutboundEvent::NotApplied { after: Duration::ZERO }),
            (&sending(1), OutboundEvent::NotApplied { after: Duration::ZERO }),
            (&uploading(1), OutboundEvent::NotApplied { after: Duration::ZERO }),
        ] {
            let step = next(state, event, late).expect("a step");
            assert!(matches!(step.state, OutboundState::Expired { .. }));
        }
    }

    #[test]
    fn what_may_be_at_mesh_is_parked_when_its_files_are_gone_and_the_rest_is_ended() {
        let rejection = Rejection {
            event: "COLLECT".to_owned(),
            code: "02".to_owned(),
            description: String::new(),
            message_id: None,
        };
        let unusable = OutboundEvent::Unusable(rejection.clone());
        for state in [sending(1), uploading(2), in_doubt(0)] {
            for event in [unusable.clone(), OutboundEvent::Withdrawn] {
                let step = next(&state, event, 1).expect("a step");
                assert!(matches!(step.state, OutboundState::Parked { .. }), "{state:?}");
            }
        }
        for state in [received(1), sending(3), uploading(1)] {
            let refused = next(&state, unusable.clone(), 1).expect("a step").state;
            assert_eq!(refused, OutboundState::Rejected(rejection.clone()));
            let withdrawn = next(&state, OutboundEvent::Withdrawn, 1).expect("a step").state;
            assert!(matches!(withdrawn, OutboundState::Cancelled { .. }));
        }
    }

    #[test]
    fn the_last_chunk_is_never_taken_for_undone() {
        let lost = next(&uploading(2), OutboundEvent::UploadLost, 1).expect("a step");
        assert!(matches!(lost.state, OutboundState::Parked { .. }));
        let late = 73 * 60 * 60;
        let expired = next(&uploading(2), OutboundEvent::NotApplied { after: Duration::ZERO }, late);
        assert!(matches!(expired.expect("a step").state, OutboundState::Parked { .. }));
    }

    #[test]
    fn an_end_stays_an_end() {
        let accepted = OutboundState::Accepted {
            id: id(),
            at: at(0),
            by: Evidence::Answer,
            resent: Resent::No,
            followed: 0,
        };
        let again = next(&accepted, START, 1).expect("a step");
        assert_eq!((again.state, again.effect), (accepted.clone(), OutboundEffect::Settle));
        for event in [OutboundEvent::Unclear, OutboundEvent::NotFound, taken(), OutboundEvent::ChunkTaken] {
            assert!(next(&accepted, event, 1).is_err());
        }
    }

    #[test]
    fn only_a_doubt_is_probed() {
        for state in [sending(1), uploading(1), received(0)] {
            for event in [OutboundEvent::Found(id()), OutboundEvent::NotFound, OutboundEvent::CannotProbe] {
                assert!(next(&state, event, 1).is_err());
            }
        }
    }
}
