//! The operator page in a real browser, in front of the real program and the embedded sandbox.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod acting;
mod browser;
mod by_hand;
mod following;
mod hostile;
mod pages;
mod pausing;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
mod process;
mod scene;
mod searching;
mod self_test;
mod signing_in;
