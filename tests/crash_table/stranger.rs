//! Somebody else at MESH: a mailbox that no relay serves, and what MESH does by itself about messages.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mesh_api::{ChunkPlan, Envelope, MailboxId, MessageId, Payload, SharedKey};
use mesh_client::{BreakerConfig, Client, ClientConfig, Timeouts, TlsConfig};
use mesh_relay::mesh_port::MeshPort;
use relay_core::{MeshMailbox, Outgoing};
use secrecy::SecretString;

/// The stranger's mailbox, one of the sandbox's own.
pub const STRANGER: &str = "X26ABC3";
/// Size of the stranger's chunks.
const CHUNK_BYTES: u64 = 64_000;

/// A way for the stranger to send.
pub struct Stranger(MeshPort);

impl Stranger {
    pub fn new(mesh_url: &str) -> Self {
        let client = Client::new(ClientConfig {
            base_url: mesh_url.to_owned(),
            shared_key: SharedKey::new("TestKey"),
            tls: TlsConfig::default(),
            proxy: None,
            timeouts: Timeouts::default(),
            breaker: BreakerConfig::default(),
            expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
            application: "stranger==1".to_owned(),
            now: mesh_relay::system::now,
        })
        .expect("a client");
        Self(MeshPort::new(client.mailbox(mailbox(STRANGER), SecretString::from("password"))))
    }

    /// Sends a message, in chunks where it is long.
    pub async fn send(&self, to: &str, data: Vec<u8>, gzip: bool) -> MessageId {
        let to = to.parse().expect("a recipient");
        let envelope = Envelope::new(mailbox(STRANGER), to, "TEST_WORKFLOW".parse().expect("a workflow"));
        let plan = ChunkPlan::chunked(data.len() as u64, CHUNK_BYTES).expect("a plan");
        let payload = Payload::from_bytes(data);
        let outgoing = Outgoing { envelope: &envelope, payload: &payload, plan: &plan, gzip };
        let id = self.0.begin_send(outgoing).await.expect("taken");
        for index in 2..=plan.of() {
            self.0.continue_send(outgoing, &id, index).await.expect("taken");
        }
        id
    }
}

fn mailbox(id: &str) -> MailboxId {
    id.parse().expect("a mailbox")
}

/// Has a sandbox report to a mailbox that it could not deliver a message, as MESH does after five days.
pub async fn report(sandbox: SocketAddr, to: &str, about: &str) {
    let body = format!(
        "{{\"mailbox_id\":\"{to}\",\"code\":\"14\",\"description\":\"invented\",\
         \"workflow_id\":\"TEST_WORKFLOW\",\"linked_message_id\":\"{about}\"}}"
    );
    let request = format!(
        "POST /messageexchange/admin/report HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The sandbox answers on this runtime, which must not be held up.
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(sandbox).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    });
    let answer = asked.await.expect("a thread");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
