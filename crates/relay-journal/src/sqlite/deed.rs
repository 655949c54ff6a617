//! What people did, in a chain of its own beside the messages'.

use jiff::Timestamp;
use relay_core::audit::{ChainReport, LinkHash};
use relay_core::search::SEARCH_LIMIT_MAX;
use relay_core::{Deed, DeedQuery, NewDeed};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, named_params, params_from_iter};

use super::audit::CHAIN;
use super::fault::Fault;
use super::value::{self, integer, micros};
use crate::deeds::{Found, Kept, Walk};
use crate::stored;

/// Deeds removed in one step of a pruning: the writer does nothing else meanwhile.
const STEP_DEEDS: u64 = 5_000;

/// Records a deed as the next one of the chain, unless it is there.
pub(crate) fn record(connection: &Connection, deed: &NewDeed) -> Result<(), Fault> {
    if is_there(connection, deed)? {
        return Ok(());
    }
    let (last, before): (u64, LinkHash) = connection
        .prepare_cached("SELECT number, hash FROM deed_chain WHERE name = ?1")?
        .query_row([CHAIN], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let number = last + 1;
    let hash = deed.hash(number, &before);
    connection
        .prepare_cached(
            "INSERT INTO deed (chain, number, at, who, kind, relay_id, mailbox, message_id, note, hash)
             VALUES (:chain, :number, :at, :who, :kind, :relay_id, :mailbox, :message_id, :note, :hash)",
        )?
        .execute(named_params! {
            ":chain": CHAIN,
            ":number": integer(number),
            ":at": micros(deed.at),
            ":who": deed.who,
            ":kind": deed.kind.as_str(),
            ":relay_id": deed.relay_id.as_ref().map(|id| id.0.as_bytes()),
            ":mailbox": deed.mailbox.as_ref().map(|id| id.as_str()),
            ":message_id": deed.message_id.as_ref().map(|id| id.as_str()),
            ":note": deed.note,
            ":hash": hash,
        })?;
    connection.prepare_cached("UPDATE deed_chain SET number = ?2, hash = ?3 WHERE name = ?1")?.execute((
        CHAIN,
        integer(number),
        hash,
    ))?;
    Ok(())
}

/// Whether it was recorded before, by this very call, whose answer was lost.
fn is_there(connection: &Connection, deed: &NewDeed) -> Result<bool, Fault> {
    // Else SQLite, which counts no rows, would take the chain for as good a way as the time and walk along all of it.
    let there = connection
        .prepare_cached(
            "SELECT 1 FROM deed INDEXED BY deed_at WHERE at = :at AND chain = :chain AND who = :who AND kind = :kind
                 AND relay_id IS :relay_id AND mailbox IS :mailbox AND message_id IS :message_id AND note IS :note",
        )?
        .exists(named_params! {
            ":at": micros(deed.at),
            ":chain": CHAIN,
            ":who": deed.who,
            ":kind": deed.kind.as_str(),
            ":relay_id": deed.relay_id.as_ref().map(|id| id.0.as_bytes()),
            ":mailbox": deed.mailbox.as_ref().map(|id| id.as_str()),
            ":message_id": deed.message_id.as_ref().map(|id| id.as_str()),
            ":note": deed.note,
        })?;
    Ok(there)
}

/// What people did, newest first.
pub(crate) fn deeds(connection: &Connection, query: &DeedQuery) -> Result<Vec<Deed>, Fault> {
    let limit = query.limit.clamp(1, SEARCH_LIMIT_MAX);
    let mut conditions = vec!["1"];
    let mut values: Vec<Value> = Vec::new();
    if let Some(relay_id) = query.relay_id {
        conditions.push("relay_id = ?");
        values.push(relay_id.0.as_bytes().to_vec().into());
    }
    if let Some(place) = &query.before {
        conditions.push("(at, chain, number) < (?, ?, ?)");
        values.extend([micros(place.at).into(), place.chain.clone().into(), integer(place.number).into()]);
    }
    let statement = format!(
        "SELECT * FROM deed WHERE {} ORDER BY at DESC, chain DESC, number DESC LIMIT {limit}",
        conditions.join(" AND ")
    );
    let mut statement = connection.prepare_cached(&statement)?;
    value::all(statement.query(params_from_iter(values))?, |row| {
        let chain = value::text(row, "chain")?;
        let Found { number, deed, .. } = found(row)?;
        Ok(Deed { chain, number, deed })
    })
}

fn found(row: &Row<'_>) -> Result<Found, Fault> {
    let kind = value::text(row, "kind")?;
    let mailbox = value::optional_text(row, "mailbox")?.map(|id| id.parse()).transpose();
    let message_id = value::optional_text(row, "message_id")?.map(|id| id.parse()).transpose();
    Ok(Found {
        number: value::count(row, "number")?,
        deed: NewDeed {
            at: value::time(row, "at")?,
            who: value::text(row, "who")?,
            kind: stored::deed_kind(&kind).ok_or(Fault::Unreadable("kind"))?,
            relay_id: value::optional_relay_id(row, "relay_id")?,
            mailbox: mailbox.map_err(|_| Fault::Unreadable("mailbox"))?,
            message_id: message_id.map_err(|_| Fault::Unreadable("message_id"))?,
            note: value::optional_text(row, "note")?,
        },
        hash: row.get("hash").map_err(|_| Fault::Unreadable("hash"))?,
    })
}

fn chain(connection: &Connection) -> Result<Kept, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT number, hash, base_number, base_hash FROM deed_chain WHERE name = ?1")?;
    Ok(statement.query_row([CHAIN], |row| {
        Ok(Kept {
            name: CHAIN.to_owned(),
            number: row.get(0)?,
            hash: row.get(1)?,
            base_number: row.get(2)?,
            base_hash: row.get(3)?,
        })
    })?)
}

