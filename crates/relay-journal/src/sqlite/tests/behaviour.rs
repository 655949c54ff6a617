//! What the trait promises.

use relay_core::{
    Direction, DoubtStrategy, InboundState, Journal, JournalError, OutboundState, Records, Rejection, Resent,
    StateCount,
};

use super::{Place, accepted, at, inbound, inn, known, new, out, outbound, relay_id};

#[tokio::test]
async fn a_key_is_known_until_it_is_settled_and_new_after_that() {
    let place = Place::new();
    let journal = place.open();
    let first = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    assert_eq!((first.relay_id, first.version), (relay_id(1), 1));
    let again = known(journal.begin_outbound(outbound(2, "a.ctl"), None).await.unwrap());
    assert_eq!(again.relay_id, relay_id(1));
    assert_eq!(again.received_at, first.received_at);
    assert_eq!(again.state, first.state);

    journal.commit_outbound(&first, out(accepted(), at(5)), None).await.unwrap();
    let ended = known(journal.begin_outbound(outbound(3, "a.ctl"), None).await.unwrap());
    assert_eq!((ended.state, ended.version), (accepted(), 2));

    journal.settle(relay_id(1), at(6), None).await.unwrap();
    let reused = new(journal.begin_outbound(outbound(4, "a.ctl"), None).await.unwrap());
    assert_eq!(reused.relay_id, relay_id(4));
    journal.close().await;
}

#[tokio::test]
async fn another_adapter_may_use_the_same_key() {
    let place = Place::new();
    let journal = place.open();
    new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    let mut other = outbound(2, "a.ctl");
    other.source.adapter = "engine".to_owned();
    new(journal.begin_outbound(other, None).await.unwrap());
}

#[tokio::test]
async fn every_outbound_state_comes_back_as_it_went_in() {
    let place = Place::new();
    let journal = place.open();
    let mut record = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    let states = [
        OutboundState::Sending { attempt: 1, of: 3, resent: Resent::No },
        OutboundState::Uploading {
            attempt: 1,
            id: "20260101_1".parse().unwrap(),
            taken: 1,
            of: 3,
            chunk_bytes: 100,
            resent: Resent::No,
        },
        OutboundState::InDoubt {
            attempt: 1,
            since: at(7),
            probes: 2,
            strategy: DoubtStrategy::Resend,
            resent: Resent::No,
        },
        OutboundState::Received { attempts: 1, resent: Resent::Probed },
        OutboundState::Parked { reason: "in doubt".to_owned() },
        OutboundState::Expired { at: at(8) },
        OutboundState::Rejected(Rejection {
            event: "SEND".to_owned(),
            code: "12".to_owned(),
            description: "Unregistered to address".to_owned(),
            message_id: None,
        }),
        accepted(),
    ];
    for (state, version) in states.into_iter().zip(2_u64..) {
        journal.commit_outbound(&record, out(state.clone(), at(9)), None).await.unwrap();
        record = known(journal.begin_outbound(outbound(9, "a.ctl"), None).await.unwrap());
        assert_eq!((&record.state, record.version), (&state, version));
    }
}

#[tokio::test]
async fn a_stale_version_conflicts_and_changes_nothing() {
    let place = Place::new();
    let journal = place.open();
    let stale = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    let sending = OutboundState::Sending { attempt: 1, of: 1, resent: Resent::No };
    journal.commit_outbound(&stale, out(sending.clone(), at(1)), None).await.unwrap();
    let conflict = journal.commit_outbound(&stale, out(accepted(), at(2)), None).await;
    assert!(matches!(conflict, Err(JournalError::Conflict { relay_id: id }) if id == relay_id(1)));
    let now = known(journal.begin_outbound(outbound(2, "a.ctl"), None).await.unwrap());
    assert_eq!((now.state, now.version), (sending, 2));

    let stale = new(journal.begin_inbound(inbound(3, "20260101_1"), None).await.unwrap());
    journal.commit_inbound(&stale, inn(InboundState::Gone, at(1)), None).await.unwrap();
    let conflict = journal.commit_inbound(&stale, inn(InboundState::Acknowledged, at(2)), None).await;
    assert!(matches!(conflict, Err(JournalError::Conflict { .. })));
}

#[tokio::test]
async fn unsettled_lists_those_of_one_adapter_oldest_first() {
    let place = Place::new();
    let journal = place.open();
    for (number, second) in [(1, 30), (2, 10), (3, 20), (4, 5)] {
        let mut message = outbound(number, &format!("{number}.ctl"));
        message.at = at(second);
        if number == 3 {
            message.source.adapter = "engine".to_owned();
        }
        let record = new(journal.begin_outbound(message, None).await.unwrap());
        // The fourth, the oldest, is still under way.
        if number != 4 {
            journal.commit_outbound(&record, out(accepted(), at(40)), None).await.unwrap();
        }
    }
    let ids = |records: Vec<relay_core::OutboundRecord>| -> Vec<_> {
        records.into_iter().map(|record| record.relay_id).collect()
    };
    let waiting = journal.unsettled("pathology").await.unwrap();
    assert_eq!(waiting[1].state, accepted());
    assert_eq!(ids(waiting), [relay_id(4), relay_id(2), relay_id(1)]);

    journal.settle(relay_id(2), at(50), None).await.unwrap();
    assert_eq!(ids(journal.unsettled("pathology").await.unwrap()), [relay_id(4), relay_id(1)]);
    assert_eq!(ids(journal.unsettled("engine").await.unwrap()), [relay_id(3)]);
    assert!(journal.unsettled("nobody").await.unwrap().is_empty());
}

