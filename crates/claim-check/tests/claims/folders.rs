//! Payloads in a folder.

#![expect(clippy::disallowed_methods, reason = "a test sets its place up without ceremony")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use claim_check::{ClaimError, PutError};
use serde_json::json;

use crate::{body, config_of, content, fetch, open, read, sha256};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(place.path("claims")).expect("a folder");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).expect("a file");
        self.reference(name)
    }

    fn reference(&self, name: &str) -> String {
        format!("file://{}/{name}", self.folder.path().display())
    }

    fn claims(&self) -> claim_check::ClaimCheck {
        open(json!({ "read": [self.path("claims")], "write": self.path("claims"), "size_max": "1MB" }))
    }
}

#[tokio::test]
async fn what_is_checked_can_be_read_in_any_part_as_often_as_is_needed() {
    let place = Place::new();
    let bytes = content(900_000);
    let reference = place.put("claims/a b.bin", &bytes).replace(' ', "%20");
    let claims = place.claims();
    let checked = fetch(&claims, &reference, &bytes).await.expect("it");
    assert_eq!(checked.sha256, sha256(&bytes));
    assert_eq!(checked.payload.length(), 900_000);
    for range in [0..900_000, 0..1, 262_143..262_145, 899_999..900_000, 5..5] {
        let expected = &bytes[range.start as usize..range.end as usize];
        assert!(read(&checked, range).await.expect("bytes") == expected);
    }
    let upper = claims.fetch(&reference, &sha256(&bytes).to_uppercase(), 900_000).await;
    upper.expect("in either case");
}

#[tokio::test]
async fn what_is_not_as_the_message_says_is_refused_for_good() {
    let place = Place::new();
    let bytes = content(10);
    let reference = place.put("claims/a", &bytes);
    let claims = place.claims();
    let (hash, other) = (sha256(&bytes), sha256(b"other"));
    let large = place.put("claims/large", &content(1_000_001));
    let empty = place.put("claims/empty", b"");
    let below = place.reference("claims");
    let nowhere = place.reference("claims/no/where");
    let through_a_file = place.reference("claims/a/b");
    for (reference, hash, size, expected) in [
        (&reference, &other, 10, ClaimError::WrongHash),
        (&reference, &hash, 11, ClaimError::WrongSize),
        (&reference, &hash, 0, ClaimError::WrongSize),
        (&large, &hash, 1_000_001, ClaimError::TooLarge { most: 1_000_000 }),
        // However small the message says that it is.
        (&large, &hash, 10, ClaimError::TooLarge { most: 1_000_000 }),
        (&empty, &sha256(b""), 0, ClaimError::Empty),
        (&nowhere, &hash, 10, ClaimError::NotThere),
        (&below, &hash, 10, ClaimError::NoFile),
        (&through_a_file, &hash, 10, ClaimError::NoFile),
        (&place.reference("claims-2/a"), &hash, 10, ClaimError::NotAllowed),
        (&place.reference("relay.toml"), &hash, 10, ClaimError::NotAllowed),
    ] {
        let error = claims.fetch(reference, hash, size).await.expect_err("refused");
        assert_eq!(error, expected);
        assert!(
            error.is_permanent() && !error.to_string().contains(place.folder.path().to_str().expect("text"))
        );
    }
    let bad = claims.fetch("file:///%2e%2e/secret", &hash, 10).await.expect_err("refused");
    assert!(matches!(bad, ClaimError::Form(_)) && !bad.to_string().contains("secret"), "{bad}");
    let off = open(json!({ "write": place.path("claims") }));
    assert_eq!(fetch(&off, &reference, &bytes).await.expect_err("off"), ClaimError::Off);
}

#[tokio::test]
async fn no_link_and_nothing_that_is_no_file_is_followed() {
    let place = Place::new();
    fs::create_dir(place.path("outside")).expect("a folder");
    place.put("outside/secret", b"secret");
    place.put("claims/inside", b"secret");
    symlink(place.path("outside/secret"), place.path("claims/file")).expect("a link");
    symlink(place.path("outside"), place.path("claims/folder")).expect("a link");
    symlink("inside", place.path("claims/sibling")).expect("a link");
    symlink("loop", place.path("claims/loop")).expect("a link");
    assert!(Command::new("mkfifo").arg(place.path("claims/pipe")).status().expect("mkfifo").success());
    let socket = std::os::unix::net::UnixListener::bind(place.path("claims/socket")).expect("a socket");
    let claims = place.claims();
    for name in ["file", "folder/secret", "sibling", "loop", "pipe", "socket"] {
        let found = fetch(&claims, &place.reference(&format!("claims/{name}")), b"secret").await;
        assert_eq!(found.expect_err(name), ClaimError::NoFile, "{name}");
    }
    drop(socket);
    fetch(&claims, &place.reference("claims/inside"), b"secret").await.expect("a file of its own");
    // The folder itself is the operator's, who may link to it.
    symlink(place.path("claims"), place.path("linked")).expect("a link");
    let linked = open(json!({ "read": [place.path("linked")] }));
    fetch(&linked, &place.reference("linked/inside"), b"secret").await.expect("through the operator's link");
}

