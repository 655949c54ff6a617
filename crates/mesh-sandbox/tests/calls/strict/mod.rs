//! The rules of live MESH that the official emulator lets slip, one test a rule: what it does when it holds, and
//! that it does not when it alone is switched off.

mod control;
mod expiry;
mod reading;
mod recipients;
mod routing;
mod sending;
mod tokens;

use jiff::Timestamp;
use mesh_sandbox::{Clock, Rule, Rules, SandboxConfig};

use crate::{Got, Headers, ONE, Server};

/// The time on a clock that moves only when it is moved.
pub(crate) fn noon() -> Timestamp {
    "2026-03-29T12:00:00Z".parse().expect("a time")
}

/// A server with every rule.
async fn strict() -> Server {
    Server::with(SandboxConfig { clock: Clock::new(noon), ..SandboxConfig::strict() }).await
}

/// A server with every rule but one.
async fn all_but(rule: Rule) -> Server {
    let rules = Rules::strict().with(rule, false);
    let config = SandboxConfig { clock: Clock::new(noon), rules, ..SandboxConfig::strict() };
    Server::with(config).await
}

/// Sends from one with these headers alone.
async fn post(server: &Server, headers: Headers<'_>, body: &[u8]) -> Got {
    server.call("POST", &format!("{ONE}/outbox"), headers, body).await
}

/// The headers of a message that passes every rule, and more.
fn to_two<'a>(more: Headers<'a>) -> Vec<(&'a str, &'a str)> {
    [&[("mex-to", "X26ABC2"), ("mex-workflowid", "TEST_WORKFLOW")], more].concat()
}
