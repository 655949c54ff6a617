//! The look at the whole audit chains.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use relay_core::audit::{AuditReport, ChainReport, Link, LinkHash};
use relay_core::{InboundState, OutboundState, RelayId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connect::Session;
use super::deed;
use super::fault::Fault;
use super::value;

/// Everything is looked at as it is at one moment, while writers go on.
pub(crate) const BEGIN: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0";

/// Most faults between chains and messages that are told.
const FAULTS_MAX: i64 = 100;

/// A chain as its row has it.
struct Chain {
    name: String,
    number: u64,
    hash: LinkHash,
    base_number: u64,
    base_hash: LinkHash,
}

/// Checks every chain and every message. To be called in a transaction begun by [`BEGIN`].
pub(crate) async fn verify(session: &Session) -> Result<AuditReport, Fault> {
    const CHAINS: &str =
        "SELECT name, number, hash, base_number, base_hash FROM mesh_relay.chain ORDER BY name";
    let mut report = AuditReport::default();
    for row in session.query(CHAINS, &[]).await? {
        let chain = Chain {
            name: value::get(&row, "name")?,
            number: value::count(&row, "number")?,
            hash: value::hash(&row, "hash")?,
            base_number: value::count(&row, "base_number")?,
            base_hash: value::hash(&row, "base_hash")?,
        };
        report.chains.push(walk(session, chain).await?);
    }
    report.chains.extend(deed::verify(session).await?);
    report.faults = between(session).await?;
    report.faults.extend(deed::strays(session, FAULTS_MAX).await?);
    Ok(report)
}

/// Follows one chain from its base to its head, link by link as they come.
async fn walk(session: &Session, chain: Chain) -> Result<ChainReport, Fault> {
    const LINKS: &str = "SELECT number, relay_id, direction, sequence, at, state_name, state, note, hash
        FROM mesh_relay.event WHERE chain = $1 ORDER BY number";
    let sql = session.prepared(LINKS).await?;
    let values: [&(dyn ToSql + Sync); 1] = [&chain.name];
    let rows = session.client.query_raw(&sql, values).await?;
    let mut rows = std::pin::pin!(rows);
    let (mut links, mut fault) = (0, None);
    let (mut number, mut hash) = (chain.base_number, chain.base_hash);
    while let Some(row) = rows.try_next().await? {
        links += 1;
        // What comes behind a fault says no more.
        if fault.is_none() {
            match follow(&row, number, &hash) {
                Ok(next) => (number, hash) = (number + 1, next),
                Err(what) => fault = Some(what),
            }
        }
    }
    if fault.is_none() && (number, hash) != (chain.number, chain.hash) {
        fault = Some(format!(
            "the chain ends with link {number}, and its head names link {} with another hash or number; links at its \
             end are missing or were changed",
            chain.number
        ));
    }
    Ok(ChainReport { chain: chain.name, links, last: chain.number, head: chain.hash, fault })
}

/// The hash of the link behind `number`, if it is the right one and whole.
fn follow(row: &Row, number: u64, before: &LinkHash) -> Result<LinkHash, String> {
    let expected = number + 1;
    let unreadable = |_| format!("link {expected} cannot be read");
    let found = value::count(row, "number").map_err(unreadable)?;
    if found != expected {
        return Err(format!("link {expected} is missing; link {found} stands in its place"));
    }
    let state: &str = value::get(row, "state").map_err(unreadable)?;
    let link = Link {
        number: found,
        relay_id: value::relay_id(row, "relay_id").map_err(unreadable)?,
        direction: value::direction(row, "direction").map_err(unreadable)?,
        sequence: value::count(row, "sequence").map_err(unreadable)?,
        at: value::get::<Timestamp>(row, "at").map_err(unreadable)?,
        state,
        note: value::get(row, "note").map_err(unreadable)?,
    };
    let hash = link.hash(before);
    if hash != value::hash(row, "hash").map_err(unreadable)? {
        return Err(format!("link {expected}, about message {}, was changed", link.relay_id));
    }
    // The name is not hashed; it says the same as the state.
    let name: &str = value::get(row, "state_name").map_err(unreadable)?;
    let named = match link.direction {
        relay_core::Direction::Outbound => {
            serde_json::from_str::<OutboundState>(state).map(|state| state.name())
        }
        relay_core::Direction::Inbound => {
            serde_json::from_str::<InboundState>(state).map(|state| state.name())
        }
    };
    match named {
        Ok(named) if named != name => {
            Err(format!("link {expected}, about message {}, names another state", link.relay_id))
        }
        _ => Ok(hash),
    }
}

/// Compares each message with its last link, and each link with its message.
async fn between(session: &Session) -> Result<Vec<String>, Fault> {
    // A message's last link may be gone before others of it: when it was pruned, and a chain that another instance wrote
    // keeps an earlier one. Then the message ended before that pruning.
    const MESSAGES: &str = "WITH message AS (
            SELECT relay_id, 'outbound' AS direction, state_name, state, version, updated_at FROM mesh_relay.outbound
            UNION ALL
            SELECT relay_id, 'inbound', state_name, state, version, updated_at FROM mesh_relay.inbound
        )
        SELECT message.relay_id, last.sequence IS NULL AS alone
        FROM message LEFT JOIN LATERAL (
            SELECT sequence, state, state_name FROM mesh_relay.event
            WHERE event.relay_id = message.relay_id AND event.direction = message.direction
            ORDER BY sequence DESC LIMIT 1
        ) AS last ON TRUE
        WHERE last.sequence IS NULL OR last.sequence > message.version
            OR (last.sequence = message.version
                AND (last.state <> message.state OR last.state_name <> message.state_name))
            OR (last.sequence < message.version
                AND message.updated_at >= COALESCE((SELECT max(pruned_before) FROM mesh_relay.chain), '-infinity'))
        ORDER BY message.relay_id LIMIT $1";
    const LINKS: &str = "SELECT DISTINCT relay_id FROM mesh_relay.event
        WHERE NOT EXISTS (SELECT FROM mesh_relay.outbound
                WHERE outbound.relay_id = event.relay_id AND event.direction = 'outbound')
            AND NOT EXISTS (SELECT FROM mesh_relay.inbound
                WHERE inbound.relay_id = event.relay_id AND event.direction = 'inbound')
        ORDER BY relay_id LIMIT $1";
    const STRAYS: &str = "SELECT DISTINCT chain FROM mesh_relay.event
        WHERE NOT EXISTS (SELECT FROM mesh_relay.chain WHERE chain.name = event.chain) LIMIT $1";
    let mut faults = Vec::new();
    for row in session.query(MESSAGES, &[&FAULTS_MAX]).await? {
        let relay_id: RelayId = value::relay_id(&row, "relay_id")?;
        faults.push(if value::get(&row, "alone")? {
            format!("message {relay_id} has no link")
        } else {
            format!("message {relay_id} is in another state than its last link says")
        });
    }
    for row in session.query(LINKS, &[&FAULTS_MAX]).await? {
        let relay_id = value::relay_id(&row, "relay_id")?;
        faults.push(format!("message {relay_id} is missing, and links about it are there"));
    }
    for row in session.query(STRAYS, &[&FAULTS_MAX]).await? {
        let chain: &str = value::get(&row, "chain")?;
        faults.push(format!("chain {chain} has links and no head"));
    }
    Ok(faults)
}
