//! The operator page in a real browser.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod browser;
mod self_test;
