//! Running what is tested: the relay, and the official emulator and client from the Python environment.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use mesh_api::SharedKey;
use mesh_client::{BreakerConfig, Client, ClientConfig, Timeouts, TlsConfig};
use relay_testkit::pairs::Root;
use relay_testkit::private::write_private;
use relay_testkit::wait::eventually;

/// Names the Python interpreter of the environment that holds `mesh-sandbox` and `mesh-client`.
const PYTHON: &str = "MESH_RELAY_TEST_PYTHON";

/// An account without rights of its own.
const NOBODY: &str = "65534";

pub const ALICE: &str = "X26ABC1";
pub const BOB: &str = "X26ABC2";

/// The relay's program, beside this test's.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let folder = test.parent().and_then(Path::parent).expect("the build folder");
    let binary = folder.join("mesh-relay");
    assert!(binary.is_file(), "{} is not built; run `make test`", binary.display());
    binary
}

/// An identity file of the keystore crate's tests. "changeit" opens them all.
pub fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/keystore/tests/fixtures");
    fs::read(folder.join(name)).expect("a fixture")
}

/// A command of the relay, run to its end.
pub fn command(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output().expect("the relay's program")
}

/// A place with a configuration, two mailboxes and their folders.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub alice: Root,
    pub bob: Root,
}

impl Site {
    /// Two mailboxes at `mesh_url`. `more` is added under `[mesh]`.
    pub fn new(mesh_url: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = |name: &str| Root(folder.path().join(name));
        let site = Self { alice: root(ALICE), bob: root(BOB), folder };
        site.write("mailbox.pass", "password\n");
        site.write("shared.key", "TestKey\n");
        site.write("relay.toml", site.configuration(mesh_url, more));
        site
    }

    pub fn configuration(&self, mesh_url: &str, more: &str) -> String {
        let mut text = format!(
            "[mesh]\nenvironment = {{ url = \"{mesh_url}\" }}\nshared_key = {{ file = \"shared.key\" }}\n\
             chunk_size = \"64KB\"\n{more}\n[journal]\npath = \"journal.db\"\n\
             [send]\nretry_first = \"200ms\"\nretry_max = \"1s\"\ndoubt_wait = \"300ms\"\n"
        );
        for (name, mailbox) in [("alice", ALICE), ("bob", BOB)] {
            text += &format!(
                "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
                 [[adapter]]\nname = \"{name}\"\nkind = \"dts-folder\"\nmailbox = \"{mailbox}\"\n\
                 root = \"{mailbox}\"\ngrace = \"100ms\"\nscan = \"500ms\"\n"
            );
        }
        text
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write_private(&self.path(name), content);
    }

    /// Puts a whole file in place of another at once.
    #[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
    pub fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        self.write("replacement", content);
        fs::rename(self.path("replacement"), self.path(name)).expect("a file in place of another");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn run(&self) -> Relay {
        Relay::start(&self.path("relay.toml")).await
    }

    /// As [`Self::run`], by an account that has no more rights than any other. The place is made its own.
    pub async fn run_unprivileged(&self) -> Relay {
        let (place, program) = (self.folder.path(), self.path("mesh-relay"));
        for root in [&self.alice, &self.bob] {
            for folder in ["IN", "OUT", "SENT", "FAILED", "TEMP"] {
                fs::create_dir_all(root.folder(folder)).expect("a folder");
            }
        }
        // The build folder may be out of its reach.
        fs::copy(binary(), &program).expect("a copy of the program");
        let owned = Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(place).status();
        assert!(owned.expect("chown").success(), "only root can run this test");
        let config = self.path("relay.toml");
        let mut command = Command::new("setpriv");
        let identity = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
        command.args(identity).arg(program).args(["run", "--config"]).arg(&config);
        Relay::running_as(command, &config).await
    }

    /// How many outbound messages the journal has in a state.
    pub fn outbound(&self, state: &str) -> i64 {
        let Ok(journal) = rusqlite::Connection::open(self.path("journal.db")) else {
            return 0;
        };
        journal
            .query_row("SELECT count(*) FROM outbound WHERE state_name = ?1", [state], |row| row.get(0))
            .unwrap_or(0)
    }
}

