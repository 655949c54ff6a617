//! What becomes of a message after MESH has taken it: a pure function, as [`crate::step`] is for the way there.
//!
//! MESH reports what it could not deliver, and says on request whether a message was collected. It asks not to be asked
//! often, so the looks are sparse (`queue-bridging.md` 4.1).

use jiff::{SignedDuration, Timestamp};
use mesh_api::MessageId;

use crate::state::{Evidence, OutboundState, Rejection, Resent};

/// One look after an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Hours after MESH took it.
    pub hours: i64,
    /// Whether a message that is not collected by then is worth a warning.
    pub warn: bool,
}

/// When an accepted message is looked after. MESH keeps a message for five days and reports it then; a day after that,
/// nothing more can be expected.
pub const LOOKS: [Look; 8] = [
    Look { hours: 1, warn: false },
    Look { hours: 6, warn: false },
    Look { hours: 24, warn: true },
    Look { hours: 48, warn: false },
    Look { hours: 72, warn: true },
    Look { hours: 96, warn: true },
    Look { hours: 120, warn: false },
    Look { hours: 144, warn: false },
];

/// What a look or a report showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowEvent {
    /// MESH was asked: the message still waits to be collected.
    NotCollected,
    /// MESH was not asked, because its mailbox is not tracked.
    NotAsked,
    /// MESH was asked: the recipient collected it.
    Collected,
    /// MESH could not deliver it, or nobody collected it.
    Reported {
        /// The id that MESH gave the message.
        id: MessageId,
        /// Why.
        report: Rejection,
    },
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// To be committed, if it is another one than before.
    pub state: OutboundState,
    /// What happened, in words for people.
    pub note: String,
    /// Whether someone should look into it.
    pub warn: bool,
}

/// When a message is to be looked after next. `None`: never again by itself.
pub fn due(state: &OutboundState) -> Option<Timestamp> {
    let OutboundState::Accepted { at, followed, .. } = state else { return None };
    let look = LOOKS.get(usize::try_from(*followed).ok()?)?;
    at.checked_add(SignedDuration::from_hours(look.hours)).ok()
}

/// Decides what a look or a report means for a message. `None`: it changes nothing.
pub fn follow(state: &OutboundState, event: FollowEvent, now: Timestamp) -> Option<Followed> {
    use OutboundState as State;

    let undelivered = |id, report: Rejection, before: &str| {
        // The description is MESH's free text: it stays in the state and reaches no log.
        let note = format!("{before}: {} {}", report.event, report.code).trim_end().to_owned();
        Some(Followed { state: State::Undelivered { id, report }, note, warn: true })
    };
    match (state, event) {
        (State::Accepted { id, .. } | State::UnknownOutcome { id, .. }, FollowEvent::Collected) => {
            let state = State::Acknowledged { id: id.clone(), at: now };
            Some(Followed { state, note: "the recipient collected it".to_owned(), warn: false })
        }
        (State::Accepted { .. } | State::UnknownOutcome { .. }, FollowEvent::Reported { id, report }) => {
            undelivered(id, report, "MESH reports that it was not delivered")
        }
        // A report on a message that nobody was sure of shows that it had arrived.
        (State::InDoubt { .. } | State::Parked { .. }, FollowEvent::Reported { id, report }) => {
            undelivered(id, report, "MESH had taken it after all and reports that it was not delivered")
        }
        (
            State::Accepted { id, at, by, resent, followed },
            event @ (FollowEvent::NotCollected | FollowEvent::NotAsked),
        ) => Some(looked(id, *at, *by, *resent, *followed, event == FollowEvent::NotCollected, now)),
        _ => None,
    }
}

