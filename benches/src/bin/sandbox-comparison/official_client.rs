//! The official Python client against both servers: what its users would see.

use std::process::Stdio;
use std::time::Duration;

use mesh_relay_benches::load::MESSAGE_BYTES;
use mesh_relay_benches::report::Measured;
use mesh_relay_benches::servers::{Maker, Server, line, python};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::Command;

/// As the table has it.
pub(crate) const NAME: &str = "official client";

/// Messages that the client carries: sends, lists, retrieves, acknowledges.
const MESSAGES: usize = 200;

/// Messages before those.
const WARM_UP: usize = 25;

/// What the client asks for each message.
const REQUESTS_A_MESSAGE: u64 = 4;

/// Says a line when it is warm, waits for a line, carries the messages, says how many seconds that took.
const CLIENT: &str = r#"
import sys, time
from mesh_client import MeshClient

url, warm_up, messages, size = sys.argv[1], *map(int, sys.argv[2:5])
body = b"m" * size

def carry(count):
    for _ in range(count):
        sent = alice.send_message("X26ABC2", body, workflow_id="TEST_WORKFLOW")
        assert bob.list_messages(max_results=10) == [sent]
        assert bob.retrieve_message(sent).read() == body
        bob.acknowledge_message(sent)

with (MeshClient(url, "X26ABC1", "password", shared_key="TestKey") as alice,
      MeshClient(url, "X26ABC2", "password", shared_key="TestKey") as bob):
    carry(warm_up)
    print("warm", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    carry(messages)
    print(time.perf_counter() - started, flush=True)
"#;

/// Measures one round on a fresh server.
pub(crate) async fn round(maker: Maker) -> Measured {
    let server = Server::start(maker).await;
    let numbers = [WARM_UP, MESSAGES, MESSAGE_BYTES].map(|number| number.to_string());
    let mut command = Command::new(python());
    command.args(["-c", CLIENT, &server.url()]).args(numbers);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut client = command.spawn().expect("Python");
    let mut input = client.stdin.take().expect("its input");
    let mut output = BufReader::new(client.stdout.take().expect("its output"));

    line(&mut output, "the official client to be warm").await;
    let before = server.cpu().await;
    input.write_all(b"go\n").await.expect("the client listens");
    let seconds = line(&mut output, "the official client to be done").await;
    let cpu = server.cpu().await.since(before);

    let wall = Duration::from_secs_f64(seconds.trim().parse().expect("seconds"));
    let requests = MESSAGES as u64 * REQUESTS_A_MESSAGE;
    let measured = Measured { requests, wall, cpu, peak_kib: server.peak_kib() };
    client.kill().await.expect("the client ended");
    server.stop().await;
    measured
}
