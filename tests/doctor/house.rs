//! A house in which all is right: mutual TLS to a sandbox, a client's certificate, folders, a journal, a console. Tests break one
//! thing in it and ask `doctor`.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mesh_sandbox::{ClientCertificates, Rules, Sandbox, SandboxConfig, Tls};
use relay_testkit::certificates::{Authority, Identity};
use serde_json::Value;

use crate::process::{ALICE, BOB, binary};

/// An account without rights of its own.
pub const NOBODY: u32 = 65534;

/// Who our client is.
pub const CLIENT: &str = "MAILHOST1.X26.api.mesh-client.nhs.uk";

pub struct House {
    pub folder: tempfile::TempDir,
    pub sandbox: Sandbox,
    /// Issues clients' certificates.
    pub clients: Authority,
    /// Signed the server's certificate.
    pub servers: Authority,
    /// Of the console. Free until somebody listens there.
    pub console: u16,
}

impl House {
    pub async fn new() -> Self {
        let servers = Authority::new("Server authority");
        let server = servers.server("localhost");
        Self::serving(servers, server).await
    }

    /// The server shows another certificate.
    pub async fn serving(servers: Authority, server: Identity) -> Self {
        let clients = Authority::new("Client authority");
        let client = Some(ClientCertificates { authorities: clients.pem().to_owned(), required: true });
        let tls = Tls::Given { certificate: server.certificate, key: server.key, client };
        let config = SandboxConfig { tls, rules: Rules::strict(), ..SandboxConfig::loopback() };
        let sandbox = Sandbox::start(config).await.expect("a sandbox");
        let house = Self {
            folder: tempfile::tempdir().expect("a folder"),
            sandbox,
            clients,
            servers,
            console: free_port(),
        };
        house.furnish();
        house
    }

    fn furnish(&self) {
        // Others may look into the folder that holds all of it: one test runs as another account.
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).expect("rights");
        self.secret("alice.pass", "password\n");
        self.secret("bob.pass", "password\n");
        self.secret("shared.key", "TestKey\n");
        self.write("roots.pem", format!("{}{}", self.servers.pem(), self.clients.pem()));
        self.show(&self.clients.client(CLIENT));
        for mailbox in [ALICE, BOB] {
            let root = self.path(mailbox);
            for name in ["IN", "OUT", "SENT", "FAILED", "TEMP"] {
                fs::create_dir_all(root.join(name)).expect("a folder");
            }
            fs::set_permissions(&root, fs::Permissions::from_mode(0o750)).expect("rights");
        }
        fs::create_dir(self.path("state")).expect("a folder");
        self.write("relay.toml", self.configuration());
    }

    /// Two mailboxes with a folder each.
    pub fn configuration(&self) -> String {
        let mut text = format!(
            "[mesh]\nenvironment = {{ url = \"https://localhost:{}\" }}\nshared_key = {{ file = \"shared.key\" }}\n\
             roots = \"roots.pem\"\nidentity = {{ cert = \"client.pem\", key = \"client.key\" }}\n\
             [journal]\npath = \"state/journal.db\"\n[console]\nlisten = \"127.0.0.1:{}\"\n",
            self.sandbox.address().port(),
            self.console
        );
        for (name, mailbox) in [("alice", ALICE), ("bob", BOB)] {
            text += &format!(
                "[[mailbox]]\nid = \"{mailbox}\"\npassword = {{ file = \"{name}.pass\" }}\npoll = \"200ms\"\n\
                 [[adapter]]\nname = \"{name}\"\nkind = \"dts-folder\"\nmailbox = \"{mailbox}\"\nroot = \"{mailbox}\"\n"
            );
        }
        text
    }

    /// Our client shows this certificate.
    pub fn show(&self, identity: &Identity) {
        self.write("client.pem", &identity.certificate);
        self.secret("client.key", &identity.key);
    }

    #[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    /// For its owner alone.
    pub fn secret(&self, name: &str, content: &str) {
        self.write(name, content);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("rights");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes words of the configuration.
    pub fn reword(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.path("relay.toml")).expect("the configuration");
        assert!(text.contains(old), "{old} is not in the configuration");
        self.write("relay.toml", text.replace(old, new));
    }

    /// Adds an adapter in place of Bob's folders.
    pub fn bobs_adapter(&self, section: &str) {
        let text = fs::read_to_string(self.path("relay.toml")).expect("the configuration");
        let at = text.rfind("[[adapter]]").expect("Bob's adapter");
        self.write("relay.toml", format!("{}{section}", &text[..at]));
    }

    pub async fn doctor(&self) -> Report {
        let config = self.path("relay.toml");
        let mut command = Command::new(binary());
        command.args(["doctor", "--json", "--config"]).arg(config);
        Report::of(command).await
    }

    /// As the account that owns nothing but what it is given.
    pub async fn doctor_of_nobody(&self) -> Report {
        let owned = Command::new("chown")
            .args(["-R", &format!("{NOBODY}:{NOBODY}")])
            .arg(self.folder.path())
            .status();
        assert!(owned.expect("chown").success(), "only root can run this test");
        self.doctor_as_nobody().await
    }

    /// The same, and nothing is given to it.
    pub async fn doctor_as_nobody(&self) -> Report {
        // The build folder may be out of its reach.
        let program = self.path("mesh-relay");
        if !program.exists() {
            fs::copy(binary(), &program).expect("a copy of the program");
        }
        let mut command = Command::new("setpriv");
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--"]).arg(program);
        command.args(["doctor", "--json", "--config"]).arg(self.path("relay.toml"));
        Report::of(command).await
    }

    /// Every file and folder in the house with its content, to see that a look changed nothing.
    pub fn inventory(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found.sort();
        found
    }
}

