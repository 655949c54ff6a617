//! What happened to the messages: their histories, the events that are told, and the chain that vouches for both.

use jiff::Timestamp;
use relay_core::audit::{Link, LinkHash};
use relay_core::search::CHANGES_LIMIT_MAX;
use relay_core::{ChangeCursor, DeliveryEvent, Direction, EventId, HistoryEntry, RelayId, SourceKey};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::audit::CHAIN;
use super::fault::Fault;
use super::value::{self, Stored, integer, micros, to_micros};

/// One change to be added.
pub(crate) struct Change<'a> {
    pub(crate) relay_id: RelayId,
    pub(crate) direction: Direction,
    /// The version that the message has with it.
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) state: &'a Stored,
    pub(crate) note: Option<&'a str>,
    /// The adapter whose system is to be told, if one is.
    pub(crate) tell: Option<&'a str>,
}

/// Adds a change as the next link of the chain.
pub(crate) fn append(connection: &Connection, change: &Change<'_>) -> Result<(), Fault> {
    let (last, before) = head(connection)?;
    let link = Link {
        number: last + 1,
        relay_id: change.relay_id,
        direction: change.direction,
        sequence: change.sequence,
        at: to_micros(change.at),
        state: &change.state.json,
        note: change.note,
    };
    connection
        .prepare_cached(
            "INSERT INTO event (number, relay_id, direction, sequence, at, state_name, state, note, untold, hash)
             VALUES (:number, :relay_id, :direction, :sequence, :at, :state_name, :state, :note, :untold, :hash)",
        )?
        .execute(named_params! {
            ":number": integer(link.number),
            ":relay_id": link.relay_id.0.as_bytes(),
            ":direction": link.direction.as_str(),
            ":sequence": integer(link.sequence),
            ":at": micros(link.at),
            ":state_name": change.state.name,
            ":state": link.state,
            ":note": link.note,
            ":untold": change.tell,
            ":hash": link.hash(&before),
        })?;
    Ok(())
}

/// The last link's number and hash; the base of the chain while none is kept.
pub(crate) fn head(connection: &Connection) -> Result<(u64, LinkHash), Fault> {
    let last = connection
        .prepare_cached("SELECT number, hash FROM event ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match last {
        Some(last) => Ok(last),
        None => base(connection),
    }
}

/// The number and hash of the link before the first one kept.
pub(crate) fn base(connection: &Connection) -> Result<(u64, LinkHash), Fault> {
    let mut statement = connection.prepare_cached("SELECT base_number, base_hash FROM chain")?;
    Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// A link as it lies in the table, with its hash.
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) relay_id: RelayId,
    pub(crate) direction: Direction,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) state: String,
    pub(crate) note: Option<String>,
    pub(crate) hash: Vec<u8>,
}

impl Kept {
    pub(crate) fn read(row: &Row<'_>) -> Result<Self, Fault> {
        Ok(Self {
            number: value::count(row, "number")?,
            relay_id: value::relay_id(row, "relay_id")?,
            direction: value::direction(row, "direction")?,
            sequence: value::count(row, "sequence")?,
            at: value::time(row, "at")?,
            state: value::text(row, "state")?,
            note: value::optional_text(row, "note")?,
            hash: row.get("hash").map_err(|_| Fault::Unreadable("hash"))?,
        })
    }

    pub(crate) fn link(&self) -> Link<'_> {
        Link {
            number: self.number,
            relay_id: self.relay_id,
            direction: self.direction,
            sequence: self.sequence,
            at: self.at,
            state: &self.state,
            note: self.note.as_deref(),
        }
    }
}

/// Computes the hashes of all links, which an earlier release did not have.
pub(crate) fn chain_all(connection: &Connection) -> Result<(), Fault> {
    let (_, mut before) = base(connection)?;
    let mut links = connection.prepare("SELECT * FROM event ORDER BY number")?;
    let mut update = connection.prepare("UPDATE event SET hash = ?2 WHERE number = ?1")?;
    let mut rows = links.query([])?;
    while let Some(row) = rows.next()? {
        let kept = Kept::read(row)?;
        before = kept.link().hash(&before);
        update.execute((integer(kept.number), before))?;
    }
    Ok(())
}

