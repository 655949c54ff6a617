//! What is found when all is over, and what must hold whatever happened on the way. Looks at files, at MESH and at the
//! journal's answers, and asks nothing of the engine.

use std::collections::BTreeMap;
use std::fs;

use relay_core::audit::AuditReport;
use relay_core::{
    Direction, HistoryEntry, Journal, MessageId, MessageQuery, MessageSummary, Records, StateCount,
};
use relay_journal::SqliteJournal;
use relay_testkit::pairs::Root;

use crate::process::{ALICE, BOB, Site};
use crate::relay::EVENTS;
use crate::scene::Scene;
use crate::stranger::STRANGER;

/// A message as the journal has it.
pub struct Entry {
    pub summary: MessageSummary,
    pub history: Vec<HistoryEntry>,
}

impl Entry {
    /// The evidence of its last state, as JSON.
    pub fn evidence(&self) -> &str {
        self.history.last().map_or("", |last| &last.evidence)
    }

    /// The names of its states, in order.
    pub fn states(&self) -> Vec<&str> {
        self.history.iter().map(|entry| entry.state.as_str()).collect()
    }

    /// How often it was in a state.
    pub fn times_in(&self, state: &str) -> usize {
        self.history.iter().filter(|entry| entry.state == state).count()
    }
}

/// The journal of a relay that has stopped or was killed.
pub struct Books {
    pub outbound: Vec<Entry>,
    pub inbound: Vec<Entry>,
    counts: Vec<StateCount>,
    report: AuditReport,
    untold: usize,
}

impl Books {
    pub async fn open(site: &Site) -> Self {
        let journal = SqliteJournal::open(&site.path("journal.db")).expect("a journal");
        let query = MessageQuery { limit: 500, ..MessageQuery::default() };
        let (mut outbound, mut inbound) = (Vec::new(), Vec::new());
        for summary in journal.search(&query).await.expect("messages") {
            let history = journal.history(summary.relay_id).await.expect("a history");
            let list = if summary.direction == Direction::Outbound { &mut outbound } else { &mut inbound };
            list.push(Entry { summary, history });
        }
        // Oldest first.
        outbound.reverse();
        inbound.reverse();
        let mut untold = 0;
        for adapter in ["alice", "bob"] {
            untold += journal.untold(adapter, &[], 500).await.expect("events").len();
        }
        let counts = journal.counts().await.expect("counts");
        let report = journal.verify().await.expect("a report");
        journal.close().await;
        Self { outbound, inbound, counts, report, untold }
    }

    /// The states of all messages of a direction, oldest message first.
    pub fn states(&self, direction: &str) -> Vec<&str> {
        let list = if direction == "outbound" { &self.outbound } else { &self.inbound };
        list.iter().map(|entry| entry.summary.state.as_str()).collect()
    }

    /// The one outbound message.
    pub fn sent(&self) -> &Entry {
        let [entry] = &self.outbound[..] else { panic!("{} outbound messages", self.outbound.len()) };
        entry
    }

    /// The one inbound message.
    pub fn received(&self) -> &Entry {
        let [entry] = &self.inbound[..] else { panic!("{} inbound messages", self.inbound.len()) };
        entry
    }

    /// What must hold after every row.
    pub fn audit(&self, scene: &Scene) {
        self.the_chain_is_sound_and_the_counts_add_up();
        self.every_change_was_told_in_order(&scene.site);
        self.sent_or_failed(&scene.site.alice);
        for (mailbox, root) in [(ALICE, &scene.site.alice), (BOB, &scene.site.bob)] {
            every_message_is_in_once(scene, mailbox, root);
            assert_eq!(root.names("OUT"), [""; 0], "{mailbox}");
            assert_eq!(root.names("TEMP"), [""; 0], "{mailbox}");
        }
        for entry in &self.outbound {
            let Some(id) = &entry.summary.message_id else { continue };
            let at_mesh = [ALICE, BOB, STRANGER].iter().any(|mailbox| knows(scene, mailbox, id));
            assert!(at_mesh, "the journal names a message that MESH does not have");
        }
    }