fn walk(folder: &Path, found: &mut Vec<(PathBuf, Option<Vec<u8>>)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
            found.push((path, None));
        } else {
            let content = fs::read(&path).expect("a file");
            found.push((path, Some(content)));
        }
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// What `doctor` said.
pub struct Report {
    pub code: Option<i32>,
    pub json: Value,
    pub output: Output,
}

impl Report {
    /// Away from the runtime, which serves the sandbox.
    pub async fn of(mut command: Command) -> Self {
        let ran = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
        let output = ran.await.expect("a thread").expect("the relay's program");
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let report = Self { code: output.status.code(), json, output };
        report.is_documented();
        report
    }

    /// Every check that there is stands in the list of them.
    fn is_documented(&self) {
        let list = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/doctor.md"))
            .expect("docs/doctor.md");
        for check in self.checks() {
            let name = check["check"].as_str().expect("a name");
            assert!(list.contains(&format!("`{name}`")), "{name} is not in docs/doctor.md");
        }
    }

    pub fn checks(&self) -> &[Value] {
        self.json["checks"].as_array().expect("checks")
    }

    /// The checks of a verdict.
    pub fn with(&self, verdict: &str) -> Vec<&Value> {
        self.checks().iter().filter(|check| check["verdict"] == verdict).collect()
    }

    /// That this check is the one fault, and that item and text hold these words.
    pub fn blames(&self, check: &str, words: &[&str]) {
        let faults = self.with("fault");
        let names: Vec<_> = faults.iter().map(|fault| fault["check"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, [check], "{:#}", self.json);
        let fault = faults[0];
        let text = format!("{} {} {}", fault["item"], fault["found"], fault["advice"]);
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text}");
        }
        assert!(fault["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{fault}");
        assert_eq!(self.code, Some(1));
    }

    /// The verdict of a check that stands once.
    pub fn verdict(&self, check: &str) -> &str {
        let found: Vec<_> = self.checks().iter().filter(|found| found["check"] == check).collect();
        assert_eq!(found.len(), 1, "{check}: {:#}", self.json);
        found[0]["verdict"].as_str().expect("a verdict")
    }
}
