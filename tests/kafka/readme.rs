//! README's producer and consumer, as they are printed, with the laboratory's configuration.

use std::path::Path;
use std::process::Command;

use mesh_sandbox::{Sandbox, SandboxConfig};
use relay_testkit::wait::eventually;

use crate::broker::Kafka;
use crate::process::{Site, python};

/// The broker of README's programs.
const PRINTED: &str = "localhost:9092";

fn text(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(top.join(path)).expect("a file of the repository")
}

/// The programs in README's section about Kafka.
fn programs() -> Vec<String> {
    let readme = text("README.md");
    let (_, section) = readme.split_once("## Topics: Apache Kafka").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("another section");
    let blocks = section.split("```python\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("its end").to_owned()).collect()
}

async fn run(program: &str, address: &str) -> String {
    assert!(program.contains(PRINTED));
    let mut python = Command::new(python());
    python.args(["-c", &program.replace(PRINTED, address)]);
    let output =
        tokio::task::spawn_blocking(move || python.output()).await.expect("it runs").expect("Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn the_programs_work_as_they_are_printed() {
    let kafka = Kafka::shared();
    let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
    let site = Site::new(&sandbox.base_url(), "");
    let replaced = [
        ("environment = \"sandbox\"", format!("environment = {{ url = \"{}\" }}", sandbox.base_url())),
        ("/var/lib/mesh-relay/kafka.db", "journal.db".to_owned()),
        ("kafka:19092", kafka.address.clone()),
        ("127.0.0.1:8710", "127.0.0.1:0".to_owned()),
        ("{ env = \"MESH_SHARED_KEY\" }", "{ file = \"shared.key\" }".to_owned()),
        ("{ env = \"MAILBOX_PASSWORD\" }", "{ file = \"mailbox.pass\" }".to_owned()),
    ];
    let configuration = replaced.iter().fold(text("docker/laboratory/kafka.toml"), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    site.write("relay.toml", configuration);
    let relay = site.run().await;
    eventually("the relay consumes", || relay.log().contains("partitions assigned")).await;
    let [producer, consumer, ..] = &programs()[..] else { panic!("two programs") };
    assert!([producer, consumer].iter().all(|program| program.lines().count() <= 10), "ten lines each");
    run(producer, &kafka.address).await;
    let inbound = kafka.reader("mesh.inbound");
    inbound.take(1).await;
    let printed = run(consumer, &kafka.address).await;
    assert!(printed.trim().ends_with("b'X26ABC1' b'order-7' 7"), "{printed}");
    let events = kafka.reader("mesh.status").take(3).await;
    let states: Vec<String> = events
        .iter()
        .map(|event| event.json()["data"]["state"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(states, ["received", "sending", "accepted"]);
    assert!(relay.stop().await.0.success());
}
