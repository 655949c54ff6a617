//! What is handed in, to MESH: works on it, lets go of what has ended, and ends what nobody comes back for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::happening::settle::NotSettled;
use relay_core::{Ended, Happening, MailboxId, RelayHandle, Shutdown, Source, SourceError, Unsettled};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument;

use crate::answer::{self, Answer};
use crate::desk::{Desk, Job, Limits};
use crate::happening::{Deferred, GivenUp, HasEnded, NotGivenUp};
use crate::submit::Submit;
use crate::upload::BodyFault;

/// Pause between two looks for what nobody comes back for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long messages at work may take to end once no more are taken: what a call to MESH may take, since one that is
/// broken off is a doubt.
const FINISH_WITHIN: Duration = Duration::from_secs(200);

/// The messages that are handed in for some mailboxes.
pub struct HttpSource {
    desk: Arc<Desk>,
    submit: Submit,
}

/// Another source may take what is handed in from then on.
impl Drop for HttpSource {
    fn drop(&mut self) {
        self.submit.leave(&self.desk);
    }
}

impl HttpSource {
    /// A source by a name of its own, whose messages come through `submit`: of the adapter `name`, or of people, who may
    /// send from several mailboxes. Of several sources with the same mailbox the first gets its messages. Without
    /// mailboxes nothing is taken, and what was begun before is ended.
    pub fn new(name: &str, mailboxes: Vec<MailboxId>, limits: Limits, submit: &Submit) -> Self {
        let desk = Arc::new(Desk::new(name, mailboxes, limits));
        submit.register(&desk);
        Self { desk, submit: submit.clone() }
    }

    /// Works on what is handed in until shutdown.
    async fn work(&self, relay: &RelayHandle, shutdown: &Shutdown) {
        let mut stop = shutdown.clone();
        let (open, mut jobs) = self.desk.open(relay.clone());
        let mut tasks: JoinSet<()> = JoinSet::new();
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => self.begin(&mut tasks, relay, job),
                    None => break,
                },
                Some(done) = tasks.join_next() => self.note(done),
                () = stop.requested() => break,
            }
        }
        drop(open);
        self.close(jobs, &mut tasks, relay).await;
    }

    fn begin(&self, tasks: &mut JoinSet<()>, relay: &RelayHandle, job: Job) {
        let (desk, relay) = (Arc::clone(&self.desk), relay.clone());
        let span = job.message.trace.span().clone();
        tasks.spawn(carry(desk, relay, job).instrument(span));
    }

    /// Waits a while for what was begun.
    async fn close(&self, mut jobs: mpsc::Receiver<Job>, tasks: &mut JoinSet<()>, relay: &RelayHandle) {
        // What was handed over before the desk was closed is deferred by the engine, which is stopping.
        jobs.close();
        while let Ok(job) = jobs.try_recv() {
            self.begin(tasks, relay, job);
        }
        let ending = async {
            while let Some(done) = tasks.join_next().await {
                self.note(done);
            }
        };
        if timeout(FINISH_WITHIN, ending).await.is_err() {
            let (adapter, left) = (&self.desk.name, tasks.len());
            tracing::warn!(%adapter, left, "messages at work did not end in time; their callers repeat them");
        }
    }

    fn note(&self, done: Result<(), tokio::task::JoinError>) {
        if let Err(error) = done
            && error.is_panic()
        {
            let adapter = &self.desk.name;
            tracing::error!(%adapter, "work on a message broke off, which is a fault of the relay's; its caller repeats it");
        }
    }

    /// Lets go of what has ended and ends what nobody comes back for, again and again until shutdown.
    async fn tidy(&self, relay: &RelayHandle, shutdown: &Shutdown) {
        let mut stop = shutdown.clone();
        let pump = relay.pump(SWEEP_EVERY);
        let step = pump.step("letting go of what has ended");
        while !shutdown.is_requested() {
            step.turn("letting go of what has ended");
            match relay.unsettled(&self.desk.name).await {
                Ok(unsettled) => {
                    for message in unsettled {
                        self.sweep(relay, message).await;
                    }
                }
                Err(error) => {
                    let adapter = &self.desk.name;
                    tracing::warn!(%adapter, %error, "what was handed in and has not ended cannot be read");
                }
            }
            step.waits("waiting for what is handed in", SWEEP_EVERY);
            tokio::select! {
                () = tokio::time::sleep(SWEEP_EVERY) => {}
                () = stop.requested() => {}
            }
        }
    }

    async fn sweep(&self, relay: &RelayHandle, message: Unsettled) {
        let Unsettled { key, received_at, ended, relay_id } = message;
        // Whoever is at work on it settles it.
        let Some(_claim) = self.desk.claim(&key.message) else { return };
        let adapter = &self.desk.name;
        let is_young = relay.proven().age(received_at).is_none_or(|age| age < self.desk.limits.give_up);
        let ended = match ended {
            Some(ended) => ended,
            None if is_young || !self.desk.is_left(&key.message) => return,
            None => match relay.withdraw(&key).await {
                Ok(Some(ended)) => {
                    GivenUp { ended: &ended, adapter }.tell();
                    ended
                }
                Ok(None) => return,
                Err(deferral) => {
                    return NotGivenUp { relay_id, adapter, deferral: &deferral }.tell();
                }
            },
        };
        self.desk.forget(&key.message);
        settle(&self.desk, relay, &ended).await;
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn run(&self, relay: RelayHandle, shutdown: Shutdown) -> Result<(), SourceError> {
        tokio::join!(self.work(&relay, &shutdown), self.tidy(&relay, &shutdown));
        Ok(())
    }
}

