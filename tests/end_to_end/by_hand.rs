//! MESH by hand: `send`, `inbox`, `get`, `ack`, `track` and `lookup`, each as a command of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mesh_sandbox::{Call, ClientCertificates, Effect, Fault, Sandbox, SandboxConfig, Tls};
use relay_testkit::certificates::Authority;
use relay_testkit::connect_proxy::{ConnectProxy, Manner};
use relay_testkit::private::write_private;
use relay_testkit::wait::eventually;
use serde_json::Value;

use crate::process::{ALICE, BOB, Site, binary, fixture};

const WORKFLOW: &str = "TEST_WORKFLOW";

/// How a command ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    /// What it wrote, when it succeeded.
    fn good(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out.trim().to_owned()
    }

    fn json(self) -> Value {
        let text = self.good();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What it wrote to stderr, when it failed so.
    fn bad(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.err
    }
}

/// A sandbox, and a folder in which commands run.
struct Desk {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self::with(SandboxConfig::loopback()).await
    }

    async fn with(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.expect("a sandbox");
        Self { sandbox, folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        write_private(&self.path(name), content);
    }

    /// The files that a look into a folder shows, hidden ones too.
    fn files(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    fn command(&self, mailbox: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .args(["--url", &self.sandbox.base_url(), "--mailbox", mailbox])
            .current_dir(self.folder.path())
            .env_remove("MESH_MAILBOX_PASSWORD")
            .env_remove("MESH_SHARED_KEY")
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, mailbox: &str, arguments: &[&str]) -> Ended {
        ended(self.command(mailbox, arguments)).await
    }

    /// Sends a file of this content to Bob and returns the message id.
    async fn send(&self, content: &[u8], more: &[&str]) -> String {
        self.write("letter", content);
        let arguments = [&["send", BOB, "letter", "--workflow", WORKFLOW], more].concat();
        self.run(ALICE, &arguments).await.good()
    }

    fn fail(&self, effect: Effect, call: Call, times: u64) {
        let fault = Fault { calls: vec![call], times: Some(times), ..Fault::new("fault", effect) };
        self.sandbox.faults().add(fault).expect("a fault");
    }

    fn messages(&self) -> usize {
        self.sandbox.messages(&BOB.parse().expect("a mailbox")).len()
    }
}

/// Runs a command elsewhere, so that the sandbox in this thread can answer it.
async fn ended(mut command: Command) -> Ended {
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let output = output.expect("the relay's program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        code: output.status.code().expect("an exit code"),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Bytes that do not repeat, and lines that do.
fn large(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut content = Vec::with_capacity(bytes + 64);
    while content.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend(state.to_le_bytes());
        content.extend(b"OBX|1|NM|Invented value\r\n");
    }
    content.truncate(bytes);
    content
}

#[tokio::test]
async fn a_message_goes_its_way_in_words() {
    let desk = Desk::new().await;
    let id = desk.send(b"payload", &["--subject", "Batch 417", "--local-id", "L 1"]).await;
    assert_eq!(desk.run(BOB, &["inbox"]).await.good(), id);
    assert_eq!(desk.run(BOB, &["inbox", "--count"]).await.good(), "1");
    assert_eq!(desk.run(BOB, &["inbox", "--workflow-filter", "!TEST*"]).await.good(), "");
    let details = desk.run(BOB, &["inbox", "--details"]).await.good();
    let words: Vec<Vec<&str>> = details.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["ID", "TYPE", "FROM", "WORKFLOW", "CHUNKS"]);
    assert_eq!(words[1], [&id, "data", ALICE, WORKFLOW, "1"]);
    let tracked = desk.run(ALICE, &["track", "--local-id", "L 1"]).await.good();
    assert!(tracked.contains("accepted") && tracked.contains(&id), "{tracked}");

    let got = desk.run(BOB, &["get", &id]).await.good();
    assert!(got.contains("Batch 417") && got.contains("bytes         7"), "{got}");
    assert_eq!(fs::read(desk.path(&format!("{id}.dat"))).expect("the file"), b"payload");
    assert_eq!(desk.run(BOB, &["get", &id, "--out", "-"]).await.out, "payload");
    assert_eq!(desk.run(BOB, &["ack", &id]).await.good(), id);
    assert_eq!(desk.run(BOB, &["inbox"]).await.good(), "");
    let tracked = desk.run(ALICE, &["track", &id]).await.good();
    assert!(tracked.contains("acknowledged") && tracked.contains("the recipient has it"), "{tracked}");
    let receivers = desk.run(ALICE, &["lookup", "X26", WORKFLOW]).await.good();
    assert_eq!(receivers, "X26ABC2  TESTMB2");
}

#[tokio::test]
async fn a_message_goes_its_way_in_json() {
    let desk = Desk::new().await;
    desk.write("letter", b"payload");
    let send = ["send", BOB, "letter", "--workflow", WORKFLOW, "--two-step", "--json"];
    let sent = desk.run(ALICE, &send).await.json();
    let id = sent["message_id"].as_str().expect("an id").to_owned();
    let local_id = sent["local_id"].as_str().expect("a local id of its own").to_owned();
    assert_eq!((sent["bytes"].as_u64(), sent["chunks"].as_u64()), (Some(7), Some(2)));
    let inbox = desk.run(BOB, &["inbox", "--details", "--json"]).await.json();
    assert_eq!(inbox["messages"][0]["message_id"], id.as_str());
    assert_eq!(inbox["messages"][0]["from"], ALICE);
    assert_eq!(desk.run(BOB, &["inbox", "--count", "--json"]).await.json()["count"], 1);
    let got = desk.run(BOB, &["get", &id, "--out", "here", "--ack", "--json"]).await.json();
    assert_eq!((&got["saved"], &got["acknowledged"]), (&"here".into(), &true.into()));
    assert_eq!(got["local_id"], local_id.as_str());
    assert_eq!(fs::read(desk.path("here")).expect("the file"), b"payload");
    let tracked = desk.run(ALICE, &["track", "--local-id", &local_id, "--json"]).await.json();
    assert_eq!((&tracked["message_id"], &tracked["status"]), (&id.into(), &"acknowledged".into()));
    let found = desk.run(ALICE, &["lookup", "--workflow", "TEST_WORKFLOW_ACK", "--json"]).await.json();
    assert_eq!(found["mailboxes"].as_array().map(Vec::len), Some(2));
    let again = desk.run(BOB, &["ack", "20000101000000000_NONE00", "--json"]).await;
    let failed: Value = serde_json::from_str(&again.bad(6)).expect("JSON on stderr");
    assert_eq!(failed["exit_code"], 6);
}

#[tokio::test]
async fn a_large_message_goes_in_compressed_chunks_both_ways() {
    let desk = Desk::new().await;
    let content = large(5_000_000);
    let id = desk.send(&content, &["--gzip", "--chunk-size", "1MB"]).await;
    desk.run(BOB, &["get", &id, "--out", "there"]).await.good();
    assert!(fs::read(desk.path("there")).expect("the file") == content);

    let send = ["send", ALICE, "-", "--workflow", WORKFLOW, "--gzip", "--chunk-size", "1MB"];
    let mut back = desk.command(BOB, &send);
    back.stdin(fs::File::open(desk.path("there")).expect("the file"));
    let sent = ended(back).await;
    assert!(sent.err.contains("temporary file"), "{}", sent.err);
    let id = sent.good();
    desk.run(ALICE, &["get", &id, "--out", "back"]).await.good();
    assert!(fs::read(desk.path("back")).expect("the file") == content);
    let sizes = desk.sandbox.messages(&ALICE.parse().expect("a mailbox"));
    assert_eq!(sizes.len(), 1);
}

#[tokio::test]
async fn a_report_is_shown_and_kept_before_it_is_acknowledged() {
    let desk = Desk::with(SandboxConfig::strict()).await;
    desk.write("letter", b"payload");
    let send = ["send", "letter", "--workflow", WORKFLOW, "--nhs-number", "999 054 8625"];
    let patient = ["--born", "2012-07-04", "--surname", "Nowhere"];
    let sent = desk.run(ALICE, &[&send[..], &patient].concat()).await.good();
    let report = desk.run(ALICE, &["inbox"]).await.good();
    let shown = desk.run(ALICE, &["get", &report]).await.good();
    assert!(shown.contains("report") && shown.contains("EPL-") && shown.contains(&sent), "{shown}");
    assert_eq!(desk.files("."), ["letter"]);
    desk.run(ALICE, &["get", &report, "--out", "-"]).await.bad(1);
    desk.run(ALICE, &["get", &report, "--ack"]).await.good();
    let kept = fs::read(desk.path(&format!("{report}.report.json"))).expect("the report");
    let kept: Value = serde_json::from_slice(&kept).expect("JSON");
    assert_eq!((&kept["type"], &kept["linked_message_id"]), (&"report".into(), &sent.into()));
    assert_eq!(desk.run(ALICE, &["inbox"]).await.good(), "");

    let wrong = ["--born", "2012-07-04", "--surname", "Canary_Name"];
    let refused = desk.run(ALICE, &[&send[..], &wrong].concat()).await.bad(2);
    assert!(!refused.contains("Canary") && !refused.contains("054"), "{refused}");
}

#[tokio::test]
async fn each_ending_has_its_exit_code() {
    let desk = Desk::new().await;
    desk.write("letter", b"payload");
    desk.write("empty", b"");
    desk.write("wrong", b"not the password\n");
    let send = ["send", BOB, "letter", "--workflow", WORKFLOW];
    let help = desk.run(ALICE, &["send", "--help"]).await.good();
    assert!((0..=6).all(|code| help.contains(&format!("\n  {code}  "))), "{help}");

    let wrong = desk.run(ALICE, &[&send[..], &["--password-file", "wrong"]].concat()).await.bad(5);
    assert!(wrong.contains("credentials"), "{wrong}");
    let refused = desk.run(ALICE, &["send", "NOBODY", "letter", "--workflow", WORKFLOW]).await.bad(4);
    assert!(refused.contains("MESH refuses the message"), "{refused}");
    desk.run(ALICE, &["send", BOB, "empty", "--workflow", WORKFLOW]).await.bad(4);
    for call in ["get", "track", "ack"] {
        desk.run(ALICE, &[call, "20000101000000000_NONE00"]).await.bad(6);
    }
    desk.run(ALICE, &["track", "--local-id", "none"]).await.bad(6);
    desk.run(ALICE, &["send", BOB, "no-such-file", "--workflow", WORKFLOW]).await.bad(2);
    desk.run(ALICE, &["send", BOB, "letter"]).await.bad(2);
    desk.run(ALICE, &["get", "ID", "--out", "-", "--ack"]).await.bad(2);
    assert_eq!(desk.messages(), 0);

    let mut away = Command::new(binary());
    away.args(["inbox", "--url", "http://127.0.0.1:1", "--mailbox", ALICE]);
    let away = ended(away).await.bad(1);
    assert!(away.contains("no connection"), "{away}");
    let mut bare = Command::new(binary());
    bare.args(["inbox"]);
    assert!(ended(bare).await.bad(2).contains("--mailbox"));
}

#[tokio::test]
async fn a_lost_answer_is_told_as_such_and_can_be_cleared_up() {
    let desk = Desk::new().await;
    desk.write("letter", b"payload");
    let send = ["send", BOB, "letter", "--workflow", WORKFLOW];
    desk.fail(Effect::LoseAnswer, Call::Send, 1);
    let mut command = desk.command(ALICE, &send);
    command.args(["--subject", "canary", "--file-name", "canary"]).env("MESH_RELAY_LOG", "debug");
    let doubt = ended(command).await.bad(3);
    assert!(doubt.contains("may have taken the message or not") && !doubt.contains("canary"), "{doubt}");
    let local_id = doubt.trim().rsplit(' ').next().expect("a local id");
    assert!(desk.run(ALICE, &["track", "--local-id", local_id]).await.good().contains("accepted"));
    assert_eq!(desk.messages(), 1);

    desk.fail(Effect::LoseAnswer, Call::Send, 1);
    let mut command = desk.command(ALICE, &send);
    command.args(["--local-id", "canary", "--json"]);
    let doubt = ended(command).await.bad(3);
    let document: Value = serde_json::from_str(&doubt).expect("one JSON document");
    assert!(document["exit_code"] == 3 && !doubt.contains("canary"), "{doubt}");

    desk.fail(Effect::LoseAnswer, Call::Send, 1);
    let sound = desk.run(ALICE, &[&send[..], &["--two-step"]].concat()).await.bad(1);
    assert!(sound.contains("Nothing is delivered"), "{sound}");
}

#[tokio::test]
async fn a_send_that_is_stopped_leaves_no_false_word() {
    let desk = Desk::new().await;
    desk.write("letter", b"payload");
    desk.fail(Effect::Delay { millis: 60_000 }, Call::Send, 1);
    let mut command = desk.command(ALICE, &["send", BOB, "letter", "--workflow", WORKFLOW]);
    let child = command.stderr(Stdio::piped()).spawn().expect("a process");
    eventually("the send is under way", || !desk.sandbox.faults().fired().is_empty()).await;
    let asked = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(asked.success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.expect("a thread");
    let output = output.expect("its output");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{words}");
    assert!(words.contains("track --local-id"), "{words}");
}

#[tokio::test]
async fn an_upload_that_broke_off_goes_on_and_nothing_is_sent_twice() {
    let desk = Desk::new().await;
    let content = large(2_500_000);
    desk.write("letter", &content);
    let send = ["send", BOB, "letter", "--workflow", WORKFLOW, "--chunk-size", "1MB"];
    desk.fail(Effect::CutRequest { after_bytes: 65_536 }, Call::SendChunk, 3);
    let cut = desk.run(ALICE, &[&send[..], &["--json"]].concat()).await.bad(1);
    let cut: Value = serde_json::from_str(&cut).expect("JSON");
    let place = cut["resume"].as_str().expect("where to go on").to_owned();
    let id = cut["message_id"].as_str().expect("an id").to_owned();
    assert!(place.starts_with(&format!("{id}:2/2500000/1000000/plain/")), "{place}");
    assert_eq!(desk.run(BOB, &["inbox"]).await.good(), "", "nothing is delivered yet");

    // Chunks that do not fit the first would be delivered as one message.
    for (other, what) in
        [(&["--chunk-size", "900KB"][..], "cut into chunks of 900000"), (&["--gzip"], "gzip is on")]
    {
        let base = ["send", BOB, "letter", "--workflow", WORKFLOW];
        let size = if other.len() == 1 { &["--chunk-size", "1MB"][..] } else { &[] };
        let words = desk.run(ALICE, &[&base[..], size, other, &["--resume", &place]].concat()).await.bad(2);
        assert!(words.contains(what), "{words}");
    }
    desk.write("longer", &large(2_600_000));
    let other = ["send", BOB, "longer", "--workflow", WORKFLOW, "--chunk-size", "1MB", "--resume", &place];
    assert!(desk.run(ALICE, &other).await.bad(2).contains("was changed"));
    let resumed = desk.run(ALICE, &[&send[..], &["--resume", &place]].concat()).await.good();
    assert_eq!(resumed, id);
    assert_eq!(desk.run(BOB, &["inbox"]).await.good(), id);
    assert_eq!(desk.messages(), 1);
    desk.run(BOB, &["get", &id, "--out", "there"]).await.good();
    assert!(fs::read(desk.path("there")).expect("the file") == content);
    // Once more does no harm.
    assert_eq!(
        desk.run(ALICE, &["send", "letter", "--chunk-size", "1MB", "--resume", &place]).await.good(),
        id
    );
    assert_eq!(desk.messages(), 1);
    let seen = desk.sandbox.requests();
    assert_eq!(seen.iter().filter(|request| request.call == "send").count(), 1);
    let gone = place.replace(&id, "20000101000000000_NONE00");
    desk.run(ALICE, &[&send[..], &["--resume", &gone]].concat()).await.bad(6);
    // As long as before, and other bytes.
    desk.write("letter", &vec![b'x'; content.len()]);
    let words = desk.run(ALICE, &[&send[..], &["--resume", &place]].concat()).await.bad(2);
    assert!(words.contains("was changed"), "{words}");
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_nothing() {
    let desk = Desk::new().await;
    let content = large(300_000);
    let id = desk.send(&content, &[]).await;
    // More often than the client goes on within one message.
    desk.fail(Effect::CutAnswer { after_bytes: 1_000 }, Call::Download, 100);
    desk.run(BOB, &["get", &id, "--ack"]).await.bad(1);
    assert_eq!(desk.files("."), ["letter"]);
    assert!(desk.sandbox.faults().remove("fault"));

    desk.fail(Effect::SlowBody { bytes_per_second: 20_000 }, Call::Download, 1);
    let mut child = desk.command(BOB, &["get", &id]).stderr(Stdio::null()).spawn().expect("a process");
    eventually("the download is under way", || desk.files(".").len() == 2).await;
    assert!(desk.files(".").iter().all(|name| !name.ends_with(".dat")));
    let asked = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert!(asked.success());
    let mut status = None;
    eventually("it stops", || {
        status = child.try_wait().expect("a status");
        status.is_some()
    })
    .await;
    assert_eq!(status.and_then(|status| status.code()), Some(1));
    assert_eq!(desk.files("."), ["letter"]);

    assert!(desk.run(BOB, &["get", &id, "--ack"]).await.good().contains("acknowledged  yes"));
    assert!(fs::read(desk.path(&format!("{id}.dat"))).expect("the file") == content);
}

#[tokio::test]
async fn a_senders_file_name_does_no_harm() {
    let desk = Desk::new().await;
    fs::create_dir(desk.path("in")).expect("a folder");
    desk.write("in/taken.txt", b"ours");
    for (sent, saved) in [
        ("../../evil.txt", None),
        ("/tmp/evil.txt", None),
        (".hidden", None),
        ("nul.txt", None),
        ("taken.txt", None),
        ("letter.txt", Some("letter.txt")),
    ] {
        let id = desk.send(b"theirs", &["--file-name", sent]).await;
        let usual = format!("{id}.dat");
        let got = ["get", &id, "--out", "in", "--name-from-message", "--json"];
        let got = desk.run(BOB, &got).await.json();
        let path = Path::new("in").join(saved.unwrap_or(&usual));
        assert_eq!(got["saved"].as_str().map(Path::new), Some(path.as_path()), "{sent}");
        assert_eq!(fs::read(desk.path(&path.to_string_lossy())).expect("the file"), b"theirs");
    }
    assert_eq!(fs::read(desk.path("in/taken.txt")).expect("the file"), b"ours");
    assert_eq!(desk.files("."), ["in", "letter"]);
    assert_eq!(desk.files("in").len(), 7);
}

#[tokio::test]
async fn an_inbox_is_drained_into_a_folder() {
    let desk = Desk::new().await;
    fs::create_dir(desk.path("in")).expect("a folder");
    let mut ids = Vec::new();
    for content in [b"one", b"two", b"ten"] {
        ids.push(desk.send(content, &[]).await);
    }
    // One was fetched before and not acknowledged, and one meets another file under its name.
    desk.run(BOB, &["get", &ids[0], "--out", "in"]).await.good();
    desk.write(&format!("in/{}.dat", ids[1]), b"something else");
    let all = ["get", "--all", "--out", "in", "--ack"];
    let failed = desk.run(BOB, &all).await.bad(1);
    assert!(failed.contains("is there already and is not replaced"), "{failed}");
    assert_eq!(desk.run(BOB, &["inbox"]).await.good(), ids[1]);
    fs::remove_file(desk.path(&format!("in/{}.dat", ids[1]))).expect("removed");
    let got = desk.run(BOB, &[&all[..], &["--json"]].concat()).await.json();
    assert_eq!(got["messages"][0]["message_id"], ids[1].as_str());
    assert_eq!(desk.files("in").len(), 3);
    assert_eq!(desk.run(BOB, &["inbox"]).await.good(), "");
    desk.run(BOB, &["get", "--all", "--out", "nowhere"]).await.bad(2);
}

#[tokio::test]
async fn the_relays_own_configuration_will_do() {
    let desk = Desk::new().await;
    let id = desk.send(b"payload", &[]).await;
    let site = Site::new(&desk.sandbox.base_url(), "");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(site.path("relay.toml"));
        ended(command)
    };
    assert_eq!(run(&["inbox", "--mailbox", BOB]).await.good(), id);
    let several = run(&["inbox"]).await.bad(2);
    assert!(several.contains(ALICE) && several.contains(BOB), "{several}");
    assert!(run(&["inbox", "--mailbox", "OTHER"]).await.bad(2).contains("no mailbox OTHER"));
    assert!(run(&["inbox", "--url", "http://127.0.0.1:1"]).await.code == 2);
    site.write("mailbox.pass", "not the password");
    run(&["inbox", "--mailbox", BOB]).await.bad(5);
}

#[tokio::test]
async fn certificates_come_from_files_and_are_told_apart_from_other_failures() {
    let authority = Authority::new("Test client authority");
    let client = ClientCertificates { authorities: authority.pem().to_owned(), required: true };
    let tls = Tls::SelfMade { client: Some(client) };
    let desk = Desk::with(SandboxConfig { tls, ..SandboxConfig::loopback() }).await;
    let identity = authority.client("MAILHOST1.X26.api.mesh-client.nhs.uk");
    desk.write("roots.pem", desk.sandbox.root_certificate().expect("a root").as_bytes());
    desk.write("others.pem", authority.pem().as_bytes());
    desk.write("client.pem", identity.certificate.as_bytes());
    desk.write("client.key", identity.key.as_bytes());
    let run = |arguments: &'static [&'static str]| {
        let mut command = desk.command(ALICE, &[&["inbox", "--count"], arguments].concat());
        command.env("MESH_MAILBOX_PASSWORD", "password").env("MESH_SHARED_KEY", "TestKey");
        ended(command)
    };
    let identity = &["--roots", "roots.pem", "--cert", "client.pem", "--key", "client.key"];
    assert_eq!(run(identity).await.good(), "0");
    run(&["--roots", "roots.pem"]).await.bad(5);
    run(&["--roots", "others.pem", "--cert", "client.pem", "--key", "client.key"]).await.bad(5);
    assert!(run(&[]).await.bad(2).contains("root certificates"));
    run(&["--roots", "no-such-file"]).await.bad(2);
    let bare = desk.run(ALICE, &["inbox", "--roots", "roots.pem"]).await.bad(2);
    assert!(bare.contains("MESH_MAILBOX_PASSWORD") && bare.contains("--password-file"), "{bare}");
}

#[tokio::test]
async fn a_keystore_and_a_proxy_will_do() {
    let authorities = String::from_utf8(fixture("root.pem")).expect("PEM");
    let tls = Tls::SelfMade { client: Some(ClientCertificates { authorities, required: true }) };
    let desk = Desk::with(SandboxConfig { tls, ..SandboxConfig::loopback() }).await;
    desk.write("roots.pem", desk.sandbox.root_certificate().expect("a root").as_bytes());
    desk.write("mesh.jks", &fixture("ec.jks"));
    desk.write("pass", b"changeit\n");
    let proxy = ConnectProxy::start(Manner::Open).await;
    let url = proxy.url();
    let run = |password: Option<&str>, more: &[&str]| {
        let known = ["inbox", "--count", "--roots", "roots.pem", "--keystore", "mesh.jks", "--proxy", &url];
        let mut command = desk.command(ALICE, &[&known[..], more].concat());
        command.env("MESH_MAILBOX_PASSWORD", "password").env("MESH_SHARED_KEY", "TestKey");
        command.env_remove("MESH_KEY_PASSWORD");
        command.envs(password.map(|password| ("MESH_KEY_PASSWORD", password)));
        ended(command)
    };
    assert_eq!(run(None, &["--key-password-file", "pass"]).await.good(), "0");
    assert_eq!(run(Some("changeit"), &[]).await.good(), "0");
    assert_eq!(proxy.heads().len(), 2);
    assert!(run(None, &[]).await.bad(2).contains("--key-password-file"));
    let wrong = run(Some("canary"), &[]).await.bad(2);
    assert!(wrong.contains("mesh.jks") && !wrong.contains("canary"), "{wrong}");
}