#[tokio::test]
async fn a_file_that_changes_after_the_check_is_never_sent() {
    let place = Place::new();
    let bytes = content(600_000);
    let claims = place.claims();
    type Change = fn(&Place, &[u8]);
    let changes: [(&str, Change, ErrorKind); 4] = [
        (
            "written over in place",
            |place, bytes| {
                let later =
                    fs::metadata(place.path("claims/a")).and_then(|file| file.modified()).expect("a time");
                fs::write(place.path("claims/a"), bytes.iter().map(|byte| !byte).collect::<Vec<_>>())
                    .expect("it");
                let file = fs::File::options().write(true).open(place.path("claims/a")).expect("it");
                file.set_modified(later + std::time::Duration::from_nanos(1)).expect("a time");
            },
            ErrorKind::InvalidData,
        ),
        (
            "replaced by one of the same age",
            |place, bytes| {
                let age =
                    fs::metadata(place.path("claims/a")).and_then(|file| file.modified()).expect("a time");
                place.put("claims/b", &bytes.iter().map(|byte| !byte).collect::<Vec<_>>());
                let file = fs::File::options().write(true).open(place.path("claims/b")).expect("it");
                file.set_modified(age).expect("a time");
                fs::rename(place.path("claims/b"), place.path("claims/a")).expect("renamed");
            },
            ErrorKind::InvalidData,
        ),
        ("cut", |place, _| drop(place.put("claims/a", b"short")), ErrorKind::InvalidData),
        (
            "removed",
            |place, _| fs::remove_file(place.path("claims/a")).expect("removed"),
            ErrorKind::NotFound,
        ),
    ];
    for (what, change, kind) in changes {
        let reference = place.put("claims/a", &bytes);
        let checked = fetch(&claims, &reference, &bytes).await.expect("it");
        change(&place, &bytes);
        let error = read(&checked, 0..600_000).await.expect_err(what);
        assert_eq!(error.kind(), kind, "{what}");
    }
    // Also once reading has begun.
    let reference = place.put("claims/a", &bytes);
    let checked = fetch(&claims, &reference, &bytes).await.expect("it");
    let mut stream = checked.payload.open(0..600_000).await.expect("a stream");
    use futures_util::TryStreamExt;
    stream.try_next().await.expect("bytes").expect("bytes");
    place.put("claims/a", b"short");
    let error = stream.try_collect::<Vec<_>>().await.expect_err("changed behind the reader");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn what_comes_from_mesh_lies_whole_under_its_id_for_its_owner_and_group_alone() {
    let place = Place::new();
    let claims = place.claims();
    let (mailbox, id) =
        ("X26ABC1".parse().expect("a mailbox"), "20260329234512345678_0A1B2C".parse().expect("an id"));
    let bytes = content(900_000);
    // A beginning that a crash left.
    fs::create_dir(place.path("claims/X26ABC1")).expect("a folder");
    fs::write(place.path("claims/X26ABC1/.relay-part-20260329234512345678_0A1B2C"), content(950_000))
        .expect("it");
    let claim = claims.put(&mailbox, &id, body(&bytes, None)).await.expect("put");
    assert_eq!((claim.size, &claim.sha256), (900_000, &sha256(&bytes)));
    let file = place.path("claims/X26ABC1/20260329234512345678_0A1B2C");
    assert_eq!(claim.reference, format!("file://{}", file.display()));
    assert!(fs::read(&file).expect("it") == bytes);
    // It can be named in a message for MESH as it stands.
    fetch(&claims, &claim.reference, &bytes).await.expect("taken back");
    // The same again takes its place.
    let again = claims.put(&mailbox, &id, body(&bytes, None)).await.expect("put again");
    assert_eq!(again, claim);
    let other = "20260329234512345678_0A1B2D".parse().expect("an id");
    let other_mailbox = "X26ABC2".parse().expect("a mailbox");
    claims.put(&other_mailbox, &other, body(&bytes, None)).await.expect("put");
    let mode = |name: &str| fs::metadata(place.path(name)).expect("it").permissions().mode() & 0o777;
    assert_eq!(mode("claims/X26ABC2") & !0o750, 0);
    assert_eq!(mode("claims/X26ABC2/20260329234512345678_0A1B2D") & !0o640, 0);
    assert_eq!(fs::read_dir(place.path("claims/X26ABC1")).expect("it").count(), 1);
    assert!(!format!("{claim:?}").contains("claims"), "{claim:?}");
}

#[tokio::test]
async fn what_does_not_come_whole_leaves_nothing_and_says_why() {
    let place = Place::new();
    let claims = place.claims();
    let (mailbox, id) =
        ("X26ABC1".parse().expect("a mailbox"), "20260329234512345678_0A1B2C".parse().expect("an id"));
    for kind in [ErrorKind::InvalidData, ErrorKind::ConnectionReset] {
        let error = claims.put(&mailbox, &id, body(&content(10), Some(kind))).await.expect_err("broken off");
        assert!(matches!(&error, PutError::Body(error) if error.kind() == kind), "{error}");
    }
    assert_eq!(fs::read_dir(place.path("claims/X26ABC1")).expect("it").count(), 0);
    // Another instance is at it.
    let part = place.path("claims/X26ABC1/.relay-part-20260329234512345678_0A1B2C");
    fs::write(&part, b"another's").expect("it");
    let held = fs::File::open(&part).expect("it");
    held.lock().expect("held");
    let error = claims.put(&mailbox, &id, body(&content(10), None)).await.expect_err("held");
    assert!(error.to_string().contains("another instance"), "{error}");
    assert_eq!(fs::read(&part).expect("it"), b"another's");
    drop(held);
    claims.put(&mailbox, &id, body(&content(10), None)).await.expect("free again");
    // And the volume is gone.
    fs::remove_dir_all(place.path("claims")).expect("removed");
    let error = claims.put(&mailbox, &id, body(&content(10), None)).await.expect_err("nowhere");
    assert!(matches!(error, PutError::Store(_)) && error.to_string().contains("mounted"), "{error}");
    let error = fetch(&claims, &place.reference("claims/a"), b"a").await.expect_err("nowhere");
    assert!(!error.is_permanent(), "{error}");
}

#[test]
fn every_fault_of_a_configuration_is_named() {
    for (config, key, says) in [
        (json!({}), "claim_check", "nothing would be done"),
        (json!({ "read": ["claims"] }), "claim_check.read", "no absolute path"),
        (json!({ "read": ["/"] }), "claim_check.read", "root of the file system"),
        (json!({ "write": "/srv/../claims" }), "claim_check.write", "goes up"),
        (json!({ "write": "https://host/claims" }), "claim_check.write", "is no URL such as"),
        (
            json!({ "read": ["s3://key:secret@b/x"] }),
            "claim_check.read",
            "accounts stand in the configuration",
        ),
        (json!({ "read": ["/srv"], "size_max": "0B" }), "claim_check.size_max", "at least"),
        (json!({ "read": ["/srv", "s3://a", "az://b"] }), "claim_check.read", "one kind of object store"),
        (
            json!({ "read": ["/srv"], "credentials": { "file": "x" } }),
            "claim_check.credentials",
            "only folders",
        ),
        (
            json!({ "read": ["s3://a"], "options": { "session_token": "x" } }),
            "claim_check.options",
            "is a secret",
        ),
        (
            json!({ "read": ["az://a"], "options": { "region": "x" } }),
            "claim_check.options",
            "there is no region",
        ),
    ] {
        let faults = config_of(config.clone()).faults();
        assert!(
            faults.iter().any(|(at, what, _)| *at == key && what.contains(says) && !what.contains("secret@")),
            "{config}: {faults:?}"
        );
    }
    let mut config = config_of(json!({ "read": ["claims"], "write": "s3://a/b" }));
    let folder = tempfile::tempdir().expect("a folder");
    config.start_at(folder.path());
    assert_eq!(config.faults(), []);
    assert!(config.read[0].ends_with("/claims") && config.write.as_deref() == Some("s3://a/b"));
}
