//! Forgetting what ended long ago. A chain loses links at its beginning only, and its base moves there, so that what is
//! kept stays verifiable.

use jiff::Timestamp;
use relay_core::audit::Pruned;
use uuid::Uuid;

use super::connect::Session;
use super::fault::Fault;
use super::value::{self, integer};

/// Begins a step. Read committed: a step sees what was committed before its lock on the chain was granted.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0";

/// Links removed in one transaction at most, since the chain's writer waits for it.
const STEP_MAX: u64 = 5_000;

/// Whether a message of each table may be forgotten, once its events are told: it has ended, what follows is over, its source has let go, and
/// nothing happened since.
macro_rules! over {
    (outbound) => {
        "(outbound.updated_at < $2 AND outbound.settled_at IS NOT NULL
            AND outbound.state_name NOT IN ('received', 'sending', 'uploading', 'in_doubt')
            AND (outbound.state_name <> 'accepted' OR outbound.due_at IS NULL))"
    };
    (inbound) => {
        "(inbound.updated_at < $2 AND inbound.state_name NOT IN ('listed', 'delivering', 'delivered'))"
    };
}

/// The names of all chains.
pub(crate) async fn chains(session: &Session) -> Result<Vec<String>, Fault> {
    let rows = session.query("SELECT name FROM mesh_relay.chain ORDER BY name", &[]).await?;
    rows.iter().map(|row| value::get(row, "name")).collect()
}

/// One step along one chain. To be called in a transaction begun by [`BEGIN`]. `None`: nothing is left to forget.
pub(crate) async fn step(session: &Session, chain: &str, before: Timestamp) -> Result<Option<Pruned>, Fault> {
    const LOCK: &str = "SELECT number, base_number FROM mesh_relay.chain WHERE name = $1 FOR UPDATE";
    // The first link that has to stay. A link whose message is missing stays, too, so that the audit shows it.
    const STAYS: &str = concat!(
        "SELECT event.number FROM mesh_relay.event
            LEFT JOIN mesh_relay.outbound
                ON outbound.relay_id = event.relay_id AND event.direction = 'outbound'
            LEFT JOIN mesh_relay.inbound
                ON inbound.relay_id = event.relay_id AND event.direction = 'inbound'
        WHERE event.chain = $1 AND event.number <= $3
            AND (event.at < $2 AND event.untold_to IS NULL AND (",
        over!(outbound),
        " OR ",
        over!(inbound),
        ")) IS NOT TRUE ORDER BY event.number LIMIT 1"
    );
    const BASE: &str = "UPDATE mesh_relay.chain
        SET base_number = $2, base_hash = event.hash, pruned_before = GREATEST(pruned_before, $3)
        FROM mesh_relay.event WHERE chain.name = $1 AND event.chain = $1 AND event.number = $2";
    const LINKS: &str = "DELETE FROM mesh_relay.event WHERE chain = $1 AND number <= $2 RETURNING relay_id";
    // A message that another instance changes at this moment is looked at again once that is committed, and stays.
    const OUTBOUND: &str = concat!(
        "DELETE FROM mesh_relay.outbound WHERE relay_id = ANY($1) AND ",
        over!(outbound),
        " AND NOT EXISTS (SELECT FROM mesh_relay.event
            WHERE event.relay_id = outbound.relay_id AND event.direction = 'outbound')"
    );
    const INBOUND: &str = concat!(
        "DELETE FROM mesh_relay.inbound WHERE relay_id = ANY($1) AND ",
        over!(inbound),
        " AND NOT EXISTS (SELECT FROM mesh_relay.event
            WHERE event.relay_id = inbound.relay_id AND event.direction = 'inbound')"
    );

    let locked = session.query(LOCK, &[&chain]).await?;
    let Some(row) = locked.first() else { return Ok(None) };
    let base = value::count(row, "base_number")?;
    let last = value::count(row, "number")?.min(base + STEP_MAX);
    let stays = session.query(STAYS, &[&chain, &before, &integer(last)]).await?;
    let cut = match stays.first() {
        Some(row) => value::count(row, "number")?.saturating_sub(1),
        None => last,
    };
    if cut <= base {
        return Ok(None);
    }
    let cut = integer(cut);
    if session.execute(BASE, &[&chain, &cut, &before]).await? == 0 {
        // The link that would become the base is missing; what is left shows that.
        return Ok(None);
    }
    let links = session.query(LINKS, &[&chain, &cut]).await?;
    let mut relay_ids =
        links.iter().map(|row| value::get(row, "relay_id")).collect::<Result<Vec<Uuid>, _>>()?;
    relay_ids.sort_unstable();
    relay_ids.dedup();
    let mut messages = session.execute(OUTBOUND, &[&relay_ids, &before]).await?;
    messages += session.execute(INBOUND, &[&relay_ids, &before]).await?;
    Ok(Some(Pruned { messages, links: links.len() as u64, deeds: 0 }))
}
