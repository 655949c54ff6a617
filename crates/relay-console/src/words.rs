//! States and evidence in words for people who do not know the relay.

use jiff::Timestamp;
use relay_core::{
    DeedKind, Direction, Evidence, HistoryEntry, InboundState, OutboundState, Resent, is_by_person,
};

/// How a state is shown: a short name, what it means, and how much it wants somebody's attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateWords {
    /// The short name.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// The colour class of its tag; the name says the same.
    pub(crate) tone: &'static str,
}

/// Every state of either way by the name that the journal has for it, in the order in which they come about.
pub(crate) const STATES: [(&str, StateWords); 16] = [
    (
        "received",
        words("Waiting to be sent", "Seen here. Nothing of it is at MESH that could be delivered.", "grey"),
    ),
    ("sending", words("Being sent", "Its request to MESH may be on the wire.", "blue")),
    (
        "uploading",
        words("Being uploaded", "MESH has its first parts; it is delivered once it has all.", "blue"),
    ),
    ("in_doubt", words("In doubt", "MESH may have it: no usable answer came. MESH is asked.", "yellow")),
    (
        "accepted",
        words("Accepted by MESH", "MESH has it. It is not known to be collected yet.", "aqua-green"),
    ),
    ("acknowledged", words("Collected", "Its recipient has collected it.", "green")),
    (
        "undelivered",
        words("Not delivered", "MESH had it and could not deliver it, or nobody collected it.", "red"),
    ),
    (
        "unknown_outcome",
        words(
            "Outcome unknown",
            "MESH had it; whether it was collected never became known. Ask the recipient.",
            "orange",
        ),
    ),
    ("rejected", words("Refused", "It will never be taken as it is.", "red")),
    ("parked", words("Parked", "A person must decide.", "orange")),
    ("expired", words("Not sent in time", "MESH did not take it in time.", "red")),
    (
        "cancelled",
        words("Cancelled", "Withdrawn before anything of it was sent that could be delivered.", "grey"),
    ),
    ("listed", words("Left at MESH", "Its workflow is none that is taken here.", "grey")),
    ("delivering", words("Being delivered", "On its way from MESH to your system.", "blue")),
    ("delivered", words("Delivered, MESH not told yet", "Your system has it.", "aqua-green")),
    (
        "gone",
        words("Gone from MESH", "MESH no longer has it; another reader took it, or it expired.", "orange"),
    ),
];

const fn words(name: &'static str, meaning: &'static str, tone: &'static str) -> StateWords {
    StateWords { name, meaning, tone }
}

/// How a state is shown, by the journal's name of it.
pub(crate) fn state(name: &str) -> StateWords {
    let found = STATES.iter().find(|(known, _)| *known == name);
    found.map_or_else(
        || words("Unknown state", "This state was written by a newer release.", "grey"),
        |(_, words)| *words,
    )
}

/// How a state of a message that goes this way is shown.
pub(crate) fn state_of(name: &str, direction: Direction) -> StateWords {
    match (name, direction) {
        ("acknowledged", Direction::Inbound) => {
            words("Delivered", "It was made durable here, and MESH has let go of it.", "green")
        }
        _ => state(name),
    }
}

/// The names of states by which people search.
pub(crate) fn searchable() -> impl Iterator<Item = (&'static str, &'static str)> {
    STATES.iter().map(|(name, words)| match *name {
        "acknowledged" => ("acknowledged", "Collected, or delivered here"),
        name => (name, words.name),
    })
}

/// What shows that a message was where an entry of its history says, in words.
pub(crate) fn evidence(entry: &HistoryEntry, outbound: bool) -> String {
    let told = if outbound {
        serde_json::from_str(&entry.evidence).ok().map(|state| of_outbound(&state))
    } else {
        serde_json::from_str(&entry.evidence).ok().map(|state| of_inbound(&state))
    };
    let told = told.unwrap_or_default();
    match &entry.note {
        Some(note) if told.is_empty() => sentence(note),
        // A parked message's reason is its note as well.
        Some(note) if !told.to_lowercase().contains(&note.trim_end_matches('.').to_lowercase()) => {
            format!("{told} {}.", capital(note.trim_end_matches('.')))
        }
        _ => told,
    }
}

/// With its first letter as a sentence begins.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn attempts(number: u32) -> String {
    match number {
        0 => "No attempt was made yet.".to_owned(),
        1 => "One attempt was made.".to_owned(),
        number => format!("{number} attempts were made."),
    }
}

fn marked(resent: Resent) -> &'static str {
    match resent {
        Resent::No => "",
        Resent::Probed => {
            " An earlier attempt was in doubt; MESH said that it had nothing, so it was sent again. The recipient may have it twice."
        }
        Resent::Blindly => {
            " An earlier attempt was in doubt and was not cleared up, and it was sent again. The recipient may have it twice."
        }
    }
}

