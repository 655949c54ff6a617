//! How things stand, as gauges: what waits, for how long, and how mailboxes and adapters fare.
//!
//! They are read from the journal and from those who know, every [`LOOK_EVERY`], and not counted up and down where messages
//! go by, where they would drift. So a scrape costs nothing however often it comes, and what a look costs depends on what
//! has not ended, not on how much the journal keeps.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use mesh_api::MailboxId;
use tokio::task::JoinHandle;

use crate::board::Part;
use crate::journal::JournalError;
use crate::metric::{self, Value};
use crate::outbound::Surroundings;
use crate::search::{Direction, Oldest, StateCount};
use crate::shutdown::Shutdown;
use crate::sink::{Sink, SinkHealth};

/// Pause between two looks. Prometheus usually asks each 15 seconds.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Longest look.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// Longest wait for an adapter's word on how it fares.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// Keeps the gauges as things stand.
pub struct Standing {
    surroundings: Surroundings,
    mailboxes: Vec<MailboxId>,
    sinks: Vec<Asked>,
}

/// An adapter that is asked how it fares. One that hangs, on a share that is gone say, is not asked again meanwhile.
struct Asked {
    adapter: String,
    sink: Arc<dyn Sink>,
    asking: Option<JoinHandle<SinkHealth>>,
}

impl Standing {
    /// Of these mailboxes, and of these adapters that take messages.
    pub fn new(
        surroundings: Surroundings,
        mailboxes: Vec<MailboxId>,
        sinks: impl IntoIterator<Item = (String, Arc<dyn Sink>)>,
    ) -> Self {
        let asked = |(adapter, sink)| Asked { adapter, sink, asking: None };
        Self { surroundings, mailboxes, sinks: sinks.into_iter().map(asked).collect() }
    }

    /// Looks again and again until shutdown.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        begin();
        loop {
            let look = self.look();
            tokio::select! {
                // A journal that is in trouble is told by those who need it; `STATES_READ` shows that nothing was read.
                _ = tokio::time::timeout(LOOK_WITHIN, look) => {}
                () = shutdown.requested() => break,
            }
            tokio::select! {
                _ = join_all(self.sinks.iter_mut().map(Asked::tell)) => {}
                () = shutdown.requested() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.requested() => break,
            }
        }
    }

    async fn look(&self) -> Result<(), JournalError> {
        let Surroundings { journal, clock, board, pauses, .. } = &self.surroundings;
        metric::PAUSED.set_number([], pauses.all().len() as u64);
        for mailbox in &self.mailboxes {
            let status = board.of(mailbox);
            let waiting = status.listed.map_or(0, |(_, waiting)| waiting);
            metric::INBOX_BACKLOG.set_number([mailbox.into()], waiting as u64);
            for (part, trouble) in [(Part::Receiving, status.receiving), (Part::Sending, status.sending)] {
                metric::MAILBOX_TROUBLE.set_whether([mailbox.into(), part.name().into()], trouble.is_some());
            }
        }
        let (waiting, oldest) = (journal.waiting_counts().await?, journal.oldest_unended().await?);
        let now = clock.now();
        for mailbox in &self.mailboxes {
            for direction in [Direction::Inbound, Direction::Outbound] {
                unended(&oldest, mailbox, direction, now);
            }
            let times = journal.mailbox_times(mailbox).await?;
            metric::LAST_POLL.set_time([mailbox.into()], times.polled_at.unwrap_or_default());
            metric::LAST_HANDSHAKE.set_time([mailbox.into()], times.handshake_at.unwrap_or_default());
        }
        metric::IN_DOUBT.set_number([], in_state(&waiting, Direction::Outbound, "in_doubt"));
        for direction in [Direction::Inbound, Direction::Outbound] {
            metric::PARKED.set_number([direction.as_str().into()], in_state(&waiting, direction, "parked"));
        }
        metric::STATES_READ.set_time([], now);
        Ok(())
    }
}

/// What has not happened yet is there as zero from the start, so that the first happening is seen as one.
fn begin() {
    metric::UNDELIVERED.add([], 0);
    metric::JOURNAL_ERRORS.add([], 0);
    metric::LEASES_LOST.add([], 0);
    for outcome in ["taken", "refused"] {
        metric::CONFIG_RELOADS.add([outcome.into()], 0);
    }
    for outcome in ["collected", "undelivered", "unknown"] {
        metric::FOLLOWED.add([outcome.into()], 0);
    }
    for direction in [metric::OUTBOUND, metric::INBOUND] {
        metric::RETRIES.add([direction.into()], 0);
        metric::PAYLOAD_BYTES.add([direction.into()], 0);
        metric::POSSIBLE_DUPLICATES.add([direction.into()], 0);
    }
}

fn unended(oldest: &[Oldest], mailbox: &MailboxId, direction: Direction, now: Timestamp) {
    let of = || oldest.iter().filter(|open| open.mailbox == *mailbox && open.direction == direction);
    let labels = || [direction.as_str().into(), mailbox.into()];
    metric::IN_FLIGHT.set_number(labels(), of().map(|open| open.messages).sum());
    let since = of().map(|open| open.received_at).min();
    // A clock that was set back makes nothing younger than nothing.
    let age = since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
    metric::OLDEST_UNSETTLED.set(labels(), age);
}

fn in_state(counts: &[StateCount], direction: Direction, state: &str) -> u64 {
    let is = |count: &&StateCount| count.direction == direction && count.state == state;
    counts.iter().find(is).map_or(0, |count| count.messages)
}

impl Asked {
    async fn tell(&mut self) {
        let is_ready = self.is_ready().await;
        metric::ADAPTER_READY.set_whether([Value::configured(&self.adapter)], is_ready);
    }

    async fn is_ready(&mut self) -> bool {
        let asking = self.asking.get_or_insert_with(|| {
            let sink = Arc::clone(&self.sink);
            tokio::spawn(async move { sink.check().await })
        });
        match tokio::time::timeout(CHECK_WITHIN, asking).await {
            Ok(said) => {
                self.asking = None;
                matches!(said, Ok(SinkHealth::Ready))
            }
            Err(_) => false,
        }
    }
}
