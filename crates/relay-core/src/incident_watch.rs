//! Watches for incidents: one line in the log when one begins and one when it ends, one alert for each, over restarts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout};

use crate::event::TellError;
use crate::incident::{Condition, Incident, IncidentKind, Incidents, Key, Limits, OpenIncident, Telling};
use crate::journal::JournalError;
use crate::metric::INCIDENTS_OPEN;
use crate::outbound::Surroundings;
use crate::policy::backoff;
use crate::progress::PumpView;
use crate::shutdown::Shutdown;
use crate::vitals::{JournalState, Phase};

/// Pause between two looks, unless configured.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for what is wrong: a journal that hangs must not keep it from being told that it does.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// Wait after an alert was not told; doubles from there.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// Longest wait after alerts were not told.
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);

/// What is wrong now, as far as it needs more than this instance's own vitals.
#[async_trait]
pub trait Conditions: Send + Sync {
    /// All of it.
    ///
    /// # Errors
    /// When the journal cannot be asked; nothing is known then.
    async fn conditions(&self) -> Result<Seen, JournalError>;
}

/// What was seen at one look.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What is wrong.
    pub conditions: Vec<Condition>,
    /// What nothing was found out about yet: after a start, a mailbox that was not called about.
    pub unknown: Vec<Key>,
}

/// How long after a start something may be unknown without its incident being over: longer than the pause between two
/// looks into an inbox. Another instance may look after it for good.
const UNKNOWN_MAX: Duration = Duration::from_secs(30 * 60);

/// One thing that people's alerting is told.
#[derive(Debug)]
pub struct Alert<'a> {
    /// The incident.
    pub incident: &'a Incident,
    /// What of it.
    pub telling: Telling,
    /// When.
    pub at: Timestamp,
}

/// People's alerting.
#[async_trait]
pub trait AlertSink: Send + Sync {
    /// Tells it. Returns once the far side has taken it.
    ///
    /// # Errors
    /// When it has not; it is told again later.
    async fn alert(&self, alert: &Alert<'_>) -> Result<(), TellError>;
}

/// Which incidents a watch looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of this instance, by its name on the journal.
    Own(String),
    /// Those that all instances on the journal share. For one of them at a time.
    Shared,
}

impl Scope {
    fn owner(&self) -> &str {
        match self {
            Self::Own(name) => name,
            Self::Shared => "",
        }
    }

    fn takes(&self, kind: IncidentKind) -> bool {
        kind.is_shared() == (*self == Self::Shared)
    }
}

/// Watches for incidents of one scope.
pub struct IncidentWatch {
    surroundings: Surroundings,
    conditions: Arc<dyn Conditions>,
    alerts: Option<Arc<dyn AlertSink>>,
    limits: Limits,
    every: Duration,
    scope: Scope,
}

impl IncidentWatch {
    /// The name of the lease under which the shared ones are watched.
    pub const LEASE: &str = "incidents";

    /// A watch that looks each `every`. Without `alerts` incidents stand in the log, the metrics and the overview alone.
    pub fn new(
        surroundings: Surroundings,
        conditions: Arc<dyn Conditions>,
        alerts: Option<Arc<dyn AlertSink>>,
        limits: Limits,
        every: Duration,
        scope: Scope,
    ) -> Self {
        Self { surroundings, conditions, alerts, limits, every, scope }
    }

    /// Watches until shutdown. Incidents that are open then stay open in the journal, and are not told again.
    pub async fn run(&self, mut shutdown: Shutdown) {
        let Some(left) = self.left(&mut shutdown).await else { return };
        let open = left.iter().filter(|open| open.cleared_at.is_none());
        let mut incidents = Incidents::new(self.limits.clone(), open.map(|open| open.incident.clone()));
        let mut book = Book::new(left);
        let begun = Instant::now();
        let counted = Counted(&self.scope);
        while !shutdown.is_requested() {
            // What stops sees nothing any more, which is no end of what was wrong.
            if self.surroundings.vitals.phase() == Phase::Stopping {
                return shutdown.requested().await;
            }
            let (Seen { conditions, unknown }, is_whole) = self.look().await;
            let is_new = begun.elapsed() < UNKNOWN_MAX;
            let judged = |key: &Key| {
                let is_known = !is_new || !unknown.contains(key);
                self.scope.takes(key.0) && is_known && (is_whole || OWN.contains(&key.0))
            };
            let now = self.surroundings.clock.now();
            for (telling, incident) in incidents.observe(Instant::now(), now, conditions, judged) {
                say(telling, &incident);
                book.note(self.scope.owner(), telling, incident, now);
            }
            counted.set(&incidents);
            // What a stop breaks off is told by the next run.
            tokio::select! {
                () = self.settle(&mut book) => {}
                () = shutdown.requested() => {}
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = shutdown.requested() => {}
            }
        }
    }

