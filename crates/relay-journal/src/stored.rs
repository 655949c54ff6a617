//! What both engines store alike: kinds by their names, and lengths of time as whole microseconds.

use std::time::Duration;

use jiff::Timestamp;
use mesh_api::MailboxId;
use relay_core::search::{TRAFFIC_STRETCH_MIN, TRAFFIC_STRETCHES_MAX};
use relay_core::{DeedKind, OpenIncident, OutboundState, Pausable};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

/// The kind of deed with this name.
pub(crate) fn deed_kind(name: &str) -> Option<DeedKind> {
    let name: StrDeserializer<'_, Error> = name.into_deserializer();
    DeedKind::deserialize(name).ok()
}

/// An incident as it is kept.
pub(crate) fn of_incident(kept: &OpenIncident) -> Option<String> {
    serde_json::to_string(kept).ok()
}

/// The same back.
pub(crate) fn incident(entry: &str) -> Option<OpenIncident> {
    serde_json::from_str(entry).ok()
}

/// What is paused, as kind and name.
pub(crate) fn of_pausable(what: &Pausable) -> (&'static str, &str) {
    match what {
        Pausable::Mailbox(mailbox) => ("mailbox", mailbox.as_str()),
        Pausable::Adapter(adapter) => ("adapter", adapter),
    }
}

/// The same back.
pub(crate) fn pausable(kind: &str, name: &str) -> Option<Pausable> {
    match kind {
        "mailbox" => name.parse::<MailboxId>().ok().map(Pausable::Mailbox),
        "adapter" => Some(Pausable::Adapter(name.to_owned())),
        _ => None,
    }
}

/// When MESH is known to have had a message, and when it is known to have been collected, as far as a state says so.
pub(crate) fn ends_at(state: &OutboundState) -> (Option<Timestamp>, Option<Timestamp>) {
    match state {
        OutboundState::Accepted { at, .. } => (Some(*at), None),
        OutboundState::Acknowledged { at, .. } => (None, Some(*at)),
        _ => (None, None),
    }
}

/// A length of time. Longer than some 292,000 years is as good as that.
pub(crate) fn micros_of(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// A stretch in which traffic is counted. None is too short to be divided by.
pub(crate) fn stretch(length: Duration) -> i64 {
    micros_of(length.max(TRAFFIC_STRETCH_MIN))
}

/// How long an answer about traffic may be, in words.
pub(crate) fn stretches() -> String {
    format!("{TRAFFIC_STRETCHES_MAX} stretches of time each way")
}

/// A time up to which a question may last, in words.
pub(crate) fn seconds(within: Duration) -> String {
    format!("{} s", within.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_deed_is_found_by_its_name() {
        use DeedKind::*;
        let kinds = [
            Park,
            Cancel,
            Arrived,
            SendAgain,
            Resend,
            DeliverAgain,
            Pause,
            Resume,
            ListInbox,
            LookInto,
            Fetch,
            Acknowledge,
            Submit,
            NotDone,
            SignIn,
            SignInRefused,
        ];
        for kind in kinds {
            assert_eq!(deed_kind(kind.as_str()), Some(kind));
        }
        assert_eq!(deed_kind("Park"), None);
    }

    #[test]
    fn what_is_paused_comes_back_as_it_went_in() {
        let whats = [Pausable::Mailbox("X26ABC1".parse().unwrap()), Pausable::Adapter("mailbox".to_owned())];
        for what in whats {
            let (kind, name) = of_pausable(&what);
            assert_eq!(pausable(kind, name), Some(what));
        }
        assert_eq!(pausable("route", "a"), None);
    }

    #[test]
    fn a_stretch_is_never_nothing_and_never_too_long() {
        assert_eq!(stretch(Duration::ZERO), 1_000_000);
        assert_eq!(stretch(Duration::from_secs(60)), 60_000_000);
        assert_eq!(stretch(Duration::MAX), i64::MAX);
    }
}
