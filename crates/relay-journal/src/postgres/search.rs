//! Search: messages, newest first, page by page.

use std::time::Duration;

use relay_core::search::SEARCH_LIMIT_MAX;
use relay_core::{Direction, MailboxId, MessageQuery, MessageSummary, RelayId};
use tokio_postgres::Row;

use super::connect::Session;
use super::fault::Fault;
use super::{value, words};

/// Begins a search, which is two statements at most for each way. One that takes longer than a question may is ended by the
/// server, before the caller is told that it does not answer ([`WITHIN`]).
const BEGIN: &str = "BEGIN READ ONLY";

/// Longest wait for a search.
pub(crate) const WITHIN: Duration = Duration::from_secs(35);

/// Messages with the words of a search up to which all of them are fetched and sorted. Where there are more, they stand
/// close enough together to be met from the newest on. PostgreSQL cannot tell by itself: it takes any phrase, and any
/// beginning of a word, for as common as the next.
const RARE_MAX: i64 = 10_000;

/// Makes PostgreSQL count by the index of words.
const COUNT: &str =
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = on";

/// Lets it count not to the end when there is no end. It thins each word by itself, so that nothing would be left of a
/// phrase.
const COUNT_ONE: &str = "SET LOCAL gin_fuzzy_search_limit = 20000";

/// Makes PostgreSQL fetch by the index of words.
const FETCH: &str = "SET LOCAL gin_fuzzy_search_limit = 0";

/// Makes PostgreSQL walk from the newest message on.
const WALK: &str = "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_indexscan = on;
    SET LOCAL gin_fuzzy_search_limit = 0";

/// What a summary is read from.
macro_rules! summaries {
    (outbound) => {
        "SELECT relay_id, message_id, mailbox, recipient AS partner, workflow, local_id, file_name, length,
            adapter, state_name, received_at, updated_at, settled_at
        FROM mesh_relay.outbound"
    };
    (inbound) => {
        "SELECT relay_id, message_id, mailbox, sender AS partner, workflow, local_id, file_name,
            NULL::bigint AS length, NULL::text AS adapter, state_name, received_at, updated_at,
            NULL::timestamptz AS settled_at
        FROM mesh_relay.inbound"
    };
}

/// The message with this id.
pub(crate) async fn message(session: &Session, relay_id: RelayId) -> Result<Option<MessageSummary>, Fault> {
    const OUTBOUND: &str = concat!(summaries!(outbound), " WHERE relay_id = $1");
    const INBOUND: &str = concat!(summaries!(inbound), " WHERE relay_id = $1");
    for (sql, direction) in [(OUTBOUND, Direction::Outbound), (INBOUND, Direction::Inbound)] {
        if let Some(row) = session.query(sql, &[&relay_id.0]).await?.first() {
            return summary(row, direction).map(Some);
        }
    }
    Ok(None)
}

/// Messages that fit, both ways merged.
pub(crate) async fn search(session: &Session, query: &MessageQuery) -> Result<Vec<MessageSummary>, Fault> {
    let mut found = session.transaction(BEGIN, newest(session, query)).await?;
    // Each way holds its own newest, so the newest of both are among them.
    found.sort_by_key(|summary| std::cmp::Reverse((summary.received_at, summary.relay_id)));
    found.truncate(limit(query) as usize);
    Ok(found)
}

/// The newest messages of each way.
async fn newest(session: &Session, query: &MessageQuery) -> Result<Vec<MessageSummary>, Fault> {
    let words = words::query(&query.words);
    let mut found = Vec::new();
    for direction in [Direction::Outbound, Direction::Inbound] {
        if query.direction.is_none_or(|wanted| wanted == direction) {
            if let Some(words) = &words {
                session.batch(COUNT).await?;
                if words::is_single(words) {
                    session.batch(COUNT_ONE).await?;
                }
                let way = if are_rare(session, direction, words).await? { FETCH } else { WALK };
                session.batch(way).await?;
            }
            for row in rows(session, direction, query, words.as_deref()).await? {
                found.push(summary(&row, direction)?);
            }
        }
    }
    Ok(found)
}

/// Whether few messages have these words.
async fn are_rare(session: &Session, direction: Direction, words: &str) -> Result<bool, Fault> {
    let table = match direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
    };
    let sql = format!(
        "SELECT count(*) FROM
            (SELECT FROM mesh_relay.{table} WHERE words @@ $1::text::tsquery LIMIT {RARE_MAX} + 1) AS found"
    );
    let count: i64 = session.client.query_one(&sql, &[&words]).await?.try_get(0)?;
    Ok(count <= RARE_MAX)
}

fn limit(query: &MessageQuery) -> u32 {
    query.limit.clamp(1, SEARCH_LIMIT_MAX)
}

async fn rows(
    session: &Session,
    direction: Direction,
    query: &MessageQuery,
    words: Option<&str>,
) -> Result<Vec<Row>, Fault> {
    let from = match direction {
        Direction::Outbound => concat!(summaries!(outbound), " WHERE ($3::text IS NULL OR recipient = $3)"),
        Direction::Inbound => concat!(summaries!(inbound), " WHERE ($3::text IS NULL OR sender = $3)"),
    };
    // Not kept prepared: with the values at hand, PostgreSQL drops the conditions that restrict nothing and chooses the
    // index that fits the others.
    let sql = format!(
        "{from} AND ($2::text IS NULL OR mailbox = $2) AND ($4::text IS NULL OR workflow = $4)
            AND ($5::text IS NULL OR state_name = $5)
            AND ($6::timestamptz IS NULL OR received_at >= $6) AND ($7::timestamptz IS NULL OR received_at < $7)
            AND ($8::text IS NULL OR words @@ $8::text::tsquery)
            AND ($9::timestamptz IS NULL OR (received_at, relay_id) < ($9, $10::uuid))
        ORDER BY received_at DESC, relay_id DESC LIMIT $1"
    );
    let after = query.after.map(|cursor| value::cut(cursor.received_at));
    let behind = query.after.map(|cursor| cursor.relay_id.0);
    Ok(session
        .client
        .query(
            &sql,
            &[
                &i64::from(limit(query)),
                &query.mailbox.as_ref().map(MailboxId::as_str),
                &query.partner,
                &query.workflow,
                &query.state,
                &query.from.map(value::cut),
                &query.until.map(value::cut),
                &words,
                &after,
                &behind,
            ],
        )
        .await?)
}

fn summary(row: &Row, direction: Direction) -> Result<MessageSummary, Fault> {
    let message_id = value::get::<Option<&str>>(row, "message_id")?;
    let length = value::get::<Option<i64>>(row, "length")?.map(u64::try_from).transpose();
    Ok(MessageSummary {
        direction,
        relay_id: value::relay_id(row, "relay_id")?,
        message_id: message_id.map(str::parse).transpose().map_err(|_| Fault::Unreadable("message_id"))?,
        mailbox: value::mailbox(row, "mailbox")?,
        partner: value::get(row, "partner")?,
        workflow: value::get(row, "workflow")?,
        local_id: value::get(row, "local_id")?,
        file_name: value::get(row, "file_name")?,
        length: length.map_err(|_| Fault::Unreadable("length"))?,
        adapter: value::get(row, "adapter")?,
        state: value::get(row, "state_name")?,
        received_at: value::get(row, "received_at")?,
        updated_at: value::get(row, "updated_at")?,
        settled_at: value::get(row, "settled_at")?,
    })
}
