//! `/metrics`: what the relay counts, for Prometheus.
//!
//! Who may look at the overview may read it: anybody on loopback unless the configuration says otherwise, and beyond that a
//! viewer or an operator. Prometheus sends a viewer's token with `authorization: { credentials_file: … }`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::access::Looker;

/// The media type of Prometheus' text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is answered with.
type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// The route, to be merged into those of the console.
pub fn metrics(exposition: Exposition) -> Router {
    Router::new().route("/metrics", get(answer)).with_state(exposition)
}

async fn answer(_: Looker, State(exposition): State<Exposition>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], exposition())
}
