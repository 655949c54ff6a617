//! The servers that are measured, each in a process of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::load::{Connection, SHARED_KEY};
use crate::usage::{self, CpuTime};

/// Longest wait for a process that was started to say its line.
const START_WAIT: Duration = Duration::from_secs(30);

/// Names the relay's program; without it, the one in the build folder beside this program.
const BINARY: &str = "MESH_RELAY_BINARY";

/// Names the Python interpreter of the environment that holds `mesh-sandbox` and `mesh-client`.
const PYTHON: &str = "MESH_RELAY_TEST_PYTHON";

/// Serves the official emulator with uvicorn and one worker, as its own container does, but faster: it opens the
/// port itself so as to say which, and it switches off every log, uvicorn's and the emulator's own two lines for
/// each request. The socket says that it is TCP, because asyncio switches Nagle's delay off only then.
const EMULATOR: &str = r#"
import logging, socket, uvicorn
from mesh_sandbox.api import app

logging.disable(logging.CRITICAL)
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
listener.listen()
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listener])
"#;

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// `mesh-relay sandbox`.
    Ours,
    /// `mesh-sandbox`, in Python.
    Official,
}

/// A server that answers, with full authentication and an empty store. Ends when dropped.
pub struct Server {
    child: Child,
    /// Kept open, so that a server which says more does not fail for it.
    _output: BufReader<ChildStdout>,
    /// Whose.
    pub maker: Maker,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server that stores in memory, and waits until it answers.
    pub async fn start(maker: Maker) -> Self {
        let command = match maker {
            Maker::Ours => ours(OsStr::new("memory")),
            Maker::Official => {
                let mut command = Command::new(python());
                command.args(["-c", EMULATOR]);
                command.env("AUTH_MODE", "full").env("STORE_MODE", "memory").env("SHARED_KEY", SHARED_KEY);
                command
            }
        };
        Self::run(maker, command).await
    }

    /// Starts our server with its store in `folder`, and waits until it answers.
    pub async fn start_in(folder: &Path) -> Self {
        Self::run(Maker::Ours, ours(folder.as_os_str())).await
    }

    /// Starts our server for the mailboxes in a file, `X26ABC2` among them, with a store in memory, and waits until it answers.
    pub async fn start_with(mailboxes: &Path) -> Self {
        let mut command = ours(OsStr::new("memory"));
        command.arg("--mailboxes").arg(mailboxes);
        Self::run(Maker::Ours, command).await
    }

    async fn run(maker: Maker, mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().expect("the server's program");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let line = line(&mut output, "a server's address").await;
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://"))
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("a server said '{}' instead of its address", line.trim()));
        let server = Self { child, _output: output, maker, address };
        // Waits in the listener's queue while the server is not yet up. It is one call, and an authorised one,
        // because the emulator makes its store on the first such call: several at a time each make one, and the
        // messages in all but the last are lost.
        Connection::open(&server).await.handshake().await;
        server
    }

    /// The address to give a client.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The processor time it has used so far, read when it rests.
    pub async fn cpu(&self) -> CpuTime {
        CpuTime::of(self.process()).await
    }

    /// The most memory it ever had, in KiB.
    pub fn peak_kib(&self) -> u64 {
        usage::peak_kib(self.process())
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Ends it and waits until it is gone, so that it takes nothing from what is measured next.
    pub async fn stop(mut self) {
        self.child.kill().await.expect("the server ended");
    }
}

fn ours(store: &OsStr) -> Command {
    let mut command = Command::new(binary());
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--shared-key", SHARED_KEY, "--profile", "official"]);
    command.arg("--store").arg(store);
    command
}

/// Starts the relay on a configuration and waits until it says that it runs. Ends when dropped.
pub async fn relay(config: &Path) -> Child {
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(config).stdin(Stdio::null()).stdout(Stdio::null());
    let mut relay = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("the relay's program");
    let mut log = BufReader::new(relay.stderr.take().expect("its log")).lines();
    let runs = async {
        let mut said = String::new();
        while let Some(line) = log.next_line().await.expect("text") {
            if line.contains("the relay is running") {
                return;
            }
            said = said + &line + "\n";
        }
        panic!("the relay ended at its start and said:\n{said}");
    };
    timeout(START_WAIT, runs).await.unwrap_or_else(|_| panic!("no relay runs within {START_WAIT:?}"));
    // What it says later must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    relay
}

/// The next line of a process that was started.
///
/// # Panics
/// When it ends or says nothing in time; `what` says what was waited for.
pub async fn line(output: &mut BufReader<ChildStdout>, what: &str) -> String {
    let mut line = String::new();
    match timeout(START_WAIT, output.read_line(&mut line)).await {
        Ok(Ok(length)) if length > 0 => line,
        Ok(_) => panic!("waited for {what}, but the process ended without it"),
        Err(_) => panic!("waited for {what} longer than {START_WAIT:?}"),
    }
}

/// The Python interpreter that has the official packages.
pub fn python() -> PathBuf {
    let python = std::env::var_os(PYTHON).unwrap_or_else(|| {
        panic!("{PYTHON} names no Python with mesh-sandbox and mesh-client; run `make bench`")
    });
    PathBuf::from(python)
}

/// How long the relay's program is.
pub fn program_bytes() -> u64 {
    binary().metadata().expect("the relay's program").len()
}

fn binary() -> PathBuf {
    let binary = std::env::var_os(BINARY).map_or_else(
        || std::env::current_exe().expect("this program").with_file_name("mesh-relay"),
        PathBuf::from,
    );
    assert!(binary.is_file(), "{} is not there; run `make bench`, or name it in {BINARY}", binary.display());
    binary
}
