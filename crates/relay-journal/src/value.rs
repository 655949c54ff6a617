//! How values lie in the tables.

use jiff::Timestamp;
use mesh_api::MessageId;
use relay_core::{InboundState, OutboundState, RelayId};
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::fault::Fault;

/// The table a message is in, as transitions and counts name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Outbound,
    Inbound,
}

impl Direction {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

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

/// Adds a line to the history of a message.
pub(crate) fn append_transition(
    connection: &Connection,
    relay_id: RelayId,
    direction: Direction,
    at: Timestamp,
    state: &Stored,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO transition (relay_id, direction, at, state_name, state) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((relay_id.0.as_bytes(), direction.as_str(), micros(at), state.name, &state.json))?;
    Ok(())
}
