//! The HTTP API of the relay's program, as programs and people use it and as nobody should.

mod actions;
mod bad_input;
mod caller;
mod document;
mod events;
mod hand;
mod http_adapter;
mod pauses;
#[path = "../end_to_end/process.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod process;
mod properties;
mod reading;
mod scene;
mod sessions;
mod slow_reader;
mod tls;
