//! A MESH that repeats in its refusals what it was sent, and systems that let nobody in.

use std::fs;

use relay_testkit::pairs::{Control, Root};
use relay_testkit::wait::eventually;

use crate::carried::Message;
use crate::echo::{EchoMesh, Refusal};
use crate::environment::Receiver;
use crate::kafka::Kafka;
use crate::marks::{Kind, Mark};
use crate::outputs::{files, hold};
use crate::process::{ALICE, BOB, Relay, Site};
use crate::rabbit::Broker;
use crate::scene::LOUD;

/// A relay that says as much as it can.
async fn loud(site: &Site) -> Relay {
    let mut command = std::process::Command::new(crate::process::binary());
    command.args(["run", "--config"]).arg(site.path("relay.toml"));
    command.current_dir(site.folder.path()).env("MESH_RELAY_LOG", LOUD).env("RUST_BACKTRACE", "1");
    Relay::running_as(command, &site.path("relay.toml")).await
}

/// What the site's own files are called that the relay only reads, and its folders.
const OWN: [&str; 5] = ["relay.toml", "mailbox.pass", "shared.key", ALICE, BOB];

#[tokio::test]
async fn what_mesh_repeats_of_a_message_goes_no_further() {
    for (status, code) in [(417, "12"), (400, "06"), (403, ""), (500, ""), (429, "")] {
        let mesh = EchoMesh::start(Refusal { status, code }).await;
        let site = Site::new(&mesh.url(), "");
        let secret = Mark::new(Kind::Secret, "mailbox password");
        site.write("mailbox.pass", secret.plain());
        let relay = loud(&site).await;
        let message = Message::of("an echo");
        // Also without anything odd in it: a subject may be of plain words.
        let words = Message::of("an echo of plain words");
        for (message, subject) in [(&message, "Zqmanningtree"), (&words, words.subject.plain())] {
            let control = Control::new(ALICE, BOB).local_id(message.local_id.plain()).text();
            let control = control.replace("Invented", subject);
            site.alice.drop_files(
                message.file_name.plain(),
                Some(control.as_bytes()),
                Some(&message.body(300)),
            );
        }
        let refused = status == 417 || status == 400;
        if refused {
            eventually("both are in FAILED", || site.alice.controls("FAILED") == 2).await;
            let report = site.alice.reports().remove(0);
            assert!(!report.contains(message.payload.plain()), "{report}");
        } else {
            eventually("they are refused", || mesh.refused() > 0).await;
            eventually("and it is told", || {
                relay.log().contains("send for mailbox") || relay.log().contains("in_doubt")
            })
            .await;
        }
        let (_, log) = relay.stop().await;
        assert!(!log.to_lowercase().contains("zqmanningtree"), "a subject of plain words is in the log");
        let journal = fs::read(site.path("journal.db")).expect("a journal");
        let journal = String::from_utf8_lossy(&journal).to_lowercase();
        assert!(!journal.contains("zqmanningtree"), "a subject of plain words is in the journal");
        let marks = [message.marks(), words.marks(), vec![secret]].concat();
        hold(marks, &files(site.folder.path(), &OWN));
    }
}

#[tokio::test]
async fn logins_that_are_refused_are_not_told() {
    let sandbox =
        mesh_sandbox::Sandbox::start(mesh_sandbox::SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let secret = |place| Mark::new(Kind::Secret, place);
    let (rabbit, kafka, claims, hook, mailbox) = (
        secret("a refused broker's URL"),
        secret("a refused Kafka login"),
        secret("an object store's key"),
        secret("a webhook that refuses"),
        secret("a wrong mailbox password"),
    );
    let broker = Broker::shared().await;
    site.write("broker.url", broker.url.replace("guest:guest@", &format!("guest:{}@", rabbit.plain())));
    site.write("kafka.pass", kafka.plain());
    site.write("claims", format!("access_key_id=A\nsecret_access_key={}\n", claims.plain()));
    site.write("hook.secret", hook.long());
    site.write("mailbox.pass", mailbox.plain());
    let receiver = Receiver::start(u32::MAX).await;
    let mut text = site.configuration(&sandbox.base_url(), "");
    text.truncate(text.find("[[mailbox]]").expect("mailboxes"));
    for id in [ALICE, BOB, "X26ABC3"] {
        text += &format!(
            "[[mailbox]]\nid = \"{id}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n"
        );
    }
    text += &format!(
        "[[adapter]]\nname = \"queue\"\nkind = \"amqp\"\nmailbox = \"{ALICE}\"\nurl = {{ file = \"broker.url\" }}\n\
         outbound = {{ queue = \"out\" }}\ninbound = {{ exchange = \"in\" }}\n\
         claim_check = {{ read = [\"s3://a\"], write = \"s3://a\", credentials = {{ file = \"claims\" }}, \
         options = {{ region = \"eu-west-2\", endpoint = \"http://127.0.0.1:9\", allow_http = \"true\" }} }}\n\
         [[adapter]]\nname = \"topic\"\nkind = \"kafka\"\nmailbox = \"{BOB}\"\nbrokers = \"{}\"\n\
         login = {{ mechanism = \"SCRAM-SHA-256\", user = \"relay\", password = {{ file = \"kafka.pass\" }} }}\n\
         outbound = {{ topic = \"out\" }}\ninbound = {{ topic = \"in\" }}\n\
         client = {{ \"debug\" = \"all\" }}\n\
         [[adapter]]\nname = \"hook\"\nkind = \"http\"\nmailbox = \"X26ABC3\"\n\
         inbound = {{ url = \"{}\", secret = {{ file = \"hook.secret\" }}, authorization = {{ file = \"hook.secret\" }} }}\n",
        Kafka::shared().address,
        receiver.url
    );
    site.write("relay.toml", text);
    let relay = loud(&site).await;
    for told in ["refuses the login", "adapter=topic", "credentials"] {
        eventually(told, || relay.log().contains(told)).await;
    }
    relay.stop().await;
    let own = [&OWN[..], &["broker.url", "kafka.pass", "claims", "hook.secret"]].concat();
    hold(vec![rabbit, kafka, claims, hook, mailbox], &files(site.folder.path(), &own));
    assert!(Root(site.path(ALICE)).names("OUT").is_empty());
}
