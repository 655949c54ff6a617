//! Questions that take long.

use std::sync::mpsc;
use std::time::Duration;

use relay_core::search::TRAFFIC_STRETCHES_MAX;
use relay_core::{DeedQuery, Journal, JournalError, MessageQuery, NewDeed, Records};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Place, at, outbound, relay_id};
use crate::SqliteRecords;
use crate::sqlite::fault::Fault;
use crate::tests::promises::deeds::deed;

/// A question without an end.
fn endless(connection: &Connection) -> Result<u64, Fault> {
    let sql = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number) SELECT count(*) FROM number";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// So many messages, a second apart, past the journal: of one mailbox in one state, and of another in another.
fn many(place: &Place, messages: u32) {
    let file = Connection::open(place.path()).unwrap();
    file.execute(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)
         INSERT INTO outbound (relay_id, adapter, source_key, mailbox, received_at, state_name, state, version, updated_at)
         SELECT randomblob(16), 'pathology', n, iif(n % 2, 'X26ABC1', 'X26ABC9'), ?2 + n * 1000000,
             iif(n % 2, 'received', 'parked'), '{}', 1, 0 FROM number",
        (messages, at(0).as_microsecond()),
    )
    .unwrap();
}

#[tokio::test]
async fn a_question_without_an_end_is_given_up() {
    let place = Place::new();
    let journal = place.open();
    let asked = journal.inner.people.people.read(Some(Duration::from_millis(50)), endless).await;
    let error = asked.unwrap_err();
    assert!(matches!(error, JournalError::TooBroad { .. }), "{error}");
    assert_eq!(error.to_string(), "the question was given up after 0.05 s: narrow it, by dates for instance");
    assert_eq!(journal.counts().await.unwrap(), [], "the connection goes on");
    journal.close().await;
}

#[tokio::test]
async fn every_broad_question_is_given_up_and_a_narrow_one_and_the_audit_are_answered() {
    let place = Place::new();
    place.open().close().await;
    many(&place, 20_000);
    let records = SqliteRecords::open(&place.path()).unwrap().answering_within(Duration::ZERO);
    // An index leads to half of them, and none fits.
    let unmatched = MessageQuery {
        mailbox: Some("X26ABC1".parse().unwrap()),
        state: Some("parked".to_owned()),
        limit: 9,
        ..MessageQuery::default()
    };
    let file = Connection::open(place.path()).unwrap();
    file.execute("INSERT INTO outbound_words (rowid, text) SELECT rowid, 'PATH' FROM outbound", []).unwrap();
    let word = MessageQuery { words: vec!["path".to_owned()], limit: 9, ..MessageQuery::default() };
    let broad = [
        records.counts().await.map(drop),
        records.oldest_unended().await.map(drop),
        records.search(&unmatched).await.map(drop),
        records.search(&word).await.map(drop),
        records.traffic(at(0), Duration::from_secs(60)).await.map(drop),
    ];
    for (index, asked) in broad.into_iter().enumerate() {
        assert!(matches!(asked, Err(JournalError::TooBroad { .. })), "{index}: {asked:?}");
    }
    assert_eq!(records.message(relay_id(1)).await.unwrap(), None);
    assert_eq!(records.deeds(&DeedQuery::default()).await.unwrap(), []);
    let report = records.verify().await.unwrap();
    assert_eq!(report.faults.len(), 20, "those messages have no links, which was looked at to the end");
    records.close().await;
}

#[tokio::test]
async fn an_answer_about_traffic_is_no_longer_than_it_may_be() {
    let place = Place::new();
    let journal = place.open();
    many(&place, TRAFFIC_STRETCHES_MAX + 1);
    let second = Duration::from_secs(1);
    let whole = journal.traffic(at(0), second).await;
    let Err(error @ JournalError::TooBroad { .. }) = whole else { panic!("{whole:?}") };
    assert!(error.to_string().contains("after 10080 stretches of time each way: narrow it"), "{error}");
    let later = journal.traffic(at(2), second).await.unwrap();
    assert_eq!(later.len(), TRAFFIC_STRETCHES_MAX as usize);
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_takes_long_holds_up_no_other_and_no_audit() {
    let place = Place::new();
    let journal = place.open();
    let (release, held) = mpsc::channel::<()>();
    let (entering, entered) = oneshot::channel();
    let asking = {
        let journal = journal.clone();
        tokio::spawn(async move {
            let asked = journal.inner.people.people.read(None, move |_| {
                entering.send(()).unwrap();
                held.recv().unwrap();
                Ok(())
            });
            asked.await.unwrap();
        })
    };
    entered.await.unwrap();
    for _ in 0..10 {
        assert_eq!(journal.counts().await.unwrap(), []);
        assert!(journal.verify().await.unwrap().is_sound());
    }
    release.send(()).unwrap();
    asking.await.unwrap();
    journal.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_a_question_that_is_asked() {
    let place = Place::new();
    let journal = place.open();
    let (entering, entered) = oneshot::channel();
    let asking = {
        let journal = journal.clone();
        tokio::spawn(async move {
            let asked = journal.inner.people.people.read(None, move |connection| {
                entering.send(()).unwrap();
                endless(connection)
            });
            asked.await
        })
    };
    entered.await.unwrap();
    journal.close().await;
    assert!(matches!(asking.await.unwrap(), Err(JournalError::Closed)));
    assert!(!place.path().with_extension("db-wal").exists(), "the log is folded in");
}

#[tokio::test]
async fn a_work_that_breaks_off_leaves_its_connection() {
    let place = Place::new();
    let journal = place.open();
    // More often than there are connections.
    for _ in 0..10 {
        let broken =
            journal.inner.people.people.read(None, |_| -> Result<(), Fault> { panic!("on purpose") });
        assert!(matches!(broken.await, Err(JournalError::Storage { .. })));
    }
    assert_eq!(journal.counts().await.unwrap(), []);
    journal.close().await;
}

#[tokio::test]
async fn beside_a_running_relay_everything_is_answered() {
    let place = Place::new();
    let journal = place.open();
    let records = SqliteRecords::open(&place.path()).unwrap();
    let cursor = records.change_cursor().await.unwrap();
    journal.begin_outbound(outbound(1, "a.ctl"), None).await.unwrap();
    let done = NewDeed { relay_id: Some(relay_id(1)), ..deed(1) };
    journal.record_deed(done.clone()).await.unwrap();
    assert_eq!(records.message(relay_id(1)).await.unwrap().unwrap().relay_id, relay_id(1));
    assert_eq!(records.changes(&cursor, 9).await.unwrap().len(), 1);
    assert_eq!(records.traffic(at(0), Duration::from_secs(60)).await.unwrap()[0].messages, 1);
    let deeds = records.deeds(&DeedQuery { limit: 9, ..DeedQuery::default() }).await.unwrap();
    assert_eq!(deeds[0].deed, done);
    assert!(records.verify().await.unwrap().is_sound());
    records.close().await;
    journal.close().await;
}