#[tokio::test]
async fn settling_twice_keeps_the_first_time_and_an_unknown_message_is_refused() {
    let place = Place::new();
    let journal = place.open();
    let record = new(journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap());
    journal.commit_outbound(&record, out(accepted(), at(5)), None).await.unwrap();
    journal.settle(relay_id(1), at(6), None).await.unwrap();
    journal.settle(relay_id(1), at(99), None).await.unwrap();
    let unknown = journal.settle(relay_id(2), at(6), None).await;
    assert!(matches!(unknown, Err(JournalError::Conflict { .. })));
    journal.close().await;

    let file = rusqlite::Connection::open(place.path()).unwrap();
    let settled: i64 = file.query_row("SELECT settled_at FROM outbound", [], |row| row.get(0)).unwrap();
    assert_eq!(settled, at(6).as_microsecond());
}

#[tokio::test]
async fn local_ids_are_counted_within_their_mailbox() {
    let place = Place::new();
    let journal = place.open();
    for number in 1..=3 {
        let mut message = outbound(number, &format!("{number}.ctl"));
        if number == 3 {
            message.mailbox = "X26ABC9".parse().unwrap();
        }
        journal.begin_outbound(message, None).await.unwrap();
    }
    let mut unreadable = outbound(4, "4.ctl");
    unreadable.details = None;
    journal.begin_outbound(unreadable, None).await.unwrap();

    let ours = "X26ABC1".parse().unwrap();
    let uses = |local_id: &str| {
        let (journal, ours, local_id) = (&journal, &ours, local_id.parse().unwrap());
        async move { journal.find_local_id(ours, &local_id, 9).await.unwrap().len() }
    };
    assert_eq!(uses("report-1").await, 2);
    assert_eq!(uses("report-2").await, 0);
}

#[tokio::test]
async fn an_inbound_message_goes_its_way_and_stays_known() {
    let place = Place::new();
    let journal = place.open();
    let mut record = new(journal.begin_inbound(inbound(1, "20260101_1"), None).await.unwrap());
    assert_eq!((&record.state, record.version), (&InboundState::Delivering { attempt: 1 }, 1));
    let receipt = "IN/X.ctl".to_owned();
    for state in [
        InboundState::Delivering { attempt: 2 },
        InboundState::Delivered { receipt },
        InboundState::Acknowledged,
    ] {
        journal.commit_inbound(&record, inn(state.clone(), at(1)), None).await.unwrap();
        record = known(journal.begin_inbound(inbound(2, "20260101_1"), None).await.unwrap());
        assert_eq!((record.relay_id, &record.state), (relay_id(1), &state));
    }
    let mut elsewhere = inbound(3, "20260101_1");
    elsewhere.mailbox = "X26ABC2".parse().unwrap();
    new(journal.begin_inbound(elsewhere, None).await.unwrap());
}

#[tokio::test]
async fn counts_add_up_and_every_change_is_in_the_history() {
    let place = Place::new();
    let journal = place.open();
    assert!(journal.counts().await.unwrap().is_empty());
    for number in 1..=3 {
        let record = journal.begin_outbound(outbound(number, &format!("{number}.ctl")), None).await.unwrap();
        if number == 1 {
            journal.commit_outbound(&record.into_record(), out(accepted(), at(5)), None).await.unwrap();
        }
    }
    journal.begin_inbound(inbound(9, "20260101_1"), None).await.unwrap();
    let count =
        |direction, state: &str, messages| StateCount { direction, state: state.to_owned(), messages };
    assert_eq!(
        journal.counts().await.unwrap(),
        [
            count(Direction::Inbound, "delivering", 1),
            count(Direction::Outbound, "accepted", 1),
            count(Direction::Outbound, "received", 2)
        ],
    );
    journal.close().await;

    let file = rusqlite::Connection::open(place.path()).unwrap();
    let history = "SELECT group_concat(direction || ' ' || state_name, ', ' ORDER BY number) FROM event";
    let history: String = file.query_row(history, [], |row| row.get(0)).unwrap();
    assert_eq!(
        history,
        "outbound received, outbound accepted, outbound received, outbound received, inbound delivering"
    );
    let found: String = file
        .query_row("SELECT relay_id FROM outbound WHERE message_id IS NOT NULL", [], |row| {
            row.get::<_, [u8; 16]>(0).map(|bytes| uuid::Uuid::from_bytes(bytes).to_string())
        })
        .unwrap();
    assert_eq!(found, relay_id(1).to_string());
}

#[tokio::test]
async fn an_unreadable_row_is_reported_without_its_content() {
    let place = Place::new();
    let journal = place.open();
    journal.begin_outbound(outbound(1, "secret.ctl"), None).await.unwrap();
    journal.close().await;
    let file = rusqlite::Connection::open(place.path()).unwrap();
    file.execute("UPDATE outbound SET state = '{\"secret\":1}'", []).unwrap();
    drop(file);

    let journal = place.open();
    let error = journal.begin_outbound(outbound(2, "secret.ctl"), None).await.unwrap_err();
    assert!(matches!(error, JournalError::Storage { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(journal.unsettled("pathology").await.is_err());
}
