//! A look at a journal's file for whoever sets it up, beside a relay that runs on it or without one. Changes nothing: neither
//! the file nor its folder is made.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use relay_core::diagnosis::{Finding, RUNNING};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::fault::describe;
use super::migrate::{self, KNOWN_VERSION, Shape};
use super::open::{beside, connect};

/// Whether the folder can be written.
const FOLDER: &str = "journal.folder";
/// Whether a relay has the journal.
const LOCK: &str = "journal.lock";
/// Whether the file can be opened and written.
const FILE: &str = "journal.file";
/// Whether what is in it hangs together.
const CONTENT: &str = "journal.content";
/// Which release wrote it.
const VERSION: &str = "journal.version";

/// Longest walk through the file. A large one takes longer, and is then said to be sound as far as it was looked at.
const WALK_WITHIN: Duration = Duration::from_secs(10);
/// SQLite's own steps between two looks at the time.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// Looks at the journal in the file `path`. Waits for the disk.
pub fn diagnose(path: &Path) -> Vec<Finding> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut findings = vec![folder_finding(folder)];
    if findings[0].is_fault() {
        return findings;
    }
    let item = || path.display().to_string();
    let is_there = fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    if !is_there {
        let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|metadata| metadata.len() > 0);
        findings.push(if has_log {
            let found = "it is missing or empty, and its write-ahead log (-wal) is still beside it";
            Finding::fault(
                FILE,
                item(),
                found,
                "restore the file from a copy, with the log that belongs to it",
            )
        } else {
            Finding::sound(FILE, item(), "it is not there yet; the first start makes it")
        });
        return findings;
    }
    findings.push(lock_finding(path));
    if let Err(error) = OpenOptions::new().read(true).write(true).open(path) {
        let advice = "give the file to the relay's account (chown), with the -wal and -shm beside it";
        findings.push(Finding::fault(FILE, item(), format!("it cannot be written: {error}"), advice));
        return findings;
    }
    findings.extend(inside(path, &item()));
    findings
}

/// The next folder above that is there must take a file.
fn folder_finding(folder: &Path) -> Finding {
    let there = folder.ancestors().map(|above| if above == Path::new("") { Path::new(".") } else { above });
    let there = there
        .into_iter()
        .find(|above| above.exists())
        .map(Path::to_owned)
        .unwrap_or_else(|| PathBuf::from("."));
    let item = folder.display().to_string();
    match tempfile_in(&there) {
        Ok(()) if there == folder => Finding::sound(FOLDER, item, "files can be made there"),
        Ok(()) => Finding::sound(FOLDER, item, "it is not there yet; the first start makes it"),
        Err(error) => {
            let advice = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its volume",
                _ => "let the relay's account write there; the journal is a file and its log beside it",
            };
            let place = if there == folder { String::new() } else { format!(" in {}", there.display()) };
            Finding::fault(FOLDER, item, format!("no file can be made{place}: {error}"), advice)
        }
    }
}

/// Makes a file with a block in it, and removes it.
fn tempfile_in(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".mesh-relay.probe.{}.doctor", std::process::id()));
    let written = File::create(&path).and_then(|mut file| {
        io::Write::write_all(&mut file, &[0; 4096])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written?;
    removed
}

fn lock_finding(path: &Path) -> Finding {
    let lock = beside(path, ".lock");
    let item = path.display().to_string();
    match File::open(&lock).map(|file| file.try_lock_shared()) {
        Ok(Ok(())) => Finding::sound(LOCK, item, "no relay is running on it"),
        Ok(Err(TryLockError::WouldBlock)) => Finding::sound(LOCK, item, RUNNING),
        Ok(Err(TryLockError::Error(error))) => {
            let advice = "put the journal on a local disk: two relays could write it otherwise";
            Finding::fault(LOCK, item, format!("its file cannot be locked: {error}"), advice)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::sound(LOCK, item, "no relay is running on it")
        }
        Err(error) => {
            let advice = "give it to the relay's account";
            Finding::fault(LOCK, lock.display().to_string(), format!("it cannot be opened: {error}"), advice)
        }
    }
}

fn inside(path: &Path, item: &str) -> Vec<Finding> {
    let damaged = |what: String| {
        let advice = "stop the relay and restore the file from a copy, or mend it with sqlite3's .recover; `mesh-relay audit \
                      set-aside` moves it out of the way, but an empty journal could send messages twice";
        Finding::fault(CONTENT, item, what, advice)
    };
    let failed = |error: &rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => damaged("it is not an SQLite file".to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => damaged("SQLite finds it damaged".to_owned()),
        _ => Finding::fault(FILE, item, "it cannot be read", describe(error)),
    };
    let looked = open(path).and_then(|connection| Ok((migrate::inspect(&connection)?, connection)));
    let (shape, mut connection) = match looked {
        Ok(looked) => looked,
        Err(error) => return vec![failed(&error)],
    };
    let version = match shape {
        Shape::Journal { steps } if i64::try_from(steps) == Ok(KNOWN_VERSION) => {
            Finding::sound(VERSION, item, format!("version {steps}, this release's"))
        }
        Shape::Journal { steps } => Finding::sound(
            VERSION,
            item,
            format!("version {steps}; the start makes it version {KNOWN_VERSION}"),
        ),
        Shape::TooNew { found } => {
            let found = format!("version {found}, and this release knows versions up to {KNOWN_VERSION}");
            // What a later release writes is not looked into.
            return vec![Finding::fault(
                VERSION,
                item,
                found,
                "run the release that wrote it, or a later one",
            )];
        }
        Shape::Foreign => return vec![damaged("it is the database of another program".to_owned())],
    };
    let content = match walk(&mut connection) {
        Ok(Some(said)) if said == "ok" => Finding::sound(CONTENT, item, "it can be opened, and is sound"),
        Ok(Some(said)) => damaged(format!("SQLite finds it damaged ({said})")),
        Ok(None) => Finding::sound(
            CONTENT,
            item,
            format!("sound as far as {} s allowed to look", WALK_WITHIN.as_secs()),
        ),
        Err(error) => failed(&error),
    };
    vec![content, version]
}

/// To be read alone. Without a log beside it the file is all there is, and SQLite is told so: it would make a log.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    if beside(path, "-wal").exists() {
        return connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let escaped: String = real
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            c => c.to_string(),
        })
        .collect();
    let access =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), access)
}

/// What SQLite says of the file; `None` when there was no time to say it.
fn walk(connection: &mut Connection) -> rusqlite::Result<Option<String>> {
    let until = Instant::now() + WALK_WITHIN;
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || Instant::now() >= until))?;
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match said {
        Ok(said) => Ok(Some(said)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
        Err(error) => Err(error),
    }
}
