//! What goes wrong in the store, in words for people. No text here holds a value of a row or of the connection string.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use relay_core::{JournalError, RelayId};
use tokio_postgres::error::SqlState;

/// Why a job or a read failed.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The server cannot be reached, or the connection broke: what was under way may have been done or not.
    Lost(String),
    /// The server undid the transaction because of another one; the same may go well again.
    Again(String),
    /// The server gave the statement up.
    GivenUp(String),
    /// The answer would be longer than this.
    TooLong(String),
    /// The server refuses a value that a caller gave.
    Value(String),
    /// The server refuses.
    Refused(String),
    /// The record is not at the version that the caller saw.
    Conflict(RelayId),
    /// Another instance holds the lease.
    Fenced(Arc<str>),
    /// A statement was not looked at, because one before it failed.
    Consequence,
    /// A row holds what this version of the relay cannot read.
    Unreadable(&'static str),
    /// The journal is closed.
    Closed,
}

impl Fault {
    /// The error for a caller of the journal.
    pub(crate) fn of(self, journal: &str) -> JournalError {
        match self {
            Self::Conflict(relay_id) => JournalError::Conflict { relay_id },
            Self::Fenced(lease) => JournalError::Fenced { lease },
            Self::Closed => JournalError::Closed,
            Self::TooLong(after) => JournalError::TooBroad { after },
            other => JournalError::Storage { journal: journal.to_owned(), what: other.plain() },
        }
    }

    /// What happened and what to do.
    pub(crate) fn plain(self) -> String {
        match self {
            Self::Lost(what)
            | Self::Again(what)
            | Self::GivenUp(what)
            | Self::Value(what)
            | Self::Refused(what) => what,
            Self::TooLong(after) => format!("an answer has more than {after}"),
            Self::Consequence => "the transaction was undone".to_owned(),
            Self::Unreadable(column) => {
                format!("a row's {column} cannot be read; the database was changed by something else")
            }
            Self::Conflict(relay_id) => format!("message {relay_id} was changed by another writer"),
            Self::Fenced(lease) => format!("lease {lease} is held by another instance"),
            Self::Closed => "the journal is closed".to_owned(),
        }
    }

    /// Whether it only follows from another fault.
    pub(crate) fn is_consequence(&self) -> bool {
        matches!(self, Self::Consequence)
    }

    /// Nothing came back in time.
    pub(crate) fn silent() -> Self {
        Self::Lost("the database does not answer; see that it runs and can be reached".to_owned())
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else {
            // Without a code, the server said nothing about it. What the library says could quote a value.
            let reason = error.source().and_then(|source| source.downcast_ref::<io::Error>());
            let tls = reason.and_then(|reason| reason.get_ref()?.downcast_ref::<rustls::Error>());
            if let Some(tls) = tls {
                return Self::Lost(format!(
                    "TLS with the database failed ({tls}); see its certificate, and the authority that is trusted"
                ));
            }
            return match reason {
                Some(reason) if reason.kind() == io::ErrorKind::PermissionDenied => Self::Lost(
                    "the database takes no writes, or its socket may not be opened; name the primary server"
                        .to_owned(),
                ),
                Some(reason) => Self::Lost(format!(
                    "the connection to the database failed ({}); see that it runs and can be reached",
                    reason.kind()
                )),
                None if error.is_closed() => {
                    Self::Lost("the connection to the database broke; it is made again".to_owned())
                }
                None => Self::Refused(
                    "the database's answer was not understood, or the connection was refused".to_owned(),
                ),
            };
        };
        let what = format!("{} (SQLSTATE {})", advice(code), code.code());
        match code.code().get(..2) {
            _ if *code == SqlState::QUERY_CANCELED => Self::GivenUp(what),
            Some("08" | "57") => Self::Lost(what),
            _ if *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Self::Lost(what),
            _ if *code == SqlState::IN_FAILED_SQL_TRANSACTION => Self::Consequence,
            Some("40") => Self::Again(what),
            _ if *code == SqlState::LOCK_NOT_AVAILABLE => Self::Again(what),
            Some("22" | "23" | "54") => Self::Value(what),
            _ => Self::Refused(what),
        }
    }
}

/// What happened and what to do.
fn advice(code: &SqlState) -> &'static str {
    match code.code() {
        "53100" => "the database's disk is full; free some space",
        "53200" => "the database is out of memory",
        "53300" => "the database takes no more connections; raise max_connections or run fewer instances",
        "25006" => "the database is read-only; name the primary server",
        "28000" | "28P01" => "the database refuses the login; see user and password in the connection string",
        "3D000" => "there is no database of this name; create it",
        "42501" => "the database refuses this user; grant it the rights on the schema mesh_relay",
        "42P01" | "42703" | "3F000" => "tables of the journal are missing; restore them",
        "57P01" | "57P02" | "57P03" => "the database is stopping or starting",
        "57014" => "the database took too long",
        "XX001" | "XX002" => "the database's files are damaged; restore them",
        other => match other.get(..2) {
            Some("08") => "the connection to the database failed",
            Some("22" | "23" | "54") => "the database does not take a value of the message",
            Some("40") => "other writers got in the way again and again",
            Some("53") => "the database lacks resources",
            Some("58") => "the database's system reports a fault; look at its log",
            _ => "the database refused",
        },
    }
}
