//! Is it moving? What a person looks at first, gathered at most every few seconds however many look.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use relay_core::incident_watch::own_conditions;
use relay_core::{
    Condition, Direction, IncidentKind, JournalError, MailboxStatus, MailboxTimes, MessageQuery, Oldest,
    Partner, Pause, Seen, Sink, SinkHealth, StateCount,
};
use serde::Serialize;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::console::{Console, Site, Volume};
use crate::problem::Problem;
use crate::trouble::{self, TroubleLine};
use crate::words::capital;

/// For how long one gathering serves all who look.
const FRESH: Duration = Duration::from_secs(2);
/// For how long the partners' part does, which reads more.
const PARTNERS_FRESH: Duration = Duration::from_secs(60);
/// How far back partners are looked at for what is not collected: as long as MESH keeps it, and a day.
const PARTNERS_BACK: SignedDuration = SignedDuration::from_hours(6 * 24);
/// How far back the graph goes.
const GRAPH_BACK: SignedDuration = SignedDuration::from_hours(12);
/// The stretch of time that one bar of the graph stands for.
const GRAPH_STRETCH: Duration = Duration::from_secs(15 * 60);
/// How far back failures are counted.
const FAILED_BACK: SignedDuration = SignedDuration::from_hours(24);
/// How long before it fails a message may first have been seen: MESH gives up after five days.
const FAILED_SEEN_BACK: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Most failures of one state that are counted.
pub(crate) const FAILED_MOST: u64 = relay_core::search::SEARCH_LIMIT_MAX as u64;
/// Longest wait for an adapter's word on how it fares.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);

/// What a person looks at first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// When it was gathered.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// What people call this relay.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Where MESH is.
    pub(crate) mesh: String,
    /// What wants attention, gravest first, in words.
    pub(crate) troubles: Vec<TroubleLine>,
    /// The same, as far as they are or become incidents. Not part of what is shown.
    #[serde(skip)]
    pub(crate) seen: Seen,
    /// Messages that have not ended, both ways.
    pub(crate) in_flight: u64,
    /// Messages that MESH may have and nobody knows.
    pub(crate) in_doubt: u64,
    /// Messages that wait for a person.
    pub(crate) parked: u64,
    /// Messages that MESH has and nobody is known to have collected.
    pub(crate) uncollected: u64,
    /// Each mailbox.
    pub(crate) mailboxes: Vec<MailboxView>,
    /// Each adapter.
    pub(crate) adapters: Vec<AdapterView>,
    /// Each certificate.
    pub(crate) certificates: Vec<CertificateView>,
    /// Messages first seen in each quarter of an hour of the last twelve, oldest first.
    pub(crate) traffic: Vec<TrafficView>,
    /// How many messages the journal has in each state.
    pub(crate) states: Vec<StateView>,
}

/// A mailbox.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MailboxView {
    /// Its id.
    pub(crate) id: String,
    /// Messages that waited at MESH when this instance last listed its inbox.
    pub(crate) waiting: Option<u64>,
    /// When its inbox was last looked into, by any instance.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) polled_at: Option<Timestamp>,
    /// When the last handshake went well.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) handshake_at: Option<Timestamp>,
    /// The pause between two looks, in seconds.
    pub(crate) poll_seconds: u64,
    /// Messages that have not ended: to MESH.
    pub(crate) outbound: OpenView,
    /// Messages that have not ended: from MESH.
    pub(crate) inbound: OpenView,
    /// Its pause, in words.
    pub(crate) paused: Option<String>,
}

/// Messages that have not ended.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct OpenView {
    /// How many.
    pub(crate) messages: u64,
    /// Which is the oldest.
    pub(crate) oldest: Option<String>,
    /// When that was first seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<Timestamp>,
}

