//! The official Python client against our sandbox.

use mesh_sandbox::{Sandbox, SandboxConfig, Tls};

use crate::process::official_client;

/// A full cycle: handshake, plain and chunked and compressed sends, listing with paging, receiving, tracking,
/// acknowledging, and the errors that the client's users see.
const CYCLE: &str = r#"
import sys
import mesh_client
from mesh_client import MeshClient

url, root = sys.argv[1], sys.argv[2] or None

def client(mailbox, password="password", **more):
    return MeshClient(url, mailbox, password, shared_key="TestKey", verify=root, **more)

alice, bob = client("X26ABC1"), client("X26ABC2")
alice.handshake()
assert bob.list_messages() == [], "an empty inbox"

plain = alice.send_message("X26ABC2", b"plain", subject="s", filename="a.txt", local_id="L1",
                           workflow_id="TEST_WORKFLOW", content_type="text/plain")
assert alice.track_message(message_id=plain)["status"] == "accepted"
message = bob.retrieve_message(plain)
assert message.read() == b"plain"
assert (message.sender, message.local_id, message.filename, message.subject) == ("X26ABC1", "L1", "a.txt", "s")
message.acknowledge()
assert alice.track_message(message_id=plain)["status"] == "acknowledged"
assert bob.list_messages() == []

data = bytes(range(256)) * 500
for compress in (False, True):
    chunking = client("X26ABC1", max_chunk_size=10_000, transparent_compress=compress)
    sent = chunking.send_message("X26ABC2", data, workflow_id="TEST_WORKFLOW", local_id="chunked")
    received = bob.retrieve_message(sent)
    assert received.read() == data, f"chunked, compress={compress}"
    received.acknowledge()

ids = [alice.send_message("X26ABC2", b"%d" % n, workflow_id="TEST_WORKFLOW") for n in range(25)]
assert bob.count_messages() == 25
assert bob.list_messages(max_results=10) == ids[:10], "oldest first"
seen = []
for message in bob.iterate_all_messages():
    with message:
        seen.append(message.id())
assert seen == ids, "iterating takes every message, and leaving the block acknowledges it"
assert bob.list_messages() == []

try:
    alice.send_message("NOSUCHBOX", b"x", workflow_id="TEST_WORKFLOW")
    raise AssertionError("an unregistered recipient was taken")
except mesh_client.MeshError as error:
    assert "Unregistered" in str(error), error
try:
    client("X26ABC1", password="wrong").list_messages()
    raise AssertionError("a wrong password was taken")
except Exception as error:
    assert "403" in str(error), error
print("cycle done")
"#;

async fn cycle(tls: Tls) {
    let sandbox =
        Sandbox::start(SandboxConfig { tls, ..SandboxConfig::loopback() }).await.expect("a sandbox");
    let folder = tempfile::tempdir().expect("a folder");
    let root = match sandbox.root_certificate() {
        Some(pem) => {
            let path = folder.path().join("root.pem");
            #[expect(clippy::disallowed_methods, reason = "a test's own file")]
            std::fs::write(&path, pem).expect("a file");
            path.to_str().expect("a path").to_owned()
        }
        None => String::new(),
    };
    let url = sandbox.base_url();
    let output =
        tokio::task::spawn_blocking(move || official_client(CYCLE, &[&url, &root])).await.expect("run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout.starts_with(b"cycle done"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_goes_through_its_cycle_over_plain_http() {
    cycle(Tls::Plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_goes_through_its_cycle_over_tls() {
    cycle(Tls::SelfMade { client: None }).await;
}
