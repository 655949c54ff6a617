//! Payloads in a store that speaks S3: moto's server, from the Python environment, over TLS.

#![expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use claim_check::{ClaimCheck, ClaimError, Config, PutError};
use relay_config::Secrets;
use serde_json::json;

use crate::{body, config_of, content, fetch, read, sha256};

/// Names the Python interpreter of the environment that holds moto.
const PYTHON: &str = "MESH_RELAY_TEST_PYTHON";

/// A store of one test's own, with a bucket `claims`. Ends when dropped.
struct Store {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    url: String,
    folder: tempfile::TempDir,
}

/// Writes the credentials, for their owner alone.
fn login(folder: &Path, lines: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(folder.join("login")).expect("a login");
    file.write_all(lines.as_bytes()).expect("a login");
}

impl Store {
    fn start() -> Self {
        let python = std::env::var_os(PYTHON)
            .unwrap_or_else(|| panic!("{PYTHON} names no Python with moto; run `make test`"));
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("store.pem"), folder.path().join("store.key"));
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        fs::write(&certificate, made.cert.pem()).expect("a file");
        fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        let mut child = Command::new(python)
            .args(["-c", include_str!("s3.py")])
            .args([&certificate, &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python");
        let asks = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        let mut store = Self { child, asks, answers, url: String::new(), folder };
        store.url = store.answer();
        login(store.folder.path(), "access_key_id = key\nsecret_access_key = canary\n");
        store
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        assert!(!line.is_empty(), "the store ended");
        line.trim().to_owned()
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.asks.as_mut().expect("its input"), "{what}").expect("asked");
        self.answer()
    }

    fn put(&mut self, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join("put");
        fs::write(&path, bytes).expect("a file");
        self.ask(&format!("put {key} {}", path.display()));
    }

    /// What lies under a key, and its ETag.
    fn get(&mut self, key: &str) -> (Vec<u8>, String) {
        let path = self.folder.path().join("got");
        let e_tag = self.ask(&format!("get {key} {}", path.display()));
        (fs::read(path).expect("it"), e_tag)
    }

    fn config(&self) -> Config {
        let mut config = config_of(json!({
            "read": ["s3://claims/out"],
            "write": "s3://claims/in",
            "options": { "region": "eu-west-2", "endpoint": self.url },
            "credentials": { "file": "login" },
            "roots": "store.pem",
        }));
        config.start_at(self.folder.path());
        assert_eq!(config.faults(), []);
        config.resolve(&Secrets::in_files(self.folder.path())).expect("a login");
        assert!(!format!("{config:?}").contains("canary"));
        config
    }

