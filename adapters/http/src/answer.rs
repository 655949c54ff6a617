//! What a caller is told of its message.

use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use relay_core::outbound::is_other_content;
use relay_core::{Deferral, DeferralCause, Ended, Outcome};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::SubmissionProblem;
use crate::upload::BodyFault;

/// When to ask again about a message that is at work.
const AT_WORK_RETRY: Duration = Duration::from_secs(5);

/// MESH has the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Submitted {
    /// The relay's id of the message.
    relay_id: String,
    /// The id that MESH gave it.
    message_id: String,
    /// `accepted`. What becomes of it later stands at its `Location`.
    state: &'static str,
    /// `true` where an attempt before may have reached MESH as well, which could not be asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    possible_duplicate: bool,
}

impl IntoResponse for Submitted {
    fn into_response(self) -> Response {
        let location = format!("/v1/messages/{}", self.relay_id);
        (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(self)).into_response()
    }
}

/// What a caller gets.
pub(crate) type Answer = Result<Submitted, SubmissionProblem>;

/// The recorded end of a message.
pub(crate) fn ended(ended: &Ended) -> Answer {
    let relay_id = ended.relay_id();
    let problem = |status, kind, detail: &str| SubmissionProblem::new(status, kind, detail).about(relay_id);
    Err(match ended.outcome() {
        Outcome::Accepted(message_id) => {
            return Ok(Submitted {
                relay_id: relay_id.to_string(),
                message_id: message_id.to_string(),
                state: "accepted",
                possible_duplicate: ended.possible_duplicate(),
            });
        }
        Outcome::Rejected(rejection) => problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "rejected",
            "the message will never be taken; mend what mesh_description says, and send it under another Idempotency-Key",
        )
        .refused(rejection),
        Outcome::Parked(reason) if is_other_content(reason) => other_content(),
        Outcome::Parked(reason) => problem(StatusCode::CONFLICT, "parked", reason),
        Outcome::Expired => problem(
            StatusCode::GONE,
            "expired",
            "MESH did not take the message in time and does not have it; send it under another Idempotency-Key if it is \
             still wanted",
        ),
        Outcome::Cancelled { .. } => problem(
            StatusCode::GONE,
            "cancelled",
            "the message was cancelled before MESH had it, since its request was not repeated in time or could not be \
             gone on with, or because a person decided so; send it under another Idempotency-Key if it is still wanted",
        ),
    })
}

/// Another message came under a key that is taken.
pub(crate) fn other_content() -> SubmissionProblem {
    SubmissionProblem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "other-content",
        "this Idempotency-Key was used for another message; nothing of this one was sent: give it a key of its own",
    )
}

/// An earlier request of the same key goes on.
pub(crate) fn at_work() -> SubmissionProblem {
    let detail = "an earlier request with this Idempotency-Key is at work; repeat this one for its outcome";
    SubmissionProblem::new(StatusCode::CONFLICT, "at-work", detail).retry_after(AT_WORK_RETRY)
}

/// The caller waited long enough; the work goes on.
pub(crate) fn in_progress() -> SubmissionProblem {
    let detail = "the message has not ended yet, and the relay stays at it; repeat the request with the same \
                  Idempotency-Key for its outcome";
    SubmissionProblem::new(StatusCode::SERVICE_UNAVAILABLE, "in-progress", detail).retry_after(AT_WORK_RETRY)
}

/// This instance takes nothing now.
pub(crate) fn closed() -> SubmissionProblem {
    let detail = "this instance of the relay takes no messages of this mailbox now: it is starting or stopping, or another \
                  one does; repeat the request";
    SubmissionProblem::unavailable(detail, AT_WORK_RETRY)
}

/// There are as many requests as may be.
pub(crate) fn busy() -> SubmissionProblem {
    let detail = "as many messages as may be are being handed in; repeat the request";
    SubmissionProblem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(AT_WORK_RETRY)
}

/// The message has not ended, and its caller is to repeat the request. Parts of the reason may be the operator's business
/// alone.
pub(crate) fn deferred(deferral: &Deferral) -> SubmissionProblem {
    let why = match &deferral.cause {
        DeferralCause::Journal(_) => "the relay's journal cannot take it for the moment".to_owned(),
        cause => cause.to_string(),
    };
    let detail =
        format!("MESH has not taken the message: {why}; repeat the request with the same Idempotency-Key");
    SubmissionProblem::unavailable(detail, deferral.after)
}

/// The journal cannot be asked. What it says is for the log: it may name a file or a database.
pub(crate) fn unasked(cause: &DeferralCause) -> SubmissionProblem {
    tracing::warn!(error = %cause, "a message that was handed in could not be looked up");
    let detail = "the relay's journal cannot be asked for the moment; repeat the request";
    SubmissionProblem::unavailable(detail, AT_WORK_RETRY)
}

/// The body did not come as it should. `None`: that is not what the caller is to hear of.
pub(crate) fn broken(fault: BodyFault) -> Option<SubmissionProblem> {
    let (status, kind) = match fault {
        BodyFault::Gone => (StatusCode::BAD_REQUEST, "cut-off"),
        BodyFault::Slow => (StatusCode::REQUEST_TIMEOUT, "too-slow"),
        BodyFault::Digest => (StatusCode::BAD_REQUEST, "digest-mismatch"),
        BodyFault::OtherContent => return Some(other_content()),
        BodyFault::Unverifiable | BodyFault::Spent => return None,
    };
    let detail = format!("{fault}; repeat the request with the same Idempotency-Key");
    Some(SubmissionProblem::new(status, kind, detail))
}
