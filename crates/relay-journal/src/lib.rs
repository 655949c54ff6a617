//! The journal: the durable record of every message, on SQLite.
