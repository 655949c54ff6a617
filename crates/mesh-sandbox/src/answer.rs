//! Answers: versioned bodies and every form of refusal (`mesh-api.md` 3.2 and 3.4).

use std::io;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Either, Full};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use mesh_api::body::{ErrorDetailV2, ErrorV1, ErrorV2};
use mesh_api::{ApiVersion, code};
use serde::Serialize;

/// An answer's body: at hand, or still to be read from somewhere.
pub(crate) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, io::Error>>;

/// What goes back to a caller.
pub(crate) type Answer = Response<Body>;

/// A body that is at hand.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Either::Left(Full::from(bytes.into()))
}

/// What the official emulator says when it has nothing to say.
const INTERNAL: &str = "An internal error occurred.\n\nPlease contact support.";

/// An answer with a status and no body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// An answer in JSON, as `application/json` whatever the version (3.2).
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    typed(status, HeaderValue::from_static("application/json"), body)
}

/// An answer in JSON, in the media type of its version.
pub(crate) fn versioned(status: StatusCode, version: ApiVersion, body: &impl Serialize) -> Answer {
    match version {
        ApiVersion::V1 => json(status, body),
        ApiVersion::V2 => typed(status, HeaderValue::from_static(ApiVersion::ACCEPT_V2), body),
    }
}

fn typed(status: StatusCode, media_type: HeaderValue, body: &impl Serialize) -> Answer {
    // None of the bodies has a form that JSON cannot take; if one had, the caller would be told.
    let Ok(body) = serde_json::to_vec(body) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut answer = Answer::new(whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, media_type);
    answer
}

/// MESH's own form of an error without a code.
pub(crate) fn mesh_error(status: StatusCode, version: ApiVersion, text: &str) -> Answer {
    coded(status, version, ("", "", text), None, None)
}

fn coded(
    status: StatusCode,
    version: ApiVersion,
    (event, code, text): (&str, &str, &str),
    message_id: Option<&str>,
    internal_id: Option<&str>,
) -> Answer {
    match version {
        ApiVersion::V1 => {
            let error = ErrorV1 { message_id, error_event: event, error_code: code, error_description: text };
            json(status, &error)
        }
        ApiVersion::V2 => {
            let detail = [ErrorDetailV2 { event, code, msg: text }];
            versioned(status, version, &ErrorV2 { message_id, internal_id, detail })
        }
    }
}

/// Where a value stood that does not pass validation.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    Header,
    Query,
    Path,
}

/// A value that does not pass validation. It repeats the value to the caller who sent it, so it does not print.
#[derive(Serialize)]
pub(crate) struct Fault {
    #[serde(rename = "type")]
    kind: &'static str,
    loc: (Place, &'static str),
    msg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Context>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Context {
    MaxLength(usize),
    MinLength(usize),
    Ge(i64),
    Le(i64),
}

impl Fault {
    fn new(kind: &'static str, loc: (Place, &'static str), msg: String) -> Self {
        Self { kind, loc, msg, input: None, ctx: None }
    }

    fn about(mut self, input: &str, ctx: Option<Context>) -> Self {
        self.input = Some(input.to_owned());
        self.ctx = ctx;
        self
    }

    pub(crate) fn missing(place: Place, name: &'static str) -> Self {
        Self::new("missing", (place, name), "Field required".to_owned())
    }

    pub(crate) fn too_long(place: Place, name: &'static str, input: &str, limit: usize) -> Self {
        let msg = format!("String should have at most {limit} characters");
        Self::new("string_too_long", (place, name), msg).about(input, Some(Context::MaxLength(limit)))
    }

    pub(crate) fn too_short(place: Place, name: &'static str, input: &str, limit: usize) -> Self {
        let plural = if limit == 1 { "" } else { "s" };
        let msg = format!("String should have at least {limit} character{plural}");
        Self::new("string_too_short", (place, name), msg).about(input, Some(Context::MinLength(limit)))
    }

    pub(crate) fn too_small(place: Place, name: &'static str, input: &str, limit: i64) -> Self {
        let msg = format!("Input should be greater than or equal to {limit}");
        Self::new("greater_than_equal", (place, name), msg).about(input, Some(Context::Ge(limit)))
    }

    pub(crate) fn too_large(place: Place, name: &'static str, input: &str, limit: i64) -> Self {
        let msg = format!("Input should be less than or equal to {limit}");
        Self::new("less_than_equal", (place, name), msg).about(input, Some(Context::Le(limit)))
    }

    pub(crate) fn no_integer(place: Place, name: &'static str, input: &str) -> Self {
        let msg = "Input should be a valid integer, unable to parse string as an integer".to_owned();
        Self::new("int_parsing", (place, name), msg).about(input, None)
    }
}

/// Why a call is refused. Becomes an answer once the caller's version is known.
pub(crate) enum Refusal {
    /// MESH's own form, in the caller's version.
    Mesh {
        status: StatusCode,
        event: &'static str,
        code: &'static str,
        text: &'static str,
        message_id: Option<String>,
        internal_id: Option<String>,
    },
    /// Values that do not pass validation, always 400.
    Invalid(Vec<Fault>),
    /// The bare form: a status and a sentence.
    Bare { status: StatusCode, text: String },
    /// No such path or no such method there; the methods there are.
    NoRoute { allow: Option<&'static str> },
    /// The path without its trailing slash exists.
    Moved { path: String },
    /// A form of the admin calls alone, in JSON as it stands.
    Json { status: StatusCode, body: serde_json::Value },
    /// An answer made by a fault.
    Ready(Box<Answer>),
    /// No answer at all: the connection ends.
    Cut,
}

impl Refusal {
    /// A refusal with a code of the catalogue (`mesh-api.md` section 8).
    pub(crate) fn coded(
        status: StatusCode,
        event: &'static str,
        code: &'static str,
        text: &'static str,
    ) -> Self {
        Self::Mesh { status, event, code, text, message_id: None, internal_id: None }
    }

