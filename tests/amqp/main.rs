//! The AMQP adapter against a real RabbitMQ, the relay's program and the embedded sandbox.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod account;
mod broker;
mod carrying;
mod claims;
mod kills;
mod order;
mod outages;
mod parking;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
#[path = "../queues/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of other brokers, which use more of it")]
mod queues;
mod readme;
mod rights;
mod scene;
mod tls;
mod two_relays;
mod unreachable;
