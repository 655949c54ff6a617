//! Which mailboxes receive a workflow.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::page_with;
use crate::access::{Looker, Visitor};
use crate::api::{EndpointView, LookedUp, look_up};
use crate::ask::Asked;
use crate::console::Console;
use crate::problem::Problem;
use crate::words::{self, count};

#[derive(Template)]
#[template(path = "lookup.html")]
struct LookupPage<'a> {
    visitor: &'a Visitor,
    fault: Option<String>,
    ods: String,
    workflow: String,
    found: String,
    rows: Option<Vec<EndpointView>>,
}

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    ods: String,
    workflow: Option<String>,
}

/// The page.
pub(crate) async fn show(
    Looker(visitor): Looker,
    State(console): State<Console>,
    typed: Result<Asked<Typed>, Problem>,
) -> Response {
    let (typed, asked) = match typed {
        Ok(Asked(Typed { ods, workflow: Some(workflow) })) => {
            let asked = LookedUp { ods: ods.clone(), workflow: workflow.clone() };
            (Typed { ods, workflow: Some(workflow) }, Some(look_up(&console, &asked).await))
        }
        Ok(Asked(typed)) => (typed, None),
        Err(problem) => (Typed::default(), Some(Err(problem))),
    };
    let (status, fault, rows) = match asked {
        None => (StatusCode::OK, None, None),
        Some(Ok(rows)) => (StatusCode::OK, None, Some(rows)),
        Some(Err(problem)) => (problem.status(), Some(words::sentence(problem.detail())), None),
    };
    let found = match rows.as_ref().map_or(0, Vec::len) {
        0 => "No mailbox receives this".to_owned(),
        number => format!("{} this", count(number as u64, "mailbox receives", "mailboxes receive")),
    };
    let (ods, workflow) = (typed.ods, typed.workflow.unwrap_or_default());
    page_with(status, &LookupPage { visitor: &visitor, fault, ods, workflow, found, rows })
}
