//! The configuration as its author meets it: what `check` says of mistakes, what `explain` says of messages, and the schema
//! and the reference page that are made of it.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod cases;
mod explain;
mod invalid;
mod place;
mod schema;
