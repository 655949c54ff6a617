//! Leases: which instance works on a mailbox or a folder (`queue-bridging.md` 5.2).

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::happening::Happening;
use crate::happening::lease::{Awaited, Held, Lost};
use crate::journal::{Fence, Journal, JournalError};
use crate::shutdown::{Shutdown, ShutdownTrigger};

/// How long a lease lasts without being renewed.
pub const LEASE_TTL: Duration = Duration::from_secs(30);

/// How long a lease lasts on a journal that belongs to one process: nobody else could take it, so nothing is gained by
/// its running out, and work in hand would be lost.
pub const LEASE_ALONE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Longest pause before a lease that was not to be had is asked for again.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A lease that this instance holds, or held.
#[derive(Debug, Clone)]
pub struct Tenure {
    fence: Fence,
    until: Arc<Mutex<Instant>>,
}

impl Tenure {
    fn new(fence: Fence, until: Instant) -> Self {
        Self { fence, until: Arc::new(Mutex::new(until)) }
    }

    /// What writes name.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Whether the lease is certainly still held. To be asked before anything that others can see, since a process that
    /// was paused does not notice how late it is.
    pub fn holds(&self) -> bool {
        Instant::now() < self.until()
    }

    fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Leases for the parts of one source's work, where several instances share it out among themselves.
#[derive(Clone)]
pub struct PartLeases {
    journal: Arc<dyn Journal>,
    name: String,
    owner: String,
    ttl: Duration,
}

impl PartLeases {
    /// Leases named `name:part`, for the instance `owner`.
    pub fn new(
        journal: Arc<dyn Journal>,
        name: impl Into<String>,
        owner: impl Into<String>,
        ttl: Duration,
    ) -> Self {
        Self { journal, name: name.into(), owner: owner.into(), ttl }
    }

    pub(crate) fn of(&self, part: &str) -> Lease {
        let journal = Arc::clone(&self.journal);
        Lease::new(journal, format!("{}:{part}", self.name), self.owner.as_str()).lasting(self.ttl)
    }
}

/// One lease to be held whenever it can be had.
pub struct Lease {
    journal: Arc<dyn Journal>,
    name: String,
    owner: String,
    ttl: Duration,
}

/// Whether work goes on after it ended.
enum After {
    Again,
    Stop,
}

impl Lease {
    /// The lease `name`, for the instance `owner`.
    pub fn new(journal: Arc<dyn Journal>, name: impl Into<String>, owner: impl Into<String>) -> Self {
        Self { journal, name: name.into(), owner: owner.into(), ttl: LEASE_TTL }
    }

    /// The same with another time to live, as tests need it.
    #[must_use]
    pub fn lasting(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// Does `work` whenever this instance holds the lease, until shutdown. Work is asked to end when the lease could not
    /// be renewed for two thirds of its time, and is dropped when that time is over. Returns what work returned when it
    /// ended by itself with an error.
    ///
    /// # Errors
    /// The error of `work`.
    pub async fn while_held<W, F, E>(&self, mut shutdown: Shutdown, mut work: W) -> Result<(), E>
    where
        W: FnMut(Tenure, Shutdown) -> F,
        F: Future<Output = Result<(), E>>,
    {
        let mut waiting = Waiting::default();
        while !shutdown.is_requested() {
            match self.take().await {
                Ok(Some(tenure)) => {
                    waiting.over(&self.name);
                    if let After::Stop = self.hold(tenure, &shutdown, &mut work).await? {
                        return Ok(());
                    }
                }
                Ok(None) => waiting.note(&self.name, "another instance holds it"),
                Err(error) => waiting.note(&self.name, &error.to_string()),
            }
            tokio::select! {
                () = tokio::time::sleep((self.ttl / 3).min(RETRY_MAX)) => {}
                () = shutdown.requested() => {}
            }
        }
        Ok(())
    }

    async fn take(&self) -> Result<Option<Tenure>, JournalError> {
        // Before the call: the journal counts from when it hears of it.
        let until = Instant::now() + self.ttl;
        let fence = self.journal.take_lease(&self.name, &self.owner, self.ttl).await?;
        Ok(fence.map(|fence| Tenure::new(fence, until)))
    }

    async fn hold<W, F, E>(&self, tenure: Tenure, shutdown: &Shutdown, work: &mut W) -> Result<After, E>
    where
        W: FnMut(Tenure, Shutdown) -> F,
        F: Future<Output = Result<(), E>>,
    {
        let (trigger, stop) = Shutdown::channel();
        let mut outer = shutdown.clone();
        let mut working = pin!(work(tenure.clone(), stop));
        let mut keeping = pin!(self.keep(&tenure, &trigger));
        let mut asked = false;
        let ended = loop {
            tokio::select! {
                biased;
                // A process that was paused finds its time over before it does anything else.
                () = &mut keeping => {
                    Lost { lease: &self.name }.tell();
                    return Ok(After::Again);
                }
                ended = &mut working => break ended,
                () = outer.requested(), if !asked => {
                    asked = true;
                    trigger.request();
                }
            }
        };
        if ended.is_ok() && asked {
            // Should this fail, the lease runs out by itself.
            if let Err(error) = self.journal.release_lease(tenure.fence()).await {
                tracing::debug!(lease = %self.name, %error, "the lease was not given back; it runs out");
            }
            return Ok(After::Stop);
        }
        ended.map(|()| After::Again)
    }

    /// Renews the lease until it is over. Asks the work to end when there is little time left.
    async fn keep(&self, tenure: &Tenure, trigger: &ShutdownTrigger) {
        let step = self.ttl / 3;
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(tenure.until()) => return,
                () = tokio::time::sleep(step) => {}
            }
            let until = Instant::now() + self.ttl;
            match tokio::time::timeout(step, self.journal.renew_lease(tenure.fence(), self.ttl)).await {
                Ok(Ok(true)) => tenure.extend(until),
                Ok(Ok(false)) => return tenure.extend(Instant::now()),
                // The next one may still come in time.
                Ok(Err(_)) | Err(_) if Instant::now() + step < tenure.until() => {}
                Ok(Err(_)) | Err(_) => trigger.request(),
            }
        }
    }
}

/// Says once why a lease is waited for.
#[derive(Default)]
struct Waiting {
    said: String,
}

impl Waiting {
    fn note(&mut self, lease: &str, why: &str) {
        if self.said != why {
            Awaited { lease, why }.tell();
            why.clone_into(&mut self.said);
        }
    }

    fn over(&mut self, lease: &str) {
        if !std::mem::take(&mut self.said).is_empty() {
            Held { lease }.tell();
        }
    }
}