/// A running relay. Killed when dropped.
pub struct Relay {
    child: Child,
    log: PathBuf,
}

impl Relay {
    /// Starts it and waits until it says that it runs.
    pub async fn start(config: &Path) -> Self {
        Self::spawn(config).running().await
    }

    /// As [`Self::start`], on a configuration of another kind.
    pub async fn start_on(option: &str, config: &Path) -> Self {
        Self::spawn_on(option, config).running().await
    }

    /// Starts it by this command and waits until it says that it runs; its log stands beside `config`.
    pub async fn running_as(command: Command, config: &Path) -> Self {
        Self::spawn_as(command, config).running().await
    }

    async fn running(mut self) -> Self {
        eventually("the relay runs", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the relay ended with {status}:\n{}", self.log());
            }
            self.log().contains("the relay is running")
        })
        .await;
        self
    }

    /// Starts it.
    pub fn spawn(config: &Path) -> Self {
        Self::spawn_on("--config", config)
    }

    fn spawn_on(option: &str, config: &Path) -> Self {
        let mut command = Command::new(binary());
        command.args(["run", option]).arg(config);
        Self::spawn_as(command, config)
    }

    pub fn spawn_as(mut command: Command, config: &Path) -> Self {
        let number = std::process::id();
        let log = config.with_file_name(format!("relay-{number}-{}.log", fastrand()));
        let file = File::create(&log).expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the relay's program");
        Self { child, log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) -> (ExitStatus, String) {
        let asked = Command::new("kill").arg(self.id().to_string()).status().expect("kill");
        assert!(asked.success());
        self.ended().await
    }

    /// Waits until it has stopped, whoever asked it.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the relay stops when asked", || {
            status = self.child.try_wait().expect("a status");
            status.is_some()
        })
        .await;
        (status.expect("a status"), self.log())
    }

    /// The largest memory of its own that it ever had, in KiB: without the pages of its program, which the system can drop,
    /// and of which a debug build has many times those of a release.
    pub fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
        };
        kib("VmHWM:").saturating_sub(kib("RssFile:"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the relay said:\n{}", self.log());
        }
        // Gone already when it was stopped or killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number that tells one run's log from the next.
fn fastrand() -> u128 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos())
}

pub fn python() -> PathBuf {
    let python = std::env::var_os(PYTHON).unwrap_or_else(|| {
        panic!("{PYTHON} names no Python with mesh-sandbox and mesh-client; run `make test`")
    });
    PathBuf::from(python)
}

/// The official emulator, with full authentication and an empty store in memory. Killed when dropped.
pub struct Emulator {
    child: Child,
    port: u16,
}

impl Emulator {
    pub async fn start() -> Self {
        let port = free_port();
        let child = Command::new(python())
            .args(["-m", "uvicorn", "mesh_sandbox.api:app", "--host", "127.0.0.1", "--log-level", "warning"])
            .args(["--port", &port.to_string()])
            .env("AUTH_MODE", "full")
            .env("STORE_MODE", "memory")
            .env("SHARED_KEY", "TestKey")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python");
        let emulator = Self { child, port };
        eventually("the official emulator answers", || emulator.is_healthy()).await;
        emulator.make_store().await;
        emulator
    }

    /// Makes one authorised call: the emulator makes its store on the first. Of several at a time each would make one,
    /// and the messages in all but the last would be lost.
    async fn make_store(&self) {
        let client = Client::new(ClientConfig {
            base_url: self.base_url(),
            shared_key: SharedKey::new("TestKey"),
            tls: TlsConfig::default(),
            proxy: None,
            timeouts: Timeouts::default(),
            breaker: BreakerConfig::default(),
            expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
            application: "start==1".to_owned(),
            now: mesh_relay::system::now,
        })
        .expect("a client");
        let mailbox = client.mailbox(ALICE.parse().expect("a mailbox"), "password".into());
        mailbox.handshake().await.expect("the official emulator lets a mailbox in");
    }

    fn is_healthy(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return false;
        };
        let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Runs a Python program with the official client at hand.
pub fn official_client(program: &str, arguments: &[&str]) -> Output {
    Command::new(python())
        .args(["-c", program])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("Python")
}