/// Everything that happened to a message, oldest first.
pub(crate) fn history(connection: &Connection, relay_id: RelayId) -> Result<Vec<HistoryEntry>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, at, state_name, state, note FROM event WHERE relay_id = ?1 ORDER BY sequence",
    )?;
    value::all(statement.query([relay_id.0.as_bytes()])?, |row| {
        Ok(HistoryEntry {
            sequence: value::count(row, "sequence")?,
            at: value::time(row, "at")?,
            state: value::text(row, "state_name")?,
            evidence: value::text(row, "state")?,
            note: value::optional_text(row, "note")?,
        })
    })
}

/// Where the chain ends.
pub(crate) fn cursor(connection: &Connection) -> Result<ChangeCursor, Fault> {
    let (number, _) = head(connection)?;
    Ok(ChangeCursor([(CHAIN.to_owned(), number)].into()))
}

/// Changes behind a cursor, in the order of their recording.
pub(crate) fn behind(
    connection: &Connection,
    cursor: &ChangeCursor,
    limit: u32,
) -> Result<Vec<relay_core::Change>, Fault> {
    let seen = cursor.0.get(CHAIN).copied().unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT number, relay_id, direction, sequence, at, state_name FROM event
         WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    value::all(statement.query((integer(seen), limit.clamp(1, CHANGES_LIMIT_MAX)))?, |row| {
        Ok(relay_core::Change {
            chain: CHAIN.to_owned(),
            number: value::count(row, "number")?,
            relay_id: value::relay_id(row, "relay_id")?,
            direction: value::direction(row, "direction")?,
            sequence: value::count(row, "sequence")?,
            at: value::time(row, "at")?,
            state: value::text(row, "state_name")?,
        })
    })
}

/// Events of an adapter that are still to be told, in the order of their recording.
pub(crate) fn untold(
    connection: &Connection,
    adapter: &str,
    except: &[RelayId],
    limit: u32,
) -> Result<Vec<DeliveryEvent>, Fault> {
    let except: Vec<String> = except.iter().map(|id| format!("\"{}\"", id.0.simple())).collect();
    let except = format!("[{}]", except.join(","));
    let mut statement = connection.prepare_cached(
        "SELECT event.relay_id, sequence, at, event.state, note, adapter, source_key, mailbox, workflow,
             reply
         FROM event JOIN outbound ON outbound.relay_id = event.relay_id
         WHERE untold = ?1 AND event.relay_id NOT IN (SELECT unhex(value) FROM json_each(?2))
         ORDER BY number LIMIT ?3",
    )?;
    value::all(statement.query((adapter, except, limit))?, |row| {
        Ok(DeliveryEvent {
            id: EventId {
                relay_id: value::relay_id(row, "relay_id")?,
                sequence: value::count(row, "sequence")?,
            },
            source: SourceKey {
                adapter: value::text(row, "adapter")?,
                message: value::text(row, "source_key")?,
            },
            mailbox: value::mailbox(row, "mailbox")?,
            workflow: value::optional_text(row, "workflow")?,
            reply: value::optional_text(row, "reply")?,
            at: value::time(row, "at")?,
            state: value::state(row, "state")?,
            note: value::optional_text(row, "note")?,
        })
    })
}

/// Records that events were told.
pub(crate) fn told(connection: &Connection, events: &[EventId]) -> Result<(), Fault> {
    let mut statement =
        connection.prepare_cached("UPDATE event SET untold = NULL WHERE relay_id = ?1 AND sequence = ?2")?;
    for event in events {
        statement.execute((event.relay_id.0.as_bytes(), integer(event.sequence)))?;
    }
    Ok(())
}
