//! The journal as its tables have it. Asks nothing of the relay.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// A message for MESH as the journal has it.
#[derive(Debug)]
pub struct Row {
    pub relay_id: String,
    pub state: String,
    pub message_id: Option<String>,
    pub settled: bool,
    /// The names of its states, in order.
    pub states: Vec<String>,
    /// Whether it was sent again although an attempt before may have arrived.
    pub marked: bool,
}

/// The journal as its tables have it.
#[derive(Debug, Default)]
pub struct Tables {
    /// By the message's name. More than one: the name came again with other content.
    pub outbound: BTreeMap<String, Vec<Row>>,
    /// States by MESH's id.
    pub inbound: HashMap<String, String>,
    /// Events that nobody was told.
    pub untold: usize,
}

impl Tables {
    /// Reads a journal's file; `known_by` makes names of keys.
    pub fn read(path: &Path, known_by: impl Fn(&str) -> String) -> rusqlite::Result<Self> {
        let journal = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        let mut tables = Self {
            untold: journal
                .query_row("SELECT count(*) FROM event WHERE untold IS NOT NULL", [], |row| row.get(0))?,
            ..Self::default()
        };
        let mut histories: HashMap<String, (Vec<String>, bool)> = HashMap::new();
        let mut events = journal.prepare(
            "SELECT lower(hex(relay_id)), state_name,
                 coalesce(json_extract(state, '$.' || state_name || '.resent') IN ('probed', 'blindly'), 0)
             FROM event WHERE direction = 'outbound' ORDER BY relay_id, sequence",
        )?;
        let mut rows = events.query([])?;
        while let Some(row) = rows.next()? {
            let (states, marked) = histories.entry(row.get(0)?).or_default();
            states.push(row.get(1)?);
            *marked |= row.get::<_, bool>(2)?;
        }
        let mut outbound = journal.prepare(
            "SELECT source_key, lower(hex(relay_id)), state_name, message_id, settled_at IS NOT NULL FROM outbound",
        )?;
        let mut rows = outbound.query([])?;
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            let (relay_id, state) = (row.get::<_, String>(1)?, row.get(2)?);
            let (states, marked) = histories.remove(&relay_id).unwrap_or_default();
            let (message_id, settled) = (row.get(3)?, row.get(4)?);
            tables.outbound.entry(known_by(&key)).or_default().push(Row {
                relay_id,
                state,
                message_id,
                settled,
                states,
                marked,
            });
        }
        let mut inbound = journal.prepare("SELECT message_id, state_name FROM inbound")?;
        let mut rows = inbound.query([])?;
        while let Some(row) = rows.next()? {
            tables.inbound.insert(row.get(0)?, row.get(1)?);
        }
        Ok(tables)
    }

    /// Whether every message for MESH that the journal knows has ended and is settled, every message from MESH is
    /// acknowledged, and every event is told.
    pub fn is_done(&self) -> bool {
        self.undone().is_empty()
    }

    /// What keeps it from being done, in words.
    pub fn undone(&self) -> Vec<String> {
        let told = (self.untold > 0).then(|| format!("{} events are not told", self.untold));
        let rows = self.outbound.iter().flat_map(|(id, rows)| rows.iter().map(move |row| (id, row)));
        let unsettled =
            rows.filter(|(_, row)| !row.settled).map(|(id, row)| format!("{id} is {}", row.state));
        let inbound = self.inbound.iter().filter(|(_, state)| *state != "acknowledged");
        told.into_iter()
            .chain(unsettled)
            .chain(inbound.map(|(id, state)| format!("{id} is {state}")))
            .collect()
    }
}
