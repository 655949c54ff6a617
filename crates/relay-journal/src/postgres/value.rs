//! How values lie in the tables.

use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};
use relay_core::{Direction, InboundState, OutboundState, RelayId};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::fault::Fault;

/// The version of a record that was just made.
pub(crate) const FIRST_VERSION: u64 = 1;

/// A state as it is stored and hashed.
pub(crate) struct Stored {
    pub(crate) name: &'static str,
    pub(crate) json: String,
}

impl Stored {
    pub(crate) fn outbound(state: &OutboundState) -> Result<Self, Fault> {
        Ok(Self { name: state.name(), json: encode(state)? })
    }

    pub(crate) fn inbound(state: &InboundState) -> Result<Self, Fault> {
        Ok(Self { name: state.name(), json: encode(state)? })
    }
}

fn encode(state: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(state).map_err(|_| Fault::Refused("a state cannot be encoded".to_owned()))
}

/// What one change of a message adds to its history and to the chain.
pub(crate) struct Entry {
    pub(crate) relay_id: RelayId,
    pub(crate) direction: Direction,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) state: Stored,
    pub(crate) note: Option<String>,
    /// The adapter whose system is to be told.
    pub(crate) untold_to: Option<String>,
}

/// The time as it is stored and read back: cut to the microsecond, so that it is the same when new and when found.
pub(crate) fn cut(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// A number for a column. PostgreSQL's integers end at 2^63 - 1, which no length and no version here reaches.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column's value.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &'static str) -> Result<T, Fault> {
    // The library's own words could quote a value.
    row.try_get(column).map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn count(row: &Row, column: &'static str) -> Result<u64, Fault> {
    u64::try_from(get::<i64>(row, column)?).map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn relay_id(row: &Row, column: &'static str) -> Result<RelayId, Fault> {
    Ok(RelayId(get::<Uuid>(row, column)?))
}

pub(crate) fn message_id(row: &Row, column: &'static str) -> Result<MessageId, Fault> {
    get::<&str>(row, column)?.parse().map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn mailbox(row: &Row, column: &'static str) -> Result<MailboxId, Fault> {
    get::<&str>(row, column)?.parse().map_err(|_| Fault::Unreadable(column))
}

pub(crate) fn direction(row: &Row, column: &'static str) -> Result<Direction, Fault> {
    match get::<&str>(row, column)? {
        "outbound" => Ok(Direction::Outbound),
        "inbound" => Ok(Direction::Inbound),
        _ => Err(Fault::Unreadable(column)),
    }
}

pub(crate) fn hash(row: &Row, column: &'static str) -> Result<[u8; 32], Fault> {
    get::<&[u8]>(row, column)?.try_into().map_err(|_| Fault::Unreadable(column))
}

/// A state that was stored as JSON.
pub(crate) fn state<T: serde::de::DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, Fault> {
    // The decoder's own words could quote the state.
    serde_json::from_str(get::<&str>(row, column)?).map_err(|_| Fault::Unreadable(column))
}
