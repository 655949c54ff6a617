//! Where the HTTP server's requests and a source's run meet: what is open, what is at work, and what was begun.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use relay_core::{MailboxId, RelayHandle, SourceKey, SourceMessage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::config::{ANSWER_WITHIN, Config, GIVE_UP};
use crate::upload::{Begun, Upload};

/// Messages that have not ended of which is remembered when their callers came last, and what they sent. Of more it is not,
/// which [`crate::upload`] says the consequence of.
const VISITS_MAX: usize = 16 * 1024;

/// Bounds of one source.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a message that was begun waits for its caller to repeat the request: from the last one, or from the start
    /// of the relay.
    pub give_up: Duration,
    /// How long a caller waits for an answer while nothing of its body moves.
    pub answer_within: Duration,
    /// Longest time without a byte of a body.
    pub body_quiet: Duration,
    /// Requests at a time.
    pub requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            give_up: GIVE_UP,
            answer_within: ANSWER_WITHIN,
            // Shorter than the minute of silence after which a call to MESH is broken off, so that the caller hears why.
            body_quiet: Duration::from_secs(50),
            requests: 64,
        }
    }
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self { give_up: config.give_up.get(), answer_within: config.answer_within.get(), ..Self::default() }
    }
}

/// A message that is handed in.
pub(crate) struct Job {
    pub(crate) message: SourceMessage,
    pub(crate) upload: Upload,
    /// How much of it MESH holds from requests before.
    pub(crate) taken_bytes: u64,
    pub(crate) claim: Claim,
    /// Counts among the requests at a time.
    pub(crate) permit: OwnedSemaphorePermit,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What a request needs while its source runs.
#[derive(Clone)]
pub(crate) struct Counter {
    pub(crate) relay: RelayHandle,
    jobs: mpsc::Sender<Job>,
}

impl Counter {
    /// Hands a job over. `false`: nothing is taken any more.
    pub(crate) fn hand_over(&self, job: Job) -> bool {
        // There is a place for each permit.
        self.jobs.try_send(job).is_ok()
    }
}

/// One source's desk.
pub(crate) struct Desk {
    pub(crate) name: String,
    pub(crate) mailboxes: Vec<MailboxId>,
    pub(crate) limits: Limits,
    pub(crate) requests: Arc<Semaphore>,
    counter: Mutex<Option<Counter>>,
    at_work: Mutex<HashSet<String>>,
    visits: Mutex<Visits>,
}

/// Who came since when.
struct Visits {
    since: Instant,
    of: HashMap<String, Visit>,
}

/// The last request for a message that has not ended.
struct Visit {
    at: Instant,
    begun: Begun,
}

impl Desk {
    pub(crate) fn new(name: &str, mailboxes: Vec<MailboxId>, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            mailboxes,
            limits,
            requests: Arc::new(Semaphore::new(limits.requests)),
            counter: Mutex::default(),
            at_work: Mutex::default(),
            visits: Mutex::new(Visits { since: Instant::now(), of: HashMap::new() }),
        }
    }

    /// Opens for requests, until what is returned is dropped.
    pub(crate) fn open(&self, relay: RelayHandle) -> (Open<'_>, mpsc::Receiver<Job>) {
        // Another instance may have gone on meanwhile with what was begun here.
        *lock(&self.visits) = Visits { since: Instant::now(), of: HashMap::new() };
        let (jobs, receiver) = mpsc::channel(self.limits.requests.max(1));
        *lock(&self.counter) = Some(Counter { relay, jobs });
        (Open(self), receiver)
    }

    /// What a request needs; nothing while the source does not run, or may not.
    pub(crate) fn counter(&self) -> Option<Counter> {
        lock(&self.counter).clone().filter(|counter| counter.relay.holds())
    }

    /// Takes a message to work on. `None`: somebody else is at it.
    pub(crate) fn claim(self: &Arc<Self>, message: &str) -> Option<Claim> {
        let is_free = lock(&self.at_work).insert(message.to_owned());
        is_free.then(|| Claim { desk: Arc::clone(self), message: message.to_owned() })
    }

    /// Somebody asks for a message. Says what was sent of it before.
    pub(crate) fn visit(&self, message: &str) -> Begun {
        let (now, mut visits) = (Instant::now(), lock(&self.visits));
        if let Some(known) = visits.of.get_mut(message) {
            known.at = now;
            return known.begun.clone();
        }
        if visits.of.len() >= VISITS_MAX {
            visits.of.retain(|_, visit| now.duration_since(visit.at) < self.limits.give_up);
        }
        let begun = Begun::default();
        if visits.of.len() < VISITS_MAX {
            visits.of.insert(message.to_owned(), Visit { at: now, begun: begun.clone() });
        }
        begun
    }

    /// Whether nobody has asked for a message for so long that nobody will.
    pub(crate) fn is_left(&self, message: &str) -> bool {
        let visits = lock(&self.visits);
        let last = visits.of.get(message).map_or(visits.since, |visit| visit.at);
        last.elapsed() >= self.limits.give_up
    }

    /// The message has ended.
    pub(crate) fn forget(&self, message: &str) {
        lock(&self.visits).of.remove(message);
    }

    /// How the journal knows a message.
    pub(crate) fn key(&self, message: &str) -> SourceKey {
        SourceKey { adapter: self.name.clone(), message: message.to_owned() }
    }
}

/// A desk that takes requests.
pub(crate) struct Open<'a>(&'a Desk);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        lock(&self.0.counter).take();
    }
}

/// The right to work on a message.
pub(crate) struct Claim {
    desk: Arc<Desk>,
    message: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.desk.at_work).remove(&self.message);
    }
}

/// What is behind each lock is changed in one step, so a poisoned one is taken as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
