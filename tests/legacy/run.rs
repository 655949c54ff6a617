//! Two old systems, each a program of its own (`application.py`), that send each other pairs through a relay on the Java
//! client's configuration, with the official emulator for MESH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::process::{ALICE, BOB, Emulator, Relay, python};

/// Longest wait for a system to say what it has said all along, or to sum up.
const SAYS_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait until the relay has recorded what the systems have seen.
const RECORDED_WITHIN: Duration = Duration::from_secs(60);
/// Pause between two looks at the journal.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What both systems watch, and where the relay tries at its start whether it may write.
const WATCHED: u64 = 3;

/// Where an old system finds its mailbox.
pub fn root(data_home: &Path, mailbox: &str) -> PathBuf {
    data_home.join(mailbox)
}

/// An old system at work. Killed when dropped.
pub struct OldSystem {
    mailbox: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl OldSystem {
    /// Starts one that drops pairs for its partner, and waits until it watches its folders.
    pub async fn start(
        data_home: &Path,
        mailbox: &'static str,
        partner: &str,
        each_way: u32,
        seed: u64,
        collects: bool,
    ) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("legacy/application.py");
        let mut command = Command::new(python());
        command.arg(program).arg(root(data_home, mailbox)).args([mailbox, partner]);
        command.args([each_way.to_string(), seed.to_string()]).args(collects.then_some("collects"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("Python");
        let output = BufReader::new(child.stdout.take().expect("its output")).lines();
        let input = child.stdin.take();
        let mut system = Self { mailbox, child, input, output };
        assert_eq!(system.says(SAYS_WITHIN).await.as_deref(), Some("watching"), "the system at {mailbox}");
        system
    }

    /// Its next line, if there is one in time.
    async fn says(&mut self, within: Duration) -> Option<String> {
        let line = timeout(within, self.output.next_line()).await.ok()?.expect("text");
        assert!(line.is_some(), "the system at {} ended; what it said last is above", self.mailbox);
        line
    }

    /// Whether it says in time that it has seen all that must come.
    async fn has_all(&mut self, within: Duration) -> bool {
        self.says(within).await.is_some()
    }

    /// Lets it sum up.
    pub async fn end(mut self) -> Seen {
        drop(self.input.take());
        loop {
            let line = self.says(SAYS_WITHIN).await.expect("a summary");
            if line == "all" {
                continue;
            }
            let status = timeout(SAYS_WITHIN, self.child.wait()).await.expect("an end").expect("a status");
            assert!(status.success());
            return Seen(serde_json::from_str(&line).expect("a summary as JSON"));
        }
    }
}

/// What an old system saw.
pub struct Seen(Value);

impl Seen {
    pub fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    fn millis(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    /// Faults in words, the first of them.
    pub fn told(&self) -> Vec<&str> {
        self.0["told"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// What the old client's installer left: a home for the program with its configuration, and folders for two mailboxes.
struct Home(tempfile::TempDir);

impl Home {
    #[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
    fn new(mesh_url: &str) -> Self {
        let home = Self(tempfile::tempdir().expect("a folder"));
        let mut text = format!(
            "<?xml version=\"1.0\"?>\n<MESHConfig>\n  <PrimaryURL>{mesh_url}</PrimaryURL>\n  \
             <WorkPath>{}</WorkPath>\n  <MaxConnections>4</MaxConnections>\n  \
             <AuthenticationKey>TestKey</AuthenticationKey>\n  <ProcessingDelay>2</ProcessingDelay>\n",
            home.path("working").display()
        );
        // No PollPeriod: a server on this machine is then asked every second.
        for (mailbox, collects) in [(ALICE, "Y"), (BOB, "N")] {
            text += &format!(
                "  <Client>\n    <ClientIdentity>{mailbox}</ClientIdentity>\n    \
                 <ClientAuthentication>password</ClientAuthentication>\n    <MailboxType>MESH</MailboxType>\n    \
                 <InterfaceRoot>{}</InterfaceRoot>\n    <CollectReport>{collects}</CollectReport>\n    \
                 <SaveSent>Y</SaveSent>\n  </Client>\n",
                root(home.0.path(), mailbox).display()
            );
        }
        fs::write(home.path("meshclient.cfg"), text + "</MESHConfig>\n").expect("a configuration");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// How many messages the journal has that are not over.
    fn unfinished(&self) -> Option<i64> {
        let journal = Connection::open(self.path("working/mesh-relay/journal.db")).ok()?;
        let count = |query| journal.query_row(query, [], |row| row.get::<_, i64>(0)).ok();
        Some(
            count("SELECT count(*) FROM outbound WHERE settled_at IS NULL")?
                + count("SELECT count(*) FROM inbound WHERE state_name <> 'acknowledged'")?,
        )
    }
}

/// Runs it: so many pairs each way at the same time. `within` bounds the time until all have arrived. Gives figures.
pub async fn both_ways(each_way: u32, seed: u64, within: Duration) -> String {
    let emulator = Emulator::start().await;
    let home = Home::new(&emulator.base_url());
    let data_home = home.0.path();
    let mut systems = [
        OldSystem::start(data_home, ALICE, BOB, each_way, seed, true).await,
        OldSystem::start(data_home, BOB, ALICE, each_way, seed, false).await,
    ];
    let began = Instant::now();
    let relay = Relay::start_on("--meshclient-cfg", &home.path("meshclient.cfg")).await;
    let mut all = true;
    for system in &mut systems {
        all &= system.has_all(within.saturating_sub(began.elapsed())).await;
    }
    let took = began.elapsed();
    let deadline = Instant::now() + RECORDED_WITHIN;
    while all && home.unfinished() != Some(0) {
        assert!(Instant::now() < deadline, "{:?} messages never end:\n{}", home.unfinished(), relay.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let peak = relay.peak_kib();
    let (status, log) = relay.stop().await;
    let [alice, bob] = systems;
    let seen = [(ALICE, alice.end().await), (BOB, bob.end().await)];

    let mut figures = format!(
        "{each_way} pairs each way, seed {seed}: {:.0} s, {:.0} a second, peak memory of the relay {:.1} MiB",
        took.as_secs_f64(),
        2.0 * f64::from(each_way) / took.as_secs_f64(),
        peak as f64 / 1024.0
    );
    for (mailbox, seen) in &seen {
        let [sent, received, collected, events, faults] =
            ["sent", "received", "collected", "events", "faults"].map(|name| seen.number(name));
        figures += &format!(
            "\n{mailbox}: {sent} in SENT, {received} in IN, {collected} collect reports, {events} events, {faults} faults; \
             read {:.1} ms after they appeared (median; p99 {:.1} ms)",
            seen.millis("read_after_p50_ms"),
            seen.millis("read_after_p99_ms"),
        );
    }
    println!("{figures}");
    for (mailbox, seen) in &seen {
        assert!(seen.told().is_empty(), "{mailbox}, seed {seed}:\n{:#?}\n{log}", seen.told());
        assert!(seen.number("probes") <= WATCHED, "{mailbox}: a folder is tried once, at the start");
    }
    assert!(all, "not all has come within {within:?}, seed {seed}:\n{log}");
    assert!(status.success() && !log.contains("ERROR"), "{log}");
    figures
}
