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
"#;

/// What the programs of `mesh-api.md` section 12, behaviour 32, begin with.
const CLIENTS: &str = r#"
import sys
from requests import HTTPError
from mesh_client import MeshClient

def client(mailbox, password="password", **more):
    return MeshClient(sys.argv[1], mailbox, password, shared_key="TestKey", **more)

alice, bob = client("X26ABC1"), client("X26ABC2")
"#;

/// Runs a program with the official client against a new sandbox, and gives the sandbox.
async fn run(tls: Tls, program: &str) -> Sandbox {
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
    let (url, program) = (sandbox.base_url(), format!("{program}\nprint('program done')\n"));
    let output =
        tokio::task::spawn_blocking(move || official_client(&program, &[&url, &root])).await.expect("run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout.starts_with(b"program done"), "{error}");
    sandbox
}

/// The calls that a sandbox answered, with their statuses.
fn calls(sandbox: &Sandbox) -> Vec<(&'static str, Option<u16>)> {
    sandbox.requests().iter().map(|request| (request.call, request.status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_goes_through_its_cycle_over_plain_http() {
    run(Tls::Plain, CYCLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_goes_through_its_cycle_over_tls() {
    run(Tls::SelfMade { client: None }, CYCLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_handshake() {
    let sandbox = run(Tls::Plain, &format!("{CLIENTS}\nalice.handshake()")).await;
    assert_eq!(calls(&sandbox), [("handshake", Some(200))]);
}

const BAD_PASSWORD: &str = r#"
try:
    client("X26ABC1", password="other").handshake()
    raise AssertionError("a bad password was taken")
except HTTPError as error:
    assert error.response.status_code == 403, error
"#;

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_bad_password_is_403() {
    let sandbox = run(Tls::Plain, &format!("{CLIENTS}{BAD_PASSWORD}")).await;
    assert_eq!(calls(&sandbox), [("handshake", Some(403))]);
}

const CHUNKS: &str = r#"
data = bytes(n % 251 for n in range(1000))
sender = client("X26ABC1", max_chunk_size=100, transparent_compress=False)
sent = sender.send_message("X26ABC2", data, workflow_id="TEST_WORKFLOW")
assert bob.count_messages() == 1
assert bob.list_messages() == [sent]
message = bob.retrieve_message(sent)
assert message.workflow_id == "TEST_WORKFLOW"
assert message.read() == data, "whole and in order"
message.acknowledge()
assert bob.list_messages() == []
"#;

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_thousand_bytes_in_chunks_of_a_hundred_come_back_whole() {
    let sandbox = run(Tls::Plain, &format!("{CLIENTS}{CHUNKS}")).await;
    let calls = calls(&sandbox);
    let count = |call| calls.iter().filter(|(name, _)| *name == call).count();
    let chunks = [count("send"), count("send-chunk"), count("download"), count("download-chunk")];
    assert_eq!(chunks, [1, 9, 1, 9]);
    let stored = sandbox.messages(&"X26ABC2".parse().expect("a mailbox"));
    assert_eq!((stored[0].status.as_str(), stored[0].chunk_count), ("acknowledged", 10));
}

const TRACKING: &str = r#"
sent = alice.send_message("X26ABC2", b"payload", workflow_id="TEST_WORKFLOW")
tracked = alice.track_message(message_id=sent)
assert (tracked["message_id"], tracked["status"], tracked["recipient"]) == (sent, "accepted", "X26ABC2"), tracked
bob.acknowledge_message(sent)
tracked = alice.track_message(message_id=sent)
assert (tracked["message_id"], tracked["status"]) == (sent, "acknowledged"), tracked
"#;

#[tokio::test(flavor = "multi_thread")]
async fn s32_tracking_says_accepted_then_acknowledged() {
    let sandbox = run(Tls::Plain, &format!("{CLIENTS}{TRACKING}")).await;
    let tracked = calls(&sandbox).into_iter().filter(|(call, _)| *call == "track").collect::<Vec<_>>();
    assert_eq!(tracked, [("track", Some(200)); 2]);
}
