//! A relay and a sandbox on a machine, and a pair between two of its mailboxes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;
use tempfile::TempDir;

/// Stock mailboxes of the sandbox.
pub const ALICE: &str = "X26ABC1";
pub const BOB: &str = "X26ABC2";

/// Two mailboxes of a sandbox with their folders below `folders`, and the journal where packages have it.
pub fn configuration(sandbox: &str, folders: &str) -> String {
    let mut text = format!(
        "[mesh]\nenvironment = {{ url = \"{sandbox}\" }}\nshared_key = {{ file = \"shared.key\" }}\n\
         [journal]\npath = \"/var/lib/mesh-relay/journal.db\"\n"
    );
    for (name, mailbox) in [("laboratory", ALICE), ("surgery", BOB)] {
        text += &format!(
            "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
             [[adapter]]\nname = \"{name}\"\nkind = \"dts-folder\"\nmailbox = \"{mailbox}\"\n\
             root = \"{folders}/{mailbox}\"\ngrace = \"100ms\"\nscan = \"500ms\"\n"
        );
    }
    text
}

/// A sandbox. It ends with the machine that it runs on.
pub struct Sandbox {
    _process: Child,
    /// Where it answers.
    pub url: String,
}

impl Sandbox {
    /// The program's own.
    pub fn start(mut program: Command) -> Self {
        program.args(["sandbox", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = program.stderr(Stdio::null()).spawn().expect("the sandbox");
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("text");
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address in '{}'", line.trim())).to_owned();
        Self { _process: process, url }
    }
}

/// A relay. It ends with the machine that it runs on.
pub struct Relay {
    process: Child,
    place: TempDir,
}

impl Relay {
    /// Starts it by a whole command line, and waits until it says that it runs.
    pub async fn start(mut command: Command) -> Self {
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let log = File::create(place.path().join("log")).expect("a log");
        let process = command.stdin(Stdio::null()).stderr(log).spawn().expect("the relay");
        let mut relay = Self { process, place };
        eventually("the relay runs", || {
            if let Some(status) = relay.process.try_wait().expect("a status") {
                panic!("the relay ended with {status}:\n{}", relay.told());
            }
            relay.told().contains("the relay is running")
        })
        .await;
        relay
    }

    /// Its log.
    pub fn told(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    /// Waits until it has stopped in good order, as it was asked to.
    pub async fn ended(mut self) {
        eventually("the relay stops when asked", || self.process.try_wait().expect("a status").is_some())
            .await;
        let status = self.process.wait().expect("a status");
        assert!(status.success(), "{status}:\n{}", self.told());
    }
}

/// Puts a pair into the first one's OUT and finds it in the other's IN.
pub async fn carries_a_pair_between([alice, bob]: [Root; 2]) {
    let before = bob.controls("IN");
    alice.drop_pair(&format!("report-{before}"), &Control::new(ALICE, BOB), b"a result");
    eventually("the pair is in IN, and in SENT", || {
        bob.controls("IN") == before + 1 && alice.controls("SENT") == before + 1
    })
    .await;
    assert_eq!(bob.received(), vec![b"a result".to_vec(); before + 1]);
}
