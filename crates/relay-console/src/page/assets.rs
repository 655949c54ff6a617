//! Styles, script and icon, which are part of the program.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;

/// Nothing changes while a program runs, and another release is another program: an hour is asked for again soon.
const CACHE: (HeaderName, &str) = (header::CACHE_CONTROL, "private, max-age=3600");

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The routes.
pub(crate) fn routes() -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind), CACHE], text) })
    };
    Router::new()
        .route("/assets/nhsuk.css", file(CSS, include_str!("../../assets/nhsuk.css")))
        .route("/assets/page.css", file(CSS, include_str!("../../assets/page.css")))
        .route("/assets/page.js", file(SCRIPT, include_str!("../../assets/page.js")))
        .route("/assets/favicon.svg", file(SVG, include_str!("../../assets/favicon.svg")))
}
