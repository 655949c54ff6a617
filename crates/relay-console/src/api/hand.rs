//! A mailbox's inbox by hand. Subjects and payloads are for operators, and each look at one is recorded.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use relay_core::{Download, MailboxId, MessageId, MessageKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Actor;
use crate::ask::{self, Named};
use crate::console::Console;
use crate::problem::Problem;

use super::actions::Done;

/// The ids in an inbox, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Inbox {
    pub(crate) messages: Vec<String>,
}

/// A message in an inbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct Item {
    /// The id that MESH gave it.
    pub(crate) message_id: String,
    /// Whether it is a report on a message that was not delivered.
    pub(crate) report: bool,
    /// Sending mailbox; empty on a report.
    pub(crate) from: String,
    /// Workflow id.
    pub(crate) workflow: String,
    /// The sender's reference.
    pub(crate) local_id: String,
    /// Free text.
    pub(crate) subject: String,
    /// File name.
    pub(crate) file_name: String,
    /// Type of the payload.
    pub(crate) content_type: String,
    /// On a report: the id of the message that it is about.
    pub(crate) about: String,
    /// On a report: what MESH says of it.
    pub(crate) status: String,
}

impl From<&Download> for Item {
    fn from(download: &Download) -> Self {
        let status = &download.status;
        Self {
            message_id: download.message_id.to_string(),
            report: download.kind == MessageKind::Report,
            from: download.from.clone(),
            workflow: download.workflow.clone(),
            local_id: download.local_id.clone(),
            subject: download.subject.clone(),
            file_name: download.file_name.clone(),
            content_type: download.content_type.clone(),
            about: download.linked_message_id.clone(),
            status: format!("{} {} {}", status.event, status.code, status.description).trim().to_owned(),
        }
    }
}

/// Reads which message in which inbox is meant.
pub(crate) fn item(mailbox: &str, id: &str) -> Result<(MailboxId, MessageId), Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("MESH has no message of such an id"))?;
    Ok((ask::mailbox(mailbox)?, id))
}

/// What waits in an inbox
#[utoipa::path(get, path = "/v1/mailboxes/{mailbox}/inbox", tag = "MESH",
    params(("mailbox" = String, Path, description = "Its id")), responses(
    (status = 200, body = Inbox),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn inbox(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named(mailbox): Named<String>,
) -> Result<Json<Inbox>, Problem> {
    let mailbox = ask::mailbox(&mailbox)?;
    let ids = console.operator.inbox(&caller, &mailbox).await?;
    Ok(Json(Inbox { messages: ids.iter().map(ToString::to_string).collect() }))
}

/// One message in an inbox, without its bytes
#[utoipa::path(get, path = "/v1/mailboxes/{mailbox}/inbox/{message_id}", tag = "MESH",
    params(
        ("mailbox" = String, Path, description = "The mailbox's id"),
        ("message_id" = String, Path, description = "The id that MESH gave the message"),
    ), responses(
    (status = 200, body = Item),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn look_into(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named((mailbox, id)): Named<(String, String)>,
) -> Result<Json<Item>, Problem> {
    let (mailbox, id) = item(&mailbox, &id)?;
    let download = console.operator.look_into(&caller, &mailbox, &id).await?;
    Ok(Json(Item::from(&download)))
}

/// The bytes of a message in an inbox
///
/// Streamed from MESH. The message stays there.
#[utoipa::path(get, path = "/v1/mailboxes/{mailbox}/inbox/{message_id}/payload", tag = "MESH",
    params(
        ("mailbox" = String, Path, description = "The mailbox's id"),
        ("message_id" = String, Path, description = "The id that MESH gave the message"),
    ), responses(
    (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn fetch(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named((mailbox, id)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let (mailbox, id) = item(&mailbox, &id)?;
    let fetched = console.operator.fetch(&caller, &mailbox, &id).await?;
    let headers = item_headers(&fetched.download);
    Ok((StatusCode::OK, headers, Body::from_stream(fetched.body)).into_response())
}

/// How a payload is handed to a browser: as a file to be saved, never as something to be shown or run.
fn item_headers(download: &Download) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let name = match download.file_name.trim() {
        "" => format!("{}.dat", download.message_id),
        name => name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
    };
    let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC);
    // Percent-encoded, so it is fit for a header.
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename*=UTF-8''{encoded}")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    let sandbox = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(HeaderName::from_static("content-security-policy"), sandbox);
    headers
}

/// Tell MESH that a message has arrived
///
/// For a person who has fetched it. MESH forgets it then, and nobody else gets it.
#[utoipa::path(post, path = "/v1/mailboxes/{mailbox}/inbox/{message_id}/acknowledge", tag = "MESH",
    params(
        ("mailbox" = String, Path, description = "The mailbox's id"),
        ("message_id" = String, Path, description = "The id that MESH gave the message"),
    ), responses(
    (status = 200, body = Done),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn acknowledge(
    Actor(caller): Actor,
    State(console): State<Console>,
    Named((mailbox, id)): Named<(String, String)>,
) -> Result<Json<Done>, Problem> {
    let (mailbox, id) = item(&mailbox, &id)?;
    console.operator.acknowledge(&caller, &mailbox, &id).await?;
    Ok(Json(Done { done: "MESH was told, and has let go of it".to_owned() }))
}
