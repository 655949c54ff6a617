//! Whom messages were exchanged with.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use relay_core::{Direction, Partner};
use url::form_urlencoded;

use super::{page_with, way};
use crate::access::{Looker, Visitor};
use crate::ask::{Asked, Back};
use crate::console::Console;
use crate::problem::Problem;
use crate::words::{self, count, roughly, time};

#[derive(Template)]
#[template(path = "partners.html")]
struct PartnersPage<'a> {
    visitor: &'a Visitor,
    fault: Option<String>,
    days: u32,
    summary: String,
    rows: Vec<PartnerRow>,
}

struct PartnerRow {
    link: String,
    partner: String,
    workflow: String,
    way: &'static str,
    mailbox: String,
    messages: u64,
    collected: String,
    average: String,
    longest: String,
    uncollected: String,
    failed: u64,
    last: String,
}

/// The page.
pub(crate) async fn show(
    Looker(visitor): Looker,
    State(console): State<Console>,
    back: Result<Asked<Back>, Problem>,
) -> Response {
    let back = back.map(|Asked(back)| back);
    let days = back.as_ref().map_or(0, Back::days);
    let (status, fault, partners) = match report(&console, back).await {
        Ok(partners) => (StatusCode::OK, None, partners),
        Err(problem) => (problem.status(), Some(words::sentence(problem.detail())), Vec::new()),
    };
    let now = console.now();
    let messages: u64 = partners.iter().map(|partner| partner.messages).sum();
    let summary = match partners.len() {
        0 => "No messages were exchanged in that time.".to_owned(),
        _ => format!(
            "{} in the last {}.",
            count(messages, "message", "messages"),
            count(days.into(), "day", "days")
        ),
    };
    let row = |partner: &Partner| {
        let (outbound, collected) = (partner.direction == Direction::Outbound, partner.collected);
        let lasting = |seconds: u64| match collected.messages {
            0 => "not known".to_owned(),
            _ => roughly(i64::try_from(seconds).unwrap_or(i64::MAX)),
        };
        let only_out = |text: String| if outbound { text } else { "–".to_owned() };
        PartnerRow {
            link: link(partner),
            partner: partner.partner.clone(),
            workflow: partner.workflow.clone(),
            way: way(partner.direction),
            mailbox: partner.mailbox.to_string(),
            messages: partner.messages,
            collected: only_out(collected.messages.to_string()),
            average: only_out(lasting(collected.average_seconds)),
            longest: only_out(lasting(collected.longest_seconds)),
            uncollected: only_out(match partner.uncollected_since {
                Some(since) => {
                    let age = roughly(now.duration_since(since).as_secs());
                    format!("{}, the oldest for {age}", partner.uncollected)
                }
                None => partner.uncollected.to_string(),
            }),
            failed: partner.failed,
            last: time(partner.last),
        }
    };
    let rows = partners.iter().map(row).collect();
    page_with(status, &PartnersPage { visitor: &visitor, fault, days, summary, rows })
}

async fn report(console: &Console, back: Result<Back, Problem>) -> Result<Vec<Partner>, Problem> {
    let since = back?.since(console.now())?;
    Ok(console.journal().partners(since).await?)
}

/// A search for the messages of one line.
fn link(partner: &Partner) -> String {
    let mut link = form_urlencoded::Serializer::for_suffix("/messages?".to_owned(), "/messages?".len());
    link.append_pair("direction", partner.direction.as_str());
    link.append_pair("mailbox", partner.mailbox.as_str());
    link.append_pair("partner", &partner.partner);
    link.append_pair("workflow", &partner.workflow);
    link.finish()
}
