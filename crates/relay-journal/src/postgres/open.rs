//! Why a journal on PostgreSQL cannot be opened.

use thiserror::Error;

/// A journal that cannot be opened.
#[derive(Debug, Error)]
pub enum PostgresOpenError {
    /// The connection string is none. It is not shown, since it may hold a password.
    #[error(
        "the journal's connection string cannot be read; write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Url,
    /// The connection string asks for TLS, and nothing says whom to trust.
    #[error(
        "the journal's connection string says sslmode=require, and no authority is named whose certificate the server \
         has; name one, or leave sslmode out"
    )]
    NoTls,
    /// An instance without a name, or with one that is too long.
    #[error(
        "the instance has no usable name; give it one of 1 to {limit} characters that no other instance has"
    )]
    Instance {
        /// Most characters.
        limit: usize,
    },
    /// It cannot be reached or used.
    #[error("journal {journal}: {what}")]
    Storage {
        /// Which journal.
        journal: String,
        /// What happened and what to do.
        what: String,
    },
    /// A later release made it.
    #[error(
        "journal {journal} has version {found}, and this program knows versions up to {known}; run the newer program"
    )]
    TooNew {
        /// Which journal.
        journal: String,
        /// Its version.
        found: i64,
        /// The latest that is known.
        known: i64,
    },
    /// Something else uses the schema.
    #[error(
        "the schema mesh_relay of {journal} holds tables of something else; name another database for the journal"
    )]
    Foreign {
        /// Which journal.
        journal: String,
    },
}
