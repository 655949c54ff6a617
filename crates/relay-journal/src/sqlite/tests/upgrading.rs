//! Journals of earlier releases.

use relay_core::{Collected, Journal, MessageQuery, OutboundState, Records};
use rusqlite::Connection;

use super::{Place, accepted, at, inbound, known, new, out, outbound, relay_id};
use crate::tests::promises::deeds::{chain, deed};

/// A file as the first release left it: one message settled, one accepted, one under way, one inbound.
fn first_release(place: &Place) {
    let file = Connection::open(place.path()).unwrap();
    file.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    let accepted = r#"{"accepted":{"id":"20260101_1","at":"2026-09-21T12:00:00Z"}}"#;
    let sending = r#"{"sending":{"attempt":1,"of":1}}"#;
    let rows = [
        (1, "a.ctl", "accepted", accepted, 2, Some("20260101_1"), Some(at(6))),
        (2, "b.ctl", "accepted", accepted, 2, Some("20260101_2"), None),
        (3, "c.ctl", "sending", sending, 2, None, None),
    ];
    for (number, key, name, state, version, message_id, settled) in rows {
        file.execute(
            "INSERT INTO outbound VALUES (?1, 'pathology', ?2, 'X26ABC1', 'X26ABC2', 'PATH', 'L1', 'report.dat', 17,
                 ?3, ?4, ?5, ?6, ?7, ?4, ?8)",
            (
                relay_id(number).0.as_bytes(),
                key,
                message_id,
                at(0).as_microsecond(),
                name,
                state,
                version,
                settled.map(|at| at.as_microsecond()),
            ),
        )
        .unwrap();
        for (name, state) in [("received", r#"{"received":{"attempts":0}}"#), (name, state)] {
            file.execute(
                "INSERT INTO transition (relay_id, direction, at, state_name, state) VALUES (?1, 'outbound', ?2, ?3, ?4)",
                (relay_id(number).0.as_bytes(), at(0).as_microsecond(), name, state),
            )
            .unwrap();
        }
    }
    let delivered = r#"{"delivered":{"receipt":"folder:X"}}"#;
    file.execute(
        "INSERT INTO inbound VALUES (?1, 'X26ABC1', '20260101_9', ?2, 'delivered', ?3, 1, ?2)",
        (relay_id(9).0.as_bytes(), at(0).as_microsecond(), delivered),
    )
    .unwrap();
    file.execute(
        "INSERT INTO transition (relay_id, direction, at, state_name, state) VALUES (?1, 'inbound', ?2, 'delivered', ?3)",
        (relay_id(9).0.as_bytes(), at(0).as_microsecond(), delivered),
    )
    .unwrap();
}

#[tokio::test]
async fn a_journal_of_the_first_release_opens_with_everything_in_it() {
    let place = Place::new();
    first_release(&place);
    let journal = place.open();
    let unsettled = journal.unsettled("pathology").await.unwrap();
    assert_eq!(
        unsettled.iter().map(|record| record.relay_id).collect::<Vec<_>>(),
        [relay_id(2), relay_id(3)]
    );
    assert!(matches!(unsettled[0].state, OutboundState::Accepted { followed: 0, .. }));
    assert!(matches!(unsettled[1].state, OutboundState::Sending { attempt: 1, of: 1, .. }));
    known(journal.begin_outbound(outbound(7, "b.ctl"), None).await.unwrap());
    let freed = journal.begin_outbound(outbound(8, "a.ctl"), None).await.unwrap();
    assert_eq!(freed.into_record().relay_id, relay_id(8), "a settled key is free");
    known(journal.begin_inbound(inbound(5, "20260101_9"), None).await.unwrap());

    let report = journal.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.chains[0].links, 8);
    let mailbox = "X26ABC1".parse().unwrap();
    assert!(
        journal.due(&mailbox, at(1), 9).await.unwrap().is_empty(),
        "MESH tells nothing of what is that old"
    );
    let query = MessageQuery { words: vec!["report".to_owned()], limit: 9, ..MessageQuery::default() };
    assert_eq!(journal.search(&query).await.unwrap().len(), 4);
    journal.close().await;
    place.open().close().await;
}

/// Takes back what the last two steps added to a file.
const BEFORE_DEEDS: &str = "DROP TABLE incident; DROP TABLE deed; DROP TABLE deed_chain; DROP TABLE pause;
    ALTER TABLE outbound DROP COLUMN accepted_at; ALTER TABLE outbound DROP COLUMN collected_at;
    PRAGMA user_version = 4";

#[tokio::test]
async fn when_messages_were_accepted_and_collected_is_found_in_their_histories() {
    let place = Place::new();
    let journal = place.open();
    let collected = OutboundState::Acknowledged { id: "20260101_1".parse().unwrap(), at: at(7_205) };
    for (number, states) in [
        (1, vec![accepted()]),
        (2, vec![accepted(), collected.clone()]),
        (3, vec![accepted(), collected]),
        (4, vec![]),
    ] {
        let mut record =
            new(journal.begin_outbound(outbound(number, &number.to_string()), None).await.unwrap());
        for state in states {
            journal.commit_outbound(&record, out(state, at(9)), None).await.unwrap();
            record.version += 1;
        }
    }
    journal.close().await;
    let file = Connection::open(place.path()).unwrap();
    file.execute_batch(BEFORE_DEEDS).unwrap();
    drop(file);

    let journal = place.open();
    assert_eq!(chain(&journal).await.last, 0, "and the journal is sound");
    let two_hours = Collected {
        messages: 2,
        average_seconds: 7_200,
        longest_seconds: 7_200,
        within_two_hours: 2,
        within_a_day: 2,
    };
    assert_eq!(journal.partners(at(0)).await.unwrap()[0].collected, two_hours);
    journal.record_deed(deed(1)).await.unwrap();
    assert_eq!(chain(&journal).await.last, 1);
    journal.close().await;

    // Once more, when a history is gone and a state is none.
    let file = Connection::open(place.path()).unwrap();
    file.execute_batch(BEFORE_DEEDS).unwrap();
    file.execute_batch("DELETE FROM event WHERE state_name = 'accepted'").unwrap();
    file.execute("UPDATE outbound SET state = '{' WHERE relay_id = ?1", [relay_id(3).0.as_bytes()]).unwrap();
    drop(file);
    place.open().close().await;
    let file = Connection::open(place.path()).unwrap();
    let mut times = file.prepare("SELECT accepted_at, collected_at FROM outbound ORDER BY relay_id").unwrap();
    let times = times.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let times: Vec<(Option<i64>, Option<i64>)> = times.map(Result::unwrap).collect();
    let (had, known) = (Some(at(5).as_microsecond()), Some(at(7_205).as_microsecond()));
    assert_eq!(times, [(had, None), (None, known), (None, None), (None, None)]);
}
