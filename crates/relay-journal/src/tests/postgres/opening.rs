//! Opening, and what is refused.

use futures_util::future::join_all;
use relay_core::{Journal, JournalError, Records};

use super::Database;
use crate::tests::promises::{begin, known, outbound, relay_id};
use crate::{PostgresJournal, PostgresOpenError};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_instances_may_start_at_once_on_an_empty_database() {
    let database = Database::new().await;
    let names: Vec<String> = (0..8).map(|number| format!("instance-{number}")).collect();
    let opened = join_all(names.iter().map(|name| PostgresJournal::open(&database.url, name))).await;
    for journal in opened {
        journal.unwrap().close().await;
    }
    let report = database.open("one").await.verify().await.unwrap();
    assert_eq!(report.chains.len(), 2 * 9, "each has one of messages and one of deeds");
}

#[tokio::test]
async fn what_was_written_is_there_when_it_is_opened_again() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let clone = journal.clone();
    begin(&journal, outbound(1, "a.ctl")).await;
    journal.close().await;
    assert!(matches!(clone.begin_outbound(outbound(2, "b.ctl"), None).await, Err(JournalError::Closed)));
    assert!(matches!(clone.counts().await, Err(JournalError::Closed)));

    let journal = database.open("one").await;
    let found = known(journal.begin_outbound(outbound(2, "a.ctl"), None).await.unwrap());
    assert_eq!(found.relay_id, relay_id(1));
    begin(&journal, outbound(3, "b.ctl")).await;
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound());
    assert_eq!(report.chains[0].last, 2, "the chain goes on");
}

#[tokio::test]
async fn a_journal_of_a_later_release_is_refused_and_left_alone() {
    let database = Database::new().await;
    database.open("one").await.close().await;
    database.client().await.batch_execute("UPDATE mesh_relay.journal SET version = 99").await.unwrap();
    let refused = PostgresJournal::open(&database.url, "two").await;
    let Err(error @ PostgresOpenError::TooNew { found: 99, .. }) = refused.map(drop) else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("run the newer program"), "{error}");
    let chains = "SELECT count(*) FROM mesh_relay.chain";
    let chains: i64 = database.client().await.query_one(chains, &[]).await.unwrap().get(0);
    assert_eq!(chains, 1);
}

#[tokio::test]
async fn tables_of_something_else_are_refused_and_left_alone() {
    for tables in [
        "CREATE TABLE mesh_relay.outbound (id INT)",
        "CREATE TABLE mesh_relay.journal (id INT)",
        "CREATE TABLE mesh_relay.journal (product TEXT, version BIGINT)",
        "CREATE TABLE mesh_relay.journal (product TEXT, version BIGINT);
            INSERT INTO mesh_relay.journal VALUES ('something else', 1)",
    ] {
        let database = Database::new().await;
        let client = database.client().await;
        client.batch_execute("CREATE SCHEMA mesh_relay").await.unwrap();
        client.batch_execute(tables).await.unwrap();
        let refused = PostgresJournal::open(&database.url, "one").await.map(drop);
        assert!(matches!(refused, Err(PostgresOpenError::Foreign { .. })), "{tables}: {refused:?}");
        let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'mesh_relay'::regnamespace
            AND relkind = 'r'";
        let count: i64 = client.query_one(count, &[]).await.unwrap().get(0);
        assert_eq!(count, 1);
    }
}

#[tokio::test]
async fn an_empty_schema_made_before_is_used_by_a_user_without_other_rights() {
    let database = Database::new().await;
    let client = database.client().await;
    let user = format!("user_{}", uuid::Uuid::new_v4().simple());
    client
        .batch_execute(&format!("CREATE USER {user}; CREATE SCHEMA mesh_relay AUTHORIZATION {user}"))
        .await
        .unwrap();
    let journal = PostgresJournal::open(&database.url.replace("tests@", &format!("{user}@")), "one").await;
    begin(&journal.unwrap(), outbound(1, "a.ctl")).await;

    // Without the schema it would have to be made.
    let other = Database::new().await;
    let refused = PostgresJournal::open(&other.url.replace("tests@", &format!("{user}@")), "one").await;
    let error = refused.map(drop).unwrap_err().to_string();
    assert!(error.contains("grant it the rights"), "{error}");
}

#[tokio::test]
async fn no_error_shows_the_password() {
    let refused = [
        "postgresql://relay:canary@127.0.0.1:1/journal",
        "postgresql://relay:canary@127.0.0.1:port/journal",
        "postgresql://relay:canary@127.0.0.1:1/journal?canary=canary",
        "host=127.0.0.1 port=1 user=relay password=canary dbname=journal",
        "canary",
    ];
    for url in refused {
        let error = PostgresJournal::open(url, "one").await.map(drop).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    let error = PostgresJournal::open(refused[0], "one").await.map(drop).unwrap_err().to_string();
    assert!(error.contains("journal on 127.0.0.1"), "{error}");
    assert!(error.contains("see that it runs and can be reached"), "{error}");
}

#[tokio::test]
async fn an_instance_needs_a_name() {
    for name in ["", " ", "a\0b", &"x".repeat(201)] {
        let refused = PostgresJournal::open("postgresql://127.0.0.1:1/journal", name).await;
        assert!(matches!(refused.map(drop), Err(PostgresOpenError::Instance { .. })));
    }
}

#[tokio::test]
async fn an_unreadable_row_is_reported_without_its_content() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    begin(&journal, outbound(1, "secret.ctl")).await;
    let change = "UPDATE mesh_relay.outbound SET state = '{\"secret\":1}'";
    database.client().await.batch_execute(change).await.unwrap();
    let error = journal.begin_outbound(outbound(2, "secret.ctl"), None).await.unwrap_err();
    assert!(matches!(error, JournalError::Storage { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(journal.unsettled("pathology").await.is_err());
    begin(&journal, outbound(3, "other.ctl")).await;
}
