//! The client against a server that follows a script.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod cuts;
mod proxy;
mod receive;
mod repeat;
mod send;
mod server;
mod swap;
mod tls;
mod transfer;
