//! A part of a running relay that can be stopped by itself.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use relay_core::{Shutdown, ShutdownTrigger, SourceError};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Failures that wait to be heard. One ends the relay, so that more are of no interest.
const FAILURES_MAX: usize = 16;

/// How long a part may take to notice that it was broken off.
const BROKEN_WITHIN: Duration = Duration::from_secs(2);

/// Why a part of the relay ended by itself.
#[derive(Debug, Error)]
pub enum RelayError {
    /// An adapter cannot go on.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A fault of the relay's own.
    #[error("{part} broke, which is a fault of the relay's; the log before this says where")]
    Broken {
        /// Which part.
        part: String,
    },
}

/// A part that failed.
pub(super) struct Failure {
    pub(super) error: RelayError,
    /// Whether it was to stop anyway.
    pub(super) stopping: bool,
}

/// Where parts say that they failed.
#[derive(Clone)]
pub(super) struct Failures(mpsc::Sender<Failure>);

impl Failures {
    pub(super) fn channel() -> (Self, mpsc::Receiver<Failure>) {
        let (sender, receiver) = mpsc::channel(FAILURES_MAX);
        (Self(sender), receiver)
    }
}

/// Tasks with a stop of their own. Dropped, they are dropped too.
pub(super) struct Part {
    name: String,
    trigger: ShutdownTrigger,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
    failures: Failures,
}

impl Part {
    /// A part without tasks yet. `name` is what people call it.
    pub(super) fn new(name: impl Into<String>, failures: &Failures) -> Self {
        let (trigger, shutdown) = Shutdown::channel();
        Self { name: name.into(), trigger, shutdown, tasks: JoinSet::new(), failures: failures.clone() }
    }

    /// Hears when the part is to stop.
    pub(super) fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Adds a task, which ends when the part is to stop.
    pub(super) fn spawn(&mut self, work: impl Future<Output = Result<(), SourceError>> + Send + 'static) {
        let (name, shutdown, failures) = (self.name.clone(), self.shutdown.clone(), self.failures.clone());
        self.tasks.spawn(async move {
            let error = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.into(),
                Err(_) => RelayError::Broken { part: name },
            };
            // Full, when others failed before, or nobody listens any more: one is enough to end the relay.
            let _ = failures.0.try_send(Failure { error, stopping: shutdown.is_requested() });
        });
    }

    /// Adds a task that cannot fail.
    pub(super) fn run(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn(async move {
            work.await;
            Ok(())
        });
    }

    /// Whether nothing was given to it to do.
    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Asks it to stop.
    pub(super) fn request(&self) {
        self.trigger.request();
    }

    async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Stops parts, all at once, and drops what has not ended by the deadline. Returns how many tasks that were.
pub(super) async fn stop(mut parts: Vec<Part>, deadline: Instant) -> usize {
    parts.iter().for_each(Part::request);
    let ending = async {
        for part in &mut parts {
            part.ended().await;
        }
    };
    if tokio::time::timeout_at(deadline, ending).await.is_ok() {
        return 0;
    }
    let mut left = 0;
    for part in &mut parts {
        if !part.tasks.is_empty() {
            tracing::warn!(part = %part.name, "it did not end in time; what it had in hand is taken up again");
        }
        left += part.tasks.len();
        // One that blocks its thread cannot be broken off; the process ends without it.
        let _ = tokio::time::timeout(BROKEN_WITHIN, part.tasks.shutdown()).await;
    }
    left
}
