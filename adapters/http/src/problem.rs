//! Why a message was not taken, as RFC 9457 says to tell it.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use relay_core::{Rejection, RelayId};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Shortest and longest time after which a caller is asked to repeat its request, in seconds.
const RETRY_AFTER_SECONDS: (u16, u16) = (1, 3600);

/// Why a message was not taken, as the body of an answer (RFC 9457).
///
/// Small, since it is the error of much that mostly goes well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubmissionProblem {
    /// Names the kind of problem for programs: `about:blank#` and one of a closed set of words.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Box<str>,
    /// The kind of problem in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened this time, to what, and what to do. Holds nothing of a message.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// The relay's id of the message, once it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    relay_id: Option<Box<str>>,
    /// At which stage the message was refused, such as `SEND`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    mesh_event: Option<Box<str>>,
    /// The code of the refusal, such as `12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    mesh_code: Option<Box<str>>,
    /// The refusal in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    mesh_description: Option<Box<str>>,
    /// Seconds after which to repeat the request, if that may help.
    #[serde(skip)]
    retry_after: Option<u16>,
    /// Whether credentials are asked for.
    #[serde(skip)]
    challenge: bool,
}

impl SubmissionProblem {
    /// A problem of a kind, a word of the closed set.
    pub(crate) fn new(status: StatusCode, kind: &str, detail: impl Into<Box<str>>) -> Self {
        Self {
            kind: format!("about:blank#{kind}").into(),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            relay_id: None,
            mesh_event: None,
            mesh_code: None,
            mesh_description: None,
            retry_after: None,
            challenge: false,
        }
    }

    /// Something in the request is not as it must be.
    pub(crate) fn bad_request(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// It cannot be done for the moment.
    pub(crate) fn unavailable(detail: impl Into<Box<str>>, after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(after)
    }

    /// Credentials are asked for.
    pub(crate) fn challenge(self) -> Self {
        Self { challenge: true, ..self }
    }

    /// About a message that is recorded.
    pub(crate) fn about(self, relay_id: RelayId) -> Self {
        Self { relay_id: Some(relay_id.to_string().into()), ..self }
    }

    /// With what was said when the message was refused.
    pub(crate) fn refused(self, rejection: &Rejection) -> Self {
        Self {
            mesh_event: Some(rejection.event.as_str().into()),
            mesh_code: Some(rejection.code.as_str().into()),
            mesh_description: Some(rejection.description.as_str().into()),
            ..self
        }
    }

    /// With a time after which to repeat the request.
    pub(crate) fn retry_after(self, after: Duration) -> Self {
        let (least, most) = RETRY_AFTER_SECONDS;
        let whole = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let seconds = u16::try_from(whole).unwrap_or(most).clamp(least, most);
        Self { retry_after: Some(seconds), ..self }
    }
}

impl IntoResponse for SubmissionProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
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
