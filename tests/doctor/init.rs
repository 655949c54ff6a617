//! `init` unattended: each shape's configuration is checked, looked over and run, and a message goes through.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use mesh_sandbox::{Sandbox, SandboxConfig};
use relay_testkit::pairs::{Control, Root};
use relay_testkit::private::write_private;
use relay_testkit::wait::eventually;
use tokio::sync::mpsc;

use crate::amqp_broker::Broker;
use crate::house::free_port;
use crate::kafka_broker::Kafka;
use crate::process::{ALICE, BOB, Relay, binary};

/// A sandbox, and an empty folder for a configuration.
struct Site {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let site = Self {
            sandbox: Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox"),
            folder: tempfile::tempdir().expect("a folder"),
        };
        site.write("password", "password\n");
        site.write("key", "TestKey\n");
        site
    }

    fn write(&self, name: &str, content: &str) {
        write_private(&self.path(name), content);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("new/relay.toml")
    }

    /// Runs `init` for Alice, with these options besides.
    fn init(&self, more: &[&str]) -> Output {
        let (url, file) = (self.sandbox.base_url(), |name: &str| self.path(name).display().to_string());
        Command::new(binary())
            .args(["init", "--config"])
            .arg(self.config())
            .args(["--environment", &url, "--mailbox", ALICE])
            .args(["--password-file", &file("password"), "--shared-key-file", &file("key")])
            .args(more)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the relay's program")
    }

    /// The same, and what was written must be sound, and well.
    async fn made(&self, more: &[&str]) {
        let output = self.init(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.contains("mesh-relay doctor --config") && said.contains("mesh-relay run --config"),
            "{said}"
        );
        for command in ["check", "doctor"] {
            let config = self.config();
            let ran = tokio::task::spawn_blocking(move || {
                Command::new(binary()).args([command, "--config"]).arg(config).stdin(Stdio::null()).output()
            });
            let output = ran.await.expect("a thread").expect("the relay's program");
            let (said, told) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{command}: {said}{told}");
        }
    }

    /// Puts a message for Alice into MESH, as Bob.
    async fn send_from_bob(&self, body: &'static [u8]) {
        let sent = bob::post(&self.sandbox.base_url(), BOB, ALICE, body).await;
        assert!(sent, "Bob's message was taken");
    }

    fn for_bob(&self) -> usize {
        self.sandbox.messages(&BOB.parse().expect("a mailbox")).len()
    }
}

/// A send by the relay's own client.
mod bob {
    use mesh_api::chunk::ChunkPlan;
    use mesh_api::{Envelope, MailboxId, Payload, Recipient, SharedKey};
    use mesh_client::{BreakerConfig, Client, ClientConfig, Timeouts, TlsConfig};

    pub async fn post(base_url: &str, from: &str, to: &str, body: &'static [u8]) -> bool {
        let client = Client::new(ClientConfig {
            base_url: base_url.to_owned(),
            shared_key: SharedKey::new("TestKey"),
            tls: TlsConfig::default(),
            proxy: None,
            timeouts: Timeouts::default(),
            breaker: BreakerConfig::default(),
            expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
            application: "bob==1".to_owned(),
            now: mesh_relay::system::now,
        })
        .expect("a client");
        let from: MailboxId = from.parse().expect("a mailbox");
        let to: Recipient = to.parse().expect("a recipient");
        let envelope = Envelope::new(from.clone(), to, "TEST_WORKFLOW".parse().expect("a workflow"));
        let (payload, plan) =
            (Payload::from_bytes(body), ChunkPlan::whole(body.len() as u64).expect("a plan"));
        client.mailbox(from, "password".into()).send(&envelope, &payload, &plan, false).await.is_ok()
    }
}

