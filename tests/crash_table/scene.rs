//! What a row of the table is played on: MESH in this process, a place with two mailboxes' folders, and a relay that
//! is killed there and started again.

use mesh_api::MessageId;
use mesh_sandbox::{Call, Effect, Fault, Sandbox, StoredMessage};
use relay_testkit::wait::eventually;

use crate::books::Books;
use crate::child::Child;
use crate::process::{ALICE, BOB, Site};
use crate::stranger::{Stranger, report};

/// A mailbox that there is not.
pub const NOBODY: &str = "X26NONE";
/// Size of a chunk, as the configuration has it.
pub const CHUNK_BYTES: usize = 64_000;

pub struct Scene {
    pub sandbox: Sandbox,
    pub site: Site,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// With something more under `[send]`.
    pub async fn with(send: &str) -> Self {
        let sandbox = Sandbox::loopback().await.expect("a sandbox");
        let site = Site::new(&sandbox.base_url(), "");
        // What is waited for only by the clock is waited for shortly.
        let config = site
            .configuration(&sandbox.base_url(), "")
            .replace("poll = \"200ms\"", "poll = \"50ms\"")
            .replace("grace = \"100ms\"", "grace = \"20ms\"")
            .replace("scan = \"500ms\"", "scan = \"100ms\"")
            .replace("retry_first = \"200ms\"", "retry_first = \"50ms\"")
            .replace("doubt_wait = \"300ms\"", "doubt_wait = \"50ms\"")
            .replace("[send]\n", &format!("[send]\n{send}\n"));
        site.write("relay.toml", config);
        Self { sandbox, site }
    }

    pub fn start(&self, point: Option<&str>) -> Child {
        Child::spawn(&self.site.path("relay.toml"), point)
    }

    /// Runs the relay until it is killed at a point.
    pub async fn crash(&self, point: &str) {
        self.start(Some(point)).killed(point).await;
    }

    /// Runs the relay until there is nothing left to do, and looks into its books.
    pub async fn finish(&self) -> Books {
        let relay = self.start(None);
        self.until_done().await;
        relay.stop().await;
        let books = Books::open(&self.site).await;
        books.audit(self);
        books
    }

    /// Waits until nothing is in OUT, nothing waits at MESH for the two mailboxes, every pair is settled and every event
    /// is told.
    pub async fn until_done(&self) {
        eventually("nothing is left to do", || {
            [&self.site.alice, &self.site.bob].iter().all(|root| root.names("OUT").is_empty())
                && [ALICE, BOB].iter().all(|id| self.mesh(id).iter().all(|m| m.status != "accepted"))
                && self.left_over() == Some(0)
        })
        .await;
    }

    /// How many pairs the running relay still has to settle, and events to tell.
    fn left_over(&self) -> Option<i64> {
        self.ask_journal(
            "SELECT (SELECT count(*) FROM outbound WHERE settled_at IS NULL)
                 + (SELECT count(*) FROM event WHERE untold IS NOT NULL)",
        )
    }

    /// How many inbound messages the running relay has in a state.
    pub fn inbound(&self, state: &str) -> i64 {
        let query = format!("SELECT count(*) FROM inbound WHERE state_name = '{state}'");
        self.ask_journal(&query).unwrap_or_default()
    }

    /// A number from the journal's file. `None` while there is none.
    fn ask_journal(&self, query: &str) -> Option<i64> {
        let only_read = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let journal = rusqlite::Connection::open_with_flags(self.site.path("journal.db"), only_read).ok()?;
        journal.query_row(query, [], |row| row.get(0)).ok()
    }

    /// Everything at MESH for a mailbox.
    pub fn mesh(&self, mailbox: &str) -> Vec<StoredMessage> {
        self.sandbox.messages(&mailbox.parse().expect("a mailbox"))
    }

    /// The messages at MESH for a mailbox that can be delivered or were: all of their chunks are there.
    pub fn whole(&self, mailbox: &str) -> Vec<StoredMessage> {
        self.mesh(mailbox).into_iter().filter(|message| message.status != "uploading").collect()
    }

    /// How many requests of a kind MESH saw.
    pub fn requests(&self, call: &str) -> usize {
        self.sandbox.requests().iter().filter(|request| request.call == call).count()
    }

    /// MESH carries calls of a kind out and their answers are lost, but for the first `skip` and behind `times`.
    pub fn lose_answers(&self, call: Call, skip: u64, times: u64) {
        let fault = Fault {
            calls: vec![call],
            skip,
            times: Some(times),
            ..Fault::new("lost answers", Effect::LoseAnswer)
        };
        self.sandbox.faults().add(fault).expect("a fault");
    }

    /// A message of somebody else's for Bob.
    pub async fn seed(&self, data: &[u8]) -> MessageId {
        Stranger::new(&self.sandbox.base_url()).send(BOB, data.to_vec(), false).await
    }

    /// MESH reports to Alice that it could not deliver a message.
    pub async fn report(&self, about: &MessageId) {
        report(self.sandbox.address(), ALICE, about.as_str()).await;
    }
}

/// Bytes of this length, no two stretches of them alike.
pub fn data(length: usize) -> Vec<u8> {
    (0..length.div_ceil(4) as u32).flat_map(u32::to_le_bytes).take(length).collect()
}