/// Checks the whole chain.
pub(crate) fn verify(connection: &Connection) -> Result<ChainReport, Fault> {
    let mut walk = Walk::along(chain(connection)?);
    // A row that was moved to another chain is missing here.
    let mut statement = connection.prepare("SELECT * FROM deed WHERE chain = ?1 ORDER BY number")?;
    let mut rows = statement.query([CHAIN])?;
    while let Some(row) = rows.next()? {
        walk.follow(found(row).ok().as_ref());
    }
    Ok(walk.end())
}

/// Deeds that stand in no chain, in words.
pub(crate) fn strays(connection: &Connection) -> Result<Option<String>, Fault> {
    let strays: u64 = connection
        .prepare("SELECT count(*) FROM deed WHERE chain <> ?1")?
        .query_row([CHAIN], |row| row.get(0))?;
    Ok((strays > 0).then(|| format!("{strays} deeds stand in no chain that is known")))
}

/// One step of a pruning: removes deeds from the chain's beginning as long as they are older than `before`. `None`:
/// nothing is left to remove.
pub(crate) fn prune_step(connection: &Connection, before: Timestamp) -> Result<Option<u64>, Fault> {
    let Kept { number, base_number: base, .. } = chain(connection)?;
    let end = number.min(base + STEP_DEEDS);
    let stays: Option<u64> = connection
        .prepare_cached("SELECT min(number) FROM deed WHERE chain = ?1 AND number <= ?2 AND at >= ?3")?
        .query_row((CHAIN, integer(end), micros(before)), |row| row.get(0))?;
    let last = stays.map_or(end, |first| first.saturating_sub(1));
    if last <= base {
        return Ok(None);
    }
    let last = integer(last);
    let moved = connection
        .prepare_cached(
            "UPDATE deed_chain SET (base_number, base_hash) = (kept.number, kept.hash)
             FROM (SELECT number, hash FROM deed WHERE chain = ?1 AND number = ?2) AS kept
             WHERE deed_chain.name = ?1",
        )?
        .execute((CHAIN, last))?;
    if moved == 0 {
        // The deed that would become the base is missing; what is left shows that.
        return Ok(None);
    }
    let removed = connection
        .prepare_cached("DELETE FROM deed WHERE chain = ?1 AND number <= ?2")?
        .execute((CHAIN, last))?;
    Ok(Some(removed as u64))
}
