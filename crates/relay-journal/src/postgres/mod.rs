//! The journal on PostgreSQL, for any number of instances.
//!
//! One task owns the connection that writes. Calls made at the same time share one transaction, and are answered only
//! after its commit (`writer`, `batch`). Reads, what people ask and leases have a few connections each (`connect`). While
//! the database is away, each call fails after [`ANSWER_WITHIN`]; when it returns, all goes on by itself.
//!
//! Every write that names a lease looks at that lease's row in its own transaction and holds it until the commit, so an
//! instance whose lease was taken over changes nothing. Everything lies in the schema `mesh_relay`; each instance writes
//! an audit chain of its own, so that none waits for another.

mod batch;
mod change;
mod connect;
mod deed;
mod diagnose;
mod fault;
mod inbound;
mod incident;
mod lease;
mod migrate;
mod open;
mod outbound;
mod pause;
mod prune;
mod report;
mod search;
mod value;
mod verify;
mod words;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use relay_core::audit::{AuditReport, ORIGIN, Pruned};
use relay_core::{
    Begin, Change, ChangeCursor, Deed, DeedQuery, DeliveryEvent, EventId, Fence, Happening, HistoryEntry,
    InboundChange, InboundRecord, Journal, JournalError, LocalId, MailboxId, MailboxTimes, MessageId,
    MessageQuery, MessageSummary, NewDeed, NewInbound, NewOutbound, Oldest, OpenIncident, OutboundChange,
    OutboundRecord, Partner, Pausable, Pause, Records, RelayId, SourceKey, StateCount, Traffic,
};

pub use self::connect::in_clear_text;
pub use self::diagnose::diagnose as diagnose_database;
pub use self::open::PostgresOpenError;

use self::batch::{Done, Work};
use self::connect::{ANSWER_WITHIN, Pool, Session, Target};
use self::fault::Fault;
use self::writer::Writer;
use crate::happening::NotClosed;
use crate::stored;

/// Longest wait for the last commit when the journal is closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(15);

/// Longest wait for a look at the whole chain, and for one step of a pruning.
const AUDIT_WITHIN: Duration = Duration::from_secs(3600);

/// Longest wait for a report on partners, which reads all messages of its time.
const REPORT_WITHIN: Duration = Duration::from_secs(120);

/// Longest wait for the traffic, which is a statement for each way.
const TRAFFIC_WITHIN: Duration = Duration::from_secs(20);

/// Longest time of one statement of what people ask. It is shorter than [`ANSWER_WITHIN`], so that the server is first to
/// say that the question is too broad.
const QUESTION_WITHIN: Duration = Duration::from_secs(8);

/// Connections for the engine's reads.
const READERS_MAX: usize = 4;

/// Connections for what people ask: their own, so that no slow question holds up the engine.
const ASKERS_MAX: usize = 4;

/// Connections for the look at whole chains, so that it holds up no question.
const AUDITORS_MAX: usize = 1;

/// Connections for leases: their own, so that no slow search costs a lease.
const LEASERS_MAX: usize = 2;

/// Most characters of an instance's name.
const INSTANCE_CHARS_MAX: usize = 200;

/// The journal on PostgreSQL. Clones share its connections.
///
/// When the last clone is dropped without [`close`](Self::close), what was given to it is still written.
#[derive(Clone)]
pub struct PostgresJournal {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Arc<str>,
    readers: Pool,
    askers: Pool,
    auditors: Pool,
    leasers: Pool,
    writer: Writer,
    question_within: Duration,
}

impl PostgresJournal {
    /// Opens the journal in the database that `url` names, and makes its tables when there are none. `instance` names
    /// the audit chain that is written from here; every instance needs another, and the same at each start.
    ///
    /// # Errors
    /// See [`PostgresOpenError`]. A database that holds no readable journal is left as it is.
    pub async fn open(url: &str, instance: &str) -> Result<Self, PostgresOpenError> {
        Self::connect(url, instance, None, QUESTION_WITHIN).await
    }

    /// The same with every connection encrypted, to a server whose certificate `tls` trusts.
    ///
    /// # Errors
    /// See [`PostgresOpenError`].
    pub async fn open_over_tls(
        url: &str,
        instance: &str,
        tls: rustls::ClientConfig,
    ) -> Result<Self, PostgresOpenError> {
        Self::connect(url, instance, Some(tls), QUESTION_WITHIN).await
    }

    /// The same without TLS, and with another longest time for a question.
    #[cfg(test)]
    pub(crate) async fn open_answering_within(
        url: &str,
        instance: &str,
        question_within: Duration,
    ) -> Result<Self, PostgresOpenError> {
        Self::connect(url, instance, None, question_within).await
    }

