//! The one task that writes, and the commit that calls share.
//!
//! A commit costs the same for one change and for a hundred, so the task takes all that waits, does it in one
//! transaction (`batch`), and answers after the commit. When the connection breaks, also in the middle of a commit, it
//! connects again and does the same batch again, for as long as one of its callers waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use relay_core::{Fence, Happening, JournalError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::batch::{self, Done, Work};
use super::connect::{ANSWER_WITHIN, BackOff, Session, Target};
use super::fault::Fault;
use crate::happening::{Committed, NotCommitted, Writable};

/// Jobs that may wait for the writer. Further callers wait for a place.
const QUEUE_MAX: usize = 512;

/// Jobs that share one commit at most. More would lengthen each wait and gain little.
pub(crate) const BATCH_MAX: usize = 128;

/// How often a transaction is tried that the server undoes because of another one.
const CLASHES_MAX: u32 = 10;

/// The callers' end.
pub(crate) struct Writer {
    jobs: mpsc::Sender<Message>,
    /// Its sender is dropped when the task has ended.
    ended: watch::Receiver<()>,
    commits: Arc<AtomicU64>,
    trouble: Trouble,
    journal: Arc<str>,
}

enum Message {
    Job(Job),
    Stop,
}

struct Job {
    work: Work,
    fence: Option<Fence>,
    reply: oneshot::Sender<Result<Done, JournalError>>,
}

/// Why the last transaction failed, for callers that waited in vain.
type Trouble = Arc<Mutex<Option<Fault>>>;

impl Writer {
    /// Starts the task.
    pub(crate) fn start(target: Target, chain: String, session: Session) -> Self {
        let (jobs, inbox) = mpsc::channel(QUEUE_MAX);
        let (ending, ended) = watch::channel(());
        let commits = Arc::new(AtomicU64::new(0));
        let trouble = Trouble::default();
        let journal = Arc::clone(&target.name);
        let committer = Committer {
            target,
            chain,
            session: Some(session),
            inbox,
            commits: Arc::clone(&commits),
            trouble: Arc::clone(&trouble),
            _ending: ending,
        };
        tokio::spawn(committer.run());
        Self { jobs, ended, commits, trouble, journal }
    }

    /// Has `work` done in the next transaction and returns once that is on disk.
    pub(crate) async fn write(&self, work: Work, fence: Option<&Fence>) -> Result<Done, JournalError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { work, fence: fence.cloned(), reply };
        let answered = async {
            self.jobs.send(Message::Job(job)).await.map_err(|_| JournalError::Closed)?;
            // No answer means that the task ended without a commit of this job.
            answer.await.unwrap_or(Err(JournalError::Closed))
        };
        match timeout(ANSWER_WITHIN, answered).await {
            Ok(answer) => answer,
            Err(_) => {
                let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Err(trouble.unwrap_or_else(Fault::silent).of(&self.journal))
            }
        }
    }

    /// Lets the task commit what it was given, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        // It fails when someone else has stopped the task; the wait is the same.
        let _ = self.jobs.send(Message::Stop).await;
        // Nothing is ever sent, so this ends with the task.
        let _ = self.ended.clone().changed().await;
    }

    /// Transactions committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// The task's end.
struct Committer {
    target: Target,
    /// The audit chain that this instance writes.
    chain: String,
    /// `None`: to be made.
    session: Option<Session>,
    inbox: mpsc::Receiver<Message>,
    commits: Arc<AtomicU64>,
    trouble: Trouble,
    _ending: watch::Sender<()>,
}

impl Committer {
    async fn run(mut self) {
        let mut messages = Vec::with_capacity(BATCH_MAX);
        while self.inbox.recv_many(&mut messages, BATCH_MAX).await > 0 {
            let mut batch = Vec::with_capacity(messages.len());
            for message in messages.drain(..) {
                match message {
                    Message::Job(job) => batch.push(job),
                    // What is in the channel already is still received; then the loop ends.
                    Message::Stop => self.inbox.close(),
                }
            }
            let mut batches = VecDeque::from([batch]);
            while let Some(batch) = batches.pop_front() {
                let apart = self.commit(batch).await;
                batches.extend(apart.into_iter().map(|job| vec![job]));
            }
        }
    }

    /// Does the work and answers its callers. Returns jobs that are to be done one by one, because the server refuses a
    /// value in one of them.
    async fn commit(&mut self, mut jobs: Vec<Job>) -> Vec<Job> {
        let mut back_off = BackOff::new();
        let mut clashes = 0;
        loop {
            // Who waits no longer was told that it failed, so it is not done behind its caller's back.
            jobs.retain(|job| !job.reply.is_closed());
            if jobs.is_empty() {
                return jobs;
            }
            let begun = Instant::now();
            let fault = match self.attempt(&jobs).await {
                Ok(results) => {
                    Committed { changes: jobs.len(), took: begun.elapsed() }.tell();
                    self.commits.fetch_add(1, Ordering::Relaxed);
                    self.note(None);
                    for (job, result) in jobs.into_iter().zip(results) {
                        answer(job, result.map_err(|fault| fault.of(&self.target.name)));
                    }
                    return Vec::new();
                }
                Err(fault) => fault,
            };
            match &fault {
                Fault::Value(_) if jobs.len() > 1 => return jobs,
                // The fault of one job says nothing about the journal.
                Fault::Value(_) => {}
                Fault::Again(_) if clashes < CLASHES_MAX => {
                    clashes += 1;
                    back_off.wait().await;
                    continue;
                }
                Fault::Lost(_) => {
                    self.note(Some(&fault));
                    back_off.wait().await;
                    continue;
                }
                _ => self.note(Some(&fault)),
            }
            let error = fault.of(&self.target.name);
            for job in jobs {
                answer(job, Err(error.clone()));
            }
            return Vec::new();
        }
    }

    async fn attempt(&mut self, jobs: &[Job]) -> Result<Vec<Result<Done, Fault>>, Fault> {
        let session = match self.session.take() {
            Some(session) if !session.client.is_closed() => session,
            // Whatever the reason is, it may pass while the callers wait.
            _ => self.target.connect().await.map_err(|fault| match fault {
                Fault::Refused(what) => Fault::Lost(what),
                other => other,
            })?,
        };
        let jobs: Vec<_> = jobs.iter().map(|job| (&job.work, job.fence.as_ref())).collect();
        let done = timeout(ANSWER_WITHIN, batch::transact(&session, &self.chain, &jobs)).await;
        let done = done.unwrap_or_else(|_| Err(Fault::silent()));
        // A connection that broke, or that is not known to be out of its transaction, is used no more.
        let usable = match &done {
            Ok(_) => true,
            Err(Fault::Lost(_)) => false,
            Err(_) => matches!(timeout(ANSWER_WITHIN, session.batch("ROLLBACK")).await, Ok(Ok(()))),
        };
        if usable {
            self.session = Some(session);
        }
        done
    }

    /// Says once that the journal cannot be written, and once that it can again.
    fn note(&self, fault: Option<&Fault>) {
        let journal = &*self.target.name;
        let before = std::mem::replace(
            &mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner),
            fault.cloned(),
        );
        match (before, fault) {
            (Some(_), None) => Writable { journal }.tell(),
            (None, None) => {}
            (before, Some(fault)) => {
                let error = &fault.clone().of(journal);
                NotCommitted { journal, error, again: before.is_some() }.tell();
            }
        }
    }
}

fn answer(job: Job, result: Result<Done, JournalError>) {
    // The caller may have gone; what it asked for is on disk all the same.
    let _ = job.reply.send(result);
}
