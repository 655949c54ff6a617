//! What people and the teller ask: events, history, counts, partners, traffic, times.

use std::time::Duration;

use jiff::Timestamp;
use relay_core::search::{COLLECTED_IN_A_DAY, COLLECTED_SOON, TRAFFIC_STRETCHES_MAX};
use relay_core::{
    Collected, DeliveryEvent, Direction, EventId, HistoryEntry, MailboxId, MailboxTimes, Oldest, Partner,
    RelayId, SourceKey, StateCount, Traffic,
};

use uuid::Uuid;

use super::connect::Session;
use super::fault::Fault;
use super::value;
use crate::stored;

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
    counted(session, SQL).await
}

async fn counted(session: &Session, sql: &'static str) -> Result<Vec<StateCount>, Fault> {
    let rows = session.query(sql, &[]).await?;
    let counted = |row| {
        Ok(StateCount {
            direction: value::direction(row, "direction")?,
            state: value::get(row, "state_name")?,
            messages: value::count(row, "messages")?,
        })
    };
    rows.iter().map(counted).collect()
}

/// How many messages are in doubt, and how many parked.
pub(crate) async fn waiting_counts(session: &Session) -> Result<Vec<StateCount>, Fault> {
    const SQL: &str = "SELECT 'inbound' AS direction, state_name, count(*) AS messages
            FROM mesh_relay.inbound WHERE state_name IN ('in_doubt', 'parked') GROUP BY state_name
        UNION ALL
        SELECT 'outbound', state_name, count(*)
            FROM mesh_relay.outbound WHERE state_name IN ('in_doubt', 'parked') GROUP BY state_name
        ORDER BY direction, state_name";
    counted(session, SQL).await
}

