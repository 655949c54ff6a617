//! Changes, as those hear of them who watch: by chain and number, since places in the table are given before a commit
//! and become visible after it in another order.

use relay_core::search::CHANGES_LIMIT_MAX;
use relay_core::{Change, ChangeCursor};
use tokio_postgres::Row;

use super::connect::Session;
use super::fault::Fault;
use super::value::{self, integer};

/// Where every chain ends.
pub(crate) async fn cursor(session: &Session) -> Result<ChangeCursor, Fault> {
    let rows = session.query("SELECT name, number FROM mesh_relay.chain", &[]).await?;
    let place = |row: &Row| Ok((value::get(row, "name")?, value::count(row, "number")?));
    rows.iter().map(place).collect::<Result<_, Fault>>().map(ChangeCursor)
}

/// Changes behind a cursor, in the order of each chain. Where there are more than `limit`, each chain has its share, the
/// next ones of it, so that a busy instance hides no other.
pub(crate) async fn behind(
    session: &Session,
    cursor: &ChangeCursor,
    limit: u32,
) -> Result<Vec<Change>, Fault> {
    const SQL: &str = "SELECT change.*, chain.name AS chain
        FROM mesh_relay.chain
            LEFT JOIN unnest($1::text[], $2::bigint[]) AS seen (name, number) ON seen.name = chain.name
            CROSS JOIN LATERAL (
                SELECT number, relay_id, direction, sequence, at, state_name,
                    row_number() OVER (ORDER BY number) AS turn
                FROM mesh_relay.event
                WHERE event.chain = chain.name AND event.number > COALESCE(seen.number, 0)
                ORDER BY event.number LIMIT $3
            ) AS change
        ORDER BY change.turn, chain.name LIMIT $3";
    let (names, numbers): (Vec<&str>, Vec<i64>) =
        cursor.0.iter().map(|(name, number)| (name.as_str(), integer(*number))).unzip();
    let limit = i64::from(limit.clamp(1, CHANGES_LIMIT_MAX));
    let change = |row: &Row| {
        Ok(Change {
            chain: value::get(row, "chain")?,
            number: value::count(row, "number")?,
            relay_id: value::relay_id(row, "relay_id")?,
            direction: value::direction(row, "direction")?,
            sequence: value::count(row, "sequence")?,
            at: value::get(row, "at")?,
            state: value::get(row, "state_name")?,
        })
    };
    session.query(SQL, &[&names, &numbers, &limit]).await?.iter().map(change).collect()
}