fn looked(
    id: &MessageId,
    at: Timestamp,
    by: Evidence,
    resent: Resent,
    followed: u32,
    asked: bool,
    now: Timestamp,
) -> Followed {
    // The looks that went by unseen, while the relay was stopped say, are done by this one.
    let passed =
        |look: &Look| at.checked_add(SignedDuration::from_hours(look.hours)).is_ok_and(|time| time <= now);
    let done = LOOKS.iter().take_while(|look| passed(look)).count().max(followed as usize + 1);
    let new = LOOKS.get(followed as usize..done.min(LOOKS.len())).unwrap_or_default();
    let warn = asked && new.iter().any(|look| look.warn);
    let hours = new.last().map_or(0, |look| look.hours);
    if done >= LOOKS.len() {
        let state = OutboundState::UnknownOutcome { id: id.clone(), at: now };
        let note = format!(
            "{hours} h after MESH took it, neither its collection nor a report is known; ask the recipient"
        );
        return Followed { state, note, warn: true };
    }
    let note = if asked {
        format!("not collected {hours} h after MESH took it")
    } else {
        format!("no report {hours} h after MESH took it")
    };
    let followed = u32::try_from(done).unwrap_or(u32::MAX);
    let state = OutboundState::Accepted { id: id.clone(), at, by, resent, followed };
    Followed { state, note, warn }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + hours * 3600).expect("a time")
    }

    fn id() -> MessageId {
        "20260329234512345678_0A1B2C".parse().expect("an id")
    }

    fn accepted(followed: u32) -> OutboundState {
        OutboundState::Accepted { id: id(), at: at(0), by: Evidence::Answer, resent: Resent::No, followed }
    }

    fn report() -> FollowEvent {
        let report = Rejection {
            event: "SEND".to_owned(),
            code: "14".to_owned(),
            description: "Message not collected".to_owned(),
            message_id: None,
        };
        FollowEvent::Reported { id: id(), report }
    }

    #[test]
    fn the_looks_are_sparse_and_warn_when_nobody_collects() {
        let mut state = accepted(0);
        let mut warned = Vec::new();
        let mut looked = Vec::new();
        while let Some(time) = due(&state) {
            let hours = (time.as_second() - at(0).as_second()) / 3600;
            looked.push(hours);
            let followed = follow(&state, FollowEvent::NotCollected, time).expect("a change");
            if followed.warn {
                warned.push(hours);
            }
            state = followed.state;
        }
        assert_eq!(looked, [1, 6, 24, 48, 72, 96, 120, 144]);
        assert_eq!(warned, [24, 72, 96, 144]);
        assert_eq!(state, OutboundState::UnknownOutcome { id: id(), at: at(144) });
    }

    #[test]
    fn after_a_long_stop_one_look_does_for_all_that_were_missed() {
        let followed = follow(&accepted(1), FollowEvent::NotCollected, at(80)).expect("a change");
        assert_eq!((followed.state, followed.warn), (accepted(5), true));
        assert_eq!(followed.note, "not collected 72 h after MESH took it");
    }

    #[test]
    fn what_was_not_asked_is_not_claimed() {
        let followed = follow(&accepted(2), FollowEvent::NotAsked, at(24)).expect("a change");
        assert!(!followed.warn && followed.note.starts_with("no report"), "{followed:?}");
    }

    #[test]
    fn reports_and_collections_end_it_even_when_they_are_late() {
        let unknown = OutboundState::UnknownOutcome { id: id(), at: at(150) };
        for state in [accepted(0), unknown] {
            let followed = follow(&state, report(), at(160)).expect("a change");
            assert!(matches!(followed.state, OutboundState::Undelivered { .. }) && followed.warn);
            assert!(due(&followed.state).is_none());
            let followed = follow(&state, FollowEvent::Collected, at(160)).expect("a change");
            assert!(matches!(followed.state, OutboundState::Acknowledged { .. }) && !followed.warn);
            assert_eq!(follow(&followed.state, report(), at(170)), None, "what was collected was delivered");
        }
    }

    #[test]
    fn a_report_settles_what_nobody_was_sure_of_and_nothing_else() {
        let parked = OutboundState::Parked { reason: "in doubt".to_owned() };
        let followed = follow(&parked, report(), at(1)).expect("a change");
        assert!(matches!(followed.state, OutboundState::Undelivered { .. }));
        let sending = OutboundState::Sending { attempt: 1, of: 1, resent: Resent::No };
        assert_eq!(follow(&sending, report(), at(1)), None);
        assert_eq!(follow(&parked, FollowEvent::NotCollected, at(1)), None);
    }
}
