//! `mesh-relay sandbox` and `mesh-relay demo` as commands.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use mesh_api::SharedKey;
use mesh_client::{BreakerConfig, Client, ClientConfig, RootCertificate, Timeouts, TlsConfig, keystore};
use secrecy::SecretString;

use crate::process::{binary, command};

/// The command, killed when dropped, and where it says that it answers.
struct Serving(Child, String);

impl Serving {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .arg("sandbox")
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the relay's program");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let url =
            line.split_whitespace().find(|word| word.starts_with("http")).expect("an address").to_owned();
        Self(child, url)
    }

    async fn handshake(
        &self,
        roots: Vec<RootCertificate>,
        mailbox: &str,
        password: &str,
    ) -> Result<(), String> {
        let client = Client::new(ClientConfig {
            base_url: self.1.clone(),
            shared_key: SharedKey::new("TestKey"),
            tls: TlsConfig { roots, identity: None },
            proxy: None,
            timeouts: Timeouts::default(),
            breaker: BreakerConfig::default(),
            expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
            application: "test==1".to_owned(),
            now: || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(jiff::Timestamp::UNIX_EPOCH, now),
        })
        .expect("a client");
        let mailbox = client.mailbox(mailbox.parse().expect("a mailbox"), SecretString::from(password));
        mailbox.handshake().await.map_err(|error| error.to_string())
    }
}

fn now(elapsed: std::time::Duration) -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH + elapsed
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_sandbox_serves_plain_http_and_its_stock_mailboxes() {
    let serving = Serving::start(&[]);
    assert_eq!(serving.handshake(Vec::new(), "X26ABC1", "password").await, Ok(()));
    let refused = serving.handshake(Vec::new(), "X26ABC1", "wrong").await.expect_err("a wrong password");
    assert!(refused.contains("credentials"), "{refused}");
}

#[tokio::test]
async fn the_sandbox_serves_tls_and_mailboxes_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let line = r#"{"mailbox_id":"Y99EX001","mailbox_name":"EXAMPLE","billing_entity":"England","ods_code":"Y99","org_code":"Y99","org_name":"","password":"own-password"}"#;
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(file("mailboxes.jsonl"), line).expect("a file");
    let serving = Serving::start(&[
        "--tls",
        "--tls-root-out",
        &file("root.pem"),
        "--mailboxes",
        &file("mailboxes.jsonl"),
    ]);
    assert!(serving.1.starts_with("https://"));
    let root = std::fs::read(file("root.pem")).expect("the root");
    let root = keystore::read_authorities(&root, None).expect("a root");
    assert_eq!(serving.handshake(root.clone(), "Y99EX001", "own-password").await, Ok(()));
    assert!(serving.handshake(root, "X26ABC1", "password").await.is_err(), "no stock mailboxes");
}

#[tokio::test]
async fn the_sandbox_takes_a_profile_rules_a_fault_script_and_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/faults.toml");
    let serving = Serving::start(&[
        "--profile",
        "strict",
        "--rule",
        "clock-skew=off",
        "--faults",
        script,
        "--store",
        store.to_str().expect("a path"),
    ]);
    assert_eq!(serving.handshake(Vec::new(), "X26ABC3", "password").await, Ok(()));
    assert!(store.is_dir());
}

#[test]
fn what_the_sandbox_cannot_take_is_told_with_what_it_can() {
    for (arguments, words) in [
        (["--rule", "token-repaly=off"], "the rules are token-replay, clock-skew"),
        (["--rule", "token-replay"], "=on` or `=off`"),
        (["--faults", "no-such-file"], "name a file that can be read"),
        (["--store", "/proc/no-such-folder"], "name one that can be written"),
    ] {
        let output = command(&[&["sandbox", "--listen", "127.0.0.1:0"], &arguments[..]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn plain_http_is_refused_beyond_loopback() {
    let output = command(&["sandbox", "--listen", "0.0.0.0:0"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("loopback"), "{error}");
}

#[test]
fn the_demonstration_ends_well() {
    let output = command(&["demo"]);
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{error}");
    assert_eq!(text.matches("byte for byte").count(), 3, "{text}");
}
