//! Incidents: what is wrong for longer than a moment, as one beginning and one end, however often it was met in between.
//!
//! [`Incidents`] is a pure function of what was seen and when: a condition that holds for its bound opens an incident, one
//! that is gone for the bound of clearing closes it. What grows graver, such as a certificate with ever fewer days, is told
//! again at each of its levels, as the same incident.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How long a condition must be gone before its incident is over, unless configured.
pub const CLEAR: Duration = Duration::from_secs(2 * 60);
/// Days before a certificate's end at which that is told.
pub const CERTIFICATE_DAYS: [u32; 5] = [60, 30, 14, 7, 1];
/// Hours at which it is told that a message was not collected.
pub const UNCOLLECTED_HOURS: [u32; 3] = [24, 72, 96];

/// A kind of incident. A closed set: names in metrics and alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// A mailbox cannot be used at MESH, which does not answer or is in trouble.
    MeshUnreachable,
    /// MESH refuses a mailbox's credentials, or one side the other's certificate.
    CredentialsRefused,
    /// A certificate ends soon, or has ended.
    CertificateEnds,
    /// An adapter cannot take messages.
    AdapterNotReady,
    /// A pump stands still.
    PumpStalled,
    /// The oldest message of a mailbox waits too long.
    MessageWaits,
    /// Messages are in doubt.
    InDoubt,
    /// Messages are parked, and wait for a person.
    Parked,
    /// Messages failed.
    Undelivered,
    /// A partner does not collect its messages.
    Uncollected,
    /// The journal takes no commits.
    JournalFailing,
    /// A disk that the relay writes to is nearly full.
    DiskNearlyFull,
    /// The clock is not that of MESH.
    ClockWrong,
    /// A system cannot be told what became of its messages.
    EventsNotTold,
}

impl IncidentKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::MeshUnreachable,
        Self::CredentialsRefused,
        Self::CertificateEnds,
        Self::AdapterNotReady,
        Self::PumpStalled,
        Self::MessageWaits,
        Self::InDoubt,
        Self::Parked,
        Self::Undelivered,
        Self::Uncollected,
        Self::JournalFailing,
        Self::DiskNearlyFull,
        Self::ClockWrong,
        Self::EventsNotTold,
    ];

    /// Its name, as metrics, alerts and the configuration have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MeshUnreachable => "mesh-unreachable",
            Self::CredentialsRefused => "credentials-refused",
            Self::CertificateEnds => "certificate-ends",
            Self::AdapterNotReady => "adapter-not-ready",
            Self::PumpStalled => "pump-stalled",
            Self::MessageWaits => "message-waits",
            Self::InDoubt => "in-doubt",
            Self::Parked => "parked",
            Self::Undelivered => "undelivered",
            Self::Uncollected => "uncollected",
            Self::JournalFailing => "journal-failing",
            Self::DiskNearlyFull => "disk-nearly-full",
            Self::ClockWrong => "clock-wrong",
            Self::EventsNotTold => "events-not-told",
        }
    }

    /// Whether every instance on one journal sees the same, so that one of them tells it.
    pub fn is_shared(self) -> bool {
        matches!(
            self,
            Self::MessageWaits | Self::InDoubt | Self::Parked | Self::Undelivered | Self::Uncollected
        )
    }

    /// How long its condition must hold before it is an incident, unless configured. Of a message that waits it is the wait.
    pub fn usual_bound(self) -> Duration {
        const MINUTE: u64 = 60;
        Duration::from_secs(match self {
            // What people see is late, or lost, as it is.
            Self::CertificateEnds | Self::Parked | Self::Undelivered | Self::Uncollected => 0,
            // It has stood still for its bound already.
            Self::PumpStalled => 0,
            Self::CredentialsRefused => MINUTE,
            Self::JournalFailing | Self::ClockWrong | Self::AdapterNotReady => 2 * MINUTE,
            Self::DiskNearlyFull | Self::EventsNotTold | Self::MeshUnreachable => 10 * MINUTE,
            // After ten minutes a doubt is parked.
            Self::InDoubt => 15 * MINUTE,
            Self::MessageWaits => 60 * MINUTE,
        })
    }
}

/// A text that names no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no incident is of this kind")]
pub struct NoSuchKind;

impl FromStr for IncidentKind {
    type Err = NoSuchKind;

    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(NoSuchKind)
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// From when on something is an incident, and when it is none any more.
#[derive(Debug, Clone)]
pub struct Limits {
    after: BTreeMap<IncidentKind, Duration>,
    /// How long a condition must be gone.
    pub clear: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { after: BTreeMap::new(), clear: CLEAR }
    }
}

impl Limits {
    /// A bound in place of the usual one.
    pub fn set(&mut self, kind: IncidentKind, after: Duration) {
        self.after.insert(kind, after);
    }

