//! `/healthz` and `/readyz`: what orchestrators and load balancers ask, who have no credentials.
//!
//! Both are answered from memory. What they say to strangers is `ok` or not; who may look, as anybody on this machine may
//! unless configured, sees each part in words. No names stand in it but ids of mailboxes and adapters.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use relay_core::{JournalState, Phase, PumpView};
use serde::Serialize;

use crate::access::Visitor;
use crate::console::Console;
use crate::words::roughly;

/// Where the relay says whether it lives.
const ALIVE: &str = "/healthz";
/// Where it says whether it is ready.
const READY: &str = "/readyz";

/// Whether the relay is ready, part by part.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// How far it is, in words.
    relay: &'static str,
    /// Whether the journal takes commits, in words.
    journal: &'static str,
    /// Each pump: what it does, and whether that goes on for too long.
    pumps: Vec<PumpState>,
}

#[derive(Debug, Serialize)]
struct PumpState {
    kind: &'static str,
    of: String,
    stalled: bool,
    state: String,
}

/// The routes. They need no sign-in, and tell strangers nothing.
pub(crate) fn routes(console: Console) -> Router {
    Router::new().route(ALIVE, get(alive)).route(READY, get(ready)).with_state(console)
}

/// Fails only where a restart helps. That it is answered at all shows that the event loop runs.
async fn alive(State(console): State<Console>) -> Response {
    match console.surroundings.vitals.is_alive() {
        true => plain(StatusCode::OK, "ok\n"),
        false => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "the journal's writer has ended; restart the relay\n")
        }
    }
}

async fn ready(State(console): State<Console>, visitor: Visitor) -> Response {
    let unready = console.surroundings.vitals.unready(&console.surroundings.progress);
    let status = if unready.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if !visitor.may_look() {
        return plain(status, if unready.is_empty() { "ok\n" } else { "not ready\n" });
    }
    let pumps = console.surroundings.progress.pumps();
    let readiness = Readiness {
        ready: unready.is_empty(),
        relay: phase(console.surroundings.vitals.phase()),
        journal: journal(&console.surroundings.vitals.journal()),
        pumps: pumps.into_iter().map(PumpState::from).collect(),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(readiness)).into_response()
}

impl From<PumpView> for PumpState {
    fn from(pump: PumpView) -> Self {
        let seconds = i64::try_from(pump.still.as_secs()).unwrap_or(i64::MAX);
        let state = match pump.is_stalled {
            true => format!("has not moved for {}; it was {}", roughly(seconds), pump.doing),
            false => pump.doing.to_owned(),
        };
        Self { kind: pump.kind.as_str(), of: pump.of, stalled: pump.is_stalled, state }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "is starting",
        Phase::Running => "is running",
        Phase::Stopping => "is stopping, and finishes what is under way",
    }
}

fn journal(state: &JournalState) -> &'static str {
    match state {
        JournalState::Unknown => "no commit was made yet",
        JournalState::Takes => "takes commits",
        JournalState::Failing { .. } => "takes no commits; the relay's log says why",
        JournalState::Dead => "its writer has ended; restart the relay",
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}
