//! What people ask: messages by any of their features.

use mesh_api::MessageId;
use relay_core::search::SEARCH_LIMIT_MAX;
use relay_core::{Cursor, Direction, MessageQuery, MessageSummary, RelayId};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use uuid::Uuid;

use super::fault::Fault;
use super::value::{self, micros};

/// Matches of a search's words up to which they are all looked at, and words may be beginnings.
const FEW: u64 = 10_000;

/// What differs between the two tables.
struct Table {
    direction: Direction,
    name: &'static str,
    words: &'static str,
    partner: &'static str,
    /// Columns that only the other one has.
    columns: &'static str,
}

const OUTBOUND: Table = Table {
    direction: Direction::Outbound,
    name: "outbound",
    words: "outbound_words",
    partner: "recipient",
    columns: "length, adapter, settled_at",
};

const INBOUND: Table = Table {
    direction: Direction::Inbound,
    name: "inbound",
    words: "inbound_words",
    partner: "sender",
    columns: "NULL AS length, NULL AS adapter, NULL AS settled_at",
};

fn table(direction: Direction) -> &'static Table {
    match direction {
        Direction::Outbound => &OUTBOUND,
        Direction::Inbound => &INBOUND,
    }
}

/// Keeps the words by which a message is found.
pub(crate) fn keep_words(connection: &Connection, direction: Direction, rowid: i64) -> Result<(), Fault> {
    let statement = match direction {
        Direction::Outbound => {
            "INSERT OR REPLACE INTO outbound_words (rowid, text)
             SELECT rowid,
                 concat_ws(' ', lower(hex(relay_id)), message_id, mailbox, recipient, workflow, local_id, file_name)
             FROM outbound WHERE rowid = ?1"
        }
        Direction::Inbound => {
            "INSERT OR REPLACE INTO inbound_words (rowid, text)
             SELECT rowid,
                 concat_ws(' ', lower(hex(relay_id)), message_id, mailbox, sender, workflow, local_id, file_name)
             FROM inbound WHERE rowid = ?1"
        }
    };
    connection.prepare_cached(statement)?.execute([rowid])?;
    Ok(())
}

/// Messages, newest first.
pub(crate) fn search(connection: &Connection, query: &MessageQuery) -> Result<Vec<MessageSummary>, Fault> {
    let limit = query.limit.clamp(1, SEARCH_LIMIT_MAX);
    let directions = match query.direction {
        Some(direction) => vec![direction],
        None => vec![Direction::Outbound, Direction::Inbound],
    };
    let mut found = Vec::new();
    for direction in directions {
        found.extend(search_in(connection, table(direction), query, limit)?);
    }
    found.sort_by_key(|message| std::cmp::Reverse((message.received_at, message.relay_id)));
    found.truncate(limit as usize);
    Ok(found)
}

fn search_in(
    connection: &Connection,
    table: &Table,
    query: &MessageQuery,
    limit: u32,
) -> Result<Vec<MessageSummary>, Fault> {
    let mut conditions = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut must = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(mailbox) = &query.mailbox {
        must("mailbox = ?", mailbox.as_str().to_owned().into());
    }
    if let Some(partner) = &query.partner {
        must(&format!("{} = ?", table.partner), partner.clone().into());
    }
    if let Some(workflow) = &query.workflow {
        must("workflow = ?", workflow.clone().into());
    }
    if let Some(state) = &query.state {
        must("state_name = ?", state.clone().into());
    }
    if let Some(from) = query.from {
        must("received_at >= ?", micros(from).into());
    }
    if let Some(until) = query.until {
        must("received_at < ?", micros(until).into());
    }
    if let Some(whole) = words(&query.words, "") {
        let Table { name, words: index, .. } = table;
        if few(connection, table, &whole)? {
            let beginnings = words(&query.words, "*").unwrap_or(whole);
            must(&format!("rowid IN (SELECT rowid FROM {index} WHERE {index} MATCH ?)"), beginnings.into());
        } else {
            // Of so many the newest are soon met by walking from the newest message, and to look for beginnings
            // as well would mean to read the whole index.
            let walk = format!(
                "EXISTS (SELECT 1 FROM {index} WHERE {index}.rowid = {name}.rowid AND {index} MATCH ?)"
            );
            must(&walk, whole.into());
        }
    }
    if let Some(Cursor { received_at, relay_id }) = query.after {
        must("received_at <= ?", micros(received_at).into());
        values.push(micros(received_at).into());
        values.push(relay_id.0.as_bytes().to_vec().into());
        let (at, id) = (values.len() - 1, values.len());
        conditions.push(format!("(received_at, relay_id) < (?{at}, ?{id})"));
    }
    let condition = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    let statement = format!(
        "{} WHERE {condition} ORDER BY received_at DESC, relay_id DESC LIMIT {limit}",
        summaries(table)
    );
    let mut statement = connection.prepare_cached(&statement)?;
    value::all(statement.query(params_from_iter(values))?, |row| summary(table.direction, row))
}

