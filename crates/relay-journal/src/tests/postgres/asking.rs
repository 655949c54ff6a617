//! Questions that take long.

use std::time::Duration;

use relay_core::search::TRAFFIC_STRETCHES_MAX;
use relay_core::{Journal, JournalError, MessageQuery, Records};

use super::Database;
use crate::PostgresJournal;
use crate::tests::promises::{at, begin, outbound, relay_id};

/// Long enough for any answer that nothing stands in the way of.
const WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_takes_too_long_is_given_up_and_the_engine_goes_on() {
    let database = Database::new().await;
    let journal = PostgresJournal::open_answering_within(&database.url, "one", WITHIN).await.unwrap();
    begin(&journal, outbound(1, "a.ctl")).await;
    // Stands for a table that takes long to read.
    let slow = database.client().await;
    slow.batch_execute("BEGIN; LOCK TABLE mesh_relay.inbound IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let query = MessageQuery { limit: 9, ..MessageQuery::default() };
    let (counts, oldest, search, traffic, message) = tokio::join!(
        journal.counts(),
        journal.oldest_unended(),
        journal.search(&query),
        journal.traffic(at(0), Duration::from_secs(60)),
        journal.message(relay_id(9)),
    );
    let asked = [counts.map(drop), oldest.map(drop), search.map(drop), traffic.map(drop), message.map(drop)];
    for (index, asked) in asked.into_iter().enumerate() {
        let Err(error @ JournalError::TooBroad { .. }) = asked else { panic!("{index}: {asked:?}") };
        assert_eq!(
            error.to_string(),
            "the question was given up after 2 s: narrow it, by dates for instance"
        );
    }
    // A report has a longer time, and waits for it while the rest goes on.
    let report = {
        let journal = journal.clone();
        tokio::spawn(async move { journal.partners(at(0)).await })
    };
    assert!(journal.outbound(relay_id(1)).await.unwrap().is_some());
    begin(&journal, outbound(2, "b.ctl")).await;
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(report.await.unwrap().unwrap()[0].messages, 2);
    assert_eq!(journal.counts().await.unwrap()[0].messages, 2, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_has_the_time_that_it_takes() {
    let database = Database::new().await;
    // No statement of a question is that fast.
    let within = Duration::from_millis(1);
    let journal = PostgresJournal::open_answering_within(&database.url, "one", within).await.unwrap();
    begin(&journal, outbound(1, "a.ctl")).await;
    let slow = database.client().await;
    slow.batch_execute("BEGIN; LOCK TABLE mesh_relay.deed IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let audit = {
        let journal = journal.clone();
        tokio::spawn(async move { journal.verify().await })
    };
    let given_up = journal.deeds(&relay_core::DeedQuery::default()).await;
    assert!(matches!(given_up, Err(JournalError::TooBroad { .. })), "{given_up:?}");
    slow.batch_execute("COMMIT").await.unwrap();
    assert!(audit.await.unwrap().unwrap().is_sound());
}

#[tokio::test]
async fn an_answer_about_traffic_is_no_longer_than_it_may_be() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let many = format!(
        "INSERT INTO mesh_relay.outbound (relay_id, adapter, source_key, key_hash, key_held, key_returns, mailbox, tell,
            received_at, state_name, state, version, updated_at, first_words, words)
        SELECT gen_random_uuid(), 'pathology', n::text, ''::bytea, FALSE, FALSE, 'X26ABC1', FALSE,
            to_timestamp({}) + n * interval '1 second', 'received', '{{}}', 1, now(), '', ''
        FROM generate_series(1, {}) AS n",
        at(0).as_second(),
        TRAFFIC_STRETCHES_MAX + 1
    );
    database.client().await.batch_execute(&many).await.unwrap();
    let second = Duration::from_secs(1);
    let whole = journal.traffic(at(0), second).await;
    let Err(error @ JournalError::TooBroad { .. }) = whole else { panic!("{whole:?}") };
    assert!(error.to_string().contains("after 10080 stretches of time each way: narrow it"), "{error}");
    let later = journal.traffic(at(2), second).await.unwrap();
    assert_eq!(later.len(), TRAFFIC_STRETCHES_MAX as usize);
}