    /// A refusal without a code.
    pub(crate) fn plain(status: StatusCode, text: &'static str) -> Self {
        Self::coded(status, "", "", text)
    }

    pub(crate) fn forbidden(text: &'static str) -> Self {
        Self::plain(StatusCode::FORBIDDEN, text)
    }

    pub(crate) fn not_found() -> Self {
        Self::plain(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn no_such_message() -> Self {
        Self::coded(StatusCode::NOT_FOUND, "RECEIVE", code::NO_SUCH_MESSAGE, "Message does not exist")
    }

    pub(crate) fn no_longer_available() -> Self {
        let text = "Message no longer available for download";
        Self::coded(StatusCode::GONE, "SEND", code::NO_LONGER_AVAILABLE, text)
    }

    pub(crate) fn invalid_chunks() -> Self {
        let text = "Invalid chunk values sent in mex-Chunk-Range header";
        Self::coded(StatusCode::EXPECTATION_FAILED, "SEND", code::INVALID_CHUNKS, text)
    }

    /// The bare form with the official emulator's only sentence.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self::Bare { status, text: INTERNAL.to_owned() }
    }

    /// A store that cannot be written to. The caller learns no more than from the official emulator.
    pub(crate) fn unwritten(error: &io::Error) -> Self {
        tracing::error!(%error, "the sandbox's store cannot be written; free space or choose another folder");
        Self::bare(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Names the message that is concerned, where the form has a place for it.
    pub(crate) fn about(mut self, message: &str) -> Self {
        if let Self::Mesh { message_id, .. } = &mut self {
            *message_id = Some(message.to_owned());
        }
        self
    }

    /// Adds the server's own id of the call, as live does beside a message id.
    pub(crate) fn with_internal_id(mut self, id: String) -> Self {
        if let Self::Mesh { internal_id, .. } = &mut self {
            *internal_id = Some(id);
        }
        self
    }

    /// The answer; `None` for [`Refusal::Cut`]. `origin` is what the caller put before the path, such as
    /// `http://127.0.0.1:8700`.
    pub(crate) fn answer(self, version: ApiVersion, origin: &str) -> Option<Answer> {
        #[derive(Serialize)]
        struct Detail<T> {
            detail: T,
        }
        #[derive(Serialize)]
        struct Message {
            message: String,
        }
        Some(match self {
            Self::Cut => return None,
            Self::Ready(answer) => *answer,
            Self::Json { status, body } => json(status, &body),
            Self::Mesh { status, event, code, text, message_id, internal_id } => {
                let message_id = message_id.as_deref();
                let internal_id = internal_id.as_deref();
                coded(status, version, (event, code, text), message_id, internal_id)
            }
            Self::Invalid(faults) => json(StatusCode::BAD_REQUEST, &Detail { detail: faults }),
            Self::Bare { status, text } => json(status, &Message { message: text }),
            Self::NoRoute { allow: None } => json(StatusCode::NOT_FOUND, &Detail { detail: "Not Found" }),
            Self::NoRoute { allow: Some(methods) } => {
                let detail = Detail { detail: "Method Not Allowed" };
                let mut answer = json(StatusCode::METHOD_NOT_ALLOWED, &detail);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
                answer
            }
            Self::Moved { path } => {
                let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
                if let Ok(location) = HeaderValue::try_from(format!("{origin}{path}")) {
                    answer.headers_mut().insert(LOCATION, location);
                }
                answer
            }
        })
    }
}
