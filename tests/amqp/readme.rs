//! README's producer and consumer, as they are printed, with the laboratory's configuration.

use std::path::Path;
use std::process::Command;

use mesh_sandbox::{Sandbox, SandboxConfig};
use relay_testkit::wait::eventually;

use crate::broker::Broker;
use crate::process::{Site, python};

/// The broker of README's programs.
const PRINTED: &str = "amqp://guest:guest@localhost/%2f";

fn text(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(top.join(path)).expect("a file of the repository")
}

/// The programs in README's section about AMQP.
fn programs() -> Vec<String> {
    let readme = text("README.md");
    let (_, section) = readme.split_once("## Queues: AMQP 0.9.1").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("another section");
    let blocks = section.split("```python\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("its end").to_owned()).collect()
}

async fn run(program: String, url: &str) -> String {
    assert!(program.contains(PRINTED));
    let program = program.replace(PRINTED, url);
    let mut python = Command::new(python());
    python.args(["-c", &program]);
    let output =
        tokio::task::spawn_blocking(move || python.output()).await.expect("it runs").expect("Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn the_programs_work_as_they_are_printed() {
    let broker = Broker::shared().await;
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let (mesh, journal) = ("environment = \"sandbox\"", "/var/lib/mesh-relay/journal.db");
    let configuration = text("docker/laboratory/amqp.toml");
    assert!(configuration.contains(mesh) && configuration.contains(journal));
    site.write("broker.url", &broker.url);
    site.write(
        "relay.toml",
        configuration
            .replace(mesh, &format!("environment = {{ url = \"{}\" }}", sandbox.base_url()))
            .replace(journal, "journal.db")
            .replace("127.0.0.1:8710", "127.0.0.1:0")
            .replace("{ env = \"AMQP_URL\" }", "{ file = \"broker.url\" }")
            .replace("{ env = \"MESH_SHARED_KEY\" }", "{ file = \"shared.key\" }")
            .replace("{ env = \"MAILBOX_PASSWORD\" }", "{ file = \"mailbox.pass\" }"),
    );
    let relay = site.run().await;
    eventually("the relay consumes, and has made what it publishes to", || {
        relay.log().contains("consuming")
            && relay.log().contains("the broker has what the adapter publishes to")
    })
    .await;
    let [producer, consumer, ..] = &programs()[..] else { panic!("two programs") };
    assert!([producer, consumer].iter().all(|program| program.lines().count() <= 10), "ten lines each");
    run(producer.clone(), &broker.url).await;
    let printed = run(consumer.clone(), &broker.url).await;
    assert!(printed.trim().ends_with("X26ABC1 order-7 7"), "{printed}");
    let states: Vec<String> = broker
        .take_all("mesh.status", 3)
        .await
        .iter()
        .map(|event| event.json()["data"]["state"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(states, ["received", "sending", "accepted"]);
    assert!(relay.stop().await.0.success());
}
