//! What is measured. Each run has a process of its own, so that its memory is its own too.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use mesh_api::{ChunkPlan, Envelope, SharedKey};
use mesh_client::{BreakerConfig, Client, ClientConfig, Timeouts, TlsConfig};
use mesh_relay_benches::load::{ALICE, BOB, PASSWORD, SHARED_KEY};
use mesh_relay_benches::servers::Server;
use mesh_relay_benches::{now, usage};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::bare;
use crate::text::Text;

/// Bytes of a message that goes out as it is.
pub(crate) const PLAIN_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes, before compression, of what is gzipped: less, because it is slower.
pub(crate) const GZIP_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of a chunk before compression.
pub(crate) const CHUNK_BYTES: u64 = 75_000_000;

/// The level of gzip on one core: the client's own.
pub(crate) const GZIP_LEVEL: u32 = 6;

/// Longest wait for a run.
const RUN_WAIT: Duration = Duration::from_secs(600);

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Uploads with the relay's client.
    Client,
    /// Uploads past it.
    Bare,
    /// Uploads with the relay's client, gzipped on the way.
    ClientGzip,
    /// Gzips on one core and throws the result away.
    OneCoreGzip,
}

/// What a run measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Bytes before compression.
    pub(crate) bytes: u64,
    /// From the first byte to the last answer.
    pub(crate) seconds: f64,
    /// The most memory the process had, the text included.
    pub(crate) peak_kib: u64,
}

impl Run {
    /// Bytes before compression, in MiB a second.
    pub(crate) fn rate(&self) -> f64 {
        self.bytes as f64 / 1024.0 / 1024.0 / self.seconds
    }

    /// The process's peak memory in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }
}

impl Way {
    const ALL: [Self; 4] = [Self::Client, Self::Bare, Self::ClientGzip, Self::OneCoreGzip];

    /// Its name on the command line of a run's process.
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Bare => "bare",
            Self::ClientGzip => "client-gzip",
            Self::OneCoreGzip => "one-core-gzip",
        }
    }

    /// The way of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// Runs it in a new process, with a new server that stores in a new folder.
    pub(crate) async fn measure(self) -> Run {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let server = Server::start_in(folder.path()).await;
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args([self.name(), &server.address.to_string()]);
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let output = timeout(RUN_WAIT, command.output()).await.expect("a run that ends").expect("a process");
        assert!(output.status.success(), "the run '{}' failed", self.name());
        server.stop().await;
        serde_json::from_slice(&output.stdout).expect("a run's figures")
    }

    /// Runs it in this process.
    pub(crate) async fn run(self, server: SocketAddr) -> Run {
        let text = Text::new();
        let bytes = match self {
            Self::Client | Self::Bare => PLAIN_BYTES,
            Self::ClientGzip | Self::OneCoreGzip => GZIP_BYTES,
        };
        let plan = ChunkPlan::chunked(bytes, CHUNK_BYTES).expect("a plan");
        let started = Instant::now();
        match self {
            Self::Client => upload(server, &text, &plan, bytes, false).await,
            Self::ClientGzip => upload(server, &text, &plan, bytes, true).await,
            Self::Bare => bare::upload(server, &text, &plan).await,
            Self::OneCoreGzip => gzip(&text, &plan),
        }
        let seconds = started.elapsed().as_secs_f64();
        Run { bytes, seconds, peak_kib: usage::peak_kib(std::process::id()) }
    }
}

/// Uploads with the relay's client.
async fn upload(server: SocketAddr, text: &Text, plan: &ChunkPlan, bytes: u64, gzip: bool) {
    let config = ClientConfig {
        base_url: format!("http://{server}"),
        shared_key: SharedKey::new(SHARED_KEY),
        tls: TlsConfig::default(),
        proxy: None,
        breaker: BreakerConfig::default(),
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        timeouts: Timeouts::default(),
        application: "bench==1".to_owned(),
        now,
    };
    let client = Client::new(config).expect("a client");
    let mailbox = client.mailbox(ALICE.parse().expect("a mailbox"), PASSWORD.into());
    let to = BOB.parse().expect("a recipient");
    let envelope = Envelope::new(mailbox.id().clone(), to, "TEST_WORKFLOW".parse().expect("a workflow"));
    let payload = text.payload(bytes);
    let id = mailbox.send(&envelope, &payload, plan, gzip).await.expect("the first chunk sent");
    for index in 2..=plan.of() {
        mailbox.send_chunk(&id, &payload, plan, gzip, index).await.expect("a chunk sent");
    }
}

/// Gzips each chunk on this thread.
fn gzip(text: &Text, plan: &ChunkPlan) {
    for index in 1..=plan.of() {
        let mut encoder = GzEncoder::new(std::io::sink(), Compression::new(GZIP_LEVEL));
        for piece in text.pieces(plan.bytes(index)) {
            encoder.write_all(&piece).expect("a sink takes all");
        }
        encoder.finish().expect("a sink takes all");
    }
}
