//! The organisation's two systems: what they drop into OUT, and what they take out of IN and SENT. And somebody else who
//! sends to both.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use relay_testkit::pairs::{Control, Root, element};
use sha2::{Digest, Sha256};

use crate::process::{ALICE, BOB};
use crate::stranger::{STRANGER, Stranger, report};

/// A mailbox that there is not.
const NOBODY: &str = "X26NONE";
/// Longest pause between two pairs, in milliseconds.
const PAUSE_MAX_MS: u64 = 50;
/// Files in one OUT above which nothing is added: a relay that is killed all the time falls behind.
const OUT_MAX: usize = 80;
/// Longest pause between two messages of somebody else's, in milliseconds.
const SEED_PAUSE_MAX_MS: u64 = 200;

/// A content's fingerprint.
pub type Hash = [u8; 32];

pub fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// A pair as it was dropped.
#[derive(Debug, Clone)]
pub struct Pair {
    pub from: &'static str,
    pub content: Hash,
}

/// Everything that was dropped, by the pair's name.
pub struct Load {
    random: StdRng,
    roots: Vec<(&'static str, Root)>,
    pub pairs: BTreeMap<String, Pair>,
}

impl Load {
    pub fn new(seed: u64, roots: &[(&'static str, Root)]) -> Self {
        Self { random: StdRng::seed_from_u64(seed ^ 1), roots: roots.to_vec(), pairs: BTreeMap::new() }
    }

    /// Drops a pair of some sort, after a pause.
    pub async fn drop_one(&mut self) {
        let pause = self.random.random_range(0..=PAUSE_MAX_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let random = &mut self.random;
        let (from, root) = &self.roots[random.random_range(0..self.roots.len())];
        if root.names("OUT").len() >= OUT_MAX {
            return;
        }
        let other = if *from == ALICE { BOB } else { ALICE };
        let to = match random.random_range(0..100) {
            0..3 => NOBODY,
            3..10 => STRANGER,
            _ => other,
        };
        let name = format!("P{:06}", self.pairs.len() + 1);
        let mut control = Control::new(from, to);
        control.workflow = ["TEST_WORKFLOW", "RESEND", "TWO_STEP"][random.random_range(0..3)].to_owned();
        control.allow_chunking = control.workflow == "TWO_STEP" || random.random_bool(0.5);
        control.compress = random.random_bool(0.5);
        if random.random_bool(0.6) {
            control.local_id.clone_from(&name);
        }
        let data = content(random, &name);
        hand_over(root, &name, &control, &data);
        self.pairs.insert(name, Pair { from, content: hash(&data) });
    }
}

/// Bytes that no other message has: mostly few, sometimes several chunks of them.
fn content(random: &mut StdRng, name: &str) -> Vec<u8> {
    let length = if random.random_bool(0.8) {
        random.random_range(1..2_000)
    } else {
        random.random_range(50_000..250_000)
    };
    let mut bytes = format!("{name} ").into_bytes();
    bytes.extend((0..length).map(|_| random.random_range(b'0'..=b'Z')));
    bytes
}

/// As a careful system does it: each file appears whole, the data first.
#[expect(clippy::disallowed_methods, reason = "an old system hands its files over like this")]
fn hand_over(root: &Root, name: &str, control: &Control, data: &[u8]) {
    let out = root.folder("OUT");
    fs::create_dir_all(&out).expect("OUT");
    for (ending, bytes) in [("dat", data), ("ctl", control.text().as_bytes())] {
        let part = out.join(format!("{name}.{ending}.part"));
        fs::write(&part, bytes).expect("written");
        fs::rename(&part, out.join(format!("{name}.{ending}"))).expect("renamed");
    }
}

/// Sends to both mailboxes from outside until it is stopped. Gives how many messages that were.
pub async fn seed_inboxes(seed: u64, stranger: &Stranger, stop: &AtomicBool) -> usize {
    let mut random = StdRng::seed_from_u64(seed ^ 2);
    let mut sent = 0;
    while !stop.load(Ordering::SeqCst) {
        let pause = random.random_range(0..=SEED_PAUSE_MAX_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        sent += 1;
        let to = if random.random_bool(0.5) { ALICE } else { BOB };
        let data = content(&mut random, &format!("S{sent:06}"));
        stranger.send(to, data, random.random_bool(0.5)).await;
    }
    sent
}

/// The systems behind the folders, at work: whatever arrives is taken away at once, so that a message that came a second
/// time would be seen a second time.
pub struct Application {
    roots: Vec<(&'static str, Root)>,
    sandbox: SocketAddr,
    /// How often each control file came to an IN, by mailbox and name, and the hash of the data beside it each time.
    pub taken: HashMap<(&'static str, String), Vec<Option<Hash>>>,
    /// What came out of SENT: MESH's id of each pair, and the hash of its data. More than one is one too many.
    pub sent: HashMap<String, Vec<(String, Option<Hash>)>>,
    /// The same for FAILED.
    pub failed: HashMap<String, Vec<Option<Hash>>>,
    /// Messages that MESH was made to report on, by its id.
    pub reported: Vec<String>,
    /// What was seen that must never be, in words.
    pub seen_wrong: Vec<String>,
}

impl Application {
    pub fn new(roots: &[(&'static str, Root)], sandbox: SocketAddr) -> Self {
        Self {
            roots: roots.to_vec(),
            sandbox,
            taken: HashMap::new(),
            sent: HashMap::new(),
            failed: HashMap::new(),
            reported: Vec::new(),
            seen_wrong: Vec::new(),
        }
    }

    /// Takes away what has come, and has MESH report on some of what was sent.
    pub async fn work(&mut self) {
        for (mailbox, root) in self.roots.clone() {
            for (stem, text, data) in self.take(&root, "IN") {
                let report = text.contains("<MessageType>Report</MessageType>");
                if !report && data.is_none() {
                    self.seen_wrong.push(format!("{mailbox}: the control file {stem} came before its data"));
                }
                self.taken.entry((mailbox, stem)).or_default().push(data);
            }
            for (stem, text, data) in self.take(&root, "SENT") {
                let id = element(&text, "DTSId").to_owned();
                if element(&text, "To_DTS") == STRANGER {
                    // The stranger never looks, so MESH says so in the end.
                    report(self.sandbox, mailbox, &id).await;
                    self.reported.push(id.clone());
                }
                self.sent.entry(stem).or_default().push((id, data));
            }
            for (stem, _, data) in self.take(&root, "FAILED") {
                self.failed.entry(stem).or_default().push(data);
            }
        }
    }

    /// Pairs in a folder: whoever sees the control file may take the data for complete.
    fn take(&mut self, root: &Root, folder: &str) -> Vec<(String, String, Option<Hash>)> {
        let names = root.names(folder);
        let mut taken = Vec::new();
        for name in names {
            let Some(stem) = name.strip_suffix(".ctl") else { continue };
            let text = root.text(folder, &name);
            if !text.trim_end().ends_with("</DTSControl>") {
                self.seen_wrong.push(format!("half a control file in {folder}: {name}"));
            }
            let data = root.folder(folder).join(format!("{stem}.dat"));
            let content = fs::read(&data).ok().map(|bytes| hash(&bytes));
            // The control file first, as the relay puts it last.
            remove(&root.folder(folder).join(&name));
            remove(&data);
            taken.push((stem.to_owned(), text, content));
        }
        taken
    }

    /// How many pairs came out so far.
    pub fn sent(&self) -> usize {
        self.sent.len() + self.failed.len()
    }

    /// Whether every pair that was dropped has come out.
    pub fn has_seen_all(&self, load: &Load) -> bool {
        self.sent() >= load.pairs.len()
    }
}

fn remove(path: &Path) {
    if path.exists() {
        fs::remove_file(path).expect("removed");
    }
}
