//! What people paused.

use relay_core::{Pausable, Pause};
use tokio_postgres::Row;

use super::batch::{Done, Outcome};
use super::connect::Session;
use super::fault::Fault;
use super::value::{self, cut};
use crate::stored::{of_pausable, pausable};

/// What is paused, always in the same order.
pub(crate) async fn pauses(session: &Session) -> Result<Vec<Pause>, Fault> {
    const SQL: &str = "SELECT kind, name, paused_by, at, reason FROM mesh_relay.pause ORDER BY kind, name";
    let pause = |row: &Row| {
        Ok(Pause {
            what: pausable(value::get(row, "kind")?, value::get(row, "name")?)
                .ok_or(Fault::Unreadable("name"))?,
            by: value::get(row, "paused_by")?,
            at: value::get(row, "at")?,
            reason: value::get(row, "reason")?,
        })
    };
    session.query(SQL, &[]).await?.iter().map(pause).collect()
}

/// Pauses something, or changes by whom and why it is paused.
pub(crate) async fn pause(session: &Session, pause: &Pause) -> Result<Outcome, Fault> {
    const SQL: &str = "INSERT INTO mesh_relay.pause (kind, name, paused_by, at, reason)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (kind, name) DO UPDATE
            SET paused_by = excluded.paused_by, at = excluded.at, reason = excluded.reason";
    let (kind, name) = of_pausable(&pause.what);
    session.execute(SQL, &[&kind, &name, &pause.by, &cut(pause.at), &pause.reason]).await?;
    Ok(Outcome { result: Ok(Done::Written), entry: None })
}

/// Ends a pause, if there is one.
pub(crate) async fn resume(session: &Session, what: &Pausable) -> Result<Outcome, Fault> {
    const SQL: &str = "DELETE FROM mesh_relay.pause WHERE kind = $1 AND name = $2";
    let (kind, name) = of_pausable(what);
    let ended = session.execute(SQL, &[&kind, &name]).await?;
    Ok(Outcome { result: Ok(Done::Resumed(ended > 0)), entry: None })
}
