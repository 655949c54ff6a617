//! The program on a journal that is there, with a mailbox that none of the journal's messages is of.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use mesh_relay_benches::usage;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What the log says before the console's address.
const OPEN: &str = "the console is open";

/// A running relay.
pub struct Relay {
    child: Child,
    address: SocketAddr,
}

impl Relay {
    /// Starts one on the journal in `folder`.
    #[expect(clippy::disallowed_methods, reason = "a scratch folder is set up without ceremony")]
    pub async fn start(folder: &Path) -> Self {
        let configuration = r#"
[mesh]
environment = { url = "http://127.0.0.1:9" }
shared_key = { file = "key" }
[journal]
path = "journal.db"
keep = "3650d"
[console]
listen = "127.0.0.1:0"
[[console.caller]]
name = "bench"
role = "operator"
token = { file = "token" }
[[mailbox]]
id = "X26ABC1"
password = { file = "key" }
poll = "1h"
"#;
        for (name, content) in [("relay.toml", configuration), ("key", "key"), ("token", &"t".repeat(40))] {
            std::fs::write(folder.join(name), content).expect("a file");
        }
        let program = std::env::current_exe().expect("this program").with_file_name("mesh-relay");
        let mut child = Command::new(program)
            .args(["run", "--config"])
            .arg(folder.join("relay.toml"))
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the relay; build it first");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let address = loop {
            let line = lines.next_line().await.expect("its log").expect("a console");
            if let Some((_, rest)) = line.split_once(OPEN) {
                let address = rest.split("address=").nth(1).expect("an address");
                break address.trim().parse().expect("an address");
            }
        };
        // Its log is read on, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    /// Where its console answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Most memory that it had, in KiB.
    pub fn peak_kib(&self) -> u64 {
        usage::peak_kib(self.child.id().expect("it runs"))
    }

    /// Ends it.
    pub async fn stop(mut self) {
        self.child.kill().await.expect("killed");
    }
}
