//! What people ask of all messages together.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use relay_core::{
    Collected, Direction, Evidence, Journal, NewInbound, NewOutbound, OutboundState, Resent, Traffic,
};

use super::{at, begin, begin_inbound, commit, hours, inbound, message_id, outbound, relay_id, to};

fn accepted_at(at: Timestamp, followed: u32) -> OutboundState {
    let id = message_id("20260101_1");
    OutboundState::Accepted { id, at, by: Evidence::Answer, resent: Resent::No, followed }
}

fn collected_at(at: Timestamp) -> OutboundState {
    OutboundState::Acknowledged { id: message_id("20260101_1"), at }
}

/// A message that goes through these states.
async fn through(journal: &dyn Journal, number: u128, states: impl IntoIterator<Item = OutboundState>) {
    let mut record = begin(journal, outbound(number, &format!("{number}.ctl"))).await;
    for state in states {
        record = commit(journal, record, to(state, at(9))).await;
    }
}

async fn collected(journal: &dyn Journal) -> Collected {
    let partners = journal.partners(at(0)).await.unwrap();
    assert_eq!(partners.len(), 1);
    partners[0].collected
}

pub(crate) async fn how_long_it_took_to_collect_is_told(journal: &dyn Journal) {
    through(journal, 1, [accepted_at(hours(0), 0)]).await;
    assert_eq!(collected(journal).await, Collected::default(), "none is known to be collected");
    // The limits themselves are within.
    let second = SignedDuration::from_secs(1);
    let ends = [hours(2), hours(2) + second, hours(25), hours(25) + second, hours(49)];
    for (end, number) in ends.into_iter().zip(2..) {
        through(journal, number, [accepted_at(hours(0), 0), collected_at(end)]).await;
    }
    // When MESH had it is not known.
    through(journal, 8, [collected_at(hours(1))]).await;
    let seconds = (2 + 2 + 25 + 25 + 49) * 3_600 + 2;
    let expected = Collected {
        messages: 5,
        average_seconds: seconds / 5,
        longest_seconds: 49 * 3_600,
        within_two_hours: 1,
        within_a_day: 3,
    };
    assert_eq!(collected(journal).await, expected);
}

pub(crate) async fn the_first_acceptance_and_the_first_collection_count(journal: &dyn Journal) {
    let looked_after = [accepted_at(hours(0), 0), accepted_at(hours(5), 1), collected_at(hours(6))];
    through(journal, 1, looked_after.into_iter().chain([collected_at(hours(60))])).await;
    let six = Collected {
        messages: 1,
        average_seconds: 6 * 3_600,
        longest_seconds: 6 * 3_600,
        within_two_hours: 0,
        within_a_day: 1,
    };
    assert_eq!(collected(journal).await, six);
    // A clock that was set back between the two.
    through(journal, 2, [accepted_at(hours(9), 0), collected_at(hours(8))]).await;
    let both =
        Collected { messages: 2, average_seconds: 3 * 3_600, within_two_hours: 1, within_a_day: 2, ..six };
    assert_eq!(collected(journal).await, both);
}

pub(crate) async fn traffic_adds_up(journal: &dyn Journal) {
    let minute = Duration::from_secs(60);
    assert_eq!(journal.traffic(at(0), minute).await.unwrap(), []);
    // A beginning of an hour.
    let begins = Timestamp::from_second(1_790_000_000 / 3_600 * 3_600).unwrap();
    let seen = |seconds: i64| begins + SignedDuration::from_secs(seconds);
    for (seconds, number) in [-1, 0, 59, 60, 7_200].into_iter().zip(1..) {
        let message = NewOutbound { at: seen(seconds), ..outbound(number, &format!("{number}.ctl")) };
        begin(journal, message).await;
    }
    begin_inbound(journal, NewInbound { at: seen(61), ..inbound(9, "2026_9") }).await;

    let (out, inside) = (Direction::Outbound, Direction::Inbound);
    let expected = |rows: &[(Direction, i64, u64)]| -> Vec<Traffic> {
        let row = |&(direction, seconds, messages)| Traffic { direction, from: seen(seconds), messages };
        rows.iter().map(row).collect()
    };
    let minutes = journal.traffic(seen(0), minute).await.unwrap();
    assert_eq!(minutes, expected(&[(out, 0, 2), (out, 60, 1), (inside, 60, 1), (out, 7_200, 1)]));
    let hour = Duration::from_secs(3_600);
    let hourly = journal.traffic(seen(-1), hour).await.unwrap();
    assert_eq!(hourly, expected(&[(out, -3_600, 1), (out, 0, 3), (inside, 0, 1), (out, 7_200, 1)]));
    let later = journal.traffic(seen(1), hour).await.unwrap();
    assert_eq!(
        later,
        expected(&[(out, 0, 2), (inside, 0, 1), (out, 7_200, 1)]),
        "what was before is left out"
    );

    let shortest = journal.traffic(seen(0), Duration::ZERO).await.unwrap();
    assert_eq!(shortest, journal.traffic(seen(0), Duration::from_secs(1)).await.unwrap());
    assert_eq!(shortest.len(), 5);
    let longest = journal.traffic(seen(-1), Duration::MAX).await.unwrap();
    let whole = |direction, messages| Traffic { direction, from: Timestamp::UNIX_EPOCH, messages };
    assert_eq!(longest, [whole(out, 5), whole(inside, 1)]);
    assert!(journal.message(relay_id(9)).await.unwrap().is_some());
}