    async fn connect(
        url: &str,
        instance: &str,
        tls: Option<rustls::ClientConfig>,
        question_within: Duration,
    ) -> Result<Self, PostgresOpenError> {
        let usable = !instance.trim().is_empty()
            && instance.chars().count() <= INSTANCE_CHARS_MAX
            && !instance.chars().any(char::is_control);
        if !usable {
            return Err(PostgresOpenError::Instance { limit: INSTANCE_CHARS_MAX });
        }
        let target = Target::new(url, tls)?;
        if target.is_exposed() {
            let journal = &*target.name;
            tracing::warn!(
                journal,
                "the connection to the database is not encrypted; use TLS unless its network is trusted"
            );
        }
        let failed = |fault: Fault| PostgresOpenError::Storage {
            journal: target.name.to_string(),
            what: fault.plain(),
        };
        let session = target.connect().await.map_err(failed)?;
        migrate::migrate(&session, &target).await?;
        prepare(&session, &target, instance).await.map_err(failed)?;
        Ok(Self {
            inner: Arc::new(Inner {
                journal: Arc::clone(&target.name),
                readers: Pool::new(target.clone(), READERS_MAX),
                askers: Pool::new(target.clone().with_statements_within(question_within), ASKERS_MAX),
                auditors: Pool::new(target.clone(), AUDITORS_MAX),
                leasers: Pool::new(target.clone(), LEASERS_MAX),
                writer: Writer::start(target, instance.to_owned(), session),
                question_within,
            }),
        })
    }

    /// Takes no more work, commits what was taken and ends the connections. Other clones find the journal closed.
    pub async fn close(self) {
        self.inner.readers.close();
        self.inner.askers.close();
        self.inner.auditors.close();
        self.inner.leasers.close();
        if tokio::time::timeout(CLOSE_WITHIN, self.inner.writer.stop()).await.is_err() {
            let journal = &*self.inner.journal;
            NotClosed { journal, within: CLOSE_WITHIN }.tell();
        }
    }

    /// How many transactions were committed since the journal was opened. Against the number of calls it shows how well
    /// they share commits.
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }

    async fn write(&self, work: Work, fence: Option<&Fence>) -> Result<Done, JournalError> {
        self.inner.writer.write(work, fence).await
    }

    async fn read<T, F>(&self, work: impl Fn(Arc<Session>) -> F) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.inner.readers.run(ANSWER_WITHIN, work).await.map_err(|fault| fault.of(&self.inner.journal))
    }

    /// Asks what a person wants to know, by one statement or a few.
    async fn ask<T, F>(&self, within: Duration, work: impl Fn(Arc<Session>) -> F) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let asked = self.inner.askers.run(within, work).await;
        asked.map_err(|fault| self.too_broad(fault, self.inner.question_within))
    }

    /// What a question failed by, whose statements may each take this long.
    fn too_broad(&self, fault: Fault, within: Duration) -> JournalError {
        match fault {
            Fault::GivenUp(_) => JournalError::TooBroad { after: stored::seconds(within) },
            fault => fault.of(&self.inner.journal),
        }
    }

    async fn lease<T, F>(&self, work: impl Fn(Arc<Session>) -> F) -> Result<T, JournalError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.inner.leasers.run(ANSWER_WITHIN, work).await.map_err(|fault| fault.of(&self.inner.journal))
    }

    /// An answer to another question than was asked; only a fault of the relay leads here.
    fn mixed_up(&self) -> JournalError {
        Fault::Refused("an answer was mixed up; this is a fault of the relay".to_owned())
            .of(&self.inner.journal)
    }
}

/// Looks at what the journal relies on, and makes this instance's chain.
async fn prepare(session: &Session, target: &Target, instance: &str) -> Result<(), Fault> {
    const CHAIN: &str = "INSERT INTO mesh_relay.chain (name, number, hash, base_number, base_hash)
        VALUES ($1, 0, $2, 0, $2) ON CONFLICT DO NOTHING";
    session.execute(CHAIN, &[&instance, &ORIGIN.as_slice()]).await?;
    let syncs = session.query("SELECT current_setting('fsync') = 'on' AS syncs", &[]).await?;
    if syncs.first().is_some_and(|row| matches!(value::get(row, "syncs"), Ok(false))) {
        let journal = &*target.name;
        tracing::warn!(
            journal,
            "the database has fsync off: a power cut can lose what was answered; set it on"
        );
    }
    Ok(())
}

