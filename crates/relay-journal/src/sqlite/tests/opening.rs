//! Which files open, which do not, and what is still there afterwards.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use relay_core::{Journal, JournalError, Records};

use super::{Place, accepted, at, inbound, known, new, out, outbound};
use crate::{OpenError, SqliteJournal, set_aside};

fn refused(path: &Path) -> OpenError {
    match SqliteJournal::open(path) {
        Ok(_) => panic!("the journal opened"),
        Err(error) => error,
    }
}

fn put(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn state_survives_reopening() {
    let place = Place::new();
    let journal = place.open();
    let record = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    journal.commit_outbound(&record, out(accepted(), at(5)), None).await.unwrap();
    journal.begin_inbound(inbound(2, "20260101_1"), None).await.unwrap();
    journal.close().await;

    let journal = place.open();
    let record = known(journal.begin_outbound(outbound(3, "a.ctl"), None).await.unwrap());
    assert_eq!((record.state, record.version), (accepted(), 2));
    known(journal.begin_inbound(inbound(4, "20260101_1"), None).await.unwrap());
    journal.close().await;
}

#[tokio::test]
async fn closing_leaves_one_file_and_refuses_what_comes_later() {
    let place = Place::new();
    let journal = place.open();
    let other = journal.clone();
    journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap();
    journal.close().await;
    assert!(!place.path().with_extension("db-wal").exists(), "the log is folded in");

    let write = other.begin_outbound(outbound(2, "b.ctl"), None).await;
    assert!(matches!(write, Err(JournalError::Closed)));
    assert!(matches!(other.counts().await, Err(JournalError::Closed)));
    other.close().await;
}

#[tokio::test]
async fn a_second_relay_is_kept_out_until_the_first_has_closed() {
    let place = Place::new();
    let journal = place.open();
    let error = refused(&place.path());
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use by another relay"));
    journal.close().await;
    place.open().close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_relay_is_kept_out_by_whatever_name_it_comes() {
    let place = Place::new();
    let journal = place.open();
    let link = place.0.path().join("other.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert!(matches!(refused(&link), OpenError::Locked { .. }));
    journal.close().await;
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_untouched() {
    for bytes in [&b"garbage"[..], &[0; 8192], &[0xA5; 100_000]] {
        let place = Place::new();
        put(&place.path(), bytes);
        let error = refused(&place.path());
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("left as it is"));
        assert_eq!(fs::read(place.path()).unwrap(), bytes);
    }
}

#[test]
fn the_database_of_another_program_is_refused_and_untouched() {
    let place = Place::new();
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(other);
    let before = fs::read(place.path()).unwrap();
    let error = refused(&place.path());
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[tokio::test]
async fn a_log_without_its_file_is_refused_and_kept() {
    let place = Place::new();
    put(&place.path().with_extension("db-wal"), b"all there is");
    let error = refused(&place.path());
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert_eq!(fs::read(place.path().with_extension("db-wal")).unwrap(), b"all there is");
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_journal_of_a_later_release_is_refused() {
    let place = Place::new();
    place.open().close().await;
    let file = rusqlite::Connection::open(place.path()).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = refused(&place.path());
    assert!(matches!(error, OpenError::TooNew { found: 99, known: 6, .. }), "{error}");
}

#[tokio::test]
async fn a_copy_of_file_and_log_taken_after_an_answer_holds_the_commit() {
    let place = Place::new();
    let journal = place.open();
    let record = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    journal.commit_outbound(&record, out(accepted(), at(5)), None).await.unwrap();
    // What a kill at this moment would leave.
    let killed = Place::new();
    for name in ["journal.db", "journal.db-wal"] {
        fs::copy(place.0.path().join(name), killed.0.path().join(name)).unwrap();
    }
    journal.close().await;

    let journal = killed.open();
    let record = known(journal.begin_outbound(outbound(2, "a.ctl"), None).await.unwrap());
    assert_eq!(record.state, accepted());
    journal.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn folder_and_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let place = Place::new();
    let folder = place.0.path().join("state/relay");
    let path = folder.join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    for name in ["journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    journal.close().await;

    // A restored copy may have come with the wrong mode.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    SqliteJournal::open(&path).unwrap().close().await;
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    put(&place.0.path().join("state"), b"a file");
    let error = refused(&place.0.path().join("state/journal.db"));
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    assert!(matches!(refused(Path::new("/")), OpenError::Storage { .. }));
}

#[tokio::test]
async fn the_writer_syncs_every_commit() {
    let place = Place::new();
    let journal = place.open();
    let reading = journal.inner.writer.write(|connection| {
        let number =
            |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        Ok((mode, number("synchronous")?, number("wal_autocheckpoint")?, number("foreign_keys")?))
    });
    assert_eq!(reading.await.unwrap(), ("wal".to_owned(), 2, 4000, 1));
    journal.close().await;
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_when_asked_and_a_sound_one_never() {
    let place = Place::new();
    let journal = place.open();
    for number in 1..=200 {
        journal.begin_outbound(outbound(number, &format!("{number}.ctl")), None).await.unwrap();
    }
    assert!(matches!(set_aside(&place.path(), at(0)), Err(OpenError::Locked { .. })), "a relay runs on it");
    journal.close().await;
    assert_eq!(set_aside(&place.path(), at(0)).unwrap(), None);

    let mut bytes = fs::read(place.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xA5);
    put(&place.path(), &bytes);
    let aside = set_aside(&place.path(), at(0)).unwrap().expect("it is damaged");
    assert_eq!(fs::read(&aside).unwrap(), bytes, "nothing of it is lost");
    assert!(!place.path().exists());
    place.open().close().await;
}

#[tokio::test]
async fn a_file_that_another_program_holds_locked_stops_writing_and_nothing_else() {
    let place = Place::new();
    let journal = place.open();
    let first = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = journal.commit_outbound(&first, out(accepted(), at(2)), None).await.unwrap_err();
    assert!(error.to_string().contains("another program holds the file locked"), "{error}");
    assert!(journal.find_outbound(&first.source).await.unwrap().is_some(), "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    journal.commit_outbound(&first, out(accepted(), at(2)), None).await.unwrap();
    journal.close().await;
}
