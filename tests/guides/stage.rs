//! A scratch place for one page: a home, folders, fixtures, a shell that remembers where it is, and what it started.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mesh_sandbox::{ClientCertificates, Sandbox, SandboxConfig, Tls};
use relay_testkit::wait::eventually;

use crate::page::{Page, top};
use crate::tables::SUBSTITUTIONS;

/// What the Java client leaves, and a MESH that trusts its keystore.
const JAVA_CLIENT: &str = "tests/end_to_end/java_client";
/// What opens that keystore.
const KEYSTORE_PASSWORD: &str = "pa££word1";

/// Brokers and Python, as `make test` names them.
const RABBITMQ: &str = "MESH_RELAY_TEST_RABBITMQ";
const KAFKA: &str = "MESH_RELAY_TEST_KAFKA";
const PYTHON: &str = "MESH_RELAY_TEST_PYTHON";

/// What a program says once it can be used.
const READY: [&str; 3] = ["the relay is running", "mesh sandbox listens", "ready to be called"];

/// A place, and what runs there.
pub struct Stage {
    folder: tempfile::TempDir,
    /// The MESH of whoever has a certificate.
    _live: Sandbox,
    pairs: Vec<(String, String)>,
    running: Vec<Running>,
}

struct Running {
    command: String,
    child: Child,
    log: PathBuf,
}

/// How a command ended.
pub struct Ended {
    pub success: bool,
    /// What it wrote, as the page would have it: places and ports are the page's again.
    pub output: String,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

fn java_client(name: &str) -> PathBuf {
    top().join(JAVA_CLIENT).join(name)
}

/// A MESH that wants the certificate in the old client's keystore.
async fn live() -> Sandbox {
    let text = |name| fs::read_to_string(java_client(name)).expect("a fixture");
    let client = Some(ClientCertificates { authorities: text("authority.pem"), required: true });
    let tls = Tls::Given { certificate: text("server.pem"), key: text("server.key"), client };
    Sandbox::start(SandboxConfig { tls, ..SandboxConfig::loopback() }).await.expect("a sandbox")
}

fn from_environment(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; run `make test`"))
}

impl Stage {
    /// A place for a page, with the brokers that it names.
    pub async fn new(page: &Page) -> Self {
        let live = live().await;
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().canonicalize().expect("a folder").display().to_string();
        let names = |text: &str| page.blocks.iter().any(|block| block.text.contains(text));
        let mut values = vec![("{place}", place)];
        values.push(("{live}", live.base_url().trim_start_matches("https://").to_owned()));
        for port in ["{sandbox}", "{console}", "{receiver}"] {
            values.push((port, free_port().to_string()));
        }
        if names("amqp://guest:guest@localhost") {
            values.push(("{rabbitmq}", from_environment(RABBITMQ)));
        }
        if names("localhost:9092") {
            values.push(("{kafka}", from_environment(KAFKA)));
        }
        let put =
            |text: &str| values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        let pairs =
            SUBSTITUTIONS.iter().map(|(printed, there)| ((*printed).to_owned(), put(there))).collect();
        let stage = Self { folder, _live: live, pairs, running: vec![] };
        stage.furnish();
        stage
    }

    /// Folders and files that any page may name: what an organisation has at hand before it begins.
    fn furnish(&self) {
        for name in ["bin", "etc", "state", "mesh", "backups", "app", "data", "rehearsal", "home"] {
            fs::create_dir_all(self.path(name)).expect("a folder");
        }
        let program = std::env::current_exe().expect("this program");
        let program = program.parent().and_then(Path::parent).expect("the build folder").join("mesh-relay");
        assert!(program.is_file(), "{} is not built; run `make test`", program.display());
        std::os::unix::fs::symlink(program, self.path("bin/mesh-relay")).expect("a link");
        // A link would be taken for the Python of the system, without the packages of its environment.
        self.write("bin/python3", &format!("#!/bin/sh\nexec {} \"$@\"\n", from_environment(PYTHON)));
        fs::set_permissions(self.path("bin/python3"), fs::Permissions::from_mode(0o755))
            .expect("permissions");
        self.furnish_old_client();
        let authority = fs::read_to_string(java_client("authority.pem")).expect("an authority");
        for name in [
            "nhs-int.pem",
            "broker-roots.pem",
            "kafka-roots.pem",
            "database.pem",
            "portal-roots.pem",
            "internal.pem",
            "collector-ca.pem",
        ] {
            self.write(format!("etc/{name}"), &authority);
        }
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=guides"])
            .arg("-keyout")
            .arg(self.path("etc/client.key"))
            .arg("-out")
            .arg(self.path("etc/client.pem"))
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for (secret, content) in [
            ("shared.key", "TestKey"),
            ("x26hc005.pass", "password"),
            ("mailbox.pass", "password"),
            ("broker.url", "amqps://relay:secret@broker.trust.example:5671/mesh"),
            ("tunnel.url", "amqp://relay:secret@broker.trust.example:5672/mesh"),
            ("prometheus.token", "a-third-token-of-32-characters-or-more-of-this-test"),
            ("collector.header", "Bearer a header of this test alone"),
            ("kafka.pass", "a login of this test alone"),
            ("webhook.secret", "a signing secret of this test alone"),
            ("alerts.secret", "another signing secret of this test alone"),
            ("portal.token", "a-token-of-32-characters-or-more-of-this-test"),
            ("service-desk.token", "another-token-of-32-characters-or-more-of-this-test"),
            ("journal.url", "postgresql://relay:secret@database.trust.example/mesh_relay"),
            ("client.key", &fs::read_to_string(self.path("etc/client.key")).expect("a key")),
        ] {
            self.write(format!("etc/{secret}"), content);
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(self.path(&format!("etc/{secret}")), mode).expect("permissions");
        }
    }

