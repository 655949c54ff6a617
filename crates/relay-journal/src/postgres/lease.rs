//! Leases: rows that say which instance works on what, until when by the database's clock.
//!
//! Each change is one statement outside the writer's batches, so that a renewal waits for no other work.

use std::sync::Arc;
use std::time::Duration;

use relay_core::Fence;

use super::connect::Session;
use super::fault::Fault;
use super::value::{self, integer};

/// A time to live as PostgreSQL adds it to a time.
fn micros(ttl: Duration) -> f64 {
    ttl.as_secs_f64() * 1e6
}

/// Takes a lease that is free, that has run out or that this owner held before.
pub(crate) async fn take(
    session: &Session,
    name: &str,
    owner: &str,
    ttl: Duration,
) -> Result<Option<Fence>, Fault> {
    // The condition is looked at once the row is locked, so of several takers one gets it. The time counts from the
    // statement's arrival, which is after the holder's own count began.
    const SQL: &str = "INSERT INTO mesh_relay.lease AS held (name, epoch, owner, expires_at)
        VALUES ($1, 1, $2, clock_timestamp() + $3 * interval '1 microsecond')
        ON CONFLICT (name) DO UPDATE
            SET epoch = held.epoch + 1, owner = excluded.owner,
                expires_at = clock_timestamp() + $3 * interval '1 microsecond'
            WHERE held.owner IS NULL OR held.owner = excluded.owner OR held.expires_at <= clock_timestamp()
        RETURNING epoch";
    let rows = session.query(SQL, &[&name, &owner, &micros(ttl)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Fence { lease: Arc::from(name), epoch: value::count(row, "epoch")? }))
}

/// Makes a lease last from now, unless another took it or it was given back.
pub(crate) async fn renew(session: &Session, fence: &Fence, ttl: Duration) -> Result<bool, Fault> {
    const SQL: &str =
        "UPDATE mesh_relay.lease SET expires_at = clock_timestamp() + $3 * interval '1 microsecond'
        WHERE name = $1 AND epoch = $2 AND owner IS NOT NULL";
    let renewed = session.execute(SQL, &[&&*fence.lease, &integer(fence.epoch), &micros(ttl)]).await?;
    Ok(renewed > 0)
}

/// Gives a lease back. Its epoch stays, so that the next holder's is another.
pub(crate) async fn release(session: &Session, fence: &Fence) -> Result<(), Fault> {
    const SQL: &str = "UPDATE mesh_relay.lease SET owner = NULL, expires_at = clock_timestamp()
        WHERE name = $1 AND epoch = $2";
    session.execute(SQL, &[&&*fence.lease, &integer(fence.epoch)]).await?;
    Ok(())
}
