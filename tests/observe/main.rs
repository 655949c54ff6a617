//! What the relay tells of itself: metrics, lines of the log, traces; and what is made of them.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

#[path = "../amqp/broker.rs"]
#[expect(dead_code, reason = "shared with the tests of queues, which use more of it")]
mod broker;
#[path = "../api/caller.rs"]
#[expect(dead_code, reason = "shared with the tests of the API, which use more of it")]
mod caller;
mod collector;
mod counts;
mod dashboards;
mod document;
mod lines;
mod outages;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
#[path = "../amqp/scene.rs"]
#[expect(dead_code, reason = "shared with the tests of queues, which use more of it")]
mod queue;
mod readers;
#[path = "../api/scene.rs"]
#[expect(dead_code, reason = "shared with the tests of the API, which use more of it")]
mod scene;
mod scrape;
mod traces;