/// Works on a message, and answers its caller, who may be gone by then: the answer is there for its next request.
async fn carry(desk: Arc<Desk>, relay: RelayHandle, job: Job) {
    let told = outcome(&desk, &relay, &job).await;
    let Job { claim, permit, answer, .. } = job;
    // First, so that a request which follows the answer meets nobody.
    drop((claim, permit));
    let _ = answer.send(told);
}

async fn outcome(desk: &Desk, relay: &RelayHandle, job: &Job) -> Answer {
    let key = &job.message.key;
    let sent = match job.upload.skip_to(job.taken_bytes).await {
        Ok(()) => Some(relay.send(job.message.clone()).await),
        Err(_) => None,
    };
    if let Some(Ok(ended)) = &sent {
        return end(desk, relay, &key.message, ended).await;
    }
    let fault = job.upload.fault();
    if fault == Some(BodyFault::Unverifiable) {
        // Nothing can be added to what MESH holds, so it never will be whole.
        return match relay.withdraw(key).await {
            Ok(Some(ended)) => end(desk, relay, &key.message, &ended).await,
            Ok(None) => Err(answer::closed()),
            Err(deferral) => Err(answer::deferred(&deferral)),
        };
    }
    if let Some(problem) = fault.and_then(answer::broken) {
        return Err(problem);
    }
    match sent {
        Some(Err(deferral)) => {
            Deferred { adapter: &desk.name, deferral: &deferral }.tell();
            Err(answer::deferred(&deferral))
        }
        _ => Err(answer::closed()),
    }
}

/// The message has ended: its caller may let go of it, whether it hears so now or when it asks again.
async fn end(desk: &Desk, relay: &RelayHandle, message: &str, ended: &Ended) -> Answer {
    HasEnded { ended, adapter: &desk.name }.tell();
    desk.forget(message);
    settle(desk, relay, ended).await;
    answer::ended(ended)
}

async fn settle(desk: &Desk, relay: &RelayHandle, ended: &Ended) {
    if let Err(error) = relay.settled(ended).await {
        NotSettled { relay_id: ended.relay_id(), adapter: &desk.name, error: &error }.tell();
    }
}
