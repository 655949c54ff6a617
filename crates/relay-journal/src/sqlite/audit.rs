//! The audit chain as a whole: whether it is sound, and what of it may go.

use jiff::Timestamp;
use relay_core::audit::{AuditReport, ChainReport, Pruned};
use rusqlite::Connection;

use super::event::{self, Kept};
use super::fault::Fault;
use super::value::{self, integer, micros};

/// The one chain of a file.
const CHAIN: &str = "local";
/// Most faults between chain and messages that are named.
const FAULTS_MAX: u32 = 20;

/// Checks the whole chain, and that each message is where its last link says.
pub(crate) fn verify(connection: &Connection) -> Result<AuditReport, Fault> {
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
    Ok(AuditReport { chains: vec![chain], faults: disagreements(connection)? })
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

/// Removes the longest beginning of the chain that is older than `before`, told, and about messages that are over, and
/// those messages. A message goes only with all its links.
pub(crate) fn prune(connection: &Connection, before: Timestamp) -> Result<Pruned, Fault> {
    let before = micros(before);
    // A link of a message that goes on, or of one that changed since, holds everything behind it.
    let first_kept: Option<u64> = connection
        .prepare_cached(
            "SELECT min(number) FROM event WHERE at >= ?1 OR untold IS NOT NULL OR relay_id IN (
                 SELECT relay_id FROM outbound WHERE updated_at >= ?1 OR settled_at IS NULL OR due_at IS NOT NULL
                     OR state_name IN ('received', 'sending', 'uploading', 'in_doubt'))
                 OR relay_id IN (
                 SELECT relay_id FROM inbound WHERE updated_at >= ?1
                     OR state_name IN ('listed', 'delivering', 'delivered'))",
        )?
        .query_row([before], |row| row.get(0))?;
    let (head, _) = event::head(connection)?;
    let last = first_kept.map_or(head, |first| first - 1);
    let (base, _) = event::base(connection)?;
    if last <= base {
        return Ok(Pruned::default());
    }
    connection.execute(
        "UPDATE chain SET (base_number, base_hash) = (SELECT number, hash FROM event WHERE number = ?1)",
        [integer(last)],
    )?;
    let links = connection.execute("DELETE FROM event WHERE number <= ?1", [integer(last)])?;
    let mut messages = 0;
    for name in ["outbound", "inbound"] {
        let over = format!("relay_id NOT IN (SELECT relay_id FROM event) AND updated_at < {before}");
        connection.execute(
            &format!("DELETE FROM {name}_words WHERE rowid IN (SELECT rowid FROM {name} WHERE {over})"),
            [],
        )?;
        messages += connection.execute(&format!("DELETE FROM {name} WHERE {over}"), [])?;
    }
    Ok(Pruned { messages: messages as u64, links: links as u64 })
}
