//! One message: what happened to it, what shows it, and what can be done.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use relay_core::{DeedQuery, Direction, HistoryEntry, MessageSummary, OutboundState};

use super::{Fact, page, way, wrong};
use crate::access::{Looker, Visitor};
use crate::api::Action;
use crate::ask::{self, Named};
use crate::console::Console;
use crate::problem::Problem;
use crate::view::MessageView;
use crate::words::{self, StateWords, roughly, size, time};

/// Deeds about a message that are shown.
const DEEDS: u32 = 50;
/// Steps of a history that are shown: the first and the last of them.
const STEPS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    visitor: &'a Visitor,
    view: MessageView,
    way: &'static str,
    state: StateWords,
    waits: Option<String>,
    actions: Vec<ActionLink>,
    facts: Vec<Fact>,
    steps: Vec<Step>,
    deeds: Vec<String>,
}

struct ActionLink {
    value: &'static str,
    text: &'static str,
}

struct Step {
    name: &'static str,
    class: &'static str,
    datetime: String,
    when: String,
    after: Option<String>,
    words: String,
}

/// The page.
pub(crate) async fn show(
    Looker(visitor): Looker,
    State(console): State<Console>,
    Named(relay_id): Named<String>,
) -> Response {
    match gather(&visitor, &console, &relay_id).await {
        Ok(response) => response,
        Err(problem) => wrong(&visitor, &problem),
    }
}

async fn gather(visitor: &Visitor, console: &Console, relay_id: &str) -> Result<Response, Problem> {
    let relay_id = ask::relay_id(relay_id)?;
    let message = console.journal().message(relay_id).await?;
    let missing =
        || Problem::not_found("no message of this id is recorded; it may be older than the journal keeps");
    let message = message.ok_or_else(missing)?;
    let history = console.journal().history(relay_id).await?;
    let query = DeedQuery { relay_id: Some(relay_id), before: None, limit: DEEDS };
    // Who did what is for operators.
    let deeds = if visitor.may_act() { console.journal().deeds(&query).await? } else { Vec::new() };
    let deeds = deeds.iter().map(|deed| {
        let why = deed.deed.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
        format!("{}: {} by {}{why}", time(deed.deed.at), words::deed(deed.deed.kind), deed.deed.who)
    });
    Ok(page(&MessagePage {
        visitor,
        view: MessageView::from(&message),
        way: way(message.direction),
        state: words::state_of(&message.state, message.direction),
        waits: waits(console, &message, &history),
        actions: if visitor.may_act() { actions(console, &message) } else { Vec::new() },
        facts: facts(&message),
        steps: steps(&history, message.direction),
        deeds: deeds.collect(),
    }))
}

fn actions(console: &Console, message: &MessageSummary) -> Vec<ActionLink> {
    let outbound = message.direction == Direction::Outbound;
    let resend = if outbound { "Send it again" } else { "Deliver it again" };
    [
        (Action::Resend, resend),
        (Action::Arrived, "MESH has it: settle the doubt"),
        (Action::SendAgain, "It did not arrive: settle the doubt and send it again"),
        (Action::Park, "Park it"),
        (Action::Cancel, "Cancel it"),
    ]
    .into_iter()
    .filter(|(action, _)| action.fits(console, message))
    .map(|(action, text)| ActionLink { value: action.as_str(), text })
    .collect()
}

fn facts(message: &MessageSummary) -> Vec<Fact> {
    let partner = if message.direction == Direction::Outbound { "To" } else { "From" };
    let mut facts = vec![Fact::id("Relay id", message.relay_id.to_string())];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| Fact::id(name, value)));
    add("MESH id", message.message_id.as_ref().map(ToString::to_string));
    add("Your mailbox", Some(message.mailbox.to_string()));
    add(partner, message.partner.clone());
    add("Workflow", message.workflow.clone());
    add("Local id", message.local_id.clone());
    add("File name", message.file_name.clone());
    facts.extend(message.length.map(|length| Fact::new("Length", size(length))));
    facts.extend(message.adapter.clone().map(|adapter| Fact::new("Adapter", adapter)));
    facts.push(Fact::new("First seen", time(message.received_at)));
    facts.push(Fact::new("Last change", time(message.updated_at)));
    if message.direction == Direction::Outbound {
        let settled = message.settled_at.map_or_else(|| "Not yet".to_owned(), time);
        facts.push(Fact::new("Its source let go of it", settled));
    }
    facts
}

fn steps(history: &[HistoryEntry], direction: Direction) -> Vec<Step> {
    let mut before: Option<Timestamp> = None;
    let mut steps: Vec<Step> = history
        .iter()
        .map(|entry| {
            let after =
                before.replace(entry.at).map(|before| roughly(entry.at.duration_since(before).as_secs()));
            let state = words::state_of(&entry.state, direction);
            let class = match state.tone {
                "red" | "orange" | "yellow" => " timeline__step--trouble",
                "green" => " timeline__step--done",
                _ => "",
            };
            Step {
                name: state.name,
                class,
                datetime: entry.at.to_string(),
                when: time(entry.at),
                after,
                words: words::evidence(entry, direction == Direction::Outbound),
            }
        })
        .collect();
    if steps.len() > STEPS_MAX {
        let left_out = steps.len() - STEPS_MAX;
        let end = STEPS_MAX / 2 + left_out;
        steps.drain(STEPS_MAX / 2..end);
    }
    steps
}

/// Why a message waits, in words. `None`: it does not.
fn waits(console: &Console, message: &MessageSummary, history: &[HistoryEntry]) -> Option<String> {
    let pauses = &console.surroundings.pauses;
    let of_adapter = || message.adapter.as_deref().and_then(|adapter| pauses.of_adapter(adapter));
    let paused = pauses.of_mailbox(&message.mailbox).or_else(of_adapter);
    let status = console.surroundings.board.of(&message.mailbox);
    let last: Option<OutboundState> = match message.direction {
        Direction::Outbound => history.last().and_then(|entry| serde_json::from_str(&entry.evidence).ok()),
        Direction::Inbound => None,
    };
    match message.state.as_str() {
        "received" | "uploading" => Some(match (paused, status.sending) {
            (Some(pause), _) => format!("It waits: {pause}."),
            (None, Some(trouble)) => format!("It waits: {}.", trouble.what.trim_end_matches('.')),
            (None, None) => "It is about to be sent, waits behind others, or rests before another try.".to_owned(),
        }),
        "in_doubt" => Some(match last {
            Some(OutboundState::InDoubt { since, .. }) => format!(
                "In doubt for {}. MESH is asked by its local id if it has one of its own; a doubt that cannot be \
                 settled is parked.",
                roughly(console.now().duration_since(since).as_secs())
            ),
            _ => return None,
        }),
        "accepted" => Some(
            "MESH has it. Whether it was collected is asked after an hour, six hours, a day, and daily to the sixth day."
                .to_owned(),
        ),
        "delivering" => Some(match (paused, status.receiving) {
            (Some(pause), _) => format!("It waits: {pause}."),
            (None, Some(trouble)) => format!("It waits: {}.", trouble.what.trim_end_matches('.')),
            (None, None) => "It is being delivered, or rests before another try. MESH still holds it.".to_owned(),
        }),
        _ => None,
    }
}
