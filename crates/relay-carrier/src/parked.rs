//! Why a message is parked, of its recorded end.

use relay_core::{Outcome, Rejection, is_by_person, outbound};

use crate::unfit::{Reason, Unfit};

/// The event under which a message is recorded that was never sent.
const UNFIT: &str = "TRANSFER";

impl Unfit {
    /// As it is recorded.
    pub fn rejection(&self) -> Rejection {
        Rejection {
            event: UNFIT.to_owned(),
            code: self.reason.as_str().to_owned(),
            description: self.sentence.clone(),
            message_id: None,
        }
    }
}

/// Why, for programs.
pub fn reason(outcome: &Outcome) -> Reason {
    match outcome {
        Outcome::Rejected(rejection) if rejection.event == UNFIT => {
            Reason::of(&rejection.code).unwrap_or(Reason::Refused)
        }
        Outcome::Rejected(_) | Outcome::Accepted(_) => Reason::Refused,
        Outcome::Expired => Reason::Expired,
        Outcome::Cancelled { .. } => Reason::Cancelled,
        Outcome::Parked(reason) if outbound::is_other_content(reason) => Reason::OtherContent,
        Outcome::Parked(reason) if is_by_person(reason) => Reason::ByPerson,
        Outcome::Parked(_) => Reason::InDoubt,
    }
}

/// Why and what to do, for people.
pub fn description(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rejected(rejection) if rejection.event == UNFIT => rejection.description.clone(),
        Outcome::Rejected(rejection) => {
            format!("{} {}: {}", rejection.event, rejection.code, rejection.description)
        }
        Outcome::Parked(reason) => reason.clone(),
        Outcome::Expired => "MESH did not take it in time".to_owned(),
        Outcome::Accepted(_) | Outcome::Cancelled { .. } => "it was cancelled".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_sent_says_so_and_what_mesh_refused_too() {
        let unfit = Unfit { reason: Reason::Empty, sentence: "it has no body".to_owned() };
        let outcome = Outcome::Rejected(unfit.rejection());
        assert_eq!((reason(&outcome), description(&outcome).as_str()), (Reason::Empty, "it has no body"));
        let refused = Rejection { event: "SEND".to_owned(), code: "12".to_owned(), ..unfit.rejection() };
        let outcome = Outcome::Rejected(refused);
        assert_eq!(
            (reason(&outcome), description(&outcome).as_str()),
            (Reason::Refused, "SEND 12: it has no body")
        );
    }
}
