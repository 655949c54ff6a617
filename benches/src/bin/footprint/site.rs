//! A relay with many mailboxes, each with a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_relay_benches::load::{BOB, PASSWORD, SHARED_KEY};
use mesh_relay_benches::servers::Server;

/// Its place. Gone when dropped.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    names: Vec<String>,
    poll: Duration,
}

impl Site {
    /// Mailboxes that are looked into each `poll`.
    pub(crate) fn new(mailboxes: usize, poll: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let names: Vec<String> = (0..mailboxes).map(|number| format!("X26M{number:03}")).collect();
        // The sandbox is asked whether it is up by this one.
        let known = names.iter().map(String::as_str).chain([BOB]);
        let line = |name| {
            format!(
                "{{\"mailbox_id\": \"{name}\", \"mailbox_name\": \"{name}\", \"password\": \"{PASSWORD}\"}}\n"
            )
        };
        let lines: String = known.map(line).collect();
        let site = Self { names, poll, folder };
        write(&site.mailboxes(), &lines);
        site
    }

    /// The mailboxes, as the sandbox is told of them.
    pub(crate) fn mailboxes(&self) -> PathBuf {
        self.folder.path().join("mailboxes.jsonl")
    }

    /// The relay's configuration.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("relay.toml")
    }

    /// Writes it.
    pub(crate) fn configure(&self, server: &Server) {
        let mut text = format!(
            "[mesh]\nenvironment = {{ url = \"{}\" }}\nshared_key = {{ file = \"key\" }}\n[journal]\npath = \"journal.db\"\n",
            server.url()
        );
        for name in &self.names {
            text += &format!(
                "[[mailbox]]\nid = \"{name}\"\npassword = {{ file = \"pass\" }}\npoll = \"{}s\"\n[[adapter]]\n\
                 name = \"{name}\"\nkind = \"dts-folder\"\nmailbox = \"{name}\"\nroot = \"{name}\"\n",
                self.poll.as_secs()
            );
        }
        for (name, content) in [("relay.toml", &*text), ("key", SHARED_KEY), ("pass", PASSWORD)] {
            write(&self.folder.path().join(name), content);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement sets its place up without ceremony")]
fn write(path: &Path, content: &str) {
    fs::write(path, content).expect("a file written");
}