#[async_trait]
impl Records for PostgresJournal {
    async fn counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { report::counts(&session).await }).await
    }

    async fn waiting_counts(&self) -> Result<Vec<StateCount>, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { report::waiting_counts(&session).await }).await
    }

    async fn oldest_unended(&self) -> Result<Vec<Oldest>, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { report::oldest_unended(&session).await }).await
    }

    async fn search(&self, query: &MessageQuery) -> Result<Vec<MessageSummary>, JournalError> {
        self.ask(search::WITHIN, |session| async move { search::search(&session, query).await }).await
    }

    async fn history(&self, relay_id: RelayId) -> Result<Vec<HistoryEntry>, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { report::history(&session, relay_id).await }).await
    }

    async fn partners(&self, since: Timestamp) -> Result<Vec<Partner>, JournalError> {
        let reading = |session: Arc<Session>| async move {
            session.transaction(&report::partners_begin(), report::partners(&session, since)).await
        };
        let read = self.inner.askers.run(REPORT_WITHIN, reading).await;
        read.map_err(|fault| self.too_broad(fault, report::PARTNERS_STATEMENT_WITHIN))
    }

    async fn message(&self, relay_id: RelayId) -> Result<Option<MessageSummary>, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { search::message(&session, relay_id).await }).await
    }

    async fn traffic(&self, since: Timestamp, stretch: Duration) -> Result<Vec<Traffic>, JournalError> {
        let counting = |session: Arc<Session>| async move { report::traffic(&session, since, stretch).await };
        self.ask(TRAFFIC_WITHIN, counting).await
    }

    async fn change_cursor(&self) -> Result<ChangeCursor, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { change::cursor(&session).await }).await
    }

    async fn changes(&self, behind: &ChangeCursor, limit: u32) -> Result<Vec<Change>, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { change::behind(&session, behind, limit).await }).await
    }

    async fn deeds(&self, query: &DeedQuery) -> Result<Vec<Deed>, JournalError> {
        self.ask(ANSWER_WITHIN, |session| async move { deed::deeds(&session, query).await }).await
    }

    async fn verify(&self) -> Result<AuditReport, JournalError> {
        let walking = |session: Arc<Session>| async move {
            session.transaction(verify::BEGIN, verify::verify(&session)).await
        };
        let walked = self.inner.auditors.run(AUDIT_WITHIN, walking).await;
        walked.map_err(|fault| fault.of(&self.inner.journal))
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn begin_outbound(
        &self,
        new: NewOutbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<OutboundRecord>, JournalError> {
        match self.write(Work::BeginOutbound(Box::new(new)), fence).await? {
            Done::Outbound(begun) => Ok(begun),
            _ => Err(self.mixed_up()),
        }
    }

    async fn commit_outbound(
        &self,
        record: &OutboundRecord,
        change: OutboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let (relay_id, version, change) = (record.relay_id, record.version, Box::new(change));
        self.write(Work::CommitOutbound { relay_id, version, change }, fence).await.map(drop)
    }

    async fn settle(
        &self,
        relay_id: RelayId,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        self.write(Work::Settle { relay_id, at }, fence).await.map(drop)
    }

    async fn begin_inbound(
        &self,
        new: NewInbound,
        fence: Option<&Fence>,
    ) -> Result<Begin<InboundRecord>, JournalError> {
        match self.write(Work::BeginInbound(Box::new(new)), fence).await? {
            Done::Inbound(begun) => Ok(begun),
            _ => Err(self.mixed_up()),
        }
    }

    async fn commit_inbound(
        &self,
        record: &InboundRecord,
        change: InboundChange,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let (relay_id, version, change) = (record.relay_id, record.version, Box::new(change));
        self.write(Work::CommitInbound { relay_id, version, change }, fence).await.map(drop)
    }

    async fn find_outbound(&self, source: &SourceKey) -> Result<Option<OutboundRecord>, JournalError> {
        self.read(|session| async move { outbound::find(&session, source).await }).await
    }

    async fn find_sent(
        &self,
        mailbox: &MailboxId,
        message_id: &MessageId,
    ) -> Result<Option<OutboundRecord>, JournalError> {
        self.read(|session| async move { outbound::find_sent(&session, mailbox, message_id).await }).await
    }

    async fn find_local_id(
        &self,
        mailbox: &MailboxId,
        local_id: &LocalId,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError> {
        self.read(|session| async move { outbound::find_local_id(&session, mailbox, local_id, limit).await })
            .await
    }

    async fn unended_inbound(&self, mailbox: &MailboxId, limit: u32) -> Result<Vec<MessageId>, JournalError> {
        self.read(|session| async move { inbound::unended(&session, mailbox, limit).await }).await
    }

    async fn unsettled(&self, adapter: &str) -> Result<Vec<OutboundRecord>, JournalError> {
        self.read(|session| async move { outbound::unsettled(&session, adapter).await }).await
    }

    async fn due(
        &self,
        mailbox: &MailboxId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OutboundRecord>, JournalError> {
        self.read(|session| async move { outbound::due(&session, mailbox, now, limit).await }).await
    }

    async fn untold(
        &self,
        adapter: &str,
        except: &[RelayId],
        limit: u32,
    ) -> Result<Vec<DeliveryEvent>, JournalError> {
        self.read(|session| async move { report::untold(&session, adapter, except, limit).await }).await
    }

    async fn told(&self, events: &[EventId], fence: Option<&Fence>) -> Result<(), JournalError> {
        self.write(Work::Told(events.to_vec()), fence).await.map(drop)
    }

    async fn outbound(&self, relay_id: RelayId) -> Result<Option<OutboundRecord>, JournalError> {
        self.read(|session| async move { outbound::by_id(&session, relay_id).await }).await
    }

    async fn inbound(&self, relay_id: RelayId) -> Result<Option<InboundRecord>, JournalError> {
        self.read(|session| async move { inbound::by_id(&session, relay_id).await }).await
    }

    async fn record_deed(&self, deed: NewDeed) -> Result<(), JournalError> {
        self.write(Work::Deed(Box::new(deed)), None).await.map(drop)
    }

    async fn pauses(&self) -> Result<Vec<Pause>, JournalError> {
        self.read(|session| async move { pause::pauses(&session).await }).await
    }

    async fn pause(&self, pause: Pause) -> Result<(), JournalError> {
        self.write(Work::Pause(Box::new(pause)), None).await.map(drop)
    }

    async fn resume(&self, what: &Pausable) -> Result<bool, JournalError> {
        match self.write(Work::Resume(what.clone()), None).await? {
            Done::Resumed(ended) => Ok(ended),
            _ => Err(self.mixed_up()),
        }
    }

    async fn incidents(&self, owner: &str) -> Result<Vec<OpenIncident>, JournalError> {
        self.read(|session| async move { incident::incidents(&session, owner).await }).await
    }

    async fn put_incident(&self, kept: OpenIncident) -> Result<(), JournalError> {
        self.write(Work::PutIncident(Box::new(kept)), None).await.map(drop)
    }

    async fn remove_incident(&self, owner: &str, id: &str) -> Result<(), JournalError> {
        let (owner, id) = (owner.to_owned(), id.to_owned());
        self.write(Work::RemoveIncident { owner, id }, None).await.map(drop)
    }

    async fn mailbox_times(&self, mailbox: &MailboxId) -> Result<MailboxTimes, JournalError> {
        self.read(|session| async move { report::mailbox_times(&session, mailbox).await }).await
    }

    async fn commit_mailbox_times(
        &self,
        mailbox: &MailboxId,
        times: MailboxTimes,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        self.write(Work::Times { mailbox: mailbox.clone(), times }, fence).await.map(drop)
    }

    async fn take_lease(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Fence>, JournalError> {
        self.lease(|session| async move { lease::take(&session, name, owner, ttl).await }).await
    }

    async fn renew_lease(&self, fence: &Fence, ttl: Duration) -> Result<bool, JournalError> {
        self.lease(|session| async move { lease::renew(&session, fence, ttl).await }).await
    }

    async fn release_lease(&self, fence: &Fence) -> Result<(), JournalError> {
        self.lease(|session| async move { lease::release(&session, fence).await }).await
    }

    async fn prune(&self, before: Timestamp) -> Result<Pruned, JournalError> {
        let before = value::cut(before);
        let mut pruned = Pruned::default();
        for chain in self.read(|session| async move { prune::chains(&session).await }).await? {
            loop {
                let chain = chain.as_str();
                let stepping = |session: Arc<Session>| async move {
                    session.transaction(prune::BEGIN, prune::step(&session, chain, before)).await
                };
                let stepped = self.inner.readers.run(AUDIT_WITHIN, stepping).await;
                let Some(step) = stepped.map_err(|fault| fault.of(&self.inner.journal))? else { break };
                pruned.messages += step.messages;
                pruned.links += step.links;
            }
            loop {
                let chain = chain.as_str();
                let stepping = |session: Arc<Session>| async move {
                    session.transaction(prune::BEGIN, deed::prune_step(&session, chain, before)).await
                };
                let stepped = self.inner.readers.run(AUDIT_WITHIN, stepping).await;
                let Some(deeds) = stepped.map_err(|fault| fault.of(&self.inner.journal))? else { break };
                pruned.deeds += deeds;
            }
        }
        Ok(pruned)
    }
}
