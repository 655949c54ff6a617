//! Messages on their way to MESH.

use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId, MessageId};
use relay_core::{
    Begin, Direction, KeyReuse, NewOutbound, OutboundChange, OutboundDetails, OutboundRecord, RelayId,
    SourceKey,
};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::event::{self, Change};
use super::fault::Fault;
use super::search;
use super::value::{self, Stored, integer, micros};
use crate::stored;

/// The version of a record that was just made.
const FIRST_VERSION: u64 = 1;

/// Finds the message that holds this key, or records a new one.
pub(crate) fn begin(connection: &Connection, new: NewOutbound) -> Result<Begin<OutboundRecord>, Fault> {
    if let Some(found) = find(connection, &new.source)? {
        // One with its own id is this very message, whose answer was lost.
        let again = found.relay_id == new.relay_id;
        return Ok(if again { Begin::New(found) } else { Begin::Known(found) });
    }
    let stored = Stored::outbound(&new.state)?;
    let details = new.details.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO outbound (relay_id, adapter, source_key, key_stays, fingerprint, mailbox, recipient,
                 workflow, local_id, file_name, length, message_id, tell, reply, received_at, state_name, state,
                 version, updated_at)
             VALUES (:relay_id, :adapter, :source_key, :key_stays, :fingerprint, :mailbox, :recipient,
                 :workflow, :local_id, :file_name, :length, :message_id, :tell, :reply, :at, :state_name, :state,
                 :version, :at)",
        )?
        .execute(named_params! {
            ":relay_id": new.relay_id.0.as_bytes(),
            ":adapter": new.source.adapter,
            ":source_key": new.source.message,
            ":key_stays": new.reuse == KeyReuse::Never,
            ":fingerprint": new.fingerprint,
            ":mailbox": new.mailbox.as_str(),
            ":recipient": details.map(|details| &details.recipient),
            ":workflow": details.map(|details| &details.workflow),
            ":local_id": details.and_then(|details| details.local_id.as_ref()).map(LocalId::as_str),
            ":file_name": details.and_then(|details| details.file_name.as_ref()),
            ":length": details.map(|details| integer(details.length)),
            ":message_id": new.state.message_id().map(MessageId::as_str),
            ":tell": new.tell,
            ":reply": new.reply,
            ":at": micros(new.at),
            ":state_name": stored.name,
            ":state": stored.json,
            ":version": integer(FIRST_VERSION),
        })?;
    search::keep_words(connection, Direction::Outbound, connection.last_insert_rowid())?;
    event::append(
        connection,
        &Change {
            relay_id: new.relay_id,
            direction: Direction::Outbound,
            sequence: FIRST_VERSION,
            at: new.at,
            state: &stored,
            note: None,
            tell: new.tell.then_some(&*new.source.adapter),
        },
    )?;
    Ok(Begin::New(OutboundRecord {
        relay_id: new.relay_id,
        source: new.source,
        fingerprint: new.fingerprint,
        mailbox: new.mailbox,
        recipient: new.details.map(|OutboundDetails { recipient, .. }| recipient),
        received_at: value::to_micros(new.at),
        state: new.state,
        version: FIRST_VERSION,
    }))
}

/// Records a change of a message that is still at the version the caller saw.
pub(crate) fn commit(
    connection: &Connection,
    relay_id: RelayId,
    version: u64,
    change: &OutboundChange,
) -> Result<(), Fault> {
    let stored = Stored::outbound(&change.state)?;
    let message_id = change.state.message_id().map(MessageId::as_str);
    let (accepted, collected) = stored::ends_at(&change.state);
    // A message id once known stays, so that an operator finds the message by it in a later doubt, too.
    let changed = connection
        .prepare_cached(
            "UPDATE outbound SET state_name = :state_name, state = :state, version = version + 1, updated_at = :at,
                 due_at = :due, message_id = COALESCE(:message_id, message_id),
                 accepted_at = COALESCE(accepted_at, :accepted), collected_at = COALESCE(collected_at, :collected)
             WHERE relay_id = :relay_id AND version = :version
             RETURNING rowid, CASE WHEN tell THEN adapter END AS tell",
        )?
        .query_row(
            named_params! {
                ":relay_id": relay_id.0.as_bytes(),
                ":version": integer(version),
                ":state_name": stored.name,
                ":state": stored.json,
                ":at": micros(change.at),
                ":due": change.due.map(micros),
                ":message_id": message_id,
                ":accepted": accepted.map(micros),
                ":collected": collected.map(micros),
            },
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)),
        )
        .optional()?;
    let Some((rowid, tell)) = changed else {
        return done_before(connection, relay_id, version, &stored);
    };
    if message_id.is_some() {
        search::keep_words(connection, Direction::Outbound, rowid)?;
    }
    event::append(
        connection,
        &Change {
            relay_id,
            direction: Direction::Outbound,
            sequence: version + 1,
            at: change.at,
            state: &stored,
            note: change.note.as_deref(),
            tell: tell.as_deref(),
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
        .prepare_cached("SELECT 1 FROM outbound WHERE relay_id = ?1 AND version = ?2 AND state = ?3")?
        .exists((relay_id.0.as_bytes(), integer(version + 1), &stored.json))?;
    if there { Ok(()) } else { Err(Fault::Conflict(relay_id)) }
}

/// Records that the source has let go. The first time counts.
pub(crate) fn settle(connection: &Connection, relay_id: RelayId, at: Timestamp) -> Result<(), Fault> {
    let changed = connection
        .prepare_cached(
            "UPDATE outbound SET settled_at = COALESCE(settled_at, ?2), key_held = key_stays WHERE relay_id = ?1",
        )?
        .execute((relay_id.0.as_bytes(), micros(at)))?;
    // Without a row there is nothing that could be settled; saying so is better than a silent yes.
    if changed == 0 {
        return Err(Fault::Conflict(relay_id));
    }
    Ok(())
}

/// What a record is read from.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT relay_id, adapter, source_key, fingerprint, mailbox, recipient, received_at, state, version ",
            "FROM outbound ",
            $rest
        )
    };
}

