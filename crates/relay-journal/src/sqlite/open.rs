//! Opening: folder, lock, file, checks, settings, tables.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use super::fault::{Fault, describe};
use super::migrate::{self, KNOWN_VERSION, Shape};

/// How long a statement waits for another program that holds the file, such as `sqlite3`, before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages in the log after which SQLite folds it into the file: 16 MB, so that few commits pay for it.
const AUTOCHECKPOINT_PAGES: u32 = 4_000;

/// Connections for what people ask.
const ASKING_MAX: usize = 4;

/// Prepared statements kept on each connection; there are fewer.
const STATEMENTS_MAX: usize = 32;

/// Why the journal does not open. Its file is left as it is.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another relay has it.
    #[error(
        "the journal {path} is in use by another relay; stop that one, or give this one a journal of its own"
    )]
    Locked {
        /// Which journal.
        path: PathBuf,
    },
    /// Its folder cannot be used.
    #[error(
        "the folder {folder} of the journal cannot be used: {source}; create it and let the relay's user write there"
    )]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no journal that can be read.
    #[error(
        "the journal {path} cannot be read: {what}; the file was left as it is: restore it from a copy, or mend it \
         with sqlite3's .recover. If neither can be done, `mesh-relay audit set-aside` moves it out of the way; but starting \
         with an empty journal could send messages twice"
    )]
    Corrupt {
        /// Which journal.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A later release wrote it.
    #[error(
        "the journal {path} has version {found} and this relay knows versions up to {known}; run the release that \
         wrote it, or a later one"
    )]
    TooNew {
        /// Which journal.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest version known here.
        known: i64,
    },
    /// The system or SQLite refused.
    #[error("the journal {path} cannot be opened: {what}")]
    Storage {
        /// Which journal.
        path: PathBuf,
        /// What happened and what to do.
        what: String,
    },
}

/// An open journal, not yet served by a thread.
pub(crate) struct Opened {
    /// Where it really is.
    pub(crate) path: PathBuf,
    pub(crate) lock: File,
    pub(crate) writing: Connection,
    pub(crate) reading: Connection,
    pub(crate) asking: Asking,
}

/// The connections for what people ask.
pub(crate) struct Asking {
    /// For questions.
    pub(crate) people: Vec<Connection>,
    /// For the walk along whole chains.
    pub(crate) auditor: Connection,
}

impl Asking {
    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let connect = || connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        Ok(Self {
            people: (0..ASKING_MAX).map(|_| connect()).collect::<Result<_, _>>()?,
            auditor: connect()?,
        })
    }
}

pub(crate) fn open(path: &Path) -> Result<Opened, OpenError> {
    let (folder, path) = locate(path)?;
    let lock = take_lock(&path)?;
    create(&folder, &path)?;

    let sqlite = |error: rusqlite::Error| refusal(&path, &error);
    let mut writing = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
    let steps = match migrate::inspect(&writing).map_err(sqlite)? {
        Shape::Journal { steps } => steps,
        Shape::TooNew { found } => {
            return Err(OpenError::TooNew { path, found, known: KNOWN_VERSION });
        }
        Shape::Foreign => {
            return Err(OpenError::Corrupt {
                path,
                what: "it is the database of another program".to_owned(),
            });
        }
    };
    let mode = configure(&writing).map_err(sqlite)?;
    if mode != "wal" {
        return Err(OpenError::Storage {
            path,
            what: format!(
                "its file system allows no write-ahead log (SQLite stays in {mode} mode); use a local disk"
            ),
        });
    }
    migrate::migrate(&mut writing, steps).map_err(|fault| match fault {
        Fault::Sqlite(error) => refusal(&path, &error),
        fault => OpenError::Storage { path: path.clone(), what: fault.words() },
    })?;
    let reading = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
    let asking = Asking::connect(&path).map_err(sqlite)?;
    Ok(Opened { path, lock, writing, reading, asking })
}

