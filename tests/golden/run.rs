//! One run for all cases: every pair lies in OUT when the relay starts.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use mesh_relay::relay::Relay;
use mesh_relay::settings::Settings;
use mesh_sandbox::{Rule, Sandbox, SandboxConfig};
use relay_testkit::pairs::element as element_of;
use relay_testkit::private::write_private;
use relay_testkit::wait::eventually;

use crate::cases::Case;
use crate::outcome::{Ended, Files, escaped, outcome};

/// A control file without data that is dropped last. It waits longer than any pair, so once it has failed the relay has
/// looked at all of them.
const LAST: &str = "zzz-last.ctl";

/// Messages for patients for whom the sandbox finds no mailbox: MESH takes them, and a report follows.
const UNROUTED: usize = 2;

const CONFIGURATION: &str = r#"
[journal]
path = "journal.db"
[[mailbox]]
id = "X26ABC1"
password = { file = "mailbox.pass" }
[[adapter]]
name = "golden"
kind = "dts-folder"
mailbox = "X26ABC1"
root = "X26ABC1"
grace = "100ms"
scan = "1s"
"#;

#[expect(clippy::disallowed_methods, reason = "an old system writes its files like this")]
fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("a file written");
}

/// What became of each case, as it is written in the case.
pub async fn outcomes(cases: &[&Case]) -> Vec<String> {
    let mut config = SandboxConfig::loopback();
    config.rules = config.rules.with(Rule::GpRouting, true);
    let sandbox = Sandbox::start(config).await.expect("a sandbox");
    let site = tempfile::tempdir().expect("a folder");
    let root = site.path().join("X26ABC1");
    let mesh = format!(
        "[mesh]\nenvironment = {{ url = \"{}\" }}\nshared_key = {{ file = \"shared.key\" }}\n",
        sandbox.base_url()
    );
    let configuration = site.path().join("relay.toml");
    write(&configuration, format!("{mesh}{CONFIGURATION}").as_bytes());
    write_private(&site.path().join("mailbox.pass"), b"password\n");
    write_private(&site.path().join("shared.key"), b"TestKey\n");

    let out = root.join("OUT");
    fs::create_dir_all(&out).expect("OUT");
    for case in cases {
        if let Some((name, content)) = case.data() {
            drop_new(&out, &name, content);
        }
        drop_new(&out, &case.control(), &case.bytes());
    }
    let settings = Settings::load(&configuration).map_err(|faults| faults.to_string()).expect("settings");
    let relay = Relay::start(settings).await.expect("a relay");
    write(&out.join(LAST), b"<DTSControl/>");
    eventually("the last pair failed", || root.join("FAILED").join(LAST).exists()).await;
    let journal = site.path().join("journal.db");
    eventually("nothing is under way", || unsettled(&journal) == 0).await;
    relay.stop().await.expect("a clean stop");

    let files = Files::read(&root);
    let ended = ended(&journal);
    let mut sent = Vec::new();
    let outcomes = cases
        .iter()
        .map(|case| {
            let ended = ended.get(&case.control());
            let text = outcome(case, &files, ended);
            if text.starts_with("SENT") {
                sent.extend(ended.and_then(|ended| ended.message_id.clone()));
            }
            text
        })
        .collect();
    let recipients = ["X26ABC1", "X26ABC2", "X26ABC3"].map(|id| id.parse().expect("a mailbox"));
    let stored: Vec<_> = recipients.iter().flat_map(|recipient| sandbox.messages(recipient)).collect();
    let messages: Vec<_> = stored.iter().filter(|message| message.sender.is_some()).collect();
    assert!(messages.len() + UNROUTED == sent.len(), "what is in SENT was sent once");
    for message in messages {
        assert!(sent.contains(&message.message_id.to_string()), "what is not in SENT was not sent");
        assert_eq!(message.body(), crate::cases::DATA, "it was sent with its data");
        let dts_id = format!("<DTSId>{}</DTSId>", message.message_id);
        let control = files
            .sent
            .values()
            .map(|bytes| String::from_utf8_lossy(bytes))
            .find(|text| text.contains(&dts_id));
        let control = control.expect("its control file in SENT");
        // The official emulator reads headers as Latin-1.
        if control.is_ascii() {
            for (element, value) in [("LocalId", &message.local_id), ("WorkflowId", &message.workflow_id)] {
                assert_eq!(element_of(&control, element), escaped(value), "MESH got what SENT says");
            }
        }
    }
    sandbox.shutdown().await;
    outcomes
}

/// Two cases must not use the same name.
fn drop_new(out: &Path, name: &[u8], content: &[u8]) {
    let path = out.join(OsString::from_vec(name.to_owned()));
    assert!(!path.exists(), "{} is dropped twice", path.display());
    write(&path, content);
}

/// How many pairs the relay has not let go of.
fn unsettled(journal: &Path) -> i64 {
    let journal = rusqlite::Connection::open(journal).expect("the journal");
    let asked = "SELECT count(*) FROM outbound WHERE settled_at IS NULL";
    journal.query_row(asked, [], |row| row.get(0)).expect("a number")
}

/// What the journal has of each pair, by the name of its control file.
fn ended(journal: &Path) -> HashMap<Vec<u8>, Ended> {
    let journal = rusqlite::Connection::open(journal).expect("the journal");
    let mut statement =
        journal.prepare("SELECT relay_id, source_key, message_id FROM outbound").expect("a statement");
    let rows = statement
        .query_map([], |row| {
            let id: [u8; 16] = row.get(0)?;
            let key: String = row.get(1)?;
            let message_id: Option<String> = row.get(2)?;
            let control = key.split('/').next().unwrap_or_default().as_bytes().to_owned();
            Ok((control, Ended { relay_id: uuid::Uuid::from_bytes(id).to_string(), message_id }))
        })
        .expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

impl Files {
    fn read(root: &Path) -> Self {
        let folder = |name: &str| {
            let entries = fs::read_dir(root.join(name)).expect("a folder");
            entries
                .map(|entry| entry.expect("a file"))
                .map(|entry| {
                    (entry.file_name().as_bytes().to_owned(), fs::read(entry.path()).expect("a file"))
                })
                .collect()
        };
        let files =
            Self { out: folder("OUT"), sent: folder("SENT"), failed: folder("FAILED"), inbox: folder("IN") };
        let temp = fs::read_dir(root.join("TEMP")).expect("TEMP");
        let left: Vec<_> = temp.map(|entry| entry.expect("a file").file_name()).collect();
        assert_eq!(left, [".mesh-relay.lock"], "TEMP is left empty but for the lock");
        files
    }
}
