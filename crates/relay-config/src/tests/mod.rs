//! Whole files, as an operator writes them.

mod bad;
mod console;
mod good;
mod secrets;
mod shown;
mod telemetry;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use serde::Deserialize;
use tempfile::TempDir;

use crate::{AdapterSection, Faults, Interval, Loaded, SecretRef, load_with};

/// A folder with a configuration in it.
struct Config {
    folder: TempDir,
    path: PathBuf,
}

impl Config {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relay.toml");
        let config = Self { folder, path };
        config.file("relay.toml", text.as_ref());
        config
    }

    fn file(&self, name: &str, content: &[u8]) {
        let mut options = File::options();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(self.folder.path().join(name)).expect("a file");
        file.write_all(content).expect("written");
    }

    fn load(&self) -> Result<Loaded<Folder>, Faults> {
        load_with(&self.path, Folder::read)
    }

    fn faults(&self) -> Faults {
        self.load().expect_err("faults")
    }
}

/// What an adapter of its own would declare.
#[derive(Debug, Deserialize)]
struct Folder {
    mailbox: String,
    root: PathBuf,
    grace: Option<Interval>,
    outbound: Option<Outbound>,
    token: Option<SecretRef>,
    #[serde(default)]
    queues: Vec<Outbound>,
    mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
struct Outbound {
    queue: String,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Strict,
    Lenient,
}

impl Folder {
    fn read(section: &AdapterSection, faults: &mut Faults) -> Option<Self> {
        if section.kind != "dts-folder" {
            let hint = crate::did_you_mean(&section.kind, &["dts-folder"]);
            faults.push(section.fault(Some("kind"), format!("unknown kind `{}`", section.kind), hint));
            return None;
        }
        section.read(faults)
    }
}

/// A configuration without a fault.
const GOOD: &str = r#"[mesh]
environment = "integration"
identity = { cert = "client.pem", key = "client.key" }
shared_key = { env = "MESH_SHARED_KEY" }
roots = "nhs-int.pem"

[journal]
path = "/var/lib/mesh-relay/journal.db"

[[mailbox]]
id = "x26hc005"
password = { file = "x26hc005.pass" }

[[adapter]]
name = "pathology"
kind = "dts-folder"
mailbox = "X26HC005"
root = "/var/mesh/X26HC005"
grace = "2s"
"#;

/// The good file with one line replaced.
fn with(line: &str, by: &str) -> String {
    assert!(GOOD.contains(line), "no line {line}");
    GOOD.replacen(line, by, 1)
}
