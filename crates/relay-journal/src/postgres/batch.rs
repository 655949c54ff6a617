//! The work of many callers in one transaction.
//!
//! All of it goes over one connection without waiting for each answer, so a batch costs a few exchanges, however many
//! jobs are in it. A job that fails by its own fault, such as a record that was changed by someone else, changes no row
//! and is no error to PostgreSQL, so it undoes no other. Every job may be done again: after a commit whose answer was
//! lost, it finds that it was done.
//!
//! The row of this instance's chain is locked first. So a batch that is done again waits until what the server may still
//! do of the first try is over, and sees it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{join, join_all, join3};
use jiff::Timestamp;
use relay_core::audit::{Link, LinkHash};
use relay_core::{
    Begin, EventId, Fence, InboundChange, InboundRecord, MailboxId, MailboxTimes, NewDeed, NewInbound,
    NewOutbound, OpenIncident, OutboundChange, OutboundRecord, Pausable, Pause, RelayId,
};

use super::connect::Session;
use super::fault::Fault;
use super::value::{self, Entry, cut, integer};
use super::{deed, inbound, incident, outbound, pause};

/// What a caller wants written.
pub(crate) enum Work {
    BeginOutbound(Box<NewOutbound>),
    CommitOutbound { relay_id: RelayId, version: u64, change: Box<OutboundChange> },
    Settle { relay_id: RelayId, at: Timestamp },
    BeginInbound(Box<NewInbound>),
    CommitInbound { relay_id: RelayId, version: u64, change: Box<InboundChange> },
    Told(Vec<EventId>),
    Times { mailbox: MailboxId, times: MailboxTimes },
    Deed(Box<NewDeed>),
    Pause(Box<Pause>),
    Resume(Pausable),
    PutIncident(Box<OpenIncident>),
    RemoveIncident { owner: String, id: String },
}

/// What a caller is answered.
pub(crate) enum Done {
    Written,
    Outbound(Begin<OutboundRecord>),
    Inbound(Begin<InboundRecord>),
    /// Whether there was a pause that ended.
    Resumed(bool),
    /// A deed, to be added to its chain unless it was before.
    Deed {
        is_there: bool,
    },
}

/// What one job came to.
pub(crate) struct Outcome {
    /// For its caller. An error here concerns this job alone.
    pub(crate) result: Result<Done, Fault>,
    /// What it adds to the history.
    pub(crate) entry: Option<Entry>,
}

impl Outcome {
    /// A change that met another version: either it was made before, by this very call, or someone else was faster.
    /// It is the same call when this instance's own chain holds it, to the letter.
    pub(crate) async fn unless_done_before(
        session: &Session,
        entry: &Entry,
        chain: &str,
    ) -> Result<Self, Fault> {
        const SQL: &str = "SELECT 1 FROM mesh_relay.event
            WHERE relay_id = $1 AND direction = $2 AND sequence = $3
                AND at = $4 AND state = $5 AND note IS NOT DISTINCT FROM $6 AND chain = $7";
        let found = session
            .query(
                SQL,
                &[
                    &entry.relay_id.0,
                    &entry.direction.as_str(),
                    &integer(entry.sequence),
                    &entry.at,
                    &entry.state.json,
                    &entry.note,
                    &chain,
                ],
            )
            .await?;
        let result = if found.is_empty() { Err(Fault::Conflict(entry.relay_id)) } else { Ok(Done::Written) };
        Ok(Self { result, entry: None })
    }
}

