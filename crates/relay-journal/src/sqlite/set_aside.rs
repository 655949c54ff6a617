//! Taking a damaged file out of the way, so that a relay can run again without it.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::OpenFlags;

use super::open::{self, OpenError, beside};

/// What SQLite keeps beside its file.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// Looks over a journal's file from end to end, and moves it aside if it is damaged, its log with it. Returns its new
/// name. `None`: it is sound, and stays. The next start makes an empty journal, which knows nothing of what was sent.
///
/// # Errors
/// [`OpenError`]: a relay runs on it, or it cannot be moved.
pub fn set_aside(path: &Path, now: Timestamp) -> Result<Option<PathBuf>, OpenError> {
    let (_, path) = open::locate(path)?;
    let _lock = open::take_lock(&path)?;
    if is_sound(&path)? {
        return Ok(None);
    }
    let aside = beside(&path, &format!(".damaged-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    // The file itself last: without it, a log that is still there keeps the next start from making a new one.
    for companion in COMPANIONS.iter().rev() {
        move_if_there(&beside(&path, companion), &beside(&aside, companion))?;
    }
    Ok(Some(aside))
}

fn is_sound(path: &Path) -> Result<bool, OpenError> {
    // Its log alone is no journal.
    if !path.exists() {
        return Ok(!beside(path, "-wal").exists());
    }
    let looked = open::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|connection| {
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
    });
    match looked {
        Ok(said) => Ok(said == "ok"),
        Err(error) => match open::refusal(path, &error) {
            OpenError::Corrupt { .. } => Ok(false),
            other => Err(other),
        },
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is made durable by it; it can be done again")]
fn move_if_there(from: &Path, to: &Path) -> Result<(), OpenError> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::Storage {
            path: from.to_owned(),
            what: format!("it cannot be moved aside: {error}"),
        }),
        _ => Ok(()),
    }
}
