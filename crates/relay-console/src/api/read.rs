//! What can be asked.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use relay_core::{Cursor, DeedPlace, DeedQuery, MessageSummary, WorkflowId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Actor, Looker};
use crate::ask::{self, Asked, Back, Named, Search};
use crate::console::Console;
use crate::csv;
use crate::overview::{AdapterView, MailboxView, Overview};
use crate::problem::Problem;
use crate::view::{DeedView, HistoryView, MessageView, PartnerView};

/// Deeds that an answer holds.
const DEEDS: u32 = 100;
/// Longest ODS code, in characters (`mesh-api.md` 4.12).
const ODS_CHARS_MAX: usize = 20;

/// A page of messages, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Messages {
    pub(crate) messages: Vec<MessageView>,
    /// Where this page ended, if there may be more: the `after` of the next.
    pub(crate) next: Option<String>,
}

/// A message with everything that happened to it, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Message {
    pub(crate) message: MessageView,
    pub(crate) history: Vec<HistoryView>,
    /// What people did about it, newest first; for operators, empty for others.
    pub(crate) deeds: Vec<DeedView>,
}

/// Mailboxes.
#[derive(Serialize, ToSchema)]
pub(crate) struct Mailboxes {
    pub(crate) mailboxes: Vec<MailboxView>,
}

/// Adapters.
#[derive(Serialize, ToSchema)]
pub(crate) struct Adapters {
    pub(crate) adapters: Vec<AdapterView>,
}

/// Mailboxes that receive a workflow.
#[derive(Serialize, ToSchema)]
pub(crate) struct Endpoints {
    pub(crate) endpoints: Vec<EndpointView>,
}

/// A mailbox that receives a workflow.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndpointView {
    /// Its id.
    pub(crate) mailbox: String,
    /// Its name for people; may be empty.
    pub(crate) name: String,
}

/// Whom messages were exchanged with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Partners {
    pub(crate) partners: Vec<PartnerView>,
}

/// What people did, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deeds {
    pub(crate) deeds: Vec<DeedView>,
    /// Where this page ended, if there may be more: the `before` of the next.
    pub(crate) next: Option<String>,
}

/// Which mailboxes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LookedUp {
    /// The organisation's ODS code; without one, all mailboxes that receive the workflow.
    #[serde(default)]
    pub(crate) ods: String,
    /// The workflow.
    #[param(min_length = 1, max_length = 300)]
    pub(crate) workflow: String,
}

/// Where the page before ended.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct Before {
    /// The `next` of the page before.
    pub(crate) before: String,
}

/// Is it moving?
///
/// What is on its way, what waits, when MESH was last heard, and what wants attention, in words.
#[utoipa::path(get, path = "/v1/overview", tag = "relay", responses(
    (status = 200, body = Overview),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn overview(_: Looker, State(console): State<Console>) -> Result<Json<Overview>, Problem> {
    Ok(Json((*console.overview().await?).clone()))
}

/// Search messages
///
/// Newest first, by page.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(Search), responses(
    (status = 200, body = Messages),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn search(
    _: Looker,
    State(console): State<Console>,
    Asked(search): Asked<Search>,
) -> Result<Json<Messages>, Problem> {
    let (found, next) = find(&console, &search).await?;
    Ok(Json(Messages { messages: found.iter().map(MessageView::from).collect(), next }))
}

/// A page of messages, and where it ended if there may be more.
pub(crate) async fn find(
    console: &Console,
    search: &Search,
) -> Result<(Vec<MessageSummary>, Option<String>), Problem> {
    let query = search.query()?;
    let limit = query.limit as usize;
    let found = console.journal().search(&query).await?;
    let last = found.last().filter(|_| found.len() >= limit);
    let next = last
        .map(|message| ask::next(Cursor { received_at: message.received_at, relay_id: message.relay_id }));
    Ok((found, next))
}

