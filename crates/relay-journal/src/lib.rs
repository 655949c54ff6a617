//! The journal: the durable record of every message, on SQLite for one instance.

mod sqlite;

pub use crate::sqlite::{OpenError, SqliteJournal, SqliteRecords, set_aside};