/// Does the work in one transaction. The results are true once this returns them.
pub(crate) async fn transact(
    session: &Session,
    chain: &str,
    jobs: &[(&Work, Option<&Fence>)],
) -> Result<Vec<Result<Done, Fault>>, Fault> {
    const CHAIN: &str = "SELECT number, hash, deed_number, deed_hash
        FROM mesh_relay.chain WHERE name = $1 FOR UPDATE";
    const LEASES: &str = "SELECT name, epoch FROM mesh_relay.lease
        WHERE name = ANY($1) AND owner IS NOT NULL ORDER BY name FOR KEY SHARE";

    // Prepared before, so that all goes out behind the beginning.
    let (chain_sql, leases_sql) = (session.prepared(CHAIN).await?, session.prepared(LEASES).await?);
    let names: Vec<&str> = jobs.iter().filter_map(|(_, fence)| fence.map(|fence| &*fence.lease)).collect();
    let client = &session.client;
    let (begun, head, leases) = join3(
        session.batch("BEGIN ISOLATION LEVEL READ COMMITTED"),
        client.query_opt(&chain_sql, &[&chain]),
        client.query(&leases_sql, &[&names]),
    )
    .await;
    begun?;
    let missing =
        || Fault::Refused("this instance's audit chain is missing; restore the table chain".to_owned());
    let head = head?.ok_or_else(missing)?;
    let mut deeds =
        deed::Head { number: value::count(&head, "deed_number")?, hash: value::hash(&head, "deed_hash")? };
    let mut head = Head { number: value::count(&head, "number")?, hash: value::hash(&head, "hash")? };
    let leases = leases?;
    let epochs = leases.iter().map(|row| Ok((value::get(row, "name")?, value::count(row, "epoch")?)));
    let epochs: HashMap<&str, u64> = epochs.collect::<Result<_, Fault>>()?;

    let running = jobs.iter().map(|(work, fence)| async {
        match fence {
            Some(fence) if epochs.get(&*fence.lease) != Some(&fence.epoch) => {
                Ok(Outcome { result: Err(Fault::Fenced(Arc::clone(&fence.lease))), entry: None })
            }
            _ => run(session, work, chain).await,
        }
    });
    let mut results = Vec::with_capacity(jobs.len());
    let (mut links, mut done) = (Vec::new(), Vec::new());
    for (outcome, (work, _)) in cause_first(join_all(running).await)?.into_iter().zip(jobs) {
        links.extend(outcome.entry.map(|entry| head.append(entry)));
        if let (Work::Deed(deed), Ok(Done::Deed { is_there: false })) = (work, &outcome.result) {
            done.push(deeds.append(deed));
        }
        results.push(outcome.result);
    }
    deed::append(session, chain, &done).await?;
    finish(session, chain, &links).await?;
    Ok(results)
}

/// After the statement that failed, every other fails because of it; that one says why.
fn cause_first(mut outcomes: Vec<Result<Outcome, Fault>>) -> Result<Vec<Outcome>, Fault> {
    let cause = outcomes.iter().position(|outcome| matches!(outcome, Err(fault) if !fault.is_consequence()));
    match cause {
        Some(cause) => outcomes.swap_remove(cause).map(|_| Vec::new()),
        None => outcomes.into_iter().collect(),
    }
}

async fn run(session: &Session, work: &Work, chain: &str) -> Result<Outcome, Fault> {
    match work {
        Work::BeginOutbound(new) => outbound::begin(session, new).await,
        Work::CommitOutbound { relay_id, version, change } => {
            outbound::commit(session, *relay_id, *version, change, chain).await
        }
        Work::Settle { relay_id, at } => outbound::settle(session, *relay_id, *at).await,
        Work::BeginInbound(new) => inbound::begin(session, new).await,
        Work::CommitInbound { relay_id, version, change } => {
            inbound::commit(session, *relay_id, *version, change, chain).await
        }
        Work::Told(events) => told(session, events).await,
        Work::Times { mailbox, times } => record_times(session, mailbox, times).await,
        Work::Deed(deed) => {
            let is_there = deed::is_there(session, deed, chain).await?;
            Ok(Outcome { result: Ok(Done::Deed { is_there }), entry: None })
        }
        Work::Pause(pause) => pause::pause(session, pause).await,
        Work::Resume(what) => pause::resume(session, what).await,
        Work::PutIncident(kept) => incident::put(session, kept).await,
        Work::RemoveIncident { owner, id } => incident::remove(session, owner, id).await,
    }
}

