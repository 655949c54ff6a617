//! How values lie in the tables.

use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};
use relay_core::{Direction, InboundState, OutboundState, RelayId};
use rusqlite::{Row, Rows};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::fault::Fault;

/// A state as it is stored.
pub(crate) struct Stored {
    pub(crate) name: &'static str,
    pub(crate) json: String,
}

impl Stored {
    pub(crate) fn outbound(state: &OutboundState) -> Result<Self, Fault> {
        let json = serde_json::to_string(state).map_err(|_| Fault::Unwritable)?;
        Ok(Self { name: state.name(), json })
    }

    pub(crate) fn inbound(state: &InboundState) -> Result<Self, Fault> {
        let json = serde_json::to_string(state).map_err(|_| Fault::Unwritable)?;
        Ok(Self { name: state.name(), json })
    }
}

/// Microseconds since 1970, UTC: what the tables hold of a time.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The time as it will be read back, so that a record is the same when new and when found again.
pub(crate) fn to_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

pub(crate) fn relay_id(row: &Row<'_>, column: &'static str) -> Result<RelayId, Fault> {
    let bytes: [u8; 16] = row.get(column).map_err(|_| Fault::Unreadable(column))?;
    Ok(RelayId(Uuid::from_bytes(bytes)))
}

pub(crate) fn optional_relay_id(row: &Row<'_>, column: &'static str) -> Result<Option<RelayId>, Fault> {
    let bytes: Option<[u8; 16]> = row.get(column).map_err(|_| Fault::Unreadable(column))?;
    Ok(bytes.map(|bytes| RelayId(Uuid::from_bytes(bytes))))
}

pub(crate) fn text(row: &Row<'_>, column: &'static str) -> Result<String, Fault> {
    row.get(column).map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn time(row: &Row<'_>, column: &'static str) -> Result<Timestamp, Fault> {
    let micros: i64 = row.get(column).map_err(|_| Fault::Unreadable(column))?;
    Timestamp::from_microsecond(micros).map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn count(row: &Row<'_>, column: &'static str) -> Result<u64, Fault> {
    let number: i64 = row.get(column).map_err(|_| Fault::Unreadable(column))?;
    u64::try_from(number).map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn message_id(row: &Row<'_>, column: &'static str) -> Result<MessageId, Fault> {
    text(row, column)?.parse().map_err(|_| Fault::Unreadable(column))
}

/// A number for a column. SQLite's integers end at 2^63 - 1, which no length and no version here reaches.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn optional_text(row: &Row<'_>, column: &'static str) -> Result<Option<String>, Fault> {
    row.get(column).map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn optional_time(row: &Row<'_>, column: &'static str) -> Result<Option<Timestamp>, Fault> {
    let micros: Option<i64> = row.get(column).map_err(|_| Fault::Unreadable(column))?;
    micros.map(Timestamp::from_microsecond).transpose().map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn mailbox(row: &Row<'_>, column: &'static str) -> Result<MailboxId, Fault> {
    text(row, column)?.parse().map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn direction(row: &Row<'_>, column: &'static str) -> Result<Direction, Fault> {
    match text(row, column)?.as_str() {
        "outbound" => Ok(Direction::Outbound),
        "inbound" => Ok(Direction::Inbound),
        _ => Err(Fault::Unreadable(column)),
    }
}

/// A state from its JSON. The decoder's own words could quote it.
pub(crate) fn state<T: DeserializeOwned>(row: &Row<'_>, column: &'static str) -> Result<T, Fault> {
    serde_json::from_str(&text(row, column)?).map_err(|_| Fault::Unreadable(column))
}

/// Every row of a query.
pub(crate) fn all<T>(
    mut rows: Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}
