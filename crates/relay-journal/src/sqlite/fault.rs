//! What goes wrong in the store, in words for people. No text here holds a value of a row.

use std::sync::Arc;

use relay_core::{JournalError, RelayId};
use rusqlite::ErrorCode;

/// Why a job or a read failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// The record is not at the version that the caller saw.
    Conflict(RelayId),
    /// Another one holds the lease that the caller names.
    Fenced(Arc<str>),
    /// A row holds what this version of the relay cannot read.
    Unreadable(&'static str),
    /// A state could not be turned into what is stored.
    Unwritable,
    /// The answer would be longer than this.
    TooLong(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// The error for a caller of the journal.
    pub(crate) fn of(self, journal: &str) -> JournalError {
        match self {
            Self::Conflict(relay_id) => JournalError::Conflict { relay_id },
            Self::Fenced(lease) => JournalError::Fenced { lease },
            Self::TooLong(after) => JournalError::TooBroad { after },
            fault => JournalError::Storage { journal: journal.to_owned(), what: fault.words() },
        }
    }

    /// Whether SQLite broke it off because it was told to.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted))
    }

    /// What happened and what to do.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Sqlite(error) => describe(error),
            Self::Conflict(relay_id) => format!("message {relay_id} was changed by another writer"),
            Self::Fenced(lease) => format!("lease {lease} is held by another instance"),
            Self::Unreadable(column) => format!("a row's {column} cannot be read; the file may be damaged"),
            Self::Unwritable => "a state cannot be encoded".to_owned(),
            Self::TooLong(after) => format!("an answer has more than {after}"),
        }
    }
}

/// What happened and what to do.
pub(crate) fn describe(error: &rusqlite::Error) -> String {
    // The other errors of the library can quote a value, and none of them is expected.
    let rusqlite::Error::SqliteFailure(failure, said) = error else {
        return "a row or a statement was not understood; the file may be damaged".to_owned();
    };
    let advice = match failure.code {
        ErrorCode::DiskFull => "the disk is full; free some space",
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            "the file cannot be written; give the relay's user the right to"
        }
        ErrorCode::SystemIoFailure => "the disk reports a fault; look at the system's log",
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            "another program holds the file locked; close that program"
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            "the file is damaged; stop the relay and restore the file or mend it with sqlite3's .recover"
        }
        _ => "the store refused",
    };
    let code = failure.extended_code;
    match said {
        Some(said) => format!("{advice} (SQLite {code}: {said})"),
        None => format!("{advice} (SQLite {code})"),
    }
}
