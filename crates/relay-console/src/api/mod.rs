//! The HTTP API: what it answers stands in its OpenAPI document, which is made from these handlers.

mod actions;
mod events;
mod hand;
mod read;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::console::Console;
use crate::problem::Problem;

pub(crate) use actions::{Action, Why};
pub(crate) use hand::{Item, item};
pub(crate) use read::{Before, EndpointView, LookedUp, find, find_deeds, look_up};

/// Largest body of a request that is read as JSON.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// The routes, with `more` of other rooms, and the document of them all.
pub(crate) fn routes(console: Console, more: OpenApiRouter) -> (Router, OpenApi) {
    let own = OpenApiRouter::new()
        .routes(routes!(read::overview))
        .routes(routes!(read::search))
        .routes(routes!(read::message))
        .routes(routes!(read::mailboxes))
        .routes(routes!(read::adapters))
        .routes(routes!(read::lookup))
        .routes(routes!(read::partners))
        .routes(routes!(read::deeds))
        .routes(routes!(events::events))
        .routes(routes!(actions::act))
        .routes(routes!(actions::pause_mailbox))
        .routes(routes!(actions::resume_mailbox))
        .routes(routes!(actions::pause_adapter))
        .routes(routes!(actions::resume_adapter))
        .routes(routes!(hand::inbox))
        .routes(routes!(hand::look_into))
        .routes(routes!(hand::fetch))
        .routes(routes!(hand::acknowledge))
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .with_state(console);
    let (router, mut document) = OpenApiRouter::new().merge(own).merge(more).split_for_parts();
    describe(&mut document);
    let router = router
        .route("/v1", any(nothing_there))
        .route("/v1/", any(nothing_there))
        .route("/v1/{*rest}", any(nothing_there))
        .method_not_allowed_fallback(no_such_method);
    (router, document)
}

/// Says what the API is as a whole, and how callers are known.
fn describe(document: &mut OpenApi) {
    let info = InfoBuilder::new()
        .title("Mesh Relay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "What the relay knows of its messages, and what a person or a program may have it do. Reading needs no \
             credentials on loopback; all else needs a bearer token or a session. Whatever goes wrong is told as \
             RFC 9457 says.",
        ))
        .build();
    let components = document.components.clone();
    let paths = std::mem::take(&mut document.paths);
    *document = OpenApiBuilder::new().info(info).paths(paths).components(components).build();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    let needed = utoipa::openapi::SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []);
    document.security = Some(vec![utoipa::openapi::SecurityRequirement::default(), needed]);
}

/// Serves the document.
pub(crate) fn document(document: OpenApi) -> Router {
    // Cannot fail: its keys are texts, and nothing of it refuses to be written.
    let text: axum::body::Bytes = document.to_json().unwrap_or_default().into();
    let serve = |State(text): State<axum::body::Bytes>| async move {
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    };
    Router::new()
        .route("/openapi.json", get(serve))
        .method_not_allowed_fallback(no_such_method)
        .with_state(text)
}

async fn nothing_there() -> Problem {
    Problem::not_found("the API has no such path; /openapi.json says which there are")
}

async fn no_such_method() -> Problem {
    let detail = "the API has this path, and not this method there; /openapi.json says which there are";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", detail)
}
