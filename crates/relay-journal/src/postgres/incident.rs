//! Incidents whose end was not told yet.

use relay_core::OpenIncident;

use super::batch::{Done, Outcome};
use super::connect::Session;
use super::fault::Fault;
use super::value;
use crate::stored::{incident, of_incident};

/// An owner's, by their ids. One that a newer release wrote, and nobody here can read, is left alone.
pub(crate) async fn incidents(session: &Session, owner: &str) -> Result<Vec<OpenIncident>, Fault> {
    const SQL: &str = "SELECT entry FROM mesh_relay.incident WHERE owner = $1 ORDER BY id";
    let rows = session.query(SQL, &[&owner]).await?;
    let entries = rows.iter().map(|row| value::get::<String>(row, "entry"));
    let entries: Vec<String> = entries.collect::<Result<_, Fault>>()?;
    Ok(entries.iter().filter_map(|entry| incident(entry)).collect())
}

/// Keeps one, or what has changed of it.
pub(crate) async fn put(session: &Session, kept: &OpenIncident) -> Result<Outcome, Fault> {
    const SQL: &str = "INSERT INTO mesh_relay.incident (owner, id, entry) VALUES ($1, $2, $3)
        ON CONFLICT (owner, id) DO UPDATE SET entry = excluded.entry";
    let entry =
        of_incident(kept).ok_or_else(|| Fault::Refused("an incident cannot be encoded".to_owned()))?;
    session.execute(SQL, &[&kept.owner, &kept.incident.id, &entry]).await?;
    Ok(Outcome { result: Ok(Done::Written), entry: None })
}

/// Forgets one.
pub(crate) async fn remove(session: &Session, owner: &str, id: &str) -> Result<Outcome, Fault> {
    const SQL: &str = "DELETE FROM mesh_relay.incident WHERE owner = $1 AND id = $2";
    session.execute(SQL, &[&owner, &id]).await?;
    Ok(Outcome { result: Ok(Done::Written), entry: None })
}
