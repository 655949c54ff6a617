//! What people and the teller ask: events, history, counts, partners, times.

use jiff::Timestamp;
use relay_core::{
    DeliveryEvent, Direction, EventId, HistoryEntry, MailboxId, MailboxTimes, Oldest, Partner, RelayId,
    SourceKey, StateCount,
};

use uuid::Uuid;

use super::connect::Session;
use super::fault::Fault;
use super::value;

/// Events that an adapter's system was not told, in the order of their recording.
pub(crate) async fn untold(
    session: &Session,
    adapter: &str,
    except: &[RelayId],
    limit: u32,
) -> Result<Vec<DeliveryEvent>, Fault> {
    const SQL: &str =
        "SELECT event.relay_id, sequence, source_key, mailbox, workflow, reply, at, event.state,
            note
        FROM mesh_relay.event JOIN mesh_relay.outbound ON outbound.relay_id = event.relay_id
        WHERE untold_to = $1 AND event.relay_id <> ALL ($2) ORDER BY place LIMIT $3";
    let except: Vec<Uuid> = except.iter().map(|id| id.0).collect();
    let rows = session.query(SQL, &[&adapter, &except, &i64::from(limit)]).await?;
    let event = |row| {
        Ok(DeliveryEvent {
            id: EventId {
                relay_id: value::relay_id(row, "relay_id")?,
                sequence: value::count(row, "sequence")?,
            },
            source: SourceKey { adapter: adapter.to_owned(), message: value::get(row, "source_key")? },
            mailbox: value::mailbox(row, "mailbox")?,
            workflow: value::get(row, "workflow")?,
            reply: value::get(row, "reply")?,
            at: value::get(row, "at")?,
            state: value::state(row, "state")?,
            note: value::get(row, "note")?,
        })
    };
    rows.iter().map(event).collect()
}

/// When MESH was last called about a mailbox.
pub(crate) async fn mailbox_times(session: &Session, mailbox: &MailboxId) -> Result<MailboxTimes, Fault> {
    const SQL: &str = "SELECT polled_at, handshake_at FROM mesh_relay.mailbox WHERE mailbox = $1";
    let rows = session.query(SQL, &[&mailbox.as_str()]).await?;
    let Some(row) = rows.first() else { return Ok(MailboxTimes::default()) };
    Ok(MailboxTimes {
        polled_at: value::get(row, "polled_at")?,
        handshake_at: value::get(row, "handshake_at")?,
    })
}

/// How many messages are in each state.
pub(crate) async fn counts(session: &Session) -> Result<Vec<StateCount>, Fault> {
    const SQL: &str = "SELECT 'inbound' AS direction, state_name, count(*) AS messages
            FROM mesh_relay.inbound GROUP BY state_name
        UNION ALL
        SELECT 'outbound', state_name, count(*) FROM mesh_relay.outbound GROUP BY state_name
        ORDER BY direction, state_name";
    let rows = session.query(SQL, &[]).await?;
    let counted = |row| {
        Ok(StateCount {
            direction: value::direction(row, "direction")?,
            state: value::get(row, "state_name")?,
            messages: value::count(row, "messages")?,
        })
    };
    rows.iter().map(counted).collect()
}

/// The oldest messages that have not ended.
pub(crate) async fn oldest_unended(session: &Session) -> Result<Vec<Oldest>, Fault> {
    // The states are those of the indexes.
    const SQL: &str = "(SELECT DISTINCT ON (mailbox) 'inbound' AS direction, mailbox, relay_id, received_at
            FROM mesh_relay.inbound WHERE state_name IN ('listed', 'delivering', 'delivered')
            ORDER BY mailbox, received_at, relay_id)
        UNION ALL
        (SELECT DISTINCT ON (mailbox) 'outbound', mailbox, relay_id, received_at
            FROM mesh_relay.outbound WHERE state_name IN ('received', 'sending', 'uploading', 'in_doubt')
            ORDER BY mailbox, received_at, relay_id)
        ORDER BY direction, mailbox";
    let rows = session.query(SQL, &[]).await?;
    let oldest = |row| {
        Ok(Oldest {
            direction: value::direction(row, "direction")?,
            mailbox: value::mailbox(row, "mailbox")?,
            relay_id: value::relay_id(row, "relay_id")?,
            received_at: value::get(row, "received_at")?,
        })
    };
    rows.iter().map(oldest).collect()
}

/// Everything that happened to a message, oldest first.
pub(crate) async fn history(session: &Session, relay_id: RelayId) -> Result<Vec<HistoryEntry>, Fault> {
    const SQL: &str = "SELECT sequence, at, state_name, state, note FROM mesh_relay.event
        WHERE relay_id = $1 ORDER BY sequence";
    let rows = session.query(SQL, &[&relay_id.0]).await?;
    let entry = |row| {
        Ok(HistoryEntry {
            sequence: value::count(row, "sequence")?,
            at: value::get(row, "at")?,
            state: value::get(row, "state_name")?,
            evidence: value::get(row, "state")?,
            note: value::get(row, "note")?,
        })
    };
    rows.iter().map(entry).collect()
}

/// Begins a report, which reads every message of its time. The memory is for its groups.
pub(crate) const PARTNERS_BEGIN: &str =
    "BEGIN READ ONLY; SET LOCAL statement_timeout = '55s'; SET LOCAL work_mem = '64MB'";

/// Who was sent to and received from, with counts.
/// To be called in a transaction begun by [`PARTNERS_BEGIN`].
pub(crate) async fn partners(session: &Session, since: Timestamp) -> Result<Vec<Partner>, Fault> {
    const OUTBOUND: &str = "SELECT mailbox, recipient AS partner, workflow, count(*) AS messages,
            count(*) FILTER (WHERE state_name IN ('accepted', 'unknown_outcome')) AS uncollected,
            min(received_at) FILTER (WHERE state_name IN ('accepted', 'unknown_outcome')) AS uncollected_since,
            count(*) FILTER (WHERE state_name IN ('undelivered', 'rejected', 'expired', 'parked')) AS failed,
            max(received_at) AS last
        FROM mesh_relay.outbound
        WHERE received_at >= $1 AND recipient IS NOT NULL AND workflow IS NOT NULL
        GROUP BY mailbox, recipient, workflow ORDER BY mailbox, recipient, workflow";
    const INBOUND: &str = "SELECT mailbox, sender AS partner, workflow, count(*) AS messages,
            0::bigint AS uncollected, NULL::timestamptz AS uncollected_since,
            count(*) FILTER (WHERE state_name IN ('parked', 'gone')) AS failed,
            max(received_at) AS last
        FROM mesh_relay.inbound
        WHERE received_at >= $1 AND sender IS NOT NULL AND workflow IS NOT NULL
        GROUP BY mailbox, sender, workflow ORDER BY mailbox, sender, workflow";
    let mut partners = Vec::new();
    for (direction, sql) in [(Direction::Inbound, INBOUND), (Direction::Outbound, OUTBOUND)] {
        for row in session.query(sql, &[&value::cut(since)]).await? {
            partners.push(Partner {
                direction,
                mailbox: value::mailbox(&row, "mailbox")?,
                partner: value::get(&row, "partner")?,
                workflow: value::get(&row, "workflow")?,
                messages: value::count(&row, "messages")?,
                uncollected: value::count(&row, "uncollected")?,
                uncollected_since: value::get(&row, "uncollected_since")?,
                failed: value::count(&row, "failed")?,
                last: value::get(&row, "last")?,
            });
        }
    }
    Ok(partners)
}
