//! A folder with a good configuration and everything that it refers to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The one secret of the place, in every file that holds one. It must never be shown.
pub const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";
/// The configuration's name.
pub const CONFIG: &str = "relay.toml";

/// Files with a secret in them.
const SECRETS: [&str; 4] = ["shared.key", "mailbox.pass", "kafka.pass", "caller.token"];

pub struct Place(tempfile::TempDir);

impl Place {
    /// A place with this configuration, and all secrets and certificates that the good ones name.
    pub fn new(config: &[u8]) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.write(CONFIG, config);
        for name in SECRETS {
            place.write(name, format!("{SECRET}\n"));
        }
        place.write("webhook.secret", format!("{SECRET}-and-more\n"));
        place.write("store.login", format!("access_key_id=relay\nsecret_access_key={SECRET}\n"));
        fs::create_dir(place.path("claims")).expect("a folder");
        place.write("broker.url", format!("amqp://relay:{SECRET}@127.0.0.1:5672/%2f\n"));
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/keystore/tests/fixtures");
        for (name, fixture) in [
            ("roots.pem", "root.pem"),
            ("client.pem", "ec.pem"),
            ("client.key", "ec-pkcs8.pem"),
            ("mesh.jks", "ec.jks"),
        ] {
            place.write(name, fs::read(fixtures.join(fixture)).expect("a fixture"));
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that nobody else may read.
    #[expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::write(&path, content).expect("a file written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
    }

    /// Puts a folder where a file was.
    pub fn folder_instead_of(&self, name: &str) {
        self.remove(name);
        fs::create_dir(self.path(name)).expect("a folder");
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("a file removed");
    }

    /// Runs the program in the place, as a script does: without a terminal.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(binary())
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("MESH_SHARED_KEY")
            .stdin(Stdio::null())
            .output()
            .expect("the relay's program")
    }

    /// What was printed, with the place's own path left out.
    pub fn told(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        text.replace(&self.0.path().display().to_string(), "[here]")
    }
}

/// The relay's program, beside this test's.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let folder = test.parent().and_then(Path::parent).expect("the build folder");
    let binary = folder.join("mesh-relay");
    assert!(binary.is_file(), "{} is not built; run `make test`", binary.display());
    binary
}

/// A good configuration of `base/`.
pub fn base(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/base/{name}.toml"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
