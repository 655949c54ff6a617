//! The Kafka adapter against Apache Kafka itself, the relay's program and the embedded sandbox.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod account;
mod broker;
mod carrying;
mod claims;
mod doubt;
mod gone;
mod hostile;
mod instances;
mod kills;
mod leaders;
mod outages;
mod parking;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
#[path = "../queues/mod.rs"]
mod queues;
mod readme;
mod scene;
mod security;
mod stopping;
mod transactions;