/// The messages that have not ended, with the oldest of them.
pub(crate) async fn oldest_unended(session: &Session) -> Result<Vec<Oldest>, Fault> {
    // The states are those of the indexes.
    const SQL: &str = "(SELECT DISTINCT ON (mailbox) 'inbound' AS direction, mailbox, NULL AS adapter,
                count(*) OVER (PARTITION BY mailbox) AS messages, relay_id, received_at
            FROM mesh_relay.inbound WHERE state_name IN ('listed', 'delivering', 'delivered')
            ORDER BY mailbox, received_at, relay_id)
        UNION ALL
        (SELECT DISTINCT ON (mailbox, adapter) 'outbound', mailbox, adapter,
                count(*) OVER (PARTITION BY mailbox, adapter), relay_id, received_at
            FROM mesh_relay.outbound WHERE state_name IN ('received', 'sending', 'uploading', 'in_doubt')
            ORDER BY mailbox, adapter, received_at, relay_id)
        ORDER BY direction, mailbox, adapter";
    let rows = session.query(SQL, &[]).await?;
    let oldest = |row| {
        Ok(Oldest {
            direction: value::direction(row, "direction")?,
            mailbox: value::mailbox(row, "mailbox")?,
            adapter: value::get(row, "adapter")?,
            messages: value::count(row, "messages")?,
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

/// Longest time of one statement of a report, which reads every message of its time.
pub(crate) const PARTNERS_STATEMENT_WITHIN: Duration = Duration::from_secs(55);

/// Begins a report. The memory is for its groups.
pub(crate) fn partners_begin() -> String {
    let within = PARTNERS_STATEMENT_WITHIN.as_millis();
    format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {within}; SET LOCAL work_mem = '64MB'")
}

/// Who was sent to and received from, with counts.
/// To be called in a transaction begun by [`partners_begin`].
pub(crate) async fn partners(session: &Session, since: Timestamp) -> Result<Vec<Partner>, Fault> {
    const OUTBOUND: &str = "SELECT mailbox, recipient AS partner, workflow, count(*) AS messages,
            count(*) FILTER (WHERE state_name IN ('accepted', 'unknown_outcome')) AS uncollected,
            min(received_at) FILTER (WHERE state_name IN ('accepted', 'unknown_outcome')) AS uncollected_since,
            count(*) FILTER (WHERE state_name IN ('undelivered', 'rejected', 'expired', 'parked')) AS failed,
            count(took) AS collected,
            COALESCE(floor(avg(took)), 0)::bigint AS average_seconds,
            COALESCE(floor(max(took)), 0)::bigint AS longest_seconds,
            count(*) FILTER (WHERE took <= $2) AS soon,
            count(*) FILTER (WHERE took <= $3) AS in_a_day,
            max(received_at) AS last
        FROM mesh_relay.outbound CROSS JOIN LATERAL (
            SELECT CASE WHEN accepted_at IS NOT NULL AND collected_at IS NOT NULL
                THEN GREATEST(0, extract(epoch FROM collected_at - accepted_at))::float8 END AS took
        ) AS collection
        WHERE received_at >= $1 AND recipient IS NOT NULL AND workflow IS NOT NULL
        GROUP BY mailbox, recipient, workflow ORDER BY mailbox, recipient, workflow";
    const INBOUND: &str = "SELECT mailbox, sender AS partner, workflow, count(*) AS messages,
            0::bigint AS uncollected, NULL::timestamptz AS uncollected_since,
            count(*) FILTER (WHERE state_name IN ('parked', 'gone')) AS failed,
            0::bigint AS collected, 0::bigint AS average_seconds, 0::bigint AS longest_seconds, 0::bigint AS soon,
            0::bigint AS in_a_day,
            max(received_at) AS last
        FROM mesh_relay.inbound
        WHERE received_at >= $1 AND sender IS NOT NULL AND workflow IS NOT NULL
        GROUP BY mailbox, sender, workflow ORDER BY mailbox, sender, workflow";
    let since = value::cut(since);
    let (soon, in_a_day) = (COLLECTED_SOON.as_secs_f64(), COLLECTED_IN_A_DAY.as_secs_f64());
    let mut partners = Vec::new();
    let inbound = session.query(INBOUND, &[&since]).await?;
    let outbound = session.query(OUTBOUND, &[&since, &soon, &in_a_day]).await?;
    for (direction, rows) in [(Direction::Inbound, inbound), (Direction::Outbound, outbound)] {
        for row in rows {
            partners.push(Partner {
                direction,
                mailbox: value::mailbox(&row, "mailbox")?,
                partner: value::get(&row, "partner")?,
                workflow: value::get(&row, "workflow")?,
                messages: value::count(&row, "messages")?,
                uncollected: value::count(&row, "uncollected")?,
                uncollected_since: value::get(&row, "uncollected_since")?,
                failed: value::count(&row, "failed")?,
                collected: Collected {
                    messages: value::count(&row, "collected")?,
                    average_seconds: value::count(&row, "average_seconds")?,
                    longest_seconds: value::count(&row, "longest_seconds")?,
                    within_two_hours: value::count(&row, "soon")?,
                    within_a_day: value::count(&row, "in_a_day")?,
                },
                last: value::get(&row, "last")?,
            });
        }
    }
    Ok(partners)
}

/// How many messages were first seen in each stretch.
pub(crate) async fn traffic(
    session: &Session,
    since: Timestamp,
    stretch: Duration,
) -> Result<Vec<Traffic>, Fault> {
    // Read from the index alone. A time is exact to the microsecond in either type that `extract` may have.
    const INBOUND: &str = "SELECT (extract(epoch FROM received_at) * 1000000)::bigint / $2 * $2 AS begins,
            count(*) AS messages
        FROM mesh_relay.inbound WHERE received_at >= $1 GROUP BY begins ORDER BY begins LIMIT $3";
    const OUTBOUND: &str = "SELECT (extract(epoch FROM received_at) * 1000000)::bigint / $2 * $2 AS begins,
            count(*) AS messages
        FROM mesh_relay.outbound WHERE received_at >= $1 GROUP BY begins ORDER BY begins LIMIT $3";
    let stretch = stored::stretch(stretch);
    let limit = i64::from(TRAFFIC_STRETCHES_MAX) + 1;
    let mut traffic = Vec::new();
    for (direction, sql) in [(Direction::Inbound, INBOUND), (Direction::Outbound, OUTBOUND)] {
        let rows = session.query(sql, &[&value::cut(since), &stretch, &limit]).await?;
        if rows.len() > TRAFFIC_STRETCHES_MAX as usize {
            return Err(Fault::TooLong(stored::stretches()));
        }
        for row in rows {
            let begins = Timestamp::from_microsecond(value::get(&row, "begins")?);
            traffic.push(Traffic {
                direction,
                from: begins.map_err(|_| Fault::Unreadable("received_at"))?,
                messages: value::count(&row, "messages")?,
            });
        }
    }
    traffic.sort_by_key(|traffic| (traffic.from, traffic.direction));
    Ok(traffic)
}
