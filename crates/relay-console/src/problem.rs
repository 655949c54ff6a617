//! What went wrong, as RFC 9457 says to tell it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use relay_core::JournalError;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Seconds after which a caller may try again what the relay cannot do for the moment.
const RETRY_AFTER_SECONDS: u32 = 5;

/// A problem, as the body of an answer (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem for programs: `about:blank#` and one of a closed set of words.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened this time, to what, and what to do. Holds nothing of a message.
    detail: String,
    /// Seconds after which to try again, if that may help.
    #[serde(skip)]
    retry_after: Option<u32>,
    /// Whether credentials are asked for.
    #[serde(skip)]
    challenge: bool,
}

impl Problem {
    /// A problem of a kind, a word of a closed set such as `not-found`.
    pub fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("about:blank#{kind}"),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
            challenge: false,
        }
    }

    /// Something in the request is not as it must be.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// Who asks is not known.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self { challenge: true, ..Self::new(StatusCode::UNAUTHORIZED, "sign-in-needed", detail) }
    }

    /// Who asks may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-allowed", detail)
    }

    /// It cannot be done in the state that things are in.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "not-now", detail)
    }

    /// It cannot be done for the moment.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after: Some(RETRY_AFTER_SECONDS), ..problem }
    }

    /// The same with another time after which to try again, in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What happened, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Conflict { .. } => {
                Self::conflict("the message has changed meanwhile; look at it again")
            }
            error @ JournalError::TooBroad { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "too-broad", error.to_string())
            }
            error => {
                // The path of a file or the address of a database is for the log.
                tracing::warn!(%error, "a question could not be answered");
                Self::unavailable("the journal cannot be asked for the moment; the relay's log says why")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mesh-relay\""));
        }
        response
    }
}
