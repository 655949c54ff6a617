//! Is it moving?

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{page, wrong};
use crate::access::{Looker, Visitor};
use crate::console::Console;
use crate::overview::{MailboxView, OpenView, Overview, TrafficView};
use crate::problem::Problem;
use crate::words::{count, roughly, time};

/// Height of the tallest bar.
const BARS_HEIGHT: u64 = 65;
/// Width of all bars.
const BARS_WIDTH: f64 = 320.0;
/// Where the bars stand.
const BARS_FOOT: u64 = 90;
/// Bars of the graph in an hour.
const BARS_AN_HOUR: usize = 4;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'a> {
    visitor: &'a Visitor,
    view: &'a Overview,
    at: String,
    graphs: Vec<Graph>,
    hours: Vec<Hour>,
    mailboxes: Vec<MailboxRow>,
    adapters: Vec<AdapterRow>,
    certificates: Vec<String>,
}

struct Graph {
    id: &'static str,
    name: &'static str,
    title: String,
    sum: u64,
    second: bool,
    bars: Vec<Bar>,
}

struct Bar {
    x: String,
    y: u64,
    height: u64,
}

struct Hour {
    from: String,
    outbound: u64,
    inbound: u64,
}

struct MailboxRow {
    id: String,
    state: String,
    outbound: String,
    inbound: String,
    waiting: String,
    polled: String,
    handshake: String,
}

struct AdapterRow {
    name: String,
    kind: String,
    mailbox: String,
    state: String,
    outbound: String,
    paused: bool,
    pause_link: String,
}

/// The page.
pub(crate) async fn show(Looker(visitor): Looker, State(console): State<Console>) -> Response {
    let view = match console.overview().await {
        Ok(view) => view,
        Err(error) => return wrong(&visitor, &Problem::from(error)),
    };
    let now = view.at;
    let adapters = view.adapters.iter().map(|adapter| AdapterRow {
        name: adapter.name.clone(),
        kind: adapter.kind.clone(),
        mailbox: adapter.mailbox.clone(),
        state: match (&adapter.paused, &adapter.trouble, adapter.ready) {
            (Some(paused), _, _) => paused.clone(),
            (None, Some(trouble), _) => format!("Cannot take messages: {trouble}"),
            (None, None, Some(true)) => "Ready to take messages".to_owned(),
            (None, None, _) => "Takes none from MESH".to_owned(),
        },
        outbound: waits(&adapter.outbound, now),
        paused: adapter.paused.is_some(),
        pause_link: format!("/adapters/{}/pause", utf8_percent_encode(&adapter.name, NON_ALPHANUMERIC)),
    });
    let certificates = view.certificates.iter().map(|certificate| {
        let ends = time(certificate.ends);
        match certificate.days_left {
            days if days < 0 => format!("{}: ended on {ends}", certificate.name),
            days => {
                let left = count(days.unsigned_abs(), "day", "days");
                format!("{}: {left} left, until {ends}", certificate.name)
            }
        }
    });
    page(&OverviewPage {
        visitor: &visitor,
        at: time(now),
        graphs: vec![
            graph("to-mesh", "To MESH", false, &view.traffic, |traffic| traffic.outbound),
            graph("from-mesh", "From MESH", true, &view.traffic, |traffic| traffic.inbound),
        ],
        hours: view.traffic.chunks(BARS_AN_HOUR).filter_map(hour).collect(),
        mailboxes: view.mailboxes.iter().map(|mailbox| mailbox_row(mailbox, now)).collect(),
        adapters: adapters.collect(),
        certificates: certificates.collect(),
        view: &view,
    })
}

fn mailbox_row(mailbox: &MailboxView, now: Timestamp) -> MailboxRow {
    MailboxRow {
        id: mailbox.id.clone(),
        state: mailbox.paused.clone().unwrap_or_else(|| "In use".to_owned()),
        outbound: waits(&mailbox.outbound, now),
        inbound: waits(&mailbox.inbound, now),
        waiting: mailbox.waiting.map_or_else(|| "not known here".to_owned(), |waiting| waiting.to_string()),
        polled: ago(mailbox.polled_at, now),
        handshake: ago(mailbox.handshake_at, now),
    }
}

/// How long ago something was.
pub(crate) fn ago(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        Some(at) => format!("{} ago", roughly(now.duration_since(at).as_secs())),
        None => "never".to_owned(),
    }
}

/// How many wait, and the oldest for how long.
pub(crate) fn waits(open: &OpenView, now: Timestamp) -> String {
    match open.since {
        Some(since) => {
            let age = roughly(now.duration_since(since).as_secs());
            format!("{}, the oldest for {age}", open.messages)
        }
        None => "none".to_owned(),
    }
}

fn graph(
    id: &'static str,
    name: &'static str,
    second: bool,
    traffic: &[TrafficView],
    of: impl Fn(&TrafficView) -> u64,
) -> Graph {
    let most = traffic.iter().map(&of).max().unwrap_or_default().max(1);
    let sum = traffic.iter().map(&of).sum();
    let traffic_len = traffic.len().max(1) as f64;
    let bars = traffic.iter().enumerate().filter(|(_, traffic)| of(traffic) > 0).map(|(index, traffic)| {
        // Whatever there was shows.
        let height = (of(traffic) * BARS_HEIGHT / most).max(1);
        let x = format!("{:.1}", index as f64 * BARS_WIDTH / traffic_len);
        Bar { x, y: BARS_FOOT - height, height }
    });
    let title = format!(
        "{name}: {} in the last twelve hours, {most} at most in a quarter of an hour",
        count(sum, "message", "messages")
    );
    Graph { id, name, sum, second, bars: bars.collect(), title }
}

fn hour(quarters: &[TrafficView]) -> Option<Hour> {
    Some(Hour {
        from: time(quarters.first()?.from),
        outbound: quarters.iter().map(|quarter| quarter.outbound).sum(),
        inbound: quarters.iter().map(|quarter| quarter.inbound).sum(),
    })
}