    /// What an earlier run left. `None`: the stop came first.
    async fn left(&self, shutdown: &mut Shutdown) -> Option<Vec<OpenIncident>> {
        let mut told = false;
        loop {
            match timeout(LOOK_WITHIN, self.surroundings.journal.incidents(self.scope.owner())).await {
                Ok(Ok(left)) => return Some(left),
                Ok(Err(error)) if !told => {
                    told = true;
                    tracing::warn!(%error, "which incidents are open is not known");
                }
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = shutdown.requested() => return None,
            }
        }
    }

    /// What is wrong, and whether all of it could be looked at.
    async fn look(&self) -> (Seen, bool) {
        let conditions = own_conditions(&self.surroundings);
        let mut seen = Seen { conditions, unknown: Vec::new() };
        match timeout(LOOK_WITHIN, self.conditions.conditions()).await {
            Ok(Ok(found)) => {
                let others = found.conditions.into_iter().filter(|found| !OWN.contains(&found.kind));
                seen.conditions.extend(others);
                seen.unknown = found.unknown;
                (seen, true)
            }
            // Whether the journal fails is seen by itself.
            Ok(Err(_)) | Err(_) => (seen, false),
        }
    }

    /// Writes down what changed, and tells what is to be told; what cannot be done now is done at a later look.
    async fn settle(&self, book: &mut Book) {
        for page in book.pages.values_mut() {
            if page.is_written {
                continue;
            }
            let writing = self.surroundings.journal.put_incident(page.entry.clone());
            page.is_written = matches!(timeout(LOOK_WITHIN, writing).await, Ok(Ok(())));
        }
        let is_due = book.retry_at.is_none_or(|at| Instant::now() >= at);
        for page in book.pages.values_mut().filter(|_| is_due) {
            while let Some(telling) = page.untold() {
                let at = page.entry.cleared_at.filter(|_| telling == Telling::Cleared);
                let at = at.unwrap_or_else(|| self.surroundings.clock.now());
                let alert = Alert { incident: &page.entry.incident, telling, at };
                let told = match &self.alerts {
                    Some(alerts) => alerts.alert(&alert).await,
                    None => Ok(()),
                };
                if let Err(error) = told {
                    if book.failures == 0 {
                        tracing::warn!(%error, "an alert was not told; it is told again later");
                    }
                    book.failures += 1;
                    let chance = &*self.surroundings.chance;
                    let wait = backoff(book.failures, RETRY_FIRST, RETRY_MAX, chance);
                    book.retry_at = Some(Instant::now() + wait);
                    return;
                }
                (book.failures, book.retry_at) = (0, None);
                page.told(telling);
                let writing = self.surroundings.journal.put_incident(page.entry.clone());
                page.is_written = !page.is_over && matches!(timeout(LOOK_WITHIN, writing).await, Ok(Ok(())));
            }
        }
        for page in book.pages.values_mut().filter(|page| page.is_over) {
            let OpenIncident { owner, incident, .. } = &page.entry;
            let removing = self.surroundings.journal.remove_incident(owner, &incident.id);
            page.is_gone = matches!(timeout(LOOK_WITHIN, removing).await, Ok(Ok(())));
        }
        book.pages.retain(|_, page| !page.is_gone);
    }
}

/// What each instance sees by its own vitals, journal or not.
const OWN: [IncidentKind; 3] =
    [IncidentKind::PumpStalled, IncidentKind::JournalFailing, IncidentKind::EventsNotTold];

/// What is wrong as this instance sees it by itself, without asking anybody.
pub fn own_conditions(surroundings: &Surroundings) -> Vec<Condition> {
    let Surroundings { progress, vitals, board, clock, .. } = surroundings;
    let stalled = progress.stalled().into_iter().map(|pump| Condition {
        kind: IncidentKind::PumpStalled,
        about: format!("{} {}", pump.kind.as_str(), pump.of).trim_end().to_owned(),
        level: 0,
        grave: true,
        text: stalled(&pump, clock.now()),
    });
    let journal = match vitals.journal() {
        JournalState::Failing { what, .. } => Some(what),
        JournalState::Dead => Some("the journal's writer has ended; restart the relay".to_owned()),
        JournalState::Takes | JournalState::Unknown => None,
    };
    let journal = journal.map(|text| Condition {
        kind: IncidentKind::JournalFailing,
        about: "journal".to_owned(),
        level: 0,
        grave: true,
        text,
    });
    let untold = board.untold().into_iter().map(|(adapter, trouble)| Condition {
        kind: IncidentKind::EventsNotTold,
        about: format!("adapter {adapter}"),
        level: 0,
        grave: false,
        text: trouble.what,
    });
    stalled.chain(journal).chain(untold).collect()
}

