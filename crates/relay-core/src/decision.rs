//! What a person may decide about a message, as a pure function beside [`crate::step`] and [`crate::follow`]: nobody's
//! word makes a message delivered that may not be, or undelivered that may be.

use jiff::Timestamp;
use mesh_api::MessageId;
use thiserror::Error;

use crate::state::{BY_PERSON, Evidence, InboundState, OutboundState, Resent};
use crate::step::{may_be_delivered, unknown_whether};

/// With what a message is parked that a person parked, before what may follow.
const PARKED_BY_PERSON: &str = "parked by an operator";

/// Whether a message was parked by a person.
pub fn is_by_person(reason: &str) -> bool {
    reason.starts_with(PARKED_BY_PERSON)
}

/// A decision about a message on its way to MESH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Leave it to a person.
    Park,
    /// Do not send it.
    Cancel,
    /// MESH has it, under this id.
    Arrived(MessageId),
    /// It did not arrive; send it again, marked.
    SendAgain,
}

/// Where a decision puts a message, and what is noted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided<S> {
    /// The state to be committed.
    pub state: S,
    /// Who decided what, in words.
    pub note: String,
}

/// A decision that cannot be taken in the state that the message is in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NotNow(pub String);

/// Whether an attempt, this one or one before, may have arrived.
fn may_be_there(state: &OutboundState) -> bool {
    let blindly = match state {
        OutboundState::Received { resent, .. }
        | OutboundState::Sending { resent, .. }
        | OutboundState::Uploading { resent, .. } => *resent == Resent::Blindly,
        _ => false,
    };
    blindly || may_be_delivered(state)
}

fn not_now<T>(why: impl Into<String>) -> Result<T, NotNow> {
    Err(NotNow(why.into()))
}

/// Decides about an outbound message. Who decided stands with the deed, and reaches no other system.
///
/// # Errors
/// [`NotNow`] with what can be done instead.
pub fn decide(
    state: &OutboundState,
    decision: &Decision,
    now: Timestamp,
) -> Result<Decided<OutboundState>, NotNow> {
    use OutboundState as State;

    let name = state.name();
    match (decision, state) {
        (_, State::Sending { .. }) => not_now(
            "its request to MESH may be on the wire this moment; what comes of that is known within minutes, \
             so look at it again then",
        ),
        (Decision::Arrived(id), State::InDoubt { .. } | State::Parked { .. }) => {
            let resent = match state {
                State::InDoubt { resent, .. } => *resent,
                _ => Resent::No,
            };
            let (id, by_whom) = (id.clone(), Evidence::Person);
            let note = "an operator found that MESH has it".to_owned();
            let state = State::Accepted { id, at: now, by: by_whom, resent, followed: 0 };
            Ok(Decided { state, note })
        }
        (_, ended) if ended.is_end() => not_now(format!("it has ended: it is {name}")),
        (Decision::Park, open) => {
            // Told to the message's system, and logged: without what the person typed.
            let what = PARKED_BY_PERSON.to_owned();
            let reason = if may_be_there(open) { unknown_whether(open, &what) } else { what };
            Ok(Decided { state: State::Parked { reason }, note: PARKED_BY_PERSON.to_owned() })
        }
        (Decision::Cancel, open) if may_be_there(open) => {
            not_now("MESH may have it already, so it cannot be cancelled; settle the doubt, or park it")
        }
        (Decision::Cancel, _) => {
            let note = "cancelled by an operator".to_owned();
            Ok(Decided { state: State::Cancelled { by: BY_PERSON.to_owned() }, note })
        }
        (Decision::SendAgain, &State::InDoubt { attempt, .. }) => {
            let state = State::Received { attempts: attempt, resent: Resent::Blindly };
            Ok(Decided {
                state,
                note: "an operator says that it did not arrive; it is sent again".to_owned(),
            })
        }
        (Decision::SendAgain | Decision::Arrived(_), _) => {
            not_now(format!("there is no doubt about it: it is {name}"))
        }
    }
}

/// Decides that a message from MESH is to be delivered once more.
///
/// # Errors
/// [`NotNow`] when it is not parked.
pub fn deliver_again(state: &InboundState) -> Result<Decided<InboundState>, NotNow> {
    match state {
        // An attempt before may have left some or all of it with the far side.
        InboundState::Parked { .. } => Ok(Decided {
            state: InboundState::Delivering { attempt: 2 },
            note: "an operator has it delivered once more".to_owned(),
        }),
        InboundState::Listed { .. } => {
            not_now("its workflow is none that is taken here; add it to the mailbox's `workflows`")
        }
        state => not_now(format!("it is not parked: it is {}", state.name())),
    }
}