/// An adapter.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct AdapterView {
    /// Its name.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: String,
    /// The mailbox whose messages it carries.
    pub(crate) mailbox: String,
    /// Whether deliveries to it can work now; absent when it takes none.
    pub(crate) ready: Option<bool>,
    /// Why they cannot.
    pub(crate) trouble: Option<String>,
    /// Messages taken from it that have not ended.
    pub(crate) outbound: OpenView,
    /// Its pause, in words.
    pub(crate) paused: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CertificateView {
    /// Whom it is shown to.
    pub(crate) name: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) ends: Timestamp,
    /// Whole days until then; below zero when it has ended.
    pub(crate) days_left: i64,
}

/// A quarter of an hour.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TrafficView {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) from: Timestamp,
    /// Messages to MESH.
    pub(crate) outbound: u64,
    /// Messages from MESH.
    pub(crate) inbound: u64,
}

/// How many messages are in a state.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct StateView {
    /// `outbound` or `inbound`.
    pub(crate) direction: String,
    /// The state's name.
    pub(crate) state: String,
    /// How many.
    pub(crate) messages: u64,
}

/// The last gathering.
#[derive(Default)]
pub(crate) struct Overviews {
    last: Mutex<Option<(Instant, Arc<Overview>)>>,
    partners: Mutex<Option<(Instant, Arc<Lately>)>>,
    health: Mutex<HashMap<String, Arc<Health>>>,
}

/// What the partners' part found. `Err`: why it could not be read.
type Lately = Result<Vec<Partner>, String>;

/// How an adapter fares, as it said last. One that hangs, on a share that is gone say, is not asked again meanwhile.
#[derive(Default)]
struct Health {
    asked: AtomicBool,
    said: watch::Sender<Option<SinkHealth>>,
}

/// What trouble is found from.
pub(crate) struct Facts<'a> {
    pub(crate) now: Timestamp,
    pub(crate) mailboxes: &'a [(MailboxView, MailboxTimes, MailboxStatus)],
    pub(crate) adapters: &'a [AdapterView],
    pub(crate) certificates: &'a [CertificateView],
    pub(crate) pauses: &'a [Pause],
    pub(crate) partners: &'a Lately,
    pub(crate) in_doubt: u64,
    pub(crate) parked_outbound: u64,
    pub(crate) parked_inbound: u64,
    /// How many messages failed in the last day, by state; no more than [`FAILED_MOST`] of each are counted.
    pub(crate) failed_lately: &'a [(&'static str, u64)],
    pub(crate) volumes: &'a [Volume],
    pub(crate) clock_skew: Option<SignedDuration>,
    /// What this instance sees by itself.
    pub(crate) own: &'a [Condition],
    /// From when on a message that waits is worth a line.
    pub(crate) waits_long: Duration,
}

impl Overviews {
    /// Forgets what was gathered: something else is configured now, and a sink that hangs may be another one's.
    pub(crate) async fn forget(&self) {
        *self.last.lock().await = None;
        self.health.lock().await.clear();
    }
}