/// One message
///
/// With everything that happened to it, and what shows it.
#[utoipa::path(get, path = "/v1/messages/{relay_id}", tag = "messages",
    params(("relay_id" = String, Path, description = "The relay's id of the message")), responses(
    (status = 200, body = Message),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn message(
    Looker(visitor): Looker,
    State(console): State<Console>,
    Named(relay_id): Named<String>,
) -> Result<Json<Message>, Problem> {
    let relay_id = ask::relay_id(&relay_id)?;
    let message = console.journal().message(relay_id).await?;
    let message = message.ok_or_else(|| Problem::not_found("there is no message of this id"))?;
    let history = console.journal().history(relay_id).await?;
    let query = DeedQuery { relay_id: Some(relay_id), before: None, limit: DEEDS };
    // Who did what is for operators.
    let deeds = if visitor.may_act() { console.journal().deeds(&query).await? } else { Vec::new() };
    Ok(Json(Message {
        history: history.iter().map(|entry| HistoryView::new(entry, message.direction)).collect(),
        message: MessageView::from(&message),
        deeds: deeds.iter().map(DeedView::from).collect(),
    }))
}

/// The mailboxes here
#[utoipa::path(get, path = "/v1/mailboxes", tag = "relay", responses(
    (status = 200, body = Mailboxes),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn mailboxes(_: Looker, State(console): State<Console>) -> Result<Json<Mailboxes>, Problem> {
    Ok(Json(Mailboxes { mailboxes: console.overview().await?.mailboxes.clone() }))
}

/// The adapters here
#[utoipa::path(get, path = "/v1/adapters", tag = "relay", responses(
    (status = 200, body = Adapters),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn adapters(_: Looker, State(console): State<Console>) -> Result<Json<Adapters>, Problem> {
    Ok(Json(Adapters { adapters: console.overview().await?.adapters.clone() }))
}

/// Which mailboxes receive a workflow
///
/// Those of an organisation, or all of them. Asks MESH.
#[utoipa::path(get, path = "/v1/lookup", tag = "MESH", params(LookedUp), responses(
    (status = 200, body = Endpoints),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn lookup(
    _: Looker,
    State(console): State<Console>,
    Asked(asked): Asked<LookedUp>,
) -> Result<Json<Endpoints>, Problem> {
    Ok(Json(Endpoints { endpoints: look_up(&console, &asked).await? }))
}

/// Asks MESH who receives a workflow.
pub(crate) async fn look_up(console: &Console, asked: &LookedUp) -> Result<Vec<EndpointView>, Problem> {
    let workflow: WorkflowId = asked.workflow.trim().parse().map_err(|_| {
        Problem::bad_request("`workflow` is no workflow id: up to 300 characters without control characters")
    })?;
    let ods = asked.ods.trim();
    let usable = ods.len() <= ODS_CHARS_MAX && ods.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !usable {
        return Err(Problem::bad_request("`ods` is no ODS code: up to 20 letters and digits"));
    }
    let ods = (!ods.is_empty()).then_some(ods);
    let found = console.operator.lookup(ods, &workflow).await?;
    let endpoint =
        |found: relay_core::Endpoint| EndpointView { mailbox: found.mailbox.to_string(), name: found.name };
    Ok(found.into_iter().map(endpoint).collect())
}

/// Trading partners
///
/// Who was sent to and received from, on which workflows, how many messages, how long until they were collected, and
/// what was not.
#[utoipa::path(get, path = "/v1/reports/partners", tag = "reports", params(Back), responses(
    (status = 200, content((Partners = "application/json"), (String = "text/csv"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn partners(
    _: Looker,
    State(console): State<Console>,
    Asked(back): Asked<Back>,
) -> Result<Response, Problem> {
    let as_csv = match back.format.as_str() {
        "" | "json" => false,
        "csv" => true,
        _ => return Err(Problem::bad_request("`format` is json or csv")),
    };
    let found = console.journal().partners(back.since(console.now())?).await?;
    let partners: Vec<PartnerView> = found.iter().map(PartnerView::from).collect();
    if !as_csv {
        return Ok(Json(Partners { partners }).into_response());
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"trading-partners.csv\""),
    ];
    Ok((headers, csv::partners(&partners)).into_response())
}

/// What people did
///
/// For operators: who did what, newest first.
#[utoipa::path(get, path = "/v1/deeds", tag = "reports", params(Before), responses(
    (status = 200, body = Deeds),
    (status = "default", body = Problem, content_type = "application/problem+json"),
), security(("bearer" = [])))]
pub(crate) async fn deeds(
    _: Actor,
    State(console): State<Console>,
    Asked(before): Asked<Before>,
) -> Result<Json<Deeds>, Problem> {
    let (deeds, next) = find_deeds(&console, &before).await?;
    Ok(Json(Deeds { deeds, next }))
}

/// A page of deeds, and where it ended if there may be more.
pub(crate) async fn find_deeds(
    console: &Console,
    before: &Before,
) -> Result<(Vec<DeedView>, Option<String>), Problem> {
    let before = match before.before.as_str() {
        "" => None,
        text => {
            Some(place(text).ok_or_else(|| Problem::bad_request("`before` is no `next` of a page before"))?)
        }
    };
    let query = DeedQuery { relay_id: None, before, limit: DEEDS };
    let found = console.journal().deeds(&query).await?;
    let last = found.last().filter(|_| found.len() >= DEEDS as usize);
    let next = last.map(|last| format!("{}-{}-{}", last.deed.at.as_microsecond(), last.number, last.chain));
    Ok((found.iter().map(DeedView::from).collect(), next))
}

fn place(text: &str) -> Option<DeedPlace> {
    let mut parts = text.splitn(3, '-');
    let (at, number, chain) = (parts.next()?, parts.next()?, parts.next()?);
    Some(DeedPlace {
        at: jiff::Timestamp::from_microsecond(at.parse().ok()?).ok()?,
        number: number.parse::<u32>().ok()?.into(),
        chain: (chain.len() <= 200 && !chain.contains('\0')).then(|| chain.to_owned())?,
    })
}
