//! What a person or a program may have done.

use axum::Json;
use axum::extract::State;
use relay_core::operator::REASON_CHARS_MAX;
use relay_core::{Caller, Decision, Direction, MessageId, MessageSummary, OperatorError, Pausable, RelayId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Actor;
use crate::ask::{self, Given, Named};
use crate::console::Console;
use crate::problem::Problem;

/// What can be done about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// Send once more, as a new message, what its source keeps in SENT or FAILED. A parked message from MESH is delivered
    /// once more instead.
    Resend,
    /// Leave it to a person; nothing is tried any more.
    Park,
    /// Do not send it. Only while MESH cannot have it.
    Cancel,
    /// MESH has it: settles a doubt. Needs the id that MESH gave it, and MESH must confirm that.
    Arrived,
    /// It did not arrive: settles a doubt. It is sent again, marked as a possible duplicate.
    SendAgain,
}

impl Action {
    /// As it stands in paths.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Park => "park",
            Self::Cancel => "cancel",
            Self::Arrived => "arrived",
            Self::SendAgain => "send-again",
        }
    }

    /// Whether it makes sense of a message like this one, as far as its name of a state says.
    pub(crate) fn fits(self, console: &Console, message: &MessageSummary) -> bool {
        let state = message.state.as_str();
        match (self, message.direction) {
            (Self::Resend, Direction::Inbound) => state == "parked",
            (Self::Resend, Direction::Outbound) => {
                message.settled_at.is_some() && console.operator.keeps(message)
            }
            (Self::Park, Direction::Outbound) => matches!(state, "received" | "uploading" | "in_doubt"),
            (Self::Park, Direction::Inbound) => matches!(state, "delivering" | "listed"),
            (Self::Cancel, Direction::Outbound) => matches!(state, "received" | "uploading"),
            (Self::Arrived, Direction::Outbound) => matches!(state, "in_doubt" | "parked"),
            (Self::SendAgain, Direction::Outbound) => state == "in_doubt",
            (Self::Cancel | Self::Arrived | Self::SendAgain, Direction::Inbound) => false,
        }
    }
}

/// Why, and what is known.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Why {
    /// Why; kept with the record, 500 characters at most. Holds nothing of a patient.
    #[schema(max_length = 500)]
    pub(crate) reason: String,
    /// The id that MESH gave the message, for `arrived`.
    pub(crate) message_id: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Done {
    /// In words.
    pub(crate) done: String,
}