    fn the_chain_is_sound_and_the_counts_add_up(&self) {
        assert!(self.report.is_sound(), "{:?}", self.report);
        for (direction, list) in [(Direction::Outbound, &self.outbound), (Direction::Inbound, &self.inbound)]
        {
            let mut found: BTreeMap<&str, u64> = BTreeMap::new();
            for Entry { summary, history } in list {
                *found.entry(&summary.state).or_default() += 1;
                let sequences: Vec<u64> = history.iter().map(|entry| entry.sequence).collect();
                assert_eq!(sequences, (1..=history.len() as u64).collect::<Vec<_>>());
                assert_eq!(history.last().map(|last| &last.state), Some(&summary.state));
            }
            let counted: BTreeMap<&str, u64> = self
                .counts
                .iter()
                .filter(|count| count.direction == direction && count.messages > 0)
                .map(|count| (count.state.as_str(), count.messages))
                .collect();
            assert_eq!(counted, found, "{direction:?}");
        }
    }

    /// Each message's events came in order and without a gap; one that came again was the same. The last one says
    /// where the message is.
    fn every_change_was_told_in_order(&self, site: &Site) {
        assert_eq!(self.untold, 0, "events are still to be told");
        let mut told: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for (relay_id, sequence, state) in tellings(site) {
            let events = told.entry(relay_id).or_default();
            match events.iter().find(|(known, _)| *known == sequence) {
                Some((_, known)) => assert_eq!(*known, state, "another event under the same id"),
                None => {
                    assert_eq!(sequence, events.len() as u64 + 1, "a gap");
                    events.push((sequence, state));
                }
            }
        }
        for Entry { summary, history } in &self.outbound {
            let happened: Vec<_> =
                history.iter().map(|entry| (entry.sequence, entry.state.clone())).collect();
            assert_eq!(told.get(&summary.relay_id.to_string()), Some(&happened));
        }
    }

    /// Each pair is in SENT, or in FAILED with a report in IN.
    fn sent_or_failed(&self, root: &Root) {
        let ended = |states: &[&str]| {
            let states = |entry: &&Entry| states.contains(&&*entry.summary.state);
            self.outbound.iter().filter(states).collect::<Vec<_>>()
        };
        let sent = ended(&["accepted", "acknowledged", "undelivered"]);
        let failed = ended(&["rejected", "parked", "expired"]);
        assert_eq!(sent.len() + failed.len(), self.outbound.len(), "something has not ended");
        for folder in ["SENT", "FAILED"] {
            let (controls, all) = (root.controls(folder), root.names(folder).len());
            assert_eq!(all, 2 * controls, "{folder} holds pairs and nothing else");
        }
        assert_eq!(root.controls("FAILED"), failed.len());
        for entry in failed {
            let report = root.text("IN", &format!("{}.ctl", entry.summary.relay_id));
            assert!(report.contains("<MessageType>Report</MessageType>"), "no report on a failure");
        }
    }
}

/// What was told, in order: message, sequence, state.
pub fn tellings(site: &Site) -> Vec<(String, u64, String)> {
    let text = fs::read_to_string(site.path(EVENTS)).unwrap_or_default();
    text.lines()
        .map(|line| {
            let [relay_id, sequence, state] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("half a line")
            };
            (relay_id.to_owned(), sequence.parse().expect("a number"), state.to_owned())
        })
        .collect()
}

fn knows(scene: &Scene, mailbox: &str, id: &MessageId) -> bool {
    scene.mesh(mailbox).iter().any(|message| message.message_id == *id)
}

/// What MESH was told to have arrived is in IN, once, with the same bytes; nothing else is there but reports.
fn every_message_is_in_once(scene: &Scene, mailbox: &str, root: &Root) {
    let mut expected = Vec::new();
    for message in scene.mesh(mailbox).iter().filter(|message| message.status == "acknowledged") {
        let id = &message.message_id;
        expected.push(format!("{id}.ctl"));
        if message.chunk_count > 0 {
            expected.push(format!("{id}.dat"));
            let there = fs::read(root.folder("IN").join(format!("{id}.dat"))).expect("the data");
            assert!(there == message.body(), "the content of a message changed");
        }
    }
    let mut found = root.names("IN");
    // The relay's own reports on pairs that failed carry its own ids.
    found.retain(|name| !name.contains('-'));
    expected.sort();
    assert_eq!(found, expected, "{mailbox}");
}
