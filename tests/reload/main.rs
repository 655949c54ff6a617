//! Another configuration for a running relay: what it takes, what it refuses, and that no message is lost by it.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

#[path = "../amqp/broker.rs"]
#[expect(dead_code, reason = "shared with the tests of the AMQP adapter, which use more of it")]
mod broker;
mod changes;
mod load;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
mod told;
