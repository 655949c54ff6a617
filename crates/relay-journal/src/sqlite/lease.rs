//! Leases and the mailboxes' times.
//!
//! The file belongs to one process, so a lease needs no expiry here; its epoch still tells one tenure from the next, so
//! that work which was dropped can write nothing afterwards.

use std::sync::Arc;

use mesh_api::MailboxId;
use relay_core::{Fence, MailboxTimes};
use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::value::{self, integer, micros};

/// Takes a lease.
pub(crate) fn take(connection: &Connection, name: &str) -> Result<Fence, Fault> {
    let epoch = connection
        .prepare_cached(
            "INSERT INTO lease (name, epoch) VALUES (?1, 1)
             ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
        )?
        .query_row([name], |row| row.get(0))?;
    Ok(Fence { lease: Arc::from(name), epoch })
}

/// Whether the fence is the last one that was given out for its lease.
pub(crate) fn holds(connection: &Connection, fence: &Fence) -> Result<bool, Fault> {
    let epoch: Option<u64> = connection
        .prepare_cached("SELECT epoch FROM lease WHERE name = ?1")?
        .query_row([&*fence.lease], |row| row.get(0))
        .optional()?;
    Ok(epoch == Some(fence.epoch))
}

/// Refuses a write whose lease is no longer held.
pub(crate) fn check(connection: &Connection, fence: Option<&Fence>) -> Result<(), Fault> {
    match fence {
        Some(fence) if !holds(connection, fence)? => Err(Fault::Fenced(Arc::clone(&fence.lease))),
        _ => Ok(()),
    }
}

/// Gives a lease back: whoever comes next has another epoch, and so has this one from now on.
pub(crate) fn release(connection: &Connection, fence: &Fence) -> Result<(), Fault> {
    connection
        .prepare_cached("UPDATE lease SET epoch = epoch + 1 WHERE name = ?1 AND epoch = ?2")?
        .execute((&*fence.lease, integer(fence.epoch)))?;
    Ok(())
}

/// When MESH was last called about a mailbox.
pub(crate) fn times(connection: &Connection, mailbox: &MailboxId) -> Result<MailboxTimes, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT polled_at, handshake_at FROM mailbox WHERE id = ?1")?;
    let mut rows = statement.query([mailbox.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(MailboxTimes::default()) };
    Ok(MailboxTimes {
        polled_at: value::optional_time(row, "polled_at")?,
        handshake_at: value::optional_time(row, "handshake_at")?,
    })
}

/// Records when MESH was last called about a mailbox.
pub(crate) fn keep_times(
    connection: &Connection,
    mailbox: &MailboxId,
    times: MailboxTimes,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO mailbox (id, polled_at, handshake_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET commits = commits + 1, polled_at = COALESCE(excluded.polled_at, polled_at),
                 handshake_at = COALESCE(excluded.handshake_at, handshake_at)",
        )?
        .execute((mailbox.as_str(), times.polled_at.map(micros), times.handshake_at.map(micros)))?;
    Ok(())
}