/// Decides that a message from MESH is to be left to a person.
///
/// # Errors
/// [`NotNow`] when it was delivered, or has ended.
pub fn park_inbound(state: &InboundState) -> Result<Decided<InboundState>, NotNow> {
    match state {
        InboundState::Delivering { .. } | InboundState::Listed { .. } => Ok(Decided {
            state: InboundState::Parked { reason: PARKED_BY_PERSON.to_owned() },
            note: PARKED_BY_PERSON.to_owned(),
        }),
        InboundState::Delivered { .. } => not_now("it was delivered; MESH is about to be told"),
        state => not_now(format!("it has ended: it is {}", state.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::DoubtStrategy;

    fn now() -> Timestamp {
        Timestamp::from_second(1_000_000).expect("a time")
    }

    fn id() -> MessageId {
        "20260329234512345678_0A1B2C".parse().expect("an id")
    }

    fn received(resent: Resent) -> OutboundState {
        OutboundState::Received { attempts: 1, resent }
    }

    fn uploading(taken: u32) -> OutboundState {
        OutboundState::Uploading { attempt: 1, id: id(), taken, of: 3, chunk_bytes: 10, resent: Resent::No }
    }

    fn in_doubt() -> OutboundState {
        let strategy = DoubtStrategy::Probe;
        OutboundState::InDoubt { attempt: 2, since: now(), probes: 0, strategy, resent: Resent::No }
    }

    fn parked() -> OutboundState {
        OutboundState::Parked { reason: "unclear".to_owned() }
    }

    fn all_states() -> Vec<OutboundState> {
        let rejection = crate::Rejection {
            event: "SEND".to_owned(),
            code: "12".to_owned(),
            description: String::new(),
            message_id: None,
        };
        vec![
            received(Resent::No),
            received(Resent::Blindly),
            OutboundState::Sending { attempt: 1, of: 1, resent: Resent::No },
            OutboundState::Sending { attempt: 1, of: 3, resent: Resent::No },
            uploading(1),
            uploading(2),
            in_doubt(),
            OutboundState::Accepted {
                id: id(),
                at: now(),
                by: Evidence::Answer,
                resent: Resent::No,
                followed: 0,
            },
            OutboundState::Acknowledged { id: id(), at: now() },
            OutboundState::Undelivered { id: id(), report: rejection.clone() },
            OutboundState::UnknownOutcome { id: id(), at: now() },
            OutboundState::Rejected(rejection),
            parked(),
            OutboundState::Expired { at: now() },
            OutboundState::Cancelled { by: "source".to_owned() },
        ]
    }

    #[test]
    fn only_what_cannot_be_at_mesh_is_cancelled() {
        for state in all_states() {
            let decided = decide(&state, &Decision::Cancel, now());
            let may =
                matches!(state, OutboundState::Received { resent: Resent::No, .. }) || state == uploading(1);
            assert_eq!(decided.is_ok(), may, "{state:?}");
        }
    }

    #[test]
    fn nobody_decides_about_a_request_on_the_wire_or_about_an_end() {
        let decisions = [Decision::Park, Decision::Cancel, Decision::Arrived(id()), Decision::SendAgain];
        for state in all_states() {
            for decision in &decisions {
                let decided = decide(&state, decision, now());
                let on_the_wire = matches!(state, OutboundState::Sending { .. });
                let settles =
                    matches!((decision, &state), (Decision::Arrived(_), OutboundState::Parked { .. }));
                if on_the_wire || state.is_end() && !settles {
                    assert!(decided.is_err(), "{decision:?} of {state:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_parked_says_whether_mesh_may_have_it() {
        for (state, may_be_there) in
            [(received(Resent::No), false), (uploading(1), false), (uploading(2), true), (in_doubt(), true)]
        {
            let decided = decide(&state, &Decision::Park, now()).expect("a decision");
            let OutboundState::Parked { reason } = decided.state else { panic!("parked") };
            assert!(is_by_person(&reason), "{reason}");
            assert_eq!(reason.contains("MESH may have it"), may_be_there, "{reason}");
        }
    }

    #[test]
    fn a_doubt_ends_as_the_person_found_out() {
        let arrived = decide(&in_doubt(), &Decision::Arrived(id()), now()).expect("a decision");
        assert!(matches!(arrived.state, OutboundState::Accepted { by: Evidence::Person, .. }));
        let again = decide(&in_doubt(), &Decision::SendAgain, now()).expect("a decision");
        assert_eq!(again.state, OutboundState::Received { attempts: 2, resent: Resent::Blindly });
        assert!(decide(&received(Resent::No), &Decision::SendAgain, now()).is_err());
        assert!(decide(&parked(), &Decision::SendAgain, now()).is_err(), "its source has let go of it");
    }

    #[test]
    fn a_parked_message_from_mesh_is_delivered_again_and_no_other() {
        let parked = InboundState::Parked { reason: "full".to_owned() };
        let again = deliver_again(&parked).expect("a decision");
        assert_eq!(again.state, InboundState::Delivering { attempt: 2 });
        for state in [
            InboundState::Listed { workflow: "W".to_owned() },
            InboundState::Delivering { attempt: 1 },
            InboundState::Delivered { receipt: "r".to_owned() },
            InboundState::Acknowledged,
            InboundState::Gone,
        ] {
            assert!(deliver_again(&state).is_err(), "{state:?}");
            let may = matches!(state, InboundState::Listed { .. } | InboundState::Delivering { .. });
            assert_eq!(park_inbound(&state).is_ok(), may, "{state:?}");
        }
    }
}