    fn claims(&self) -> ClaimCheck {
        let claims = ClaimCheck::open(&self.config()).expect("a claim check");
        assert!(!format!("{claims:?}").contains("canary"));
        claims
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.asks = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_read_under_the_version_that_was_checked() {
    let mut store = Store::start();
    let claims = store.claims();
    let bytes = content(11_000_000);
    store.put("out/ü+b/c=d.bin", &bytes);
    let reference = "s3://claims/out/%C3%BC+b/c=d.bin";
    let checked = fetch(&claims, reference, &bytes).await.expect("it");
    assert_eq!(checked.sha256, sha256(&bytes));
    for range in [0..11_000_000, 4_194_303..4_194_305, 10_999_999..11_000_000] {
        let expected = &bytes[range.start as usize..range.end as usize];
        assert!(read(&checked, range).await.expect("bytes") == expected);
    }
    // Written over between the check and the sending, and also while it is sent.
    let mut stream = checked.payload.open(0..11_000_000).await.expect("a stream");
    use futures_util::TryStreamExt;
    stream.try_next().await.expect("bytes").expect("bytes");
    store.put("out/ü+b/c=d.bin", &bytes.iter().map(|byte| !byte).collect::<Vec<_>>());
    for error in [
        stream.try_collect::<Vec<_>>().await.expect_err("while it is sent"),
        read(&checked, 0..10).await.expect_err("afterwards"),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(!error.to_string().contains("c=d"), "{error}");
    }
    assert_eq!(fetch(&claims, reference, &bytes).await.expect_err("another"), ClaimError::WrongHash);
    store.ask("remove out/ü+b/c=d.bin");
    assert_eq!(read(&checked, 0..10).await.expect_err("gone").kind(), ErrorKind::NotFound);
    assert_eq!(fetch(&claims, reference, &bytes).await.expect_err("gone"), ClaimError::NotThere);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_the_message_says_is_refused_and_a_store_in_trouble_is_waited_for() {
    let mut store = Store::start();
    let claims = store.claims();
    store.put("out/a", b"payload");
    store.put("secret/a", b"payload");
    let hash = sha256(b"payload");
    for (reference, hash, size, expected) in [
        ("s3://claims/out/a", &sha256(b"other"), 7, ClaimError::WrongHash),
        ("s3://claims/out/a", &hash, 8, ClaimError::WrongSize),
        ("s3://claims/out/b", &hash, 7, ClaimError::NotThere),
        ("s3://claims/secret/a", &hash, 7, ClaimError::NotAllowed),
        ("s3://claims-2/out/a", &hash, 7, ClaimError::NotAllowed),
    ] {
        assert_eq!(claims.fetch(reference, hash, size).await.expect_err("refused"), expected);
    }
    fetch(&claims, "s3://claims/out/a", b"payload").await.expect("it");
    let mut config = store.config();
    config.roots = None;
    let strict = ClaimCheck::open(&config).expect("a claim check");
    let untrusted = fetch(&strict, "s3://claims/out/a", b"payload").await.expect_err("whose certificate?");
    assert!(!untrusted.is_permanent() && untrusted.to_string().contains("claim_check.roots"), "{untrusted}");
    store.ask("log in");
    let refused = fetch(&claims, "s3://claims/out/a", b"payload").await.expect_err("no login");
    assert!(!refused.is_permanent() && refused.to_string().contains("claim_check.credentials"), "{refused}");
    let (mailbox, id) =
        ("X26ABC1".parse().expect("a mailbox"), "20260329234512345678_0A1B2C".parse().expect("an id"));
    let error = claims.put(&mailbox, &id, body(b"payload", None)).await.expect_err("no login");
    assert!(matches!(error, PutError::Store(_)), "{error}");
    drop(store);
    let gone = fetch(&claims, "s3://claims/out/a", b"payload").await.expect_err("no store");
    assert!(!gone.is_permanent() && !gone.to_string().contains("out/a"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_mesh_is_put_whole_in_one_part_or_many() {
    let mut store = Store::start();
    let claims = store.claims();
    let (mailbox, id) =
        ("X26ABC1".parse().expect("a mailbox"), "20260329234512345678_0A1B2C".parse().expect("an id"));
    let key = "in/X26ABC1/20260329234512345678_0A1B2C";
    for (length, parts) in [(1_000_000, ""), (16 << 20, ""), (40_000_000, "-3")] {
        let bytes = content(length);
        let claim = claims.put(&mailbox, &id, body(&bytes, None)).await.expect("put");
        assert_eq!(claim.reference, format!("s3://claims/{key}"));
        assert_eq!((claim.size, &claim.sha256), (length as u64, &sha256(&bytes)));
        let (found, e_tag) = store.get(key);
        assert!(found == bytes, "{length}");
        assert!(e_tag.trim_matches('"').ends_with(parts), "{length}: {e_tag}");
    }
    let whole = store.get(key);
    for kind in [ErrorKind::InvalidData, ErrorKind::ConnectionReset] {
        let error =
            claims.put(&mailbox, &id, body(&content(20_000_000), Some(kind))).await.expect_err("broken off");
        assert!(matches!(&error, PutError::Body(error) if error.kind() == kind), "{error}");
    }
    assert!(store.get(key) == whole, "what was there is left");
    // The abort is on its way when the error is told.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while store.ask("uploads") != "0" {
        assert!(tokio::time::Instant::now() < deadline, "parts of an upload were left");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[test]
fn a_store_that_payloads_would_be_shown_by_or_that_lacks_half_its_login_is_not_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |login: &str, endpoint: &str| {
        self::login(folder.path(), login);
        let mut config = config_of(json!({
            "read": ["s3://claims"],
            "options": { "region": "eu-west-2", "endpoint": endpoint },
            "credentials": { "file": "login" },
        }));
        config.resolve(&Secrets::in_files(folder.path())).expect("a login");
        ClaimCheck::open(&config).map(drop).expect_err("refused").to_string()
    };
    let whole = "access_key_id=a\nsecret_access_key=canary";
    for (login, endpoint, says) in [
        (whole, "http://127.0.0.1:9", "shows payloads to the network"),
        ("secret_access_key=canary", "https://127.0.0.1:9", "a key of the credentials is missing"),
        ("secret_access_key=canary\nbucket=other", "https://127.0.0.1:9", "a key that is not known"),
        ("canary", "https://127.0.0.1:9", "line 1 is not of the form"),
    ] {
        let error = open(login, endpoint);
        assert!(error.contains(says) && !error.contains("canary"), "{error}");
    }
}
