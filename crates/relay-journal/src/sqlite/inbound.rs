//! Messages on their way from MESH.

use mesh_api::{LocalId, MailboxId, MessageId};
use relay_core::{Begin, Direction, InboundChange, InboundRecord, InboundState, NewInbound, RelayId};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::event::{self, Change};
use super::fault::Fault;
use super::search;
use super::value::{self, Stored, integer, micros};

/// The version of a record that was just made.
const FIRST_VERSION: u64 = 1;

/// Finds the message with this MESH id, or records a new one at its first attempt.
pub(crate) fn begin(connection: &Connection, new: NewInbound) -> Result<Begin<InboundRecord>, Fault> {
    if let Some(found) = find(connection, &new.mailbox, &new.message_id)? {
        // One with its own id is this very message, whose answer was lost.
        let again = found.relay_id == new.relay_id;
        return Ok(if again { Begin::New(found) } else { Begin::Known(found) });
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
    search::keep_words(connection, Direction::Inbound, connection.last_insert_rowid())?;
    event::append(
        connection,
        &Change {
            relay_id: new.relay_id,
            direction: Direction::Inbound,
            sequence: FIRST_VERSION,
            at: new.at,
            state: &stored,
            note: None,
            tell: None,
        },
    )?;
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

/// The message with this id.
pub(crate) fn by_id(connection: &Connection, relay_id: RelayId) -> Result<Option<InboundRecord>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT relay_id, message_id, state, version FROM inbound WHERE relay_id = ?1")?;
    let mut rows = statement.query([relay_id.0.as_bytes()])?;
    rows.next()?.map(record).transpose()
}

/// The messages of a mailbox that were begun and have not ended, oldest first.
pub(crate) fn unended(
    connection: &Connection,
    mailbox: &MailboxId,
    limit: u32,
) -> Result<Vec<MessageId>, Fault> {
    // Else the index by mailbox, which has the order ready, would be walked over everything that ended.
    let mut statement = connection.prepare_cached(
        "SELECT message_id FROM inbound INDEXED BY inbound_unended
         WHERE mailbox = ?1 AND state_name IN ('listed', 'delivering', 'delivered')
         ORDER BY received_at, relay_id LIMIT ?2",
    )?;
    value::all(statement.query((mailbox.as_str(), limit))?, |row| value::message_id(row, "message_id"))
}

/// Records a change of a message that is still at the version the caller saw.
pub(crate) fn commit(
    connection: &Connection,
    relay_id: RelayId,
    version: u64,
    change: &InboundChange,
) -> Result<(), Fault> {
    let stored = Stored::inbound(&change.state)?;
    let details = change.details.as_ref();
    let rowid = connection
        .prepare_cached(
            "UPDATE inbound SET state_name = :state_name, state = :state, version = version + 1, updated_at = :at,
                 sender = COALESCE(:sender, sender), workflow = COALESCE(:workflow, workflow),
                 local_id = COALESCE(:local_id, local_id), file_name = COALESCE(:file_name, file_name),
                 report = COALESCE(:report, report)
             WHERE relay_id = :relay_id AND version = :version RETURNING rowid",
        )?
        .query_row(
            named_params! {
                ":relay_id": relay_id.0.as_bytes(),
                ":version": integer(version),
                ":state_name": stored.name,
                ":state": stored.json,
                ":at": micros(change.at),
                ":sender": details.map(|details| &details.sender),
                ":workflow": details.map(|details| &details.workflow),
                ":local_id": details.and_then(|details| details.local_id.as_ref()).map(LocalId::as_str),
                ":file_name": details.and_then(|details| details.file_name.as_ref()),
                ":report": details.map(|details| details.report),
            },
            |row| row.get(0),
        )
        .optional()?;
    let Some(rowid) = rowid else {
        return done_before(connection, relay_id, version, &stored);
    };
    if details.is_some() {
        search::keep_words(connection, Direction::Inbound, rowid)?;
    }
    event::append(
        connection,
        &Change {
            relay_id,
            direction: Direction::Inbound,
            sequence: version + 1,
            at: change.at,
            state: &stored,
            note: change.note.as_deref(),
            tell: None,
        },
    )
}

/// A change that is made again after an error that left its outcome open may be there already.
fn done_before(
    connection: &Connection,
    relay_id: RelayId,
    version: u64,
    stored: &Stored,
) -> Result<(), Fault> {
    let there = connection
        .prepare_cached("SELECT 1 FROM inbound WHERE relay_id = ?1 AND version = ?2 AND state = ?3")?
        .exists((relay_id.0.as_bytes(), integer(version + 1), &stored.json))?;
    if there { Ok(()) } else { Err(Fault::Conflict(relay_id)) }
}

fn record(row: &Row<'_>) -> Result<InboundRecord, Fault> {
    Ok(InboundRecord {
        relay_id: value::relay_id(row, "relay_id")?,
        message_id: value::message_id(row, "message_id")?,
        state: value::state(row, "state")?,
        version: value::count(row, "version")?,
    })
}