/// The message with this id.
pub(crate) fn message(connection: &Connection, relay_id: RelayId) -> Result<Option<MessageSummary>, Fault> {
    for table in [&OUTBOUND, &INBOUND] {
        let statement = format!("{} WHERE relay_id = ?1", summaries(table));
        let mut statement = connection.prepare_cached(&statement)?;
        let mut rows = statement.query([relay_id.0.as_bytes()])?;
        if let Some(row) = rows.next()? {
            return summary(table.direction, row).map(Some);
        }
    }
    Ok(None)
}

/// What a summary is read from.
fn summaries(Table { name, partner, columns, .. }: &Table) -> String {
    format!(
        "SELECT relay_id, message_id, mailbox, {partner} AS partner, workflow, local_id, file_name, {columns},
             state_name, received_at, updated_at
         FROM {name}"
    )
}

/// Whether words match no more messages than can be sorted at once.
fn few(connection: &Connection, table: &Table, words: &str) -> Result<bool, Fault> {
    let statement =
        format!("SELECT count(*) FROM (SELECT 1 FROM {0} WHERE {0} MATCH ?1 LIMIT ?2)", table.words);
    let matches: u64 =
        connection.prepare_cached(&statement)?.query_row((words, FEW + 1), |row| row.get(0))?;
    Ok(matches <= FEW)
}

/// The words in the grammar of the index: each in quotes, so that nothing in it is an operator, and `*` behind it where
/// it may be the beginning of one. `None`: no word has a letter or a digit.
fn words(words: &[String], behind: &str) -> Option<String> {
    let quoted: Vec<String> = words
        .iter()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| match Uuid::parse_str(word) {
            // A relay's id is indexed without its hyphens.
            Ok(id) => format!("\"{}\"", id.simple()),
            Err(_) => format!("\"{}\"{behind}", word.replace('"', " ")),
        })
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" AND "))
}

fn summary(direction: Direction, row: &Row<'_>) -> Result<MessageSummary, Fault> {
    let message_id = value::optional_text(row, "message_id")?;
    let length: Option<u64> = row.get("length").map_err(|_| Fault::Unreadable("length"))?;
    Ok(MessageSummary {
        direction,
        relay_id: value::relay_id(row, "relay_id")?,
        message_id: message_id
            .map(|id| id.parse::<MessageId>())
            .transpose()
            .map_err(|_| Fault::Unreadable("message_id"))?,
        mailbox: value::mailbox(row, "mailbox")?,
        partner: value::optional_text(row, "partner")?.filter(|partner| !partner.is_empty()),
        workflow: value::optional_text(row, "workflow")?,
        local_id: value::optional_text(row, "local_id")?,
        file_name: value::optional_text(row, "file_name")?,
        length,
        adapter: value::optional_text(row, "adapter")?,
        state: value::text(row, "state_name")?,
        received_at: value::time(row, "received_at")?,
        updated_at: value::time(row, "updated_at")?,
        settled_at: value::optional_time(row, "settled_at")?,
    })
}