/// Opens a journal's file to read it, if it is one of this version.
pub(crate) fn open_to_read(path: &Path) -> Result<Asking, OpenError> {
    let refused = |error| refusal(path, &error);
    let asking = Asking::connect(path).map_err(refused)?;
    let path = path.to_owned();
    match migrate::inspect(&asking.auditor).map_err(|error| refusal(&path, &error))? {
        Shape::Journal { steps } if i64::try_from(steps) == Ok(KNOWN_VERSION) => Ok(asking),
        Shape::Journal { .. } => Err(OpenError::Storage {
            path,
            what: "it is empty, or of an earlier release; start the relay once".to_owned(),
        }),
        Shape::TooNew { found } => Err(OpenError::TooNew { path, found, known: KNOWN_VERSION }),
        Shape::Foreign => {
            Err(OpenError::Corrupt { path, what: "it is the database of another program".to_owned() })
        }
    }
}

/// Makes the folder if needed, and finds the file's one true path, so that two spellings cannot mean two locks.
pub(crate) fn locate(path: &Path) -> Result<(PathBuf, PathBuf), OpenError> {
    let Some(name) = path.file_name() else {
        return Err(OpenError::Storage {
            path: path.to_owned(),
            what: "the path names no file; give it a name such as journal.db".to_owned(),
        });
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let refused = |source| OpenError::Folder { folder: folder.to_owned(), source };
    private_folder().recursive(true).create(folder).map_err(refused)?;
    let real_folder = folder.canonicalize().map_err(refused)?;
    let file = real_folder.join(name);
    match file.canonicalize() {
        // The file itself may be a link into another folder.
        Ok(real) => {
            let real_folder = real.parent().map_or(real_folder, Path::to_owned);
            Ok((real_folder, real))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((real_folder, file)),
        Err(error) => Err(storage(&file, &error)),
    }
}

/// The lock is a file of its own: SQLite's locks on the journal come and go. It stays when the relay ends, since
/// removing it could take it from under another relay that has just locked it.
pub(crate) fn take_lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, ".lock");
    let lock = private_file()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(|error| storage(&lock_path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(storage(&lock_path, &error)),
    }
}

/// Creates the file for its owner alone; SQLite gives its log the same mode.
fn create(folder: &Path, path: &Path) -> Result<(), OpenError> {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    // SQLite would take the empty file for a new one and delete the log, which may hold all there is.
    if length(path) == 0 && length(&beside(path, "-wal")) > 0 {
        return Err(OpenError::Corrupt {
            path: path.to_owned(),
            what: "it is missing or empty, and its write-ahead log (-wal) is still beside it".to_owned(),
        });
    }
    let file = private_file()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(path)
        .map_err(|error| storage(path, &error))?;
    make_private(&file).map_err(|error| storage(path, &error))?;
    // The name must outlive a power cut as well as the content.
    sync_folder(folder).map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })
}

pub(crate) fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Settings of the connection that writes. Returns the mode of the log that SQLite chose.
fn configure(connection: &Connection) -> rusqlite::Result<String> {
    let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    // Every commit is synced before it is answered; the faster settings lose it in a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Each job's savepoint copies the pages that it changes aside. Nobody needs that copy after a crash, yet it would go to
    // a file: half of all writes of a busy journal. A batch bounds it to some megabytes.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(mode)
}

pub(crate) fn refusal(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            OpenError::Corrupt { path, what: "it is not an SQLite file".to_owned() }
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            OpenError::Corrupt { path, what: "SQLite finds it damaged".to_owned() }
        }
        _ => OpenError::Storage { path, what: describe(error) },
    }
}

fn storage(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Storage { path: path.to_owned(), what: error.to_string() }
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Owner alone.
#[cfg(unix)]
const FILE_MODE: u32 = 0o600;

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

#[cfg(unix)]
fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;

    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// A file put there by a restore may be open to others.
#[cfg(unix)]
fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let open_to_others = file.metadata()?.permissions().mode() & 0o077 != 0;
    if open_to_others {
        file.set_permissions(std::fs::Permissions::from_mode(FILE_MODE))?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

// Elsewhere the folder's own access list decides.

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(not(unix))]
fn private_folder() -> DirBuilder {
    DirBuilder::new()
}

#[cfg(not(unix))]
fn make_private(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