    /// How long a condition of this kind must hold.
    pub fn after(&self, kind: IncidentKind) -> Duration {
        self.after.get(&kind).copied().unwrap_or_else(|| kind.usual_bound())
    }
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What kind of thing.
    pub kind: IncidentKind,
    /// What it is about: a mailbox, an adapter, a certificate. The same as long as it is the same incident. Holds nothing of a
    /// message.
    pub about: String,
    /// How far it has come, where that has levels: the higher the graver. Else 0.
    pub level: u32,
    /// Whether messages may be standing still because of it.
    pub grave: bool,
    /// What it is and what to do. Holds nothing of a message.
    pub text: String,
}

/// What an incident is of: kind, and what it is about.
pub type Key = (IncidentKind, String);

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id: of its kind, what it is about, and when it began.
    pub id: String,
    /// Its kind.
    pub kind: IncidentKind,
    /// As [`Condition::about`].
    pub about: String,
    /// When it opened.
    pub opened_at: Timestamp,
    /// As [`Condition::level`].
    pub level: u32,
    /// As [`Condition::grave`].
    pub grave: bool,
    /// As [`Condition::text`]; what was last seen.
    pub text: String,
}

impl Incident {
    fn key(&self) -> Key {
        (self.kind, self.about.clone())
    }
}

/// An incident as the journal keeps it until its end was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIncident {
    /// Whose it is: an instance's own, by its name; empty for what all instances share.
    pub owner: String,
    /// The incident.
    pub incident: Incident,
    /// The level up to which people's alerting was told, if it was told at all.
    pub told: Option<u32>,
    /// When it ended, if it has.
    pub cleared_at: Option<Timestamp>,
}

/// What an alert says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// It has begun.
    Opened,
    /// It has become graver.
    Worse,
    /// It is over.
    Cleared,
}

impl Telling {
    /// Its name in alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worse => "worse",
            Self::Cleared => "cleared",
        }
    }
}

/// The incidents that one watch sees.
#[derive(Debug, Default)]
pub struct Incidents {
    limits: Limits,
    /// Since when conditions hold that are no incidents yet.
    held: BTreeMap<Key, Instant>,
    open: BTreeMap<Key, Open>,
}

#[derive(Debug)]
struct Open {
    incident: Incident,
    /// Since when its condition is gone.
    gone: Option<Instant>,
}

impl Incidents {
    /// With those that an earlier run left open: they are not opened again, and are over once they are gone for their bound.
    pub fn new(limits: Limits, left: impl IntoIterator<Item = Incident>) -> Self {
        let open = |incident: Incident| (incident.key(), Open { incident, gone: None });
        Self { limits, held: BTreeMap::new(), open: left.into_iter().map(open).collect() }
    }

    /// Takes in what was seen, and says what that changes. `judged` says of what anything could be seen: what could not be
    /// looked at neither begins nor ends. `now` counts, `at` is what people read.
    pub fn observe(
        &mut self,
        now: Instant,
        at: Timestamp,
        seen: Vec<Condition>,
        judged: impl Fn(&Key) -> bool,
    ) -> Vec<(Telling, Incident)> {
        let mut changes = Vec::new();
        let mut here: BTreeMap<Key, Condition> = BTreeMap::new();
        for condition in seen {
            let key = (condition.kind, condition.about.clone());
            if !judged(&key) {
                continue;
            }
            // Two of the same are one, the graver.
            match here.get(&key) {
                Some(known) if known.level >= condition.level => {}
                _ => {
                    here.insert(key, condition);
                }
            }
        }
        self.held.retain(|key, _| here.contains_key(key) || !judged(key));
        for (key, condition) in &here {
            if let Some(open) = self.open.get_mut(key) {
                open.gone = None;
                open.incident.text.clone_from(&condition.text);
                open.incident.grave = condition.grave;
                if condition.level > open.incident.level {
                    open.incident.level = condition.level;
                    changes.push((Telling::Worse, open.incident.clone()));
                }
                continue;
            }
            let since = *self.held.entry(key.clone()).or_insert(now);
            // Of a message that waits, the wait itself is the bound.
            let bound = match key.0 {
                IncidentKind::MessageWaits => Duration::ZERO,
                kind => self.limits.after(kind),
            };
            if now.saturating_duration_since(since) >= bound {
                self.held.remove(key);
                let Condition { kind, about, level, grave, text } = condition.clone();
                let place: String =
                    about.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                let id = format!("{kind}/{place}/{}", at.as_millisecond());
                let incident = Incident { id, kind, about, opened_at: at, level, grave, text };
                self.open.insert(key.clone(), Open { incident: incident.clone(), gone: None });
                changes.push((Telling::Opened, incident));
            }
        }
        let clear = self.limits.clear;
        self.open.retain(|key, open| {
            if here.contains_key(key) || !judged(key) {
                return true;
            }
            let gone = *open.gone.get_or_insert(now);
            let is_over = now.saturating_duration_since(gone) >= clear;
            if is_over {
                changes.push((Telling::Cleared, open.incident.clone()));
            }
            !is_over
        });
        changes
    }

