//! systemd: what it is told, by a socket of its kind, and the unit that it is given.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay_testkit::wait::eventually;

use crate::process::binary;
use crate::scene::Scene;

/// Most exposure that `systemd-analyze security` may see in the unit, in tenths: 10 is none but what must be.
const EXPOSURE_MAX: &str = "15";

/// The service manager's ear, which listens all the time.
struct Manager(Arc<Mutex<String>>);

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        let all = Arc::new(Mutex::new(String::new()));
        let heard = Arc::downgrade(&all);
        // Ends with the test: it looks each time whether anybody still wants to know.
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a bound");
        std::thread::spawn(move || {
            let mut said = [0; 4096];
            while let Some(heard) = heard.upgrade() {
                if let Ok(length) = socket.recv(&mut said) {
                    let mut heard = heard.lock().expect("a lock");
                    *heard += &String::from_utf8_lossy(&said[..length]);
                    *heard += "\n";
                }
            }
        });
        Self(all)
    }

    /// Everything that was said so far.
    fn heard(&self) -> String {
        self.0.lock().expect("a lock").clone()
    }
}

#[tokio::test]
async fn the_service_manager_is_told_of_the_start_of_life_and_of_the_stop() {
    let scene = Scene::with("", "").await;
    let ear = scene.site.path("notify");
    let manager = Manager::listen(&ear);
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(scene.site.path("relay.toml"));
    command.env("NOTIFY_SOCKET", &ear).env("WATCHDOG_USEC", "200000");
    let relay = crate::process::Relay::spawn_as(command, &scene.site.path("relay.toml"));
    eventually("it says that it is ready", || manager.heard().contains("READY=1")).await;
    eventually("it says what it does", || manager.heard().contains("STATUS=Running")).await;
    let signs = |heard: &str| heard.matches("WATCHDOG=1").count();
    let before = signs(&manager.heard());
    eventually("it lives on", || signs(&manager.heard()) > before + 5).await;

    // A journal that takes no commits is told in words, and is no death.
    let journal = rusqlite::Connection::open(scene.site.path("journal.db")).expect("the journal");
    journal.execute_batch("BEGIN IMMEDIATE").expect("a lock that nobody else gets");
    eventually("it says what is wrong", || manager.heard().contains("STATUS=Running, but the journal")).await;
    let before = signs(&manager.heard());
    eventually("it lives on", || signs(&manager.heard()) > before + 5).await;
    journal.execute_batch("ROLLBACK").expect("the lock is let go");
    drop(journal);

    let (status, log) = relay.stop().await;
    assert!(status.success(), "{log}");
    let heard = manager.heard();
    assert!(heard.contains("STOPPING=1"), "{heard}");
    let ready = heard.find("READY=1").expect("ready");
    assert!(
        heard[..ready].matches("STOPPING=1").count() == 0 && heard.matches("READY=1").count() == 1,
        "{heard}"
    );
}

#[tokio::test]
async fn a_long_stop_asks_for_more_time() {
    let scene = Scene::with("", "").await;
    let ear = scene.site.path("notify");
    let manager = Manager::listen(&ear);
    // A send that MESH answers late keeps the stop waiting.
    let late = mesh_sandbox::Effect::Delay { millis: 3_000 };
    scene.fail("late", vec![mesh_sandbox::Call::Send], late, Some(1));
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(scene.site.path("relay.toml"));
    command.env("NOTIFY_SOCKET", &ear).env("WATCHDOG_USEC", "200000");
    let relay = crate::process::Relay::spawn_as(command, &scene.site.path("relay.toml"));
    scene.drop_pair("L1", b"payload");
    let is_sending = || scene.site.outbound("sending") == 1;
    eventually("a message is under way", is_sending).await;
    let (status, log) = relay.stop().await;
    assert!(status.success(), "{log}");
    let heard = manager.heard();
    assert!(heard.contains("EXTEND_TIMEOUT_USEC=30000000") && heard.contains("STATUS=Stopping"), "{heard}");
    assert_eq!(scene.site.outbound("accepted"), 1, "it was let end");
}

#[tokio::test]
async fn a_service_manager_that_does_not_listen_holds_up_nothing() {
    let scene = Scene::with("", "").await;
    let ear = scene.site.path("notify");
    let _socket = UnixDatagram::bind(&ear).expect("a socket that nobody reads");
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(scene.site.path("relay.toml"));
    command.env("NOTIFY_SOCKET", &ear).env("WATCHDOG_USEC", "2000");
    let relay = crate::process::Relay::spawn_as(command, &scene.site.path("relay.toml"));
    for number in 0..20 {
        scene.carries(&format!("L{number}")).await;
    }
    let (status, log) = relay.stop().await;
    assert!(status.success(), "{log}");
}

/// The unit, with a program that is there.
fn unit(folder: &Path) -> std::path::PathBuf {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/mesh-relay.service");
    let text = std::fs::read_to_string(kept).expect("the unit");
    assert!(text.contains("ExecStart=/usr/bin/mesh-relay run --config "));
    let path = folder.join("mesh-relay.service");
    let text = text.replace("/usr/bin/mesh-relay", binary().to_str().expect("a path"));
    #[expect(clippy::disallowed_methods, reason = "a test writes a file without ceremony")]
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn systemd_takes_the_unit_as_it_is_and_finds_little_exposed() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = unit(folder.path());
    let analyze = |arguments: &[&str]| {
        let analysed = Command::new("systemd-analyze").args(arguments).arg(&unit).output();
        let analysed = analysed.expect("systemd-analyze, of Debian's package systemd");
        let said = String::from_utf8_lossy(&[analysed.stdout, analysed.stderr].concat()).into_owned();
        assert!(analysed.status.success(), "{arguments:?}: {said}");
        said
    };
    // It warns of keys that it does not know without failing.
    assert_eq!(analyze(&["verify", "--man=no"]), "");
    analyze(&["security", "--offline=true", "--threshold", EXPOSURE_MAX, "--no-pager"]);
}

#[test]
fn the_unit_knows_the_exit_codes_and_waits_longer_than_a_stop_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(unit(folder.path())).expect("the unit");
    let value =
        |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).expect("a key");
    use mesh_relay::cli::{EXIT_AT_ONCE, EXIT_BROKEN_OFF, EXIT_USAGE};
    assert_eq!(value("RestartPreventExitStatus"), format!("{EXIT_USAGE} {EXIT_AT_ONCE}"));
    assert_eq!(value("SuccessExitStatus"), EXIT_BROKEN_OFF.to_string());
    let stop: u64 = value("TimeoutStopSec").parse().expect("seconds");
    assert!(Duration::from_secs(stop) > Duration::from_secs(75) + Duration::from_secs(10));
}
