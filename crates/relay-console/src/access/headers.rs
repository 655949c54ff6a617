//! What every answer tells the browser, and what is left of a handler that failed.

use std::any::Any;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use super::config::OpenIdConfig;
use super::state::Access;
use crate::problem::Problem;

/// The rest of the headers. `same-origin` rather than `no-referrer`: with that, browsers send `Origin: null` along with
/// the console's own forms, and those of another site could not be told from them. No other site learns anything by it.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Browsers that came over TLS come by nothing else for a year.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What a page may load, and where its forms may lead: to the console, and over its sign-in to the provider.
pub(crate) fn content_security_policy(openid: Option<&OpenIdConfig>) -> HeaderValue {
    let provider = openid
        .and_then(|openid| Url::parse(&openid.issuer).ok())
        .map(|issuer| format!(" {}", issuer.origin().ascii_serialization()))
        .unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
         form-action 'self'{provider}; frame-ancestors 'none'; base-uri 'none'"
    );
    // The origin of a URL is ASCII without control characters.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

pub(crate) async fn add_headers(State(access): State<Access>, request: Request, next: Next) -> Response {
    // It would hold for every port of the name, and other things than the relay go by that one.
    let localhost = request
        .headers()
        .get(header::HOST)
        .is_none_or(|host| host.as_bytes().to_ascii_lowercase().starts_with(b"localhost"));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // A payload's own is stricter.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| access.0.policy.clone());
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if access.0.origins.is_encrypted() && !localhost {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The answer in place of a handler's that panicked. What it panicked with may hold anything, so nobody is told.
pub(crate) fn after_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a part of the console failed while it answered");
    let detail = "the console failed over this request; the relay itself goes on. Its log says more";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response()
}
