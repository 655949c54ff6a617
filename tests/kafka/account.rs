//! Kafka's part of a run that is counted in the end (`queues`), in both of its modes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::ops::Deref;
use std::time::Duration;

use mesh_sandbox::Sandbox;

use super::broker::{Kafka, Offsets, Taken};
use super::scene::{Says, Scene};
use crate::process::{BOB, Site};
use crate::queues::account::{Account, Piece, subject};
use crate::queues::kills::{self, Plan};
use crate::queues::load::Message;
use crate::queues::side::Side;

/// Longest life between a start and a kill. Offsets are moved each second, so some lives see that and some do not.
const LIFE_MAX: Duration = Duration::from_millis(2_500);
/// Records behind which the group's offsets are not, above which none is added.
const WAITING_MAX: usize = 300;

/// How messages from MESH are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// At least once.
    Usual,
    /// Once, for readers of what is committed.
    Transactions,
}

/// A scene that is counted in the end.
pub struct Counted {
    pub scene: Scene,
    mode: Mode,
    offsets: Offsets,
    /// Names of what was put in, by where it stands.
    names: RefCell<HashMap<String, String>>,
}

impl Deref for Counted {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Counted {
    pub async fn new(kafka: Kafka, mode: Mode) -> Self {
        let scene = Scene::on(kafka, 3).await;
        if mode == Mode::Transactions {
            let (seen, id) = (scene.name("seen"), &scene.number);
            let inbound = format!(", transaction = {{ seen = \"{seen}\", id = \"{id}\" }}");
            scene.configure_with(&Says { inbound: &inbound, ..scene.says() });
        }
        scene.hasten();
        let offsets = scene.kafka.offsets(&scene.name("group"), &scene.name("outbound"));
        Self { scene, mode, offsets, names: RefCell::default() }
    }

    /// All that is committed of a topic.
    pub fn all(&self, what: &str) -> Vec<Taken> {
        self.kafka.all(&self.name(what), "read_committed")
    }
}

/// Some messages have no id. They are known by where they stand.
fn is_anonymous(message: &Message) -> bool {
    message.id.ends_with('7')
}

/// Some messages go to one partition for all, and some to any.
fn key(message: &Message) -> Option<&str> {
    message.id.get(message.id.len() - 1..).filter(|last| *last != "3")
}

/// Where a record stands, as the relay names it to MESH if it has no id of its own.
fn place(topic: &str, partition: impl Display, offset: impl Display) -> String {
    format!("{topic}:{partition}:{offset}")
}

impl Side for Counted {
    const KEEPS: bool = true;

    fn site(&self) -> &Site {
        &self.scene.site
    }

    fn sandbox(&self) -> &Sandbox {
        &self.scene.sandbox
    }

    async fn put(&self, message: &Message) -> String {
        let topic = self.name("outbound");
        let id = (!is_anonymous(message)).then_some(("ce_id", message.id.as_str()));
        let headers: Vec<(&str, &[u8])> =
            message.pairs().chain(id).map(|(name, value)| (name, value.as_bytes())).collect();
        let (partition, offset) = self.kafka.put(&topic, key(message), &headers, Some(&message.body)).await;
        let place = place(&topic, partition, offset);
        // One that cannot be read has no id that could be trusted.
        let is_known_by_place = is_anonymous(message) || message.is_unreadable;
        let name = if is_known_by_place { place.clone() } else { message.id.clone() };
        self.names.borrow_mut().insert(place, name.clone());
        name
    }

    /// A key is the topic and the message's id, or where it stands and since when.
    fn known_by(&self, key: &str) -> String {
        let of_id = format!("{}/id/", self.name("outbound"));
        match (key.strip_prefix(&of_id), key.rsplit_once('@')) {
            (Some(id), _) => id.to_owned(),
            (None, Some((place, _))) => place.replace('/', ":"),
            (None, None) => key.to_owned(),
        }
    }

    /// Reads every topic from its beginning.
    async fn take(&self, account: &mut Account) {
        *account = Account::default();
        for taken in self.all("inbound") {
            let piece = piece(taken.header("ce_id").to_owned(), taken);
            account.came.entry(piece.id.clone()).or_default().push(piece);
        }
        for taken in self.all("parked") {
            let [source, partition, offset] =
                ["source", "partition", "offset"].map(|what| taken.header(&format!("mesh_parked_{what}")));
            let place = place(source, partition, offset);
            let name = self.names.borrow().get(&place).cloned().unwrap_or(place);
            account.parked.entry(name).or_default().push(piece(taken.header("ce_id").to_owned(), taken));
        }
        for taken in self.all("status") {
            account.file(event(taken));
        }
        for taken in self.all("latest") {
            let event = event(taken);
            account.latest.insert(subject(&event), event);
        }
        for mark in self.all("seen") {
            assert_eq!(mark.value.as_deref(), Some(BOB.as_bytes()), "a mark says for which mailbox");
            *account.marks.entry(mark.key_text()).or_default() += 1;
        }
    }

    async fn left(&self) -> usize {
        self.offsets
            .left()
            .into_iter()
            .map(|left| usize::try_from(left).expect("an offset of the topic"))
            .sum()
    }

    fn may_repeat(&self) -> bool {
        self.mode == Mode::Usual
    }

    fn remark(&self, account: &Account) -> String {
        let written = self.kafka.all(&self.name("inbound"), "read_uncommitted").len();
        let came: usize = account.came.values().map(Vec::len).sum();
        format!(", {} written by transactions that did not come about", written - came)
    }

    /// The group's offsets are at the end, the topic of last states has each message's, and deliveries in transactions are
    /// marked once.
    fn own_faults(&self, account: &Account) -> Vec<String> {
        let mut faults = Vec::new();
        let left = self.offsets.left();
        if left.iter().any(|left| *left != 0) {
            faults.push(format!("the group's offsets are not at the end of each partition: {left:?}"));
        }
        for (relay_id, events) in &account.told {
            let sequence = |event: &&Piece| event.json()["sequence"].as_str().map(str::to_owned);
            let last = events.iter().max_by_key(sequence).map(|event| &event.body);
            if account.latest.get(relay_id).map(|latest| &latest.body) != last {
                faults.push(format!("the last state of {relay_id} is another one"));
            }
        }
        for relay_id in account.latest.keys().filter(|relay_id| !account.told.contains_key(*relay_id)) {
            faults.push(format!("{relay_id} has a last state, and nothing was told of it"));
        }
        let marked_once = |id: &String| account.marks.get(id) == Some(&1);
        match self.mode {
            Mode::Usual if account.marks.is_empty() => {}
            Mode::Usual => faults.push("there are marks without transactions".to_owned()),
            Mode::Transactions => {
                let unmarked = account.came.keys().filter(|id| !marked_once(id));
                faults.extend(unmarked.map(|id| format!("{id} is not marked once")));
                let alone = account.marks.keys().filter(|id| !account.came.contains_key(*id));
                faults.extend(alone.map(|id| format!("{id} is marked, and did not come")));
            }
        }
        faults
    }
}

fn piece(id: String, taken: Taken) -> Piece {
    let body = taken.value.unwrap_or_default();
    Piece { id, headers: taken.headers.into_iter().collect(), body, redelivered: false }
}

fn event(taken: Taken) -> Piece {
    let id = taken.json()["id"].as_str().unwrap_or_default().to_owned();
    piece(id, taken)
}

/// Kills a relay so many times, and counts.
pub async fn killed(mode: Mode, kills: u64) {
    let counted = Counted::new(Kafka::shared(), mode).await;
    kills::run(counted, Plan::new(kills, LIFE_MAX, WAITING_MAX)).await;
}