#[tokio::test]
async fn a_dts_shim_carries_a_pair_each_way() {
    let site = Site::new().await;
    site.made(&["--shape", "dts-shim", "--root", "mesh", "--make-folders", "--yes"]).await;
    let relay = Relay::start(&site.config()).await;
    let root = Root(site.path("new/mesh"));
    root.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
    eventually("Bob's message is at MESH", || site.for_bob() == 1).await;
    site.send_from_bob(b"a reply").await;
    eventually("Alice's pair is there", || root.controls("IN") == 1).await;
    assert_eq!(root.received(), [b"a reply".to_vec()]);
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_queue_bridge_carries_a_message() {
    let (site, broker) = (Site::new().await, Broker::shared().await);
    let name = format!("init.{}.{}", std::process::id(), free_port());
    site.write("url", &broker.url);
    // The relay makes the rest, once it runs.
    for what in ["out", "in"] {
        broker.queue(&format!("{name}.{what}")).await;
    }
    let (url, of) = (site.path("url").display().to_string(), |what: &str| format!("{name}.{what}"));
    site.made(&[
        "--shape",
        "queue-bridge",
        "--broker",
        "amqp",
        "--broker-url-file",
        &url,
        "--declare",
        "--outbound",
        &of("out"),
        "--inbound",
        &of("in"),
        "--parked",
        &of("parked"),
    ])
    .await;
    let relay = Relay::start(&site.config()).await;
    site.send_from_bob(b"for Alice").await;
    assert_eq!(broker.take_all(&of("in"), 1).await[0].body, b"for Alice");
    broker
        .put(&of("out"), "one", &[("mesh_to", BOB), ("mesh_workflow_id", "TEST_WORKFLOW")], b"payload")
        .await;
    eventually("Bob's message is at MESH", || site.for_bob() == 1).await;
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_bridge_to_topics_carries_a_message() {
    let (site, kafka) = (Site::new().await, Kafka::shared());
    let name = format!("init.{}.{}", std::process::id(), free_port());
    let of = |what: &str| format!("{name}.{what}");
    for what in ["out", "in", "dead"] {
        kafka.topic(&of(what), 1, &[]).await;
    }
    site.made(&[
        "--shape",
        "queue-bridge",
        "--broker",
        "kafka",
        "--brokers",
        &kafka.address,
        "--outbound",
        &of("out"),
        "--inbound",
        &of("in"),
        "--parked",
        &of("dead"),
    ])
    .await;
    let relay = Relay::start(&site.config()).await;
    site.send_from_bob(b"for Alice").await;
    let taken = kafka.reader(&of("in")).take(1).await;
    assert_eq!(taken[0].value.as_deref(), Some(&b"for Alice"[..]));
    assert!(relay.stop().await.0.success());
}

#[tokio::test]
async fn a_sidecar_takes_a_message_and_hands_one_on() {
    let site = Site::new().await;
    let (hand_over, mut handed) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let hook = format!("http://{}/mesh", listener.local_addr().expect("an address"));
    let engine = Router::new().route(
        "/mesh",
        post(move |body: Bytes| async move {
            let _ = hand_over.send(body);
        }),
    );
    tokio::spawn(async move { axum::serve(listener, engine).await });
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    site.made(&["--shape", "sidecar", "--webhook", &hook, "--listen", &listen]).await;
    for secret in ["webhook.secret", "engine.token"] {
        let mode = fs::metadata(site.path("new").join(secret)).expect("a secret").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    let relay = Relay::start(&site.config()).await;
    site.send_from_bob(b"for Alice").await;
    assert_eq!(handed.recv().await.as_deref(), Some(&b"for Alice"[..]));
    let token = fs::read_to_string(site.path("new/engine.token")).expect("the token");
    let status = hand_in(port, token.trim()).await;
    assert_eq!(status, 202);
    eventually("Bob's message is at MESH", || site.for_bob() == 1).await;
    assert!(relay.stop().await.0.success());
}

/// Hands a message for Bob in, as an engine does.
async fn hand_in(port: u16, token: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("the console");
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: one\r\n\
         Mex-From: {ALICE}\r\nMex-To: {BOB}\r\nMex-WorkflowID: TEST_WORKFLOW\r\nContent-Type: text/plain\r\n\
         Content-Length: 7\r\nConnection: close\r\n\r\npayload"
    );
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn what_is_missing_is_listed_at_once_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(binary())
        .args(["init", "--shape", "queue-bridge", "--broker", "kafka"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("the relay's program");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for option in
        ["--environment", "--mailbox", "--password-file", "--shared-key-file", "--roots", "--brokers"]
    {
        assert!(told.contains(option), "{option}: {told}");
    }
    assert!(!told.contains("--outbound"), "it has a usual answer: {told}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn nothing_is_overwritten_unless_forced() {
    let site = Site::new().await;
    let shim = ["--shape", "dts-shim", "--root", "mesh"];
    assert!(site.init(&shim).status.success());
    let first = fs::read_to_string(site.config()).expect("the configuration");
    let output = site.init(&["--shape", "dts-shim", "--root", "other"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--force"));
    assert_eq!(fs::read_to_string(site.config()).expect("the configuration"), first);
    assert!(site.init(&["--shape", "dts-shim", "--root", "other", "--force"]).status.success());
    assert!(fs::read_to_string(site.config()).expect("the configuration").contains("\"other\""));
}

#[tokio::test]
async fn an_answer_that_check_would_refuse_is_refused() {
    let site = Site::new().await;
    let hook = site.init(&["--shape", "sidecar", "--webhook", "http://engine.example/mesh"]);
    let told = String::from_utf8_lossy(&hook.stderr);
    assert!(hook.status.code() == Some(2) && told.contains("not this machine"), "{told}");
    // Found only when all of it is read.
    let topics = site.init(&[
        "--shape",
        "queue-bridge",
        "--broker",
        "kafka",
        "--brokers",
        "localhost:9092",
        "--outbound",
        "a b",
        "--inbound",
        "in",
    ]);
    let told = String::from_utf8_lossy(&topics.stderr);
    assert!(topics.status.code() == Some(2) && told.contains("outbound.topic"), "{told}");
    assert!(!site.path("new").exists());
}

#[tokio::test]
async fn an_old_clients_configuration_is_pointed_at() {
    let site = Site::new().await;
    site.write("meshclient.cfg", "<EbXmlClient/>");
    let output = site.init(&["--shape", "dts-shim"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("import --meshclient-cfg"));
}