    /// Those that are open.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values().map(|open| &open.incident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn condition(kind: IncidentKind, about: &str) -> Condition {
        Condition {
            kind,
            about: about.to_owned(),
            level: 0,
            grave: true,
            text: "what and what to do".to_owned(),
        }
    }

    struct Watch {
        incidents: Incidents,
        start: Instant,
        opened: u32,
        cleared: u32,
        worse: u32,
    }

    impl Watch {
        fn new(left: Vec<Incident>) -> Self {
            let incidents = Incidents::new(Limits::default(), left);
            Self { incidents, start: Instant::now(), opened: 0, cleared: 0, worse: 0 }
        }

        fn see(&mut self, second: u64, seen: Vec<Condition>) {
            self.see_of(second, seen, |_| true);
        }

        fn see_of(&mut self, second: u64, seen: Vec<Condition>, judged: impl Fn(&Key) -> bool) {
            let at = Timestamp::from_second(1_800_000_000 + second as i64).expect("a time");
            for (telling, _) in self.incidents.observe(self.start + SECOND * second as u32, at, seen, judged)
            {
                match telling {
                    Telling::Opened => self.opened += 1,
                    Telling::Worse => self.worse += 1,
                    Telling::Cleared => self.cleared += 1,
                }
            }
        }
    }

    #[test]
    fn names_lead_back_to_kinds() {
        for kind in IncidentKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.as_str(), "as the journal keeps it");
        }
    }

    #[tokio::test]
    async fn ten_thousand_failures_of_one_cause_are_one_incident() {
        let mut watch = Watch::new(Vec::new());
        for second in 0..10_000 {
            let mut seen = condition(IncidentKind::MeshUnreachable, "X26ABC1");
            // Each failure says something else, and every seventh look finds it well for a moment.
            seen.text = format!("failure {second}");
            let well = second > 1000 && second % 7 == 0;
            watch.see(second, if well { Vec::new() } else { vec![seen] });
        }
        assert_eq!((watch.opened, watch.cleared), (1, 0));
        watch.see(10_001, Vec::new());
        watch.see(10_119, Vec::new());
        assert_eq!(watch.cleared, 0, "not gone for long enough");
        watch.see(10_121, Vec::new());
        watch.see(20_000, Vec::new());
        assert_eq!((watch.opened, watch.cleared, watch.worse), (1, 1, 0));
    }

    #[tokio::test]
    async fn a_moment_is_no_incident() {
        let mut watch = Watch::new(Vec::new());
        for minute in 0..100 {
            watch.see(minute * 60, vec![condition(IncidentKind::MeshUnreachable, "X26ABC1")]);
            watch.see(minute * 60 + 30, Vec::new());
        }
        assert_eq!((watch.opened, watch.cleared), (0, 0));
    }

    #[tokio::test]
    async fn what_grows_graver_is_told_again_and_ends_once() {
        let mut watch = Watch::new(Vec::new());
        let ends = |level| Condition { level, ..condition(IncidentKind::CertificateEnds, "MESH") };
        for (second, level) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 3)] {
            watch.see(second, vec![ends(level)]);
        }
        assert_eq!((watch.opened, watch.worse, watch.cleared), (1, 2, 0));
        watch.see(10, Vec::new());
        watch.see(1_000, Vec::new());
        assert_eq!((watch.opened, watch.worse, watch.cleared), (1, 2, 1));
    }

    #[tokio::test]
    async fn what_a_start_finds_open_is_not_opened_again() {
        let mut before = Watch::new(Vec::new());
        before.see(0, vec![condition(IncidentKind::Parked, "to MESH")]);
        let left: Vec<Incident> = before.incidents.open().cloned().collect();
        assert_eq!(left.len(), 1);
        let mut after = Watch::new(left);
        after.see(0, vec![condition(IncidentKind::Parked, "to MESH")]);
        after.see(1, Vec::new());
        after.see(500, Vec::new());
        assert_eq!((after.opened, after.cleared), (0, 1));
    }

    #[tokio::test]
    async fn what_could_not_be_looked_at_neither_begins_nor_ends() {
        let mut watch = Watch::new(Vec::new());
        let parked = || vec![condition(IncidentKind::Parked, "to MESH")];
        watch.see(0, parked());
        for second in 1..1_000 {
            watch.see_of(second, Vec::new(), |key| key.0 == IncidentKind::JournalFailing);
        }
        assert_eq!((watch.opened, watch.cleared), (1, 0));
        watch.see(1_001, parked());
        assert_eq!((watch.opened, watch.cleared), (1, 0));
    }
}