fn of_outbound(state: &OutboundState) -> String {
    match state {
        OutboundState::Received { attempts: made, resent } => {
            format!("{}{}", attempts(*made), marked(*resent))
        }
        OutboundState::Sending { attempt, of, resent } => {
            let parts = if *of > 1 { format!(" in {of} parts") } else { String::new() };
            format!("Attempt {attempt} was recorded before its first byte left{parts}.{}", marked(*resent))
        }
        OutboundState::Uploading { id, taken, of, .. } => {
            format!("MESH has {taken} of {of} parts under the id {id}.")
        }
        OutboundState::InDoubt { attempt, probes, .. } => {
            let asked = match probes {
                0 => String::new(),
                1 => " MESH was asked once and knows nothing of it.".to_owned(),
                probes => format!(" MESH was asked {probes} times and knows nothing of it."),
            };
            format!("Attempt {attempt} had no usable answer.{asked}")
        }
        OutboundState::Accepted { id, by, resent, .. } => {
            let shown = match by {
                Evidence::Answer => "MESH answered with the id",
                Evidence::AlreadyComplete => "MESH said that the upload was complete already, under the id",
                Evidence::Probe => "MESH was asked about its local id and knows it under the id",
                Evidence::Report => "MESH reported on it under the id",
                Evidence::Person => "A person found that MESH has it, and MESH confirms the id",
            };
            format!("{shown} {id}.{}", marked(*resent))
        }
        OutboundState::Acknowledged { id, .. } => {
            format!("MESH says that the recipient has acknowledged message {id}.")
        }
        OutboundState::Undelivered { report, .. } => {
            let by = report.message_id.as_ref().map_or(String::new(), |id| format!(" in report {id}"));
            format!("MESH said so{by}: {} {} {}", report.event, report.code, report.description)
        }
        OutboundState::UnknownOutcome { id, .. } => {
            format!("Six days after MESH took message {id}, neither a collection nor a report was known.")
        }
        OutboundState::Rejected(rejection) => {
            format!("{} {} {}", rejection.event, rejection.code, rejection.description)
        }
        OutboundState::Parked { reason } => parked(reason),
        OutboundState::Expired { .. } => "MESH did not take it within the configured time.".to_owned(),
        OutboundState::Cancelled { by } => match by.as_str() {
            "source" => "The system that it came from took it back.".to_owned(),
            _ => "An operator cancelled it.".to_owned(),
        },
    }
}

/// Why a message is parked. Of one that a person parked the note says so.
fn parked(reason: &str) -> String {
    let why = match is_by_person(reason) {
        true => reason.trim_start_matches("parked by an operator").trim_start_matches(", and "),
        false => reason,
    };
    if why.is_empty() { String::new() } else { sentence(why) }
}

fn of_inbound(state: &InboundState) -> String {
    match state {
        InboundState::Listed { workflow } => {
            format!("Its workflow {workflow} is not among those of the mailbox.")
        }
        InboundState::Delivering { attempt } => format!("Attempt {attempt} to deliver it."),
        InboundState::Delivered { receipt } => format!("It was made durable: {receipt}."),
        InboundState::Acknowledged => "MESH was told, and has let go of it.".to_owned(),
        InboundState::Parked { reason } => {
            format!("{} MESH still holds it.", parked(reason)).trim().to_owned()
        }
        InboundState::Gone => "MESH said that it has no such message any more.".to_owned(),
    }
}

/// What a person did, in words that stand before "by".
pub(crate) fn deed(kind: DeedKind) -> &'static str {
    match kind {
        DeedKind::Park => "parked",
        DeedKind::Cancel => "cancelled",
        DeedKind::Arrived => "found to be at MESH",
        DeedKind::SendAgain => "found not to have arrived, and sent again",
        DeedKind::Resend => "sent again as a new message",
        DeedKind::DeliverAgain => "delivered again",
        DeedKind::Pause => "paused",
        DeedKind::Resume => "resumed",
        DeedKind::ListInbox => "inbox listed",
        DeedKind::LookInto => "subject looked at",
        DeedKind::Fetch => "payload fetched",
        DeedKind::Acknowledge => "acknowledged to MESH",
        DeedKind::Submit => "handed in",
        DeedKind::NotDone => "not done after all: asked for",
        DeedKind::SignIn => "signed in",
        DeedKind::SignInRefused => "sign-in refused",
    }
}

/// What a person did, by its stored name.
pub(crate) fn deed_named(kind: &str) -> String {
    let kind = serde_json::from_value(serde_json::Value::String(kind.to_owned()));
    kind.map_or_else(|_| "Something that a newer release knows".to_owned(), |kind| capital(deed(kind)))
}

/// A text that stands in the middle of a line elsewhere, as a sentence of its own.
pub(crate) fn sentence(text: &str) -> String {
    format!("{}.", capital(text.trim_end_matches('.')))
}

/// A time as people read it, to the second, in UTC.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
}

/// How long ago something was, or how long it lasts, roughly.
pub(crate) fn roughly(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (number, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// A number of bytes as people read it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..=999 => format!("{bytes} bytes"),
        1_000..=999_999 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// A count with its noun.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rough_times_and_sizes_read_well() {
        assert_eq!(roughly(1), "1 second");
        assert_eq!(roughly(119), "119 seconds");
        assert_eq!(roughly(7_200), "2 hours");
        assert_eq!(roughly(200_000), "2 days");
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(1_500_000), "1.5 MB");
    }

    #[test]
    fn a_note_that_says_the_same_is_not_said_twice() {
        let entry = |note: &str| HistoryEntry {
            sequence: 1,
            at: Timestamp::UNIX_EPOCH,
            state: "parked".to_owned(),
            evidence: r#"{"parked":{"reason":"it is full"}}"#.to_owned(),
            note: Some(note.to_owned()),
        };
        assert_eq!(evidence(&entry("It is full"), true), "It is full.");
        assert_eq!(evidence(&entry("tried again"), true), "It is full. Tried again.");
    }
}
