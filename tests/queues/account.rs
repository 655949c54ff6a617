//! What came out when all is over, and what must hold of it whatever happened on the way, beside what is at MESH and in the
//! journal.

use std::collections::{BTreeMap, HashMap, HashSet};

use mesh_sandbox::StoredMessage;

use super::side::Side;
use super::tables::{Row, Tables};

/// What was put in: the content of each message, by its name.
pub type Sent = BTreeMap<String, Vec<u8>>;

/// A message or an event as it came out of the broker.
#[derive(Debug)]
pub struct Piece {
    /// MESH's id of a message, the sender's of one that was parked, an event's own.
    pub id: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// Whether the broker itself says that it had it out before.
    pub redelivered: bool,
}

impl Piece {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Everything that came out of the broker, in the order in which it came.
#[derive(Default)]
pub struct Account {
    /// Messages from MESH, by MESH's id.
    pub came: HashMap<String, Vec<Piece>>,
    /// Messages that can never be sent, by their names.
    pub parked: HashMap<String, Vec<Piece>>,
    /// Events, by the relay's id of their message, without hyphens.
    pub told: HashMap<String, Vec<Piece>>,
    /// The last states of messages, where the broker has them apart; by the relay's id, too.
    pub latest: HashMap<String, Piece>,
    /// Marks of deliveries, where there are any: how often each id of MESH's was marked.
    pub marks: HashMap<String, usize>,
}

impl Account {
    /// Files an event with those of its message.
    pub fn file(&mut self, event: Piece) {
        self.told.entry(subject(&event)).or_default().push(event);
    }

    /// What does not hold of what must.
    pub fn faults(&self, side: &impl Side, tables: &Tables, sent: &Sent) -> Vec<String> {
        let mut faults = side.own_faults(self);
        let mesh: Vec<StoredMessage> =
            side.at_mesh().into_iter().filter(|message| message.status != "uploading").collect();
        if !tables.is_done() {
            faults.push(format!("not all has ended, {} events untold", tables.untold));
        }
        let unknown = tables.outbound.keys().filter(|id| !sent.contains_key(*id)).count();
        if unknown > 0 {
            faults.push(format!("the journal has {unknown} messages that nobody sent"));
        }
        for name in self.parked.keys().filter(|name| !sent.contains_key(*name)) {
            faults.push(format!("{name} was parked, and nobody sent it"));
        }
        for (id, body) in sent {
            self.submission(id, body, tables, &mesh, &mut faults);
        }
        for message in &mesh {
            self.arrival(message, tables, side.may_repeat(), &mut faults);
        }
        let of_nobody =
            |message: &&StoredMessage| !message.local_id.is_empty() && !sent.contains_key(&message.local_id);
        for message in mesh.iter().filter(of_nobody) {
            faults.push(format!("{} is at MESH, and nobody sent it", message.message_id));
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

    /// A message for MESH: it is there or parked, once, or its doubling is marked.
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
        let named = |message: &&Piece| message.header("mesh_relay_id").replace('-', "") == row.relay_id;
        if !parked.iter().all(|message| named(&message)) {
            fault("a parked copy names another message".to_owned());
        }
    }

    /// A message at MESH: it came out, as it was, every copy but the first marked, and MESH was told.
    fn arrival(&self, message: &StoredMessage, tables: &Tables, may_repeat: bool, faults: &mut Vec<String>) {
        let id = message.message_id.as_str();
        let came = self.came.get(id).map_or(&[][..], Vec::as_slice);
        let mut fault = |what: &str| faults.push(format!("{id}, which came {} times: {what}", came.len()));
        if came.is_empty() {
            fault("lost");
        }
        if came.iter().any(|copy| copy.body != message.body()) {
            fault("its content changed");
        }
        let marked = |copy: &Piece| copy.header("mesh_redelivery") == "true" || copy.redelivered;
        if !may_repeat && (came.len() > 1 || came.iter().any(marked)) {
            fault("it came again, or says so");
        }
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
        let mut first: Vec<&Piece> = Vec::new();
        for event in told {
            let json = event.json();
            match first.iter().find(|known| known.id == event.id) {
                Some(known) if known.body != event.body => fault("another event under the same id"),
                Some(_) => {}
                None => {
                    first.push(event);
                    if json["id"] != event.id || json["sequence"] != format!("{:08}", first.len()) {
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

/// The relay's id of the message that an event is about, without hyphens.
pub fn subject(event: &Piece) -> String {
    event.json()["subject"].as_str().unwrap_or_default().replace('-', "")
}