async fn told(session: &Session, events: &[EventId]) -> Result<Outcome, Fault> {
    const SQL: &str = "UPDATE mesh_relay.event SET untold_to = NULL
        FROM unnest($1::uuid[], $2::bigint[]) AS told (relay_id, sequence)
        WHERE event.relay_id = told.relay_id AND event.direction = 'outbound' AND event.sequence = told.sequence";
    let relay_ids: Vec<_> = events.iter().map(|event| event.relay_id.0).collect();
    let sequences: Vec<i64> = events.iter().map(|event| integer(event.sequence)).collect();
    session.execute(SQL, &[&relay_ids, &sequences]).await?;
    Ok(Outcome { result: Ok(Done::Written), entry: None })
}

async fn record_times(
    session: &Session,
    mailbox: &MailboxId,
    times: &MailboxTimes,
) -> Result<Outcome, Fault> {
    const SQL: &str = "INSERT INTO mesh_relay.mailbox AS known (mailbox, polled_at, handshake_at)
        VALUES ($1, $2, $3)
        ON CONFLICT (mailbox) DO UPDATE SET
            polled_at = COALESCE(excluded.polled_at, known.polled_at),
            handshake_at = COALESCE(excluded.handshake_at, known.handshake_at)";
    let (polled_at, handshake_at) = (times.polled_at.map(cut), times.handshake_at.map(cut));
    session.execute(SQL, &[&mailbox.as_str(), &polled_at, &handshake_at]).await?;
    Ok(Outcome { result: Ok(Done::Written), entry: None })
}

/// The chain's last link.
struct Head {
    number: u64,
    hash: LinkHash,
}

/// An entry with its place in the chain.
struct Linked {
    entry: Entry,
    number: u64,
    hash: LinkHash,
}

impl Head {
    fn append(&mut self, entry: Entry) -> Linked {
        self.number += 1;
        let link = Link {
            number: self.number,
            relay_id: entry.relay_id,
            direction: entry.direction,
            sequence: entry.sequence,
            at: entry.at,
            state: &entry.state.json,
            note: entry.note.as_deref(),
        };
        self.hash = link.hash(&self.hash);
        Linked { entry, number: self.number, hash: self.hash }
    }
}

/// Appends the links and commits.
async fn finish(session: &Session, chain: &str, links: &[Linked]) -> Result<(), Fault> {
    // The rows come in the order of the arrays, and so do their places.
    const APPEND: &str = "WITH moved AS (
            UPDATE mesh_relay.chain SET number = $11, hash = $12 WHERE name = $10
        )
        INSERT INTO mesh_relay.event
            (relay_id, direction, sequence, at, state_name, state, note, untold_to, number, hash, chain)
        SELECT relay_id, direction, sequence, at, state_name, state, note, untold_to, number, hash, $10
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::bigint[], $13::bytea[])
            AS link (relay_id, direction, sequence, at, state_name, state, note, untold_to, number, hash)
        ORDER BY number";
    let Some(last) = links.last() else {
        return session.batch("COMMIT").await;
    };
    fn column<'l, T>(links: &'l [Linked], value: impl Fn(&'l Linked) -> T) -> Vec<T> {
        links.iter().map(value).collect()
    }
    let append = session.prepared(APPEND).await?;
    let relay_ids = column(links, |link| link.entry.relay_id.0);
    let directions = column(links, |link| link.entry.direction.as_str());
    let sequences = column(links, |link| integer(link.entry.sequence));
    let times = column(links, |link| link.entry.at);
    let names = column(links, |link| link.entry.state.name);
    let states = column(links, |link| link.entry.state.json.as_str());
    let notes = column(links, |link| link.entry.note.as_deref());
    let untold = column(links, |link| link.entry.untold_to.as_deref());
    let numbers = column(links, |link| integer(link.number));
    let hashes = column(links, |link| link.hash.as_slice());
    let (last_number, last_hash) = (integer(last.number), last.hash.as_slice());
    let (appended, committed) = join(
        session.client.execute(
            &append,
            &[
                &relay_ids,
                &directions,
                &sequences,
                &times,
                &names,
                &states,
                &notes,
                &untold,
                &numbers,
                &chain,
                &last_number,
                &last_hash,
                &hashes,
            ],
        ),
        session.batch("COMMIT"),
    )
    .await;
    // After a statement that failed, COMMIT rolls back and calls that a success; so the statement is looked at first.
    appended?;
    committed
}
