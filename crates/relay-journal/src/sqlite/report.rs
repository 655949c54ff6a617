//! What people ask of all messages together: counts, the oldest, the partners, the traffic.

use std::time::Duration;

use jiff::Timestamp;
use relay_core::search::{COLLECTED_IN_A_DAY, COLLECTED_SOON, TRAFFIC_STRETCHES_MAX};
use relay_core::{Collected, Direction, Oldest, Partner, StateCount, Traffic};
use rusqlite::Connection;

use super::fault::Fault;
use super::value::{self, integer, micros};
use crate::stored;

/// What differs between the two tables.
struct Table {
    direction: Direction,
    name: &'static str,
    partner: &'static str,
    unended: &'static str,
    /// Accepted by MESH, and not known to be collected.
    uncollected: &'static str,
    failed: &'static str,
    /// Microseconds from MESH's acceptance until the collection was known; NULL where there is none. A clock that was set
    /// back is no reason to count less than nothing.
    took: &'static str,
}

const OUTBOUND: Table = Table {
    direction: Direction::Outbound,
    name: "outbound",
    partner: "recipient",
    unended: "'received', 'sending', 'uploading', 'in_doubt'",
    uncollected: "'accepted', 'unknown_outcome'",
    failed: "'undelivered', 'rejected', 'expired', 'parked'",
    took: "max(0, collected_at - accepted_at)",
};

const INBOUND: Table = Table {
    direction: Direction::Inbound,
    name: "inbound",
    partner: "sender",
    unended: "'listed', 'delivering', 'delivered'",
    uncollected: "''",
    failed: "'parked', 'gone'",
    took: "NULL",
};

/// How many messages are in each state, both ways.
pub(crate) fn counts(connection: &Connection) -> Result<Vec<StateCount>, Fault> {
    counted(connection, "")
}

fn counted(connection: &Connection, narrowed: &str) -> Result<Vec<StateCount>, Fault> {
    let mut counts = Vec::new();
    for Table { direction, name, .. } in [&INBOUND, &OUTBOUND] {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT state_name, count(*) AS messages FROM {name} {narrowed} GROUP BY state_name ORDER BY state_name"
        ))?;
        counts.extend(value::all(statement.query([])?, |row| {
            Ok(StateCount {
                direction: *direction,
                state: value::text(row, "state_name")?,
                messages: value::count(row, "messages")?,
            })
        })?);
    }
    Ok(counts)
}

/// How many messages are in doubt, and how many parked.
pub(crate) fn waiting_counts(connection: &Connection) -> Result<Vec<StateCount>, Fault> {
    counted(connection, "WHERE state_name IN ('in_doubt', 'parked')")
}

/// The messages of each mailbox and adapter that have not ended.
pub(crate) fn oldest_unended(connection: &Connection) -> Result<Vec<Oldest>, Fault> {
    let mut oldest = Vec::new();
    for (Table { direction, name, unended, .. }, adapter) in [(&INBOUND, "NULL"), (&OUTBOUND, "adapter")] {
        // With min() SQLite takes the other columns from the row that has it.
        let mut statement = connection.prepare_cached(&format!(
            "SELECT mailbox, {adapter} AS offered_by, count(*) AS messages, min(received_at) AS received_at, relay_id
             FROM {name} WHERE state_name IN ({unended}) GROUP BY mailbox, offered_by ORDER BY mailbox, offered_by"
        ))?;
        oldest.extend(value::all(statement.query([])?, |row| {
            Ok(Oldest {
                direction: *direction,
                mailbox: value::mailbox(row, "mailbox")?,
                adapter: value::optional_text(row, "offered_by")?,
                messages: value::count(row, "messages")?,
                relay_id: value::relay_id(row, "relay_id")?,
                received_at: value::time(row, "received_at")?,
            })
        })?);
    }
    Ok(oldest)
}

/// Who was sent to and received from since a time.
pub(crate) fn partners(connection: &Connection, since: Timestamp) -> Result<Vec<Partner>, Fault> {
    let (soon, in_a_day) = (stored::micros_of(COLLECTED_SOON), stored::micros_of(COLLECTED_IN_A_DAY));
    let mut partners = Vec::new();
    for table in [&INBOUND, &OUTBOUND] {
        let Table { direction, name, partner, uncollected, failed, took, .. } = table;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT mailbox, {partner} AS partner, workflow, count(*) AS messages,
                 count(*) FILTER (WHERE state_name IN ({uncollected})) AS uncollected,
                 min(received_at) FILTER (WHERE state_name IN ({uncollected})) AS uncollected_since,
                 count(*) FILTER (WHERE state_name IN ({failed})) AS failed,
                 count({took}) AS collected,
                 COALESCE(CAST(avg({took}) AS INTEGER), 0) / 1000000 AS average_seconds,
                 COALESCE(max({took}), 0) / 1000000 AS longest_seconds,
                 count(*) FILTER (WHERE {took} <= ?2) AS soon,
                 count(*) FILTER (WHERE {took} <= ?3) AS in_a_day,
                 max(received_at) AS last
             FROM {name}
             WHERE received_at >= ?1 AND {partner} <> '' AND workflow IS NOT NULL
             GROUP BY mailbox, {partner}, workflow ORDER BY mailbox, {partner}, workflow"
        ))?;
        partners.extend(value::all(statement.query((micros(since), soon, in_a_day))?, |row| {
            Ok(Partner {
                direction: *direction,
                mailbox: value::mailbox(row, "mailbox")?,
                partner: value::text(row, "partner")?,
                workflow: value::text(row, "workflow")?,
                messages: value::count(row, "messages")?,
                uncollected: value::count(row, "uncollected")?,
                uncollected_since: value::optional_time(row, "uncollected_since")?,
                failed: value::count(row, "failed")?,
                collected: Collected {
                    messages: value::count(row, "collected")?,
                    average_seconds: value::count(row, "average_seconds")?,
                    longest_seconds: value::count(row, "longest_seconds")?,
                    within_two_hours: value::count(row, "soon")?,
                    within_a_day: value::count(row, "in_a_day")?,
                },
                last: value::time(row, "last")?,
            })
        })?);
    }
    Ok(partners)
}

/// How many messages were first seen in each stretch.
pub(crate) fn traffic(
    connection: &Connection,
    since: Timestamp,
    stretch: Duration,
) -> Result<Vec<Traffic>, Fault> {
    let stretch = stored::stretch(stretch);
    let mut traffic = Vec::new();
    for Table { direction, name, .. } in [&INBOUND, &OUTBOUND] {
        // Read from the index alone.
        let mut statement = connection.prepare_cached(&format!(
            "SELECT received_at / ?2 * ?2 AS begins, count(*) AS messages FROM {name}
             WHERE received_at >= ?1 GROUP BY begins ORDER BY begins LIMIT ?3"
        ))?;
        let limit = integer(u64::from(TRAFFIC_STRETCHES_MAX) + 1);
        let stretches = value::all(statement.query((micros(since), stretch, limit))?, |row| {
            Ok(Traffic {
                direction: *direction,
                from: value::time(row, "begins")?,
                messages: value::count(row, "messages")?,
            })
        })?;
        if stretches.len() > TRAFFIC_STRETCHES_MAX as usize {
            return Err(Fault::TooLong(stored::stretches()));
        }
        traffic.extend(stretches);
    }
    traffic.sort_by_key(|traffic| (traffic.from, traffic.direction));
    Ok(traffic)
}
