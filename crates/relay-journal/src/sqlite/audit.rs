//! The audit chains as a whole: whether they are sound, and what of them may go.

use std::collections::BTreeSet;

use jiff::Timestamp;
use relay_core::RelayId;
use relay_core::audit::{AuditReport, ChainReport, Pruned};
use rusqlite::{Connection, OptionalExtension};

use super::deed;
use super::event::{self, Kept};
use super::fault::Fault;
use super::value::{self, integer, micros};

/// The one chain of messages of a file, and the one of deeds.
pub(crate) const CHAIN: &str = "local";
/// Most faults between chain and messages that are named.
const FAULTS_MAX: u32 = 20;

/// Checks both chains whole, and that each message is where its last link says.
pub(crate) fn verify(connection: &Connection) -> Result<AuditReport, Fault> {
    // One view of it all: the relay goes on writing.
    let _view = connection.unchecked_transaction()?;
    let (mut number, mut head) = event::base(connection)?;
    let mut links = 0;
    let mut fault = None;
    let mut statement = connection.prepare("SELECT * FROM event ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kept = Kept::read(row)?;
        let expected = number + 1;
        let hash = kept.link().hash(&head);
        if kept.number != expected {
            fault = Some(format!("link {expected} is missing"));
        } else if kept.hash != hash {
            fault = Some(format!("link {expected} was changed or is not where it was"));
        }
        if fault.is_some() {
            break;
        }
        (number, head) = (expected, hash);
        links += 1;
    }
    let chain = ChainReport { chain: CHAIN.to_owned(), links, last: number, head, fault };
    let mut faults = disagreements(connection)?;
    faults.extend(deed::strays(connection)?);
    Ok(AuditReport { chains: vec![chain, deed::verify(connection)?], faults })
}

/// Messages whose state is not their last link's. Where links were pruned, none are left of a message at all.
fn disagreements(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut faults = Vec::new();
    for name in ["outbound", "inbound"] {
        let mut statement = connection.prepare(&format!(
            "SELECT relay_id FROM {name} AS message WHERE NOT EXISTS (
                 SELECT 1 FROM event WHERE event.relay_id = message.relay_id AND sequence = version
                     AND event.state = message.state)
             LIMIT {FAULTS_MAX}"
        ))?;
        faults.extend(value::all(statement.query([])?, |row| {
            let relay_id = value::relay_id(row, "relay_id")?;
            Ok(format!("{name} message {relay_id} is not where the last link about it says"))
        })?);
        let mut statement = connection.prepare(&format!(
            "SELECT DISTINCT relay_id FROM event WHERE direction = '{name}'
                 AND relay_id NOT IN (SELECT relay_id FROM {name}) LIMIT {FAULTS_MAX}"
        ))?;
        faults.extend(value::all(statement.query([])?, |row| {
            let relay_id = value::relay_id(row, "relay_id")?;
            Ok(format!("{name} message {relay_id} is missing, and there are links about it"))
        })?);
    }
    Ok(faults)
}

/// Links looked at in one step of a pruning: the writer does nothing else meanwhile.
const STEP_LINKS: u64 = 2_000;

/// One step of a pruning: removes links from the chain's beginning as long as they are older than `before`, told, and
/// about messages that are over, and with their last link those messages. `None`: nothing is left to remove.
pub(crate) fn prune_step(connection: &Connection, before: Timestamp) -> Result<Option<Pruned>, Fault> {
    let before = micros(before);
    let (base, _) = event::base(connection)?;
    let (head, _) = event::head(connection)?;
    let end = head.min(base + STEP_LINKS);
    // A link whose message is missing stays, too, so that the audit shows it.
    let stays: Option<u64> = connection
        .prepare_cached(
            "SELECT min(number) FROM event
                 LEFT JOIN outbound ON outbound.relay_id = event.relay_id
                 LEFT JOIN inbound ON inbound.relay_id = event.relay_id
             WHERE number <= ?2 AND (at < ?1 AND untold IS NULL AND (
                 (outbound.updated_at < ?1 AND outbound.settled_at IS NOT NULL AND outbound.due_at IS NULL
                     AND outbound.state_name NOT IN ('received', 'sending', 'uploading', 'in_doubt'))
                 OR (inbound.updated_at < ?1
                     AND inbound.state_name NOT IN ('listed', 'delivering', 'delivered'))
             )) IS NOT TRUE",
        )?
        .query_row((before, integer(end)), |row| row.get(0))?;
    let last = stays.map_or(end, |first| first - 1);
    if last <= base {
        return Ok(None);
    }
    let last = integer(last);
    connection
        .prepare_cached(
            "UPDATE chain SET (base_number, base_hash) = (SELECT number, hash FROM event WHERE number = ?1)",
        )?
        .execute([last])?;
    let mut removed = connection.prepare_cached("DELETE FROM event WHERE number <= ?1 RETURNING relay_id")?;
    let relay_ids = value::all(removed.query([last])?, |row| value::relay_id(row, "relay_id"))?;
    let links = relay_ids.len() as u64;
    let mut messages = 0;
    for relay_id in relay_ids.into_iter().collect::<BTreeSet<_>>() {
        messages += forget(connection, relay_id)?;
    }
    Ok(Some(Pruned { messages, links, deeds: 0 }))
}

/// Removes a message that has no link left. Says how many that were.
fn forget(connection: &Connection, relay_id: RelayId) -> Result<u64, Fault> {
    let id = relay_id.0.as_bytes();
    if connection.prepare_cached("SELECT 1 FROM event WHERE relay_id = ?1")?.exists([id])? {
        return Ok(0);
    }
    let mut messages = 0;
    for (message, words) in [
        (
            "DELETE FROM outbound WHERE relay_id = ?1 RETURNING rowid",
            "DELETE FROM outbound_words WHERE rowid = ?1",
        ),
        (
            "DELETE FROM inbound WHERE relay_id = ?1 RETURNING rowid",
            "DELETE FROM inbound_words WHERE rowid = ?1",
        ),
    ] {
        let rowid: Option<i64> =
            connection.prepare_cached(message)?.query_row([id], |row| row.get(0)).optional()?;
        if let Some(rowid) = rowid {
            connection.prepare_cached(words)?.execute([rowid])?;
            messages += 1;
        }
    }
    Ok(messages)
}
