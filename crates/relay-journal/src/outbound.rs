//! Messages on their way to MESH.

use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId, MessageId};
use relay_core::{Begin, NewOutbound, OutboundRecord, OutboundState, RelayId, SourceKey};
use rusqlite::{Connection, Row, named_params};

use crate::fault::Fault;
use crate::value::{self, Direction, Stored, append_transition, integer, micros};

/// The version of a record that was just made.
const FIRST_VERSION: u64 = 1;

/// Finds the unsettled message with this key, or records a new one.
pub(crate) fn begin(connection: &Connection, new: NewOutbound) -> Result<Begin<OutboundRecord>, Fault> {
    if let Some(known) = find(connection, &new.source)? {
        return Ok(Begin::Known(known));
    }
    let stored = Stored::outbound(&new.state)?;
    let details = new.details.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO outbound (relay_id, adapter, source_key, mailbox, recipient, workflow, local_id,
                 file_name, length, message_id, received_at, state_name, state, version, updated_at)
             VALUES (:relay_id, :adapter, :source_key, :mailbox, :recipient, :workflow, :local_id,
                 :file_name, :length, :message_id, :at, :state_name, :state, :version, :at)",
        )?
        .execute(named_params! {
            ":relay_id": new.relay_id.0.as_bytes(),
            ":adapter": new.source.adapter,
            ":source_key": new.source.message,
            ":mailbox": new.mailbox.as_str(),
            ":recipient": details.map(|details| &details.recipient),
            ":workflow": details.map(|details| &details.workflow),
            ":local_id": details.and_then(|details| details.local_id.as_ref()).map(LocalId::as_str),
            ":file_name": details.and_then(|details| details.file_name.as_ref()),
            ":length": details.map(|details| integer(details.length)),
            ":message_id": new.state.message_id().map(MessageId::as_str),
            ":at": micros(new.at),
            ":state_name": stored.name,
            ":state": stored.json,
            ":version": integer(FIRST_VERSION),
        })?;
    append_transition(connection, new.relay_id, Direction::Outbound, new.at, &stored)?;
    Ok(Begin::New(OutboundRecord {
        relay_id: new.relay_id,
        source: new.source,
        received_at: value::to_micros(new.at),
        state: new.state,
        version: FIRST_VERSION,
    }))
}

/// Finds the unsettled message with this key.
pub(crate) fn find(connection: &Connection, source: &SourceKey) -> Result<Option<OutboundRecord>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT relay_id, adapter, source_key, received_at, state, version FROM outbound
         WHERE adapter = ?1 AND source_key = ?2 AND settled_at IS NULL",
    )?;
    let mut rows = statement.query((&source.adapter, &source.message))?;
    rows.next()?.map(record).transpose()
}

/// Records the next state of a message that is still at the version the caller saw.
pub(crate) fn commit(
    connection: &Connection,
    relay_id: RelayId,
    version: u64,
    state: &OutboundState,
    at: Timestamp,
) -> Result<(), Fault> {
    let stored = Stored::outbound(state)?;
    // A message id once known stays, so that an operator finds the message by it in a later doubt, too.
    let changed = connection
        .prepare_cached(
            "UPDATE outbound SET state_name = :state_name, state = :state, version = version + 1,
                 updated_at = :at, message_id = COALESCE(:message_id, message_id)
             WHERE relay_id = :relay_id AND version = :version",
        )?
        .execute(named_params! {
            ":relay_id": relay_id.0.as_bytes(),
            ":version": integer(version),
            ":state_name": stored.name,
            ":state": stored.json,
            ":at": micros(at),
            ":message_id": state.message_id().map(MessageId::as_str),
        })?;
    if changed == 0 {
        return Err(Fault::Conflict(relay_id));
    }
    append_transition(connection, relay_id, Direction::Outbound, at, &stored)
}

/// Records that the source has let go. The first time counts.
pub(crate) fn settle(connection: &Connection, relay_id: RelayId, at: Timestamp) -> Result<(), Fault> {
    let changed = connection
        .prepare_cached("UPDATE outbound SET settled_at = COALESCE(settled_at, ?2) WHERE relay_id = ?1")?
        .execute((relay_id.0.as_bytes(), micros(at)))?;
    // Without a row there is nothing that could be settled; saying so is better than a silent yes.
    if changed == 0 {
        return Err(Fault::Conflict(relay_id));
    }
    Ok(())
}

/// The messages of an adapter whose source has not let go, oldest first.
pub(crate) fn unsettled(connection: &Connection, adapter: &str) -> Result<Vec<OutboundRecord>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT relay_id, adapter, source_key, received_at, state, version FROM outbound
         WHERE adapter = ?1 AND settled_at IS NULL ORDER BY received_at, relay_id",
    )?;
    let mut rows = statement.query([adapter])?;
    let mut unsettled = Vec::new();
    while let Some(row) = rows.next()? {
        unsettled.push(record(row)?);
    }
    Ok(unsettled)
}

/// How many messages of the mailbox carry this local id.
pub(crate) fn local_id_uses(
    connection: &Connection,
    mailbox: &MailboxId,
    local_id: &LocalId,
) -> Result<u64, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT count(*) AS messages FROM outbound WHERE mailbox = ?1 AND local_id = ?2")?;
    let mut rows = statement.query((mailbox.as_str(), local_id.as_str()))?;
    rows.next()?.map_or(Ok(0), |row| value::count(row, "messages"))
}

fn record(row: &Row<'_>) -> Result<OutboundRecord, Fault> {
    // The decoder's own words could quote the state.
    let state = serde_json::from_str(&value::text(row, "state")?).map_err(|_| Fault::Unreadable("state"))?;
    Ok(OutboundRecord {
        relay_id: value::relay_id(row, "relay_id")?,
        source: SourceKey { adapter: value::text(row, "adapter")?, message: value::text(row, "source_key")? },
        received_at: value::time(row, "received_at")?,
        state,
        version: value::count(row, "version")?,
    })
}
