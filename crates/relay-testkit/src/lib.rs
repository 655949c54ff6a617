//! What tests share. A dev-dependency only, so panics are its way to say that a test failed.
#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

pub mod certificates;
pub mod connect_proxy;
pub mod failing;
pub mod pairs;
pub mod private;
pub mod proxy;
pub mod scripted;
pub mod wait;
pub mod wire;
pub mod world;