impl Console {
    /// The overview, a few seconds old at most.
    pub(crate) async fn overview(&self) -> Result<Arc<Overview>, JournalError> {
        // Held while it is gathered, so that a hundred who look cost one look.
        let mut last = self.overviews.last.lock().await;
        if let Some((at, overview)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new(self.gather().await?);
        *last = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }

    /// Forgets the last gathering: a person changed something and wants to see it.
    pub(crate) async fn look_anew(&self) {
        *self.overviews.last.lock().await = None;
    }

    async fn gather(&self) -> Result<Overview, JournalError> {
        let (journal, now) = (self.journal(), self.now());
        let counts = journal.counts().await?;
        let oldest = journal.oldest_unended().await?;
        let pauses = self.surroundings.pauses.all();
        let partners = self.partners_lately(now).await;
        let site = self.site();
        let mut mailboxes = Vec::with_capacity(site.mailboxes.len());
        for mailbox in &site.mailboxes {
            let times = journal.mailbox_times(&mailbox.id).await?;
            let status = self.surroundings.board.of(&mailbox.id);
            let of = |direction| {
                open(oldest.iter().filter(|open| open.mailbox == mailbox.id && open.direction == direction))
            };
            let view = MailboxView {
                id: mailbox.id.to_string(),
                waiting: status.listed.map(|(_, waiting)| waiting as u64),
                polled_at: times.polled_at,
                handshake_at: times.handshake_at,
                poll_seconds: mailbox.poll_every.as_secs(),
                outbound: of(Direction::Outbound),
                inbound: of(Direction::Inbound),
                paused: self
                    .surroundings
                    .pauses
                    .of_mailbox(&mailbox.id)
                    .map(|pause| capital(&pause.to_string())),
            };
            mailboxes.push((view, times, status));
        }
        let adapters = self.adapters(&site, &oldest).await;
        let certificates: Vec<CertificateView> = (site.certificates)()
            .into_iter()
            .map(|certificate| CertificateView {
                days_left: certificate.ends.duration_since(now).as_hours().div_euclid(24),
                name: certificate.name,
                ends: certificate.ends,
            })
            .collect();
        let failed_lately = self.failed_lately(now).await?;
        let in_state = |direction, state: &str| {
            let is = |count: &&StateCount| count.direction == direction && count.state == state;
            counts.iter().find(is).map_or(0, |count| count.messages)
        };
        let facts = Facts {
            now,
            mailboxes: &mailboxes,
            adapters: &adapters,
            certificates: &certificates,
            pauses: &pauses,
            partners: &partners,
            in_doubt: in_state(Direction::Outbound, "in_doubt"),
            parked_outbound: in_state(Direction::Outbound, "parked"),
            parked_inbound: in_state(Direction::Inbound, "parked"),
            failed_lately: &failed_lately,
            volumes: &(site.volumes)(),
            clock_skew: (site.clock_skew)(),
            own: &own_conditions(&self.surroundings),
            waits_long: site.limits.after(IncidentKind::MessageWaits),
        };
        let (troubles, conditions) = trouble::find(&facts);
        let board = &self.surroundings.board;
        let silent = site.mailboxes.iter().filter(|mailbox| !board.knows(&mailbox.id));
        let of_mailboxes = silent.flat_map(|mailbox| {
            let about = mailbox.id.to_string();
            [(IncidentKind::MeshUnreachable, about.clone()), (IncidentKind::CredentialsRefused, about)]
        });
        let of_clock =
            facts.clock_skew.is_none().then(|| (IncidentKind::ClockWrong, trouble::CLOCK.to_owned()));
        let unknown = of_mailboxes.chain(of_clock).collect();
        let (in_doubt, parked) = (facts.in_doubt, facts.parked_outbound + facts.parked_inbound);
        Ok(Overview {
            at: now,
            name: site.name.clone(),
            version: site.version.clone(),
            mesh: site.mesh.clone(),
            troubles,
            seen: Seen { conditions, unknown },
            in_flight: oldest.iter().map(|open| open.messages).sum(),
            in_doubt,
            parked,
            uncollected: in_state(Direction::Outbound, "accepted"),
            mailboxes: mailboxes.into_iter().map(|(view, _, _)| view).collect(),
            adapters,
            certificates,
            traffic: self.traffic(now).await?,
            states: counts
                .into_iter()
                .map(|count| StateView {
                    direction: count.direction.as_str().to_owned(),
                    state: count.state,
                    messages: count.messages,
                })
                .collect(),
        })
    }

    async fn adapters(&self, site: &Site, oldest: &[Oldest]) -> Vec<AdapterView> {
        let mut views = Vec::with_capacity(site.adapters.len());
        for adapter in &site.adapters {
            let health = match &adapter.sink {
                Some(sink) => Some(self.health(&adapter.name, sink).await),
                None => None,
            };
            let trouble = match &health {
                Some(SinkHealth::Failing(what)) => Some(what.clone()),
                _ => None,
            };
            let own = oldest.iter().filter(|open| open.adapter.as_deref() == Some(&adapter.name));
            views.push(AdapterView {
                name: adapter.name.clone(),
                kind: adapter.kind.to_owned(),
                mailbox: adapter.mailbox.to_string(),
                ready: health.map(|health| health == SinkHealth::Ready),
                trouble,
                outbound: open(own),
                paused: self
                    .surroundings
                    .pauses
                    .of_adapter(&adapter.name)
                    .map(|pause| capital(&pause.to_string())),
            });
        }
        views
    }

    /// What an adapter says of itself, within a bound. One question at a time is on its way to each.
    async fn health(&self, name: &str, sink: &Arc<dyn Sink>) -> SinkHealth {
        let health = Arc::clone(self.overviews.health.lock().await.entry(name.to_owned()).or_default());
        let mut said = health.said.subscribe();
        if !health.asked.swap(true, Ordering::AcqRel) {
            let (sink, health) = (Arc::clone(sink), Arc::clone(&health));
            tokio::spawn(async move {
                let says = sink.check().await;
                health.asked.store(false, Ordering::Release);
                health.said.send_replace(Some(says));
            });
        }
        let silent = || SinkHealth::Failing("it does not say within two seconds how it fares".to_owned());
        match tokio::time::timeout(HEALTH_WITHIN, said.changed()).await {
            Ok(_) => said.borrow().clone().unwrap_or_else(silent),
            Err(_) => silent(),
        }
    }

    async fn partners_lately(&self, now: Timestamp) -> Arc<Lately> {
        let mut last = self.overviews.partners.lock().await;
        if let Some((at, partners)) = &*last
            && at.elapsed() < PARTNERS_FRESH
        {
            return Arc::clone(partners);
        }
        let since = now.checked_sub(PARTNERS_BACK).unwrap_or(Timestamp::MIN);
        let read = self.journal().partners(since).await;
        let partners = Arc::new(read.map_err(|error| Problem::from(error).detail().to_owned()));
        *last = Some((Instant::now(), Arc::clone(&partners)));
        partners
    }

    /// Messages that failed in the last day, by state.
    async fn failed_lately(&self, now: Timestamp) -> Result<Vec<(&'static str, u64)>, JournalError> {
        let since = now.checked_sub(FAILED_BACK).unwrap_or(Timestamp::MIN);
        let mut failed = Vec::with_capacity(trouble::FAILED.len());
        for state in trouble::FAILED {
            let query = MessageQuery {
                direction: Some(Direction::Outbound),
                state: Some((*state).to_owned()),
                from: now.checked_sub(FAILED_SEEN_BACK).ok(),
                limit: relay_core::search::SEARCH_LIMIT_MAX,
                ..MessageQuery::default()
            };
            let found = self.journal().search(&query).await?;
            let lately = found.iter().filter(|message| message.updated_at >= since).count();
            failed.push((*state, lately as u64));
        }
        Ok(failed)
    }

    async fn traffic(&self, now: Timestamp) -> Result<Vec<TrafficView>, JournalError> {
        let stretch = i64::try_from(GRAPH_STRETCH.as_secs()).unwrap_or(i64::MAX);
        let last = now.as_second().div_euclid(stretch) * stretch;
        let bars = GRAPH_BACK.as_secs() / stretch;
        let since = Timestamp::from_second(last - (bars - 1) * stretch).unwrap_or(Timestamp::MIN);
        let seen = self.journal().traffic(since, GRAPH_STRETCH).await?;
        let bar = |index: i64| {
            let from = Timestamp::from_second(since.as_second() + index * stretch).ok()?;
            let of = |direction| {
                seen.iter()
                    .find(|traffic| traffic.from == from && traffic.direction == direction)
                    .map_or(0, |traffic| traffic.messages)
            };
            Some(TrafficView { from, outbound: of(Direction::Outbound), inbound: of(Direction::Inbound) })
        };
        Ok((0..bars).filter_map(bar).collect())
    }
}

fn open<'a>(parts: impl Iterator<Item = &'a Oldest>) -> OpenView {
    let mut view = OpenView::default();
    for part in parts {
        view.messages += part.messages;
        if view.since.is_none_or(|since| part.received_at < since) {
            view.since = Some(part.received_at);
            view.oldest = Some(part.relay_id.to_string());
        }
    }
    view
}