/// Act on a message
#[utoipa::path(post, path = "/v1/messages/{relay_id}/{action}", tag = "messages",
    params(
        ("relay_id" = String, Path, description = "The relay's id of the message"),
        ("action" = inline(Action), Path, description = "What to do about it"),
    ),
    request_body = Why, responses(
    (status = 200, body = Done),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn act(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named((relay_id, action)): Named<(String, Action)>,
    Given(why): Given<Why>,
) -> Result<Json<Done>, Problem> {
    let relay_id = ask::relay_id(&relay_id)?;
    Ok(Json(console.act(&caller, relay_id, action, &why).await?))
}

/// Pause a mailbox
///
/// Nothing new is sent from it, and its inbox is not looked into, until somebody resumes it.
#[utoipa::path(post, path = "/v1/mailboxes/{mailbox}/pause", tag = "relay",
    params(("mailbox" = String, Path, description = "Its id")), request_body = Why, responses(
    (status = 200, body = Done),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn pause_mailbox(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named(mailbox): Named<String>,
    Given(why): Given<Why>,
) -> Result<Json<Done>, Problem> {
    let what = console.mailbox(&mailbox)?;
    Ok(Json(console.pause(&caller, what, &why).await?))
}

/// End a mailbox's pause
#[utoipa::path(post, path = "/v1/mailboxes/{mailbox}/resume", tag = "relay",
    params(("mailbox" = String, Path, description = "Its id")), responses(
    (status = 200, body = Done),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn resume_mailbox(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named(mailbox): Named<String>,
) -> Result<Json<Done>, Problem> {
    let what = console.mailbox(&mailbox)?;
    Ok(Json(console.resume(&caller, &what).await?))
}

/// Pause an adapter
///
/// Nothing new is taken from it, and nothing is delivered to it, until somebody resumes it.
#[utoipa::path(post, path = "/v1/adapters/{adapter}/pause", tag = "relay",
    params(("adapter" = String, Path, description = "Its configured name")), request_body = Why, responses(
    (status = 200, body = Done),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn pause_adapter(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named(adapter): Named<String>,
    Given(why): Given<Why>,
) -> Result<Json<Done>, Problem> {
    let what = console.adapter(&adapter)?;
    Ok(Json(console.pause(&caller, what, &why).await?))
}

/// End an adapter's pause
#[utoipa::path(post, path = "/v1/adapters/{adapter}/resume", tag = "relay",
    params(("adapter" = String, Path, description = "Its configured name")), responses(
    (status = 200, body = Done),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn resume_adapter(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named(adapter): Named<String>,
) -> Result<Json<Done>, Problem> {
    let what = console.adapter(&adapter)?;
    Ok(Json(console.resume(&caller, &what).await?))
}

impl Console {
    /// Does something about a message, and says what.
    pub(crate) async fn act(
        &self,
        caller: &Caller,
        relay_id: RelayId,
        action: Action,
        why: &Why,
    ) -> Result<Done, Problem> {
        if why.reason.chars().count() > REASON_CHARS_MAX {
            return Err(Problem::bad_request(format!("`reason` has {REASON_CHARS_MAX} characters at most")));
        }
        let message = self.journal().message(relay_id).await?;
        let message = message.ok_or_else(|| Problem::not_found("there is no message of this id"))?;
        let operator = &self.operator;
        let words = match (action, message.direction) {
            (Action::Resend, Direction::Outbound) => operator.resend(caller, relay_id, &why.reason).await?,
            (Action::Resend, Direction::Inbound) => {
                operator.deliver_again(caller, relay_id, &why.reason).await?;
                "It is delivered once more at the next look into its inbox".to_owned()
            }
            (Action::Park, Direction::Inbound) => {
                operator.park_inbound(caller, relay_id, &why.reason).await?;
                "It is parked; MESH still holds it".to_owned()
            }
            (_, Direction::Inbound) => {
                return Err(Problem::conflict("it came from MESH; it can be parked, or delivered once more"));
            }
            (Action::Park, _) => {
                operator.decide(caller, relay_id, &Decision::Park, &why.reason).await?;
                "It is parked; nothing of it is sent any more".to_owned()
            }
            (Action::Cancel, _) => {
                operator.decide(caller, relay_id, &Decision::Cancel, &why.reason).await?;
                "It is cancelled; nothing of it is sent".to_owned()
            }
            (Action::Arrived, _) => {
                let id = why.message_id.as_deref().unwrap_or_default().trim();
                let id: MessageId = id.parse().map_err(|_| {
                    Problem::bad_request(
                        "`message_id` is the id that MESH gave the message; track it to find out",
                    )
                })?;
                operator.decide(caller, relay_id, &Decision::Arrived(id), &why.reason).await?;
                "The doubt is settled: MESH has it".to_owned()
            }
            (Action::SendAgain, _) => {
                operator.decide(caller, relay_id, &Decision::SendAgain, &why.reason).await?;
                "The doubt is settled: it is sent again".to_owned()
            }
        };
        self.look_anew().await;
        Ok(Done { done: words })
    }

    /// Pauses something, and says so.
    pub(crate) async fn pause(&self, caller: &Caller, what: Pausable, why: &Why) -> Result<Done, Problem> {
        if why.reason.chars().count() > REASON_CHARS_MAX {
            return Err(Problem::bad_request(format!("`reason` has {REASON_CHARS_MAX} characters at most")));
        }
        let words = format!("{what} is paused; what is under way is finished");
        self.operator.pause(caller, what, &why.reason).await?;
        self.look_anew().await;
        Ok(Done { done: words })
    }

    /// Ends a pause, and says so.
    pub(crate) async fn resume(&self, caller: &Caller, what: &Pausable) -> Result<Done, Problem> {
        let ended = self.operator.resume(caller, what).await?;
        self.look_anew().await;
        let words = if ended { "goes on" } else { "was not paused" };
        Ok(Done { done: format!("{what} {words}") })
    }

    /// A mailbox here.
    pub(crate) fn mailbox(&self, id: &str) -> Result<Pausable, Problem> {
        let id = ask::mailbox(id)?;
        // What is paused can be resumed, whatever is configured since.
        let known = self.site().mailboxes.iter().any(|mailbox| mailbox.id == id)
            || self.surroundings.pauses.of_mailbox(&id).is_some();
        let missing = || Problem::not_found("there is no mailbox of this id here");
        known.then_some(Pausable::Mailbox(id)).ok_or_else(missing)
    }

    /// An adapter here.
    pub(crate) fn adapter(&self, name: &str) -> Result<Pausable, Problem> {
        let known = self.site().adapters.iter().any(|adapter| adapter.name == name)
            || self.surroundings.pauses.of_adapter(name).is_some();
        let missing = || Problem::not_found("there is no adapter of this name here");
        known.then(|| Pausable::Adapter(name.to_owned())).ok_or_else(missing)
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::NoSuchMessage(_) | OperatorError::NoSuchMailbox(_) => {
                Self::not_found(error.to_string())
            }
            OperatorError::NotNow(_) | OperatorError::NotKept(_) => Self::conflict(error.to_string()),
            OperatorError::Journal(error) => error.into(),
            OperatorError::Mesh(error) => Self::from(error),
        }
    }
}

impl From<relay_core::MeshError> for Problem {
    fn from(error: relay_core::MeshError) -> Self {
        use axum::http::StatusCode;
        use relay_core::{FailureClass, MeshAnswer};
        match (&error.answer, error.class) {
            (MeshAnswer::NoSuchMessage, _) => Self::not_found("MESH has no such message in this mailbox"),
            (MeshAnswer::NoLongerAvailable, _) => {
                Self::new(StatusCode::GONE, "gone", "MESH no longer has the message's bytes")
            }
            (_, FailureClass::Permanent) => {
                Self::new(StatusCode::BAD_GATEWAY, "mesh-refuses", format!("MESH refuses it: {error}"))
            }
            (_, FailureClass::Transient | FailureClass::Throttled { .. }) => {
                Self::unavailable(format!("MESH does not do it for the moment: {error}"))
            }
        }
    }
}