/// The message that holds this key.
pub(crate) fn find(connection: &Connection, source: &SourceKey) -> Result<Option<OutboundRecord>, Fault> {
    let mut statement =
        connection.prepare_cached(select!("WHERE adapter = ?1 AND source_key = ?2 AND key_held = 1"))?;
    let mut rows = statement.query((&source.adapter, &source.message))?;
    rows.next()?.map(record).transpose()
}

/// The message with this id.
pub(crate) fn by_id(connection: &Connection, relay_id: RelayId) -> Result<Option<OutboundRecord>, Fault> {
    let mut statement = connection.prepare_cached(select!("WHERE relay_id = ?1"))?;
    let mut rows = statement.query([relay_id.0.as_bytes()])?;
    rows.next()?.map(record).transpose()
}

/// The message of a mailbox with this MESH id.
pub(crate) fn find_sent(
    connection: &Connection,
    mailbox: &MailboxId,
    message_id: &MessageId,
) -> Result<Option<OutboundRecord>, Fault> {
    let mut statement = connection.prepare_cached(select!("WHERE mailbox = ?1 AND message_id = ?2"))?;
    let mut rows = statement.query((mailbox.as_str(), message_id.as_str()))?;
    rows.next()?.map(record).transpose()
}

/// The messages of a mailbox with this local id, newest first.
pub(crate) fn find_local_id(
    connection: &Connection,
    mailbox: &MailboxId,
    local_id: &LocalId,
    limit: u32,
) -> Result<Vec<OutboundRecord>, Fault> {
    // Else the index by mailbox, which has the order ready, would be walked over all that the mailbox ever sent.
    let mut statement = connection.prepare_cached(select!(
        "INDEXED BY outbound_local_id
         WHERE mailbox = ?1 AND local_id = ?2 ORDER BY received_at DESC, relay_id DESC LIMIT ?3"
    ))?;
    value::all(statement.query((mailbox.as_str(), local_id.as_str(), limit))?, record)
}

/// The messages of an adapter whose source has not let go, oldest first.
pub(crate) fn unsettled(connection: &Connection, adapter: &str) -> Result<Vec<OutboundRecord>, Fault> {
    let mut statement = connection.prepare_cached(select!(
        "WHERE adapter = ?1 AND settled_at IS NULL ORDER BY received_at, relay_id"
    ))?;
    value::all(statement.query([adapter])?, record)
}

/// The messages of a mailbox that are due to be looked after, longest due first.
pub(crate) fn due(
    connection: &Connection,
    mailbox: &MailboxId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OutboundRecord>, Fault> {
    let mut statement =
        connection.prepare_cached(select!("WHERE mailbox = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?3"))?;
    value::all(statement.query((mailbox.as_str(), micros(now), limit))?, record)
}

fn record(row: &Row<'_>) -> Result<OutboundRecord, Fault> {
    Ok(OutboundRecord {
        relay_id: value::relay_id(row, "relay_id")?,
        source: SourceKey { adapter: value::text(row, "adapter")?, message: value::text(row, "source_key")? },
        fingerprint: value::optional_text(row, "fingerprint")?,
        mailbox: value::mailbox(row, "mailbox")?,
        recipient: value::optional_text(row, "recipient")?,
        received_at: value::time(row, "received_at")?,
        state: value::state(row, "state")?,
        version: value::count(row, "version")?,
    })
}
