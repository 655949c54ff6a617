//! What must be seen nowhere: patients' data and secrets.
//!
//! Everything of that kind is given a mark unlike anything else, and is sent on every way that there is, also on those
//! that fail. What comes out, wherever, is searched for each mark in each form that a program may write it in.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod broken;
#[path = "../api/caller.rs"]
#[expect(dead_code, reason = "shared with the tests of the API, which use more of it")]
mod caller;
mod carried;
mod commands;
mod echo;
mod environment;
mod files;
mod hook;
#[path = "../kafka/broker.rs"]
#[expect(dead_code, reason = "shared with the tests of Kafka, which use more of it")]
mod kafka;
mod marks;
mod memory;
mod outputs;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
#[path = "../amqp/broker.rs"]
#[expect(dead_code, reason = "shared with the tests of RabbitMQ, which use more of it")]
mod rabbit;
mod refused;
mod scene;
mod transport;