    /// The home of a Java client that has sent a letter and received one.
    fn furnish_old_client(&self) {
        for name in ["app/KEYSTORE", "app/log", "app/working", "app/sig"] {
            fs::create_dir_all(self.path(name)).expect("a folder");
        }
        for name in ["IN", "OUT", "SENT", "FAILED", "TEMP"] {
            fs::create_dir_all(self.path("data/X26ABC1").join(name)).expect("a folder");
        }
        fs::copy(java_client("mesh.keystore"), self.path("app/KEYSTORE/mesh.keystore")).expect("a keystore");
        let text =
            include_str!("old_client/meshclient.cfg").replace("@keystore-password@", KEYSTORE_PASSWORD);
        self.write("app/meshclient.cfg", &self.here(&text));
        self.write("dts/Client/DTSClient.cfg", &self.here(include_str!("old_client/DTSClient.cfg")));
        for (folder, name, control) in [
            ("SENT", "LAB00000000", include_str!("old_client/sent.ctl")),
            ("IN", "20261123225524553449_000001", include_str!("old_client/in.ctl")),
        ] {
            self.write(format!("data/X26ABC1/{folder}/{name}.dat"), "a letter\n");
            self.write(format!("data/X26ABC1/{folder}/{name}.ctl"), control);
        }
    }

    /// A file or folder of the place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
    pub fn write(&self, name: impl AsRef<Path>, content: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file written");
    }

    /// What is printed, with what is here in the place of what is there.
    pub fn here(&self, printed: &str) -> String {
        self.pairs.iter().fold(printed.to_owned(), |text, (printed, here)| text.replace(printed, here))
    }

    /// What a program said, with what is printed in the place of what is here.
    fn printed(&self, output: &str) -> String {
        let pairs = self.pairs.iter().filter(|(_, here)| here.len() > 3);
        pairs.fold(output.to_owned(), |text, (printed, here)| text.replace(here.as_str(), printed))
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        let path = std::env::var("PATH").unwrap_or_default();
        // What one command changes of where it is and of the environment holds for the next.
        let (state, home) = (self.path("shell"), self.path("home"));
        let script = format!(
            "cd {home}; [ -f {state} ] && . {state} 2>/dev/null\n{script}\nended=$?\n\
             {{ export -p | grep -v ' OLDPWD\\|readonly'; printf 'cd %q\\n' \"$PWD\"; }} > {state}\nexit $ended",
            state = state.display(),
            home = home.display()
        );
        command.args(["-c", &script]).stdin(Stdio::null());
        command.env("PATH", format!("{}:{path}", self.path("bin").display())).env("HOME", home);
        command.env("NO_COLOR", "1").env_remove("MESH_RELAY_LOG");
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, printed: &str) -> Ended {
        let script = format!("exec 2>&1\n{}", self.here(printed));
        let output = self.shell(&script).output().expect("bash");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ended { success: output.status.success(), output: self.printed(&text) }
    }

    /// Starts what goes on, and waits until it can be used.
    pub async fn start(&mut self, printed: &str) {
        let log = self.path(&format!("started-{}.log", self.running.len()));
        let file = File::create(&log).expect("a log");
        let mut command = self.shell(&format!("exec {}", self.here(printed)));
        command.stdout(file.try_clone().expect("a log")).stderr(file).process_group(0);
        let mut running = Running { command: printed.to_owned(), child: command.spawn().expect("bash"), log };
        eventually(&format!("`{printed}` can be used"), || {
            let said = running.said();
            if let Ok(Some(status)) = running.child.try_wait() {
                panic!("`{printed}` ended with {status}:\n{said}");
            }
            READY.iter().any(|ready| said.contains(ready))
        })
        .await;
        if printed.starts_with("mesh-relay ") {
            eventually(&format!("`{printed}` hears signals"), || hears_termination(running.child.id())).await;
        }
        self.running.push(running);
    }

    /// Sends a signal to what was started by this command, the last one first.
    fn signal(&mut self, command: &str, signal: &str) -> usize {
        let at = self.running.iter().rposition(|one| one.command.starts_with(command));
        let at = at.unwrap_or_else(|| panic!("`{command}` does not run"));
        let sent =
            Command::new("kill").args(["-s", signal, &self.running[at].child.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        at
    }

    /// Tells it to stop and waits until it has.
    pub async fn stop(&mut self, command: &str) {
        let at = self.signal(command, "TERM");
        let mut one = self.running.remove(at);
        let mut status = None;
        eventually(&format!("`{command}` stops"), || {
            status = one.child.try_wait().expect("a status");
            status.is_some()
        })
        .await;
        let (status, said) = (status.expect("a status"), one.said());
        assert!(status.success() || !one.command.contains(" run "), "{status}: {said}");
    }

    /// Tells it to read its configuration again.
    pub fn reload(&mut self, command: &str) {
        self.signal(command, "HUP");
    }

    /// What everything that was started has said, for whoever looks into a failure.
    pub fn said(&self) -> String {
        self.running.iter().map(|one| format!("--- {}\n{}\n", one.command, one.said())).collect()
    }
}

/// Whether a process would end in its own way when it is told to.
fn hears_termination(process: u32) -> bool {
    const TERMINATION: u64 = 1 << (15 - 1);
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught
        .and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok())
        .is_some_and(|set| set & TERMINATION != 0)
}

impl Running {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already when it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
