//! What is found when all is over, at MESH, in the broker's queues and in the journal, and what must hold whatever happened
//! on the way. Looks at the journal's tables, and asks nothing of the relay.

use std::collections::{BTreeMap, HashMap, HashSet};

use mesh_sandbox::StoredMessage;
use rusqlite::{Connection, OpenFlags};

use super::broker::Taken;
use super::scene::Scene;

/// A message of the queue as the journal has it.
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
    /// By the message's id in the queue. More than one: the id came again with other content.
    pub outbound: BTreeMap<String, Vec<Row>>,
    /// States by MESH's id.
    pub inbound: HashMap<String, String>,
    /// Events that nobody was told.
    pub untold: usize,
}

impl Tables {
    pub fn read(scene: &Scene) -> rusqlite::Result<Self> {
        let journal = Connection::open_with_flags(
            scene.site.path("journal.db"),
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
            let (_, id) = key.split_once('/').unwrap_or_default();
            let id = id.split(' ').next().unwrap_or_default().to_owned();
            let (relay_id, state) = (row.get::<_, String>(1)?, row.get(2)?);
            let (states, marked) = histories.remove(&relay_id).unwrap_or_default();
            let (message_id, settled) = (row.get(3)?, row.get(4)?);
            tables.outbound.entry(id).or_default().push(Row {
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

    /// Whether every message of the queue that the journal knows has ended and is settled, every message from MESH is
    /// acknowledged, and every event is told.
    pub fn is_done(&self) -> bool {
        self.undone().is_empty()
    }
}

impl Tables {
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

/// Everything that came out of the broker, in the order in which it came.
#[derive(Default)]
pub struct Account {
    /// Messages from MESH, by MESH's id.
    pub came: HashMap<String, Vec<Taken>>,
    /// Messages that can never be sent, by their id.
    pub parked: HashMap<String, Vec<Taken>>,
    /// Events, by the relay's id of their message, without hyphens.
    pub told: HashMap<String, Vec<Taken>>,
}

impl Account {
    /// Takes all that is there now, as the organisation's systems do.
    pub async fn take(&mut self, scene: &Scene) {
        while let Some(message) = scene.broker.take(&scene.inbound).await {
            self.came.entry(message.message_id()).or_default().push(message);
        }
        while let Some(message) = scene.broker.take(&scene.parked).await {
            self.parked.entry(message.message_id()).or_default().push(message);
        }
        while let Some(event) = scene.broker.take(&scene.status).await {
            let subject = event.json()["subject"].as_str().unwrap_or_default().replace('-', "");
            self.told.entry(subject).or_default().push(event);
        }
    }

    /// What does not hold of what must. `sent` is what was put into the queue: ids and bodies.
    pub fn faults(&self, scene: &Scene, tables: &Tables, sent: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
        let mut faults = Vec::new();
        let mesh: Vec<StoredMessage> =
            scene.for_bob().into_iter().filter(|message| message.status != "uploading").collect();
        if !tables.is_done() {
            faults.push(format!("not all has ended, {} events untold", tables.untold));
        }
        let unknown = tables.outbound.keys().filter(|id| !sent.contains_key(*id)).count();
        if unknown > 0 {
            faults.push(format!("the journal has {unknown} messages that nobody sent"));
        }
        for (id, body) in sent {
            self.submission(id, body, tables, &mesh, &mut faults);
        }
        for message in &mesh {
            self.arrival(message, tables, &mut faults);
        }
        let known: HashSet<&str> = mesh.iter().map(|message| message.message_id.as_str()).collect();
        for id in self.came.keys().filter(|id| !known.contains(id.as_str())) {
            faults.push(format!("{id} came from MESH, which does not have it"));
        }
        for row in tables.outbound.values().flatten() {
            self.tellings(row, &mut faults);
        }
        faults
    }

    /// A message of the queue: it is at MESH or parked, once, or its doubling is marked.
    fn submission(
        &self,
        id: &str,
        body: &[u8],
        tables: &Tables,
        mesh: &[StoredMessage],
        faults: &mut Vec<String>,
    ) {
        let at: Vec<&StoredMessage> = mesh.iter().filter(|message| message.local_id == id).collect();
        let parked = self.parked.get(id).map_or(&[][..], Vec::as_slice);
        let mut fault = |what: String| {
            faults.push(format!("{id}, {} at MESH, {} parked: {what}", at.len(), parked.len()));
        };
        let [row] = tables.outbound.get(id).map_or(&[][..], Vec::as_slice) else {
            return fault("the journal does not have it once".to_owned());
        };
        if at.iter().any(|message| message.body() != body)
            || parked.iter().any(|message| message.body != body)
        {
            fault("its content changed".to_owned());
        }
        match row.state.as_str() {
            "accepted" | "acknowledged" => {
                if at.is_empty() || at.len() > 1 + usize::from(row.marked) {
                    fault(format!("accepted, marked as possible duplicate: {}", row.marked));
                }
                if !at.iter().any(|message| row.message_id.as_deref() == Some(message.message_id.as_str())) {
                    fault("journal and MESH name different messages".to_owned());
                }
                if !parked.is_empty() {
                    fault("accepted and parked".to_owned());
                }
            }
            "rejected" | "parked" | "expired" => {
                if parked.is_empty() {
                    fault(format!("{} and not in the parked queue", row.state));
                }
                let may_be = usize::from(row.state == "parked") + usize::from(row.marked);
                if at.len() > may_be {
                    fault(format!("{}, and at MESH", row.state));
                }
            }
            other => fault(format!("it is still {other}")),
        }
        let named = |message: &&Taken| message.header("mesh_relay_id").replace('-', "") == row.relay_id;
        if !parked.iter().all(|message| named(&message)) {
            fault("a parked copy names another message".to_owned());
        }
    }

    /// A message at MESH: it came out, as it was, every copy but the first marked, and MESH was told.
    fn arrival(&self, message: &StoredMessage, tables: &Tables, faults: &mut Vec<String>) {
        let id = message.message_id.as_str();
        let came = self.came.get(id).map_or(&[][..], Vec::as_slice);
        let mut fault = |what: &str| faults.push(format!("{id}, which came {} times: {what}", came.len()));
        if came.is_empty() {
            fault("lost");
        }
        if came.iter().any(|copy| copy.body != message.body()) {
            fault("its content changed");
        }
        let marked = |copy: &Taken| copy.header("mesh_redelivery") == "true" || copy.redelivered;
        if came.iter().skip(1).any(|copy| !marked(copy)) {
            fault("a repetition does not say that it is one");
        }
        let state = tables.inbound.get(id).map_or("nothing", String::as_str);
        if (message.status.as_str(), state) != ("acknowledged", "acknowledged") {
            fault(&format!("{} at MESH, {state} in the journal", message.status));
        }
    }

    /// A message's events: in order and without a gap, a repetition word for word as it was, the last one where the
    /// message is.
    fn tellings(&self, row: &Row, faults: &mut Vec<String>) {
        let told = self.told.get(&row.relay_id).map_or(&[][..], Vec::as_slice);
        let mut fault = |what: &str| faults.push(format!("events of {}: {what}", row.relay_id));
        let mut first: Vec<&Taken> = Vec::new();
        for event in told {
            let (json, id) = (event.json(), event.message_id());
            match first.iter().find(|known| known.message_id() == id) {
                Some(known) if known.body != event.body => fault("another event under the same id"),
                Some(_) => {}
                None => {
                    first.push(event);
                    if json["id"] != id || json["sequence"] != format!("{:08}", first.len()) {
                        fault("a gap, or out of order");
                    }
                }
            }
        }
        let states: Vec<String> = first
            .iter()
            .map(|event| event.json()["data"]["state"].as_str().unwrap_or_default().to_owned())
            .collect();
        if states != row.states {
            fault(&format!("told {states:?}, happened {:?}", row.states));
        }
    }
}
