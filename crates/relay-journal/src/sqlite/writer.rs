//! The one thread that writes, and the commit that calls share.
//!
//! A sync of the disk costs the same for one change and for a hundred, so the thread takes all that waits, runs
//! each job in a savepoint of its own inside one transaction, commits once, and answers after that. A job that
//! fails is taken back alone. A commit that fails fails every job in it.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use relay_core::{Happening, JournalError};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::fault::Fault;
use crate::happening::{Committed, NotCommitted, NotRolledBack, Writable};

/// Jobs that may wait for the writer. Further callers wait for a place.
const QUEUE_MAX: usize = 512;

/// Jobs that share one commit at most. More would lengthen each wait and gain little.
pub(crate) const BATCH_MAX: usize = 128;

/// The callers' end.
pub(crate) struct Writer {
    jobs: mpsc::Sender<Message>,
    /// Its sender is dropped when the thread has let go of everything.
    ended: watch::Receiver<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
    journal: Arc<str>,
}

enum Message {
    Job(Box<dyn Job>),
    Stop,
}

impl Writer {
    /// Starts the thread, which holds the lock as long as it has the file open.
    pub(crate) fn start(connection: Connection, lock: File, journal: Arc<str>) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel(QUEUE_MAX);
        let (ending, ended) = watch::channel(());
        let commits = Arc::new(AtomicU64::new(0));
        let committer = Committer {
            connection,
            inbox,
            journal: Arc::clone(&journal),
            commits: Arc::clone(&commits),
            failing: false,
            _lock: lock,
            _ending: ending,
        };
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || committer.run())?;
        Ok(Self { jobs, ended, thread: Mutex::new(Some(thread)), commits, journal })
    }

    /// Runs `work` in the next transaction and returns once that is on disk.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket { work: Some(work), result: None, reply };
        let sent = self.jobs.send(Message::Job(Box::new(ticket))).await;
        sent.map_err(|_| JournalError::Closed)?;
        // No answer means that the thread ended without a commit of this job.
        answer.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Lets the thread commit what it was given, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        // It fails when someone else has stopped the thread; the wait is the same.
        let _ = self.jobs.send(Message::Stop).await;
        // Nothing is ever sent, so this ends with the thread.
        let _ = self.ended.clone().changed().await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The thread is past its last line; joining it does not wait.
        if thread.is_some_and(|thread| thread.join().is_err()) {
            let journal = &*self.journal;
            tracing::error!(journal, "the journal's thread broke off; this is a fault of the relay");
        }
    }

    /// Transactions committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// Work of one caller, whatever it returns.
trait Job: Send {
    /// Does the work and keeps its result. An error means that what it wrote must be taken back.
    fn run(&mut self, connection: &Connection, journal: &str) -> Result<(), JournalError>;

    /// Tells the caller: its own result if the transaction was committed, otherwise why it was not.
    fn answer(self: Box<Self>, transaction: &Result<(), JournalError>);
}

struct Ticket<T, W> {
    work: Option<W>,
    result: Option<Result<T, JournalError>>,
    reply: oneshot::Sender<Result<T, JournalError>>,
}

impl<T, W> Job for Ticket<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, connection: &Connection, journal: &str) -> Result<(), JournalError> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        let result = work(connection).map_err(|fault| fault.of(journal));
        let kept = result.as_ref().map(drop).map_err(JournalError::clone);
        self.result = Some(result);
        kept
    }

    fn answer(self: Box<Self>, transaction: &Result<(), JournalError>) {
        let result = match transaction {
            Ok(()) => self.result.unwrap_or(Err(JournalError::Closed)),
            Err(error) => Err(error.clone()),
        };
        // The caller may have gone; what it asked for is on disk all the same.
        let _ = self.reply.send(result);
    }
}

/// The thread's end. The fields are dropped in this order: the file is closed before its lock is let go, and
/// the end is told last.
struct Committer {
    connection: Connection,
    inbox: mpsc::Receiver<Message>,
    journal: Arc<str>,
    commits: Arc<AtomicU64>,
    /// Whether the last transaction failed, so that an outage is told once.
    failing: bool,
    _lock: File,
    _ending: watch::Sender<()>,
}

impl Committer {
    fn run(mut self) {
        let mut messages = Vec::with_capacity(BATCH_MAX);
        while self.inbox.blocking_recv_many(&mut messages, BATCH_MAX) > 0 {
            let mut batch = Vec::with_capacity(messages.len());
            for message in messages.drain(..) {
                match message {
                    Message::Job(job) => batch.push(job),
                    // What is in the channel already is still received; then the loop ends.
                    Message::Stop => self.inbox.close(),
                }
            }
            if !batch.is_empty() {
                self.commit(batch);
            }
        }
        let folded = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = folded {
            let (journal, error) = (&*self.journal, Fault::from(error).of(&self.journal));
            tracing::warn!(journal, %error, "the journal's log stays beside its file and is read at the next start");
        }
    }

    fn commit(&mut self, mut batch: Vec<Box<dyn Job>>) {
        let begun = Instant::now();
        let transaction = self.transact(&mut batch);
        match &transaction {
            Ok(()) => {
                Committed { changes: batch.len(), took: begun.elapsed() }.tell();
                self.commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => self.roll_back(),
        }
        self.note(&transaction);
        for job in batch {
            job.answer(&transaction);
        }
    }

    fn transact(&self, batch: &mut [Box<dyn Job>]) -> Result<(), JournalError> {
        // Left over only when a roll back failed; nothing goes on top of it.
        if !self.connection.is_autocommit() {
            self.execute("ROLLBACK")?;
        }
        self.execute("BEGIN IMMEDIATE")?;
        for job in batch {
            self.execute("SAVEPOINT job")?;
            if let Err(error) = job.run(&self.connection, &self.journal) {
                // On a full disk SQLite may roll the whole transaction back; then it is over for all.
                if self.connection.is_autocommit() {
                    return Err(error);
                }
                self.execute("ROLLBACK TO job")?;
            }
            self.execute("RELEASE job")?;
        }
        self.execute("COMMIT")
    }

    fn execute(&self, statement: &str) -> Result<(), JournalError> {
        let run = || self.connection.prepare_cached(statement)?.execute([]);
        match run() {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::from(error).of(&self.journal)),
        }
    }

    fn roll_back(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        // The next transaction tries again before it begins.
        if let Err(error) = self.execute("ROLLBACK") {
            let journal = &*self.journal;
            NotRolledBack { journal, error: &error }.tell();
        }
    }

    /// Says once that the journal cannot be written, and once that it can again.
    fn note(&mut self, transaction: &Result<(), JournalError>) {
        let journal = &*self.journal;
        match transaction {
            Ok(()) if self.failing => Writable { journal }.tell(),
            Ok(()) => {}
            Err(error) => NotCommitted { journal, error, again: self.failing }.tell(),
        }
        self.failing = transaction.is_err();
    }
}