/// A pump that stands still, in words.
fn stalled(pump: &PumpView, now: Timestamp) -> String {
    let since = now.checked_sub(SignedDuration::try_from(pump.still).unwrap_or_default()).unwrap_or(now);
    let since = since.strftime("%Y-%m-%d %H:%M:%SZ");
    format!(
        "{pump} has not moved since {since}; it was {}. Its messages wait; look at what it waits for, and restart the relay if \
        that is well",
        pump.doing
    )
}

/// The one line in the log of each beginning and each end.
fn say(telling: Telling, incident: &Incident) {
    let Incident { id, kind, about, text, level, grave, .. } = incident;
    match (telling, grave) {
        (Telling::Cleared, _) => tracing::warn!(incident = %id, %kind, about, "incident is over"),
        (Telling::Opened, true) => tracing::error!(incident = %id, %kind, about, level, "incident: {text}"),
        (Telling::Opened, false) => tracing::warn!(incident = %id, %kind, about, level, "incident: {text}"),
        (Telling::Worse, _) => {
            tracing::error!(incident = %id, %kind, about, level, "incident grows worse: {text}")
        }
    }
}

/// Incidents whose end was not told yet, by their ids.
struct Book {
    pages: BTreeMap<String, Page>,
    /// Alerts in a row that were not told.
    failures: u32,
    retry_at: Option<Instant>,
}

struct Page {
    entry: OpenIncident,
    /// Whether the journal has it like this.
    is_written: bool,
    /// Whether its end was told.
    is_over: bool,
    /// Whether the journal has it no more.
    is_gone: bool,
}

impl Book {
    fn new(left: Vec<OpenIncident>) -> Self {
        let page = |entry: OpenIncident| {
            let id = entry.incident.id.clone();
            (id, Page { entry, is_written: true, is_over: false, is_gone: false })
        };
        Self { pages: left.into_iter().map(page).collect(), failures: 0, retry_at: None }
    }

    fn note(&mut self, owner: &str, telling: Telling, incident: Incident, now: Timestamp) {
        let page = self.pages.entry(incident.id.clone()).or_insert_with(|| {
            let entry = OpenIncident {
                owner: owner.to_owned(),
                incident: incident.clone(),
                told: None,
                cleared_at: None,
            };
            Page { entry, is_written: false, is_over: false, is_gone: false }
        });
        page.entry.incident = incident;
        page.is_written = false;
        if telling == Telling::Cleared {
            page.entry.cleared_at = Some(now);
        }
    }
}

impl Page {
    /// What is to be told next.
    fn untold(&self) -> Option<Telling> {
        match self.entry.told {
            None => Some(Telling::Opened),
            Some(level) if level < self.entry.incident.level => Some(Telling::Worse),
            Some(_) => (self.entry.cleared_at.is_some() && !self.is_over).then_some(Telling::Cleared),
        }
    }

    fn told(&mut self, telling: Telling) {
        match telling {
            Telling::Opened | Telling::Worse => self.entry.told = Some(self.entry.incident.level),
            Telling::Cleared => self.is_over = true,
        }
    }
}

/// How many are open, as a metric; none once this watch ends.
struct Counted<'a>(&'a Scope);

impl Counted<'_> {
    fn set(&self, incidents: &Incidents) {
        for kind in IncidentKind::ALL.into_iter().filter(|kind| self.0.takes(*kind)) {
            let open = incidents.open().filter(|incident| incident.kind == kind).count();
            INCIDENTS_OPEN.set([kind.as_str().into()], open as f64);
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.set(&Incidents::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(level: u32, told: Option<u32>, cleared: bool) -> Page {
        let opened_at = Timestamp::UNIX_EPOCH;
        let incident = Incident {
            id: "parked/x/1".to_owned(),
            kind: IncidentKind::Parked,
            about: "x".to_owned(),
            opened_at,
            level,
            grave: false,
            text: String::new(),
        };
        let cleared_at = cleared.then_some(opened_at);
        let entry = OpenIncident { owner: String::new(), incident, told, cleared_at };
        Page { entry, is_written: true, is_over: false, is_gone: false }
    }

    #[test]
    fn each_beginning_and_each_end_is_told_once_and_in_order() {
        let mut late = page(2, None, true);
        let mut told = Vec::new();
        while let Some(next) = late.untold() {
            told.push(next);
            late.told(next);
        }
        assert_eq!(
            told,
            [Telling::Opened, Telling::Cleared],
            "also where it was over before it could be told"
        );
        assert_eq!(page(2, Some(1), false).untold(), Some(Telling::Worse));
        assert_eq!(page(2, Some(2), false).untold(), None);
    }
}
