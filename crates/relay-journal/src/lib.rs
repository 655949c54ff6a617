//! The journal: the durable record of every message, on SQLite for one instance or on PostgreSQL for several.

mod deeds;
mod happening;
mod postgres;
mod sqlite;
mod stored;

pub use crate::postgres::{PostgresJournal, PostgresOpenError, diagnose_database, in_clear_text};
pub use crate::sqlite::{OpenError, SqliteJournal, SqliteRecords, diagnose_file, set_aside};

#[cfg(test)]
mod tests {
    mod postgres;
    pub(crate) mod promises;
}
