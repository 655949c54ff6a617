//! Messages on their way from MESH.

use jiff::Timestamp;
use mesh_api::{MailboxId, MessageId};
use relay_core::{Begin, InboundRecord, InboundState, NewInbound, RelayId};
use rusqlite::{Connection, Row, named_params};

use crate::fault::Fault;
use crate::value::{self, Direction, Stored, append_transition, integer, micros};

/// The version of a record that was just made.
const FIRST_VERSION: u64 = 1;

/// Finds the message with this MESH id, or records a new one at its first attempt.
pub(crate) fn begin(connection: &Connection, new: NewInbound) -> Result<Begin<InboundRecord>, Fault> {
    if let Some(known) = find(connection, &new.mailbox, &new.message_id)? {
        return Ok(Begin::Known(known));
    }
    let state = InboundState::Delivering { attempt: 1 };
    let stored = Stored::inbound(&state)?;
    connection
        .prepare_cached(
            "INSERT INTO inbound (relay_id, mailbox, message_id, received_at, state_name, state, version, updated_at)
             VALUES (:relay_id, :mailbox, :message_id, :at, :state_name, :state, :version, :at)",
        )?
        .execute(named_params! {
            ":relay_id": new.relay_id.0.as_bytes(),
            ":mailbox": new.mailbox.as_str(),
            ":message_id": new.message_id.as_str(),
            ":at": micros(new.at),
            ":state_name": stored.name,
            ":state": stored.json,
            ":version": integer(FIRST_VERSION),
        })?;
    append_transition(connection, new.relay_id, Direction::Inbound, new.at, &stored)?;
    Ok(Begin::New(InboundRecord {
        relay_id: new.relay_id,
        message_id: new.message_id,
        state,
        version: FIRST_VERSION,
    }))
}

fn find(
    connection: &Connection,
    mailbox: &MailboxId,
    message_id: &MessageId,
) -> Result<Option<InboundRecord>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT relay_id, message_id, state, version FROM inbound WHERE mailbox = ?1 AND message_id = ?2",
    )?;
    let mut rows = statement.query((mailbox.as_str(), message_id.as_str()))?;
    rows.next()?.map(record).transpose()
}

/// Records the next state of a message that is still at the version the caller saw.
pub(crate) fn commit(
    connection: &Connection,
    relay_id: RelayId,
    version: u64,
    state: &InboundState,
    at: Timestamp,
) -> Result<(), Fault> {
    let stored = Stored::inbound(state)?;
    let changed = connection
        .prepare_cached(
            "UPDATE inbound SET state_name = :state_name, state = :state, version = version + 1, updated_at = :at
             WHERE relay_id = :relay_id AND version = :version",
        )?
        .execute(named_params! {
            ":relay_id": relay_id.0.as_bytes(),
            ":version": integer(version),
            ":state_name": stored.name,
            ":state": stored.json,
            ":at": micros(at),
        })?;
    if changed == 0 {
        return Err(Fault::Conflict(relay_id));
    }
    append_transition(connection, relay_id, Direction::Inbound, at, &stored)
}

fn record(row: &Row<'_>) -> Result<InboundRecord, Fault> {
    // The decoder's own words could quote the state.
    let state = serde_json::from_str(&value::text(row, "state")?).map_err(|_| Fault::Unreadable("state"))?;
    Ok(InboundRecord {
        relay_id: value::relay_id(row, "relay_id")?,
        message_id: value::message_id(row, "message_id")?,
        state,
        version: value::count(row, "version")?,
    })
}
