//! Messages, histories and partners as tables for people.

use jiff::Timestamp;
use relay_console::view::{DeedView, HistoryView, MessageView, PartnerView};

use crate::hand::show::{facts, plain, table};

/// To the second: what people compare with their clocks.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn heads<const N: usize>(heads: [&str; N]) -> Vec<Vec<String>> {
    vec![heads.map(str::to_owned).to_vec()]
}

/// Messages, one a line.
pub(super) fn messages(messages: &[MessageView]) -> String {
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), plain);
    let mut rows = heads(["SEEN", "DIRECTION", "STATE", "MAILBOX", "PARTNER", "WORKFLOW", "RELAY ID"]);
    rows.extend(messages.iter().map(|message| {
        vec![
            time(message.received_at),
            plain(&message.direction),
            plain(&message.state),
            plain(&message.mailbox),
            text(&message.partner),
            text(&message.workflow),
            plain(&message.relay_id),
        ]
    }));
    table(&rows)
}

/// One message with what happened to it, and what people did about it.
pub(super) fn message(message: &MessageView, history: &[HistoryView], deeds: &[DeedView]) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let length = message.length.map(|length| format!("{length} bytes")).unwrap_or_default();
    let settled = message.settled_at.map(time).unwrap_or_default();
    let lines = facts(&[
        ("relay id", &message.relay_id),
        ("MESH id", &text(&message.message_id)),
        ("direction", &message.direction),
        ("state", &message.state),
        ("mailbox", &message.mailbox),
        ("partner", &text(&message.partner)),
        ("workflow", &text(&message.workflow)),
        ("local id", &text(&message.local_id)),
        ("file name", &text(&message.file_name)),
        ("length", &length),
        ("adapter", &text(&message.adapter)),
        ("settled", &settled),
    ]);
    let steps: Vec<Vec<String>> =
        history.iter().map(|step| vec![time(step.at), plain(&step.state), plain(&step.words)]).collect();
    let mut shown = format!("{lines}\n\n{}", table(&steps));
    if !deeds.is_empty() {
        let deeds: Vec<Vec<String>> = deeds
            .iter()
            .map(|deed| {
                let note = plain(deed.note.as_deref().unwrap_or_default());
                vec![time(deed.at), plain(&deed.kind), plain(&deed.who), note]
            })
            .collect();
        shown += &format!("\n\n{}", table(&deeds));
    }
    shown
}

/// Partners, one a line.
pub(super) fn partners(partners: &[PartnerView]) -> String {
    let mut rows = heads([
        "DIRECTION",
        "MAILBOX",
        "PARTNER",
        "WORKFLOW",
        "MESSAGES",
        "COLLECTED",
        "AVERAGE",
        "NOT COLLECTED",
        "SINCE",
        "FAILED",
        "LAST",
    ]);
    rows.extend(partners.iter().map(|partner| {
        let average = partner.collected_seconds_average;
        vec![
            plain(&partner.direction),
            plain(&partner.mailbox),
            plain(&partner.partner),
            plain(&partner.workflow),
            partner.messages.to_string(),
            partner.collected.to_string(),
            average.map_or_else(|| "-".to_owned(), |seconds| format!("{:.1} h", seconds as f64 / 3_600.0)),
            partner.uncollected.to_string(),
            partner.uncollected_since.map_or_else(|| "-".to_owned(), time),
            partner.failed.to_string(),
            time(partner.last),
        ]
    }));
    table(&rows)
}
