//! The relay in a process of its own, which can be killed: this very test program, started again.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};

use relay_core::lease::LEASE_TTL;
use relay_testkit::failing::Fate;
use relay_testkit::pairs::Control;
use relay_testkit::wait::eventually;

use crate::process::{ALICE, BOB};
use crate::relay::Relay;
use crate::scene::Scene;

/// Names the relay's configuration, in a process that is to be a relay and no test.
const CONFIG: &str = "MESH_RELAY_CRASH_CONFIG";
/// Names the point at which such a process dies.
const POINT: &str = "MESH_RELAY_CRASH_POINT";
/// The test below, by its full name.
const ENTRY: &str = "child::a_relay_without_a_fate_carries_a_pair_and_stops_when_asked";

/// What every row stands on: without a fate all goes well. Its second use is to be the way into the process that the
/// rows kill.
#[test]
fn a_relay_without_a_fate_carries_a_pair_and_stops_when_asked() {
    if let Some(config) = std::env::var_os(CONFIG) {
        return be_a_relay(Path::new(&config));
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let scene = Scene::new().await;
        scene.site.alice.drop_pair("pair", &Control::new(ALICE, BOB).local_id("L1"), b"payload");
        let books = scene.finish().await;
        assert_eq!(books.states("outbound"), ["accepted"]);
        assert_eq!(books.states("inbound"), ["acknowledged"]);
        assert_eq!(scene.site.bob.received(), [b"payload"]);
    });
}

/// Runs until standard input ends, or until the fate strikes.
fn be_a_relay(config: &Path) {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let point = std::env::var(POINT).ok();
    let fate = point.map_or_else(Fate::none, |point| Fate::die_at(&point));
    // One thread, so that nothing of the relay goes on while one part of it is being killed.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let relay = Relay::start(config, &fate, LEASE_TTL).await;
        let asked = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        asked.await.expect("a thread").expect("standard input");
        relay.stop().await;
    });
}

/// Such a process. Killed when dropped; a test that fails shows its log.
pub struct Child {
    child: std::process::Child,
    stdin: Option<ChildStdin>,
    log: PathBuf,
}

impl Child {
    /// Starts one, which dies at `point`.
    pub fn spawn(config: &Path, point: Option<&str>) -> Self {
        let (log, file) = (0..)
            .map(|number| config.with_file_name(format!("relay-{number}.log")))
            .find_map(|path| Some((path.clone(), File::create_new(&path).ok()?)))
            .expect("a log");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args([ENTRY, "--exact", "--nocapture"]).env(CONFIG, config);
        if let Some(point) = point {
            command.env(POINT, point);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("this program once more");
        let stdin = child.stdin.take();
        Self { child, stdin, log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a status")
    }

    /// Waits until it was killed by itself.
    pub async fn killed(mut self, point: &str) {
        let status = self.wait(&format!("the relay dies {point}")).await;
        // Of SIGKILL, and of nothing else.
        assert_eq!(status.signal(), Some(9), "{point}: {status}");
    }

    /// `kill -9` from outside.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stdin.take());
        let status = self.wait("the relay stops when asked").await;
        assert!(status.success(), "{status}");
    }

    /// Waits for an end of its own.
    pub async fn wait(&mut self, what: &str) -> ExitStatus {
        let mut status = None;
        eventually(what, || {
            status = self.ended();
            status.is_some()
        })
        .await;
        status.expect("a status")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Gone already when it was stopped or killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.log());
        }
    }
}
