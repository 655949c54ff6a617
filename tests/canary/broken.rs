//! A journal that cannot be had, a disk that is full, TLS that fails.

use std::fs;
use std::process::Command;

use mesh_sandbox::{Sandbox, SandboxConfig, Tls};
use relay_testkit::certificates::Authority;
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::carried::Message;
use crate::marks::{Kind, Mark};
use crate::outputs::{Output, files, hold};
use crate::process::{ALICE, BOB, Relay, Site, binary};
use crate::scene::LOUD;

/// What the site's own files are called that the relay only reads, and its folders.
const OWN: [&str; 6] = ["relay.toml", "mailbox.pass", "shared.key", "roots.pem", ALICE, BOB];

fn loud(site: &Site) -> Command {
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(site.path("relay.toml"));
    command.current_dir(site.folder.path()).env("MESH_RELAY_LOG", LOUD);
    command
}

fn drop_pair(site: &Site, message: &Message) {
    let control = Control::new(ALICE, BOB).local_id(message.local_id.plain()).text();
    let control = control.replace("Invented", message.subject.plain());
    site.alice.drop_files(message.file_name.plain(), Some(control.as_bytes()), Some(&message.body(300)));
}

fn marked(site: &Site) -> Vec<Mark> {
    let (mailbox, shared) = (Mark::new(Kind::Secret, "mailbox"), Mark::new(Kind::Secret, "shared key"));
    site.write("mailbox.pass", mailbox.plain());
    site.write("shared.key", shared.plain());
    vec![mailbox, shared]
}

#[tokio::test]
async fn a_full_disk_and_a_locked_journal_say_nothing_of_messages() {
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let small = site.path("small");
    fs::create_dir(&small).expect("a folder");
    let mount = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).arg(&small).status().expect("a program");
        assert!(status.success(), "only root can run this test");
    };
    mount("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
    let text = fs::read_to_string(site.path("relay.toml")).expect("the configuration");
    site.write("relay.toml", text.replace("\"journal.db\"", "\"small/journal.db\""));
    let relay = Relay::running_as(loud(&site), &site.path("relay.toml")).await;
    // Of folders of its own, and on the same journal.
    let text = fs::read_to_string(site.path("relay.toml")).expect("the configuration");
    site.write("second.toml", text.replace("root = \"X", "root = \"second-X"));
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(site.path("second.toml")).env("MESH_RELAY_LOG", LOUD);
    let second = command.output().expect("the relay's program");
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another relay"));
    // Filled to the last byte.
    let mut filling = fs::File::create(small.join("filling")).expect("a file");
    let zeros = vec![0; 4096];
    while std::io::Write::write_all(&mut filling, &zeros).is_ok() {}
    let messages: Vec<Message> = (0..3).map(|_| Message::of("a full disk")).collect();
    for message in &messages {
        drop_pair(&site, message);
    }
    eventually("it is told that the journal takes nothing", || {
        let log = relay.log();
        log.contains("full") && log.contains("journal")
    })
    .await;
    // The room of an open file is not given back.
    drop(filling);
    fs::remove_file(small.join("filling")).expect("room again");
    eventually("the pairs are sent", || site.alice.controls("SENT") == 3).await;
    assert!(relay.stop().await.0.success());
    let journal = fs::read(small.join("journal.db")).expect("a journal");
    mount("umount", &[]);
    let mut outputs = files(site.folder.path(), &OWN);
    outputs.push(Output::new("file journal.db", journal));
    outputs.push(Output::new("stderr of a second relay", second.stderr));
    hold(messages.iter().flat_map(Message::marks).collect(), &outputs);
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_told_nothing_and_nothing_is_told_of_it() {
    let sandbox =
        Sandbox::start(SandboxConfig { tls: Tls::SelfMade { client: None }, ..SandboxConfig::loopback() });
    let sandbox = sandbox.await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "roots = \"roots.pem\"");
    site.write("roots.pem", Authority::new("Somebody else").pem());
    let mut marks = marked(&site);
    let relay = Relay::running_as(loud(&site), &site.path("relay.toml")).await;
    let message = Message::of("a server that is not trusted");
    drop_pair(&site, &message);
    eventually("it is told", || relay.log().contains("stay in OUT")).await;
    assert!(sandbox.requests().is_empty(), "no request left");
    relay.stop().await;
    marks.extend(message.marks());
    hold(marks, &files(site.folder.path(), &OWN));
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_login() {
    let site = Site::new("http://127.0.0.1:1", "");
    let password = Mark::new(Kind::Secret, "database password");
    let text = fs::read_to_string(site.path("relay.toml")).expect("the configuration");
    let text = text.replace("path = \"journal.db\"", "url = { file = \"database.url\" }\ninstance = \"a\"");
    site.write("relay.toml", text);
    for url in [
        format!("postgresql://relay:{}@127.0.0.1:9/relay", password.plain()),
        format!("postgresql://relay:{}@127.0.0.1:9/relay?sslmode=nonsense", password.plain()),
        format!("host=127.0.0.1 user=relay password={} port=nothing", password.plain()),
        password.plain().to_owned(),
    ] {
        site.write("database.url", url);
        let output = loud(&site).output().expect("the relay's program");
        assert!(!output.status.success());
        hold(
            vec![password.clone()],
            &[Output::new("stderr", output.stderr), Output::new("stdout", output.stdout)],
        );
    }
}
