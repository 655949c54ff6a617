//! How answers are shown: words and plain tables, or one JSON document.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use mesh_api::{Download, MessageKind};
use serde_json::{Value, json};

use super::failure::{End, Failure};

/// Writes a line to stdout. Unlike `println!` it does not panic when nobody reads there any more.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(|error| stdout_failed(&error))
}

/// Why stdout takes no more.
pub(super) fn stdout_failed(error: &io::Error) -> Failure {
    Failure::new(End::Failed, format!("stdout cannot be written: {error}"))
}

/// A sender's text, fit for a terminal: control characters could move the cursor and hide what stands there.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Rows under each other, each column as wide as its widest text.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut written = String::new();
        for (value, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(written, "{value:width$}  ");
        }
        text += if index > 0 { "\n" } else { "" };
        text += written.trim_end();
    }
    text
}

/// Names with their values, those without a value left out.
pub(crate) fn facts(facts: &[(&str, &str)]) -> String {
    let rows: Vec<_> = facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| vec![(*name).to_owned(), plain(value)])
        .collect();
    table(&rows)
}

/// `data` or `report`.
pub(super) fn kind(download: &Download) -> &'static str {
    match download.kind {
        MessageKind::Data => "data",
        MessageKind::Report => "report",
    }
}

/// Everything that MESH tells of an inbox item, as names with values.
pub(super) fn metadata(download: &Download) -> Vec<(&'static str, &str)> {
    let mut facts = vec![("message", download.message_id.as_str()), ("type", kind(download))];
    if download.kind == MessageKind::Report {
        facts.extend([
            ("about message", download.linked_message_id.as_str()),
            ("event", &download.status.event),
            ("code", &download.status.code),
            ("description", &download.status.description),
        ]);
    }
    facts.extend([
        ("from", download.from.as_str()),
        ("to", &download.to),
        ("workflow", &download.workflow),
        ("local id", &download.local_id),
        ("subject", &download.subject),
        ("file name", &download.file_name),
        ("content type", &download.content_type),
        ("checksum", &download.checksum),
        ("encrypted", if download.encrypted { "yes" } else { "" }),
        ("time", &download.status.timestamp),
    ]);
    facts
}

/// The same as JSON. Absent texts are empty, as they came.
pub(super) fn metadata_json(download: &Download) -> Value {
    json!({
        "message_id": download.message_id,
        "type": kind(download),
        "from": download.from,
        "to": download.to,
        "workflow_id": download.workflow,
        "local_id": download.local_id,
        "subject": download.subject,
        "file_name": download.file_name,
        "content_type": download.content_type,
        "checksum": download.checksum,
        "partner_id": download.partner_id,
        "process_id": download.process_id,
        "encrypted": download.encrypted,
        "linked_message_id": download.linked_message_id,
        "status_event": download.status.event,
        "status_code": download.status.code,
        "status_success": download.status.success,
        "status_description": download.status.description,
        "status_timestamp": download.status.timestamp,
        "chunks": download.chunk.of,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_texts() {
        let rows = [vec!["ID".into(), "FROM".into()], vec!["1234".into(), "É".into()], vec!["5".into()]];
        assert_eq!(table(&rows), "ID    FROM\n1234  É\n5");
        assert_eq!(facts(&[("a", "1"), ("none", ""), ("long", "\u{1b}[2J")]), "a     1\nlong  \u{fffd}[2J");
    }
}
