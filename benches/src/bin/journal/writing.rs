//! Writing: as many callers at a time as there are messages under way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use relay_core::{Begin, Journal, OutboundChange, OutboundState, Resent};

use crate::messages::{at, end, message, relay_id};

/// Callers while the journal is filled.
const FILLING: usize = 512;

/// What one spell of writing gave.
pub struct Spell {
    /// Messages that went all their way.
    pub messages: u64,
    /// Writes that were answered.
    pub transitions: u64,
    took: Duration,
    waits: Vec<Duration>,
}

impl fmt::Display for Spell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.transitions as f64 / self.took.as_secs_f64();
        let percentile = |share: usize| {
            let index = (self.waits.len() * share / 1000).min(self.waits.len().saturating_sub(1));
            self.waits[index].as_secs_f64() * 1000.0
        };
        write!(
            f,
            "{rate:>7.0} transitions a second, a commit in {:.2} ms (p50), {:.2} ms (p99), {:.2} ms (p99.9)",
            percentile(500),
            percentile(990),
            percentile(999)
        )
    }
}

/// Carries messages their whole way for a while, `callers` at a time.
pub async fn spell(journal: &Arc<dyn Journal>, callers: usize, first: u64, for_: Duration) -> Spell {
    let next = Arc::new(AtomicU64::new(first));
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (journal, next) = (Arc::clone(journal), Arc::clone(&next));
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while began.elapsed() < for_ {
                    carry(&*journal, next.fetch_add(1, Ordering::Relaxed), &mut waits).await;
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.expect("a task"));
    }
    let took = began.elapsed();
    waits.sort_unstable();
    Spell { messages: next.load(Ordering::Relaxed) - first, transitions: waits.len() as u64, took, waits }
}

async fn carry(journal: &dyn Journal, number: u64, waits: &mut Vec<Duration>) {
    let mut timed = Instant::now();
    let mut lap = || {
        waits.push(timed.elapsed());
        timed = Instant::now();
    };
    let received = OutboundState::Received { attempts: 0, resent: Resent::No };
    let begun = journal.begin_outbound(message(number, received), None).await.expect("begun");
    lap();
    let Begin::New(mut record) = begun else { panic!("message {number} is known") };
    for state in [OutboundState::Sending { attempt: 1, of: 1, resent: Resent::No }, end(number)] {
        let change = OutboundChange { state, note: None, due: None, at: at(number) };
        journal.commit_outbound(&record, change, None).await.expect("committed");
        lap();
        record.version += 1;
    }
    journal.settle(relay_id(number), at(number), None).await.expect("settled");
    lap();
}

/// Records messages that have ended until there are `all`. Says how many and in how long.
pub async fn fill(journal: &Arc<dyn Journal>, first: u64, all: u64) -> (u64, Duration) {
    let began = Instant::now();
    stream::iter(first..all)
        .for_each_concurrent(FILLING, |number| async move {
            journal.begin_outbound(message(number, end(number)), None).await.expect("begun");
        })
        .await;
    (all.saturating_sub(first), began.elapsed())
}
