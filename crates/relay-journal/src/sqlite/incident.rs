//! Incidents whose end was not told yet.

use relay_core::OpenIncident;
use rusqlite::Connection;

use super::fault::Fault;
use super::value;
use crate::stored::{incident, of_incident};

/// An owner's, by their ids. One that a newer release wrote, and nobody here can read, is left alone.
pub(crate) fn incidents(connection: &Connection, owner: &str) -> Result<Vec<OpenIncident>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT entry FROM incident WHERE owner = ?1 ORDER BY id")?;
    let entries = value::all(statement.query([owner])?, |row| value::text(row, "entry"))?;
    Ok(entries.iter().filter_map(|entry| incident(entry)).collect())
}

/// Keeps one, or what has changed of it.
pub(crate) fn put(connection: &Connection, kept: &OpenIncident) -> Result<(), Fault> {
    let entry = of_incident(kept).ok_or(Fault::Unreadable("entry"))?;
    connection
        .prepare_cached(
            "INSERT INTO incident (owner, id, entry) VALUES (?1, ?2, ?3)
             ON CONFLICT (owner, id) DO UPDATE SET entry = excluded.entry",
        )?
        .execute((&kept.owner, &kept.incident.id, entry))?;
    Ok(())
}

/// Forgets one.
pub(crate) fn remove(connection: &Connection, owner: &str, id: &str) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM incident WHERE owner = ?1 AND id = ?2")?.execute((owner, id))?;
    Ok(())
}
