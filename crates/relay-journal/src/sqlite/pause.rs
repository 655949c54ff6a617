//! What people paused.

use relay_core::{Pausable, Pause};
use rusqlite::Connection;

use super::fault::Fault;
use super::value::{self, micros};
use crate::stored::{of_pausable, pausable};

/// What is paused, always in the same order.
pub(crate) fn pauses(connection: &Connection) -> Result<Vec<Pause>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT kind, name, paused_by, at, reason FROM pause ORDER BY kind, name")?;
    value::all(statement.query([])?, |row| {
        let (kind, name) = (value::text(row, "kind")?, value::text(row, "name")?);
        Ok(Pause {
            what: pausable(&kind, &name).ok_or(Fault::Unreadable("name"))?,
            by: value::text(row, "paused_by")?,
            at: value::time(row, "at")?,
            reason: value::text(row, "reason")?,
        })
    })
}

/// Pauses something, or changes by whom and why it is paused.
pub(crate) fn pause(connection: &Connection, pause: &Pause) -> Result<(), Fault> {
    let (kind, name) = of_pausable(&pause.what);
    connection
        .prepare_cached(
            "INSERT INTO pause (kind, name, paused_by, at, reason) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, name) DO UPDATE
                 SET paused_by = excluded.paused_by, at = excluded.at, reason = excluded.reason",
        )?
        .execute((kind, name, &pause.by, micros(pause.at), &pause.reason))?;
    Ok(())
}

/// Ends a pause. `false`: there was none.
pub(crate) fn resume(connection: &Connection, what: &Pausable) -> Result<bool, Fault> {
    let ended = connection
        .prepare_cached("DELETE FROM pause WHERE kind = ?1 AND name = ?2")?
        .execute(of_pausable(what))?;
    Ok(ended > 0)
}
