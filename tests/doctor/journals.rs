//! Faults of the journal.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use relay_journal::SqliteJournal;

use crate::house::House;

const JOURNAL: &str = "state/journal.db";

/// A house whose relay ran once.
async fn lived_in() -> House {
    let house = House::new().await;
    SqliteJournal::open(&house.path(JOURNAL)).expect("a journal").close().await;
    house
}

#[tokio::test]
async fn a_sound_journal_stays_as_it_is() {
    let house = lived_in().await;
    let before = house.inventory();
    let report = house.doctor().await;
    assert_eq!((report.code, report.verdict("journal.content")), (Some(0), "ok"), "{:#}", report.json);
    assert_eq!(report.verdict("journal.version"), "ok");
    assert_eq!(house.inventory(), before);
}

#[tokio::test]
async fn a_journal_that_may_not_be_written_is_named() {
    let house = lived_in().await;
    assert_eq!(house.doctor_of_nobody().await.code, Some(0));
    let journal = house.path(JOURNAL);
    chown(&journal, Some(0), Some(0)).expect("another owner");
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o644)).expect("rights");
    house.doctor_as_nobody().await.blames("journal.file", &["journal.db", "cannot be written"]);
}

#[tokio::test]
async fn a_damaged_journal_is_named() {
    let house = lived_in().await;
    let mut bytes = fs::read(house.path(JOURNAL)).expect("the journal");
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xA5);
    house.write(JOURNAL, bytes);
    house.doctor().await.blames("journal.content", &["journal.db", "damaged"]);
}

#[tokio::test]
async fn a_journal_of_a_later_release_is_named() {
    let house = lived_in().await;
    let connection = rusqlite::Connection::open(house.path(JOURNAL)).expect("the journal");
    connection.pragma_update(None, "user_version", 99).expect("another version");
    drop(connection);
    house.doctor().await.blames("journal.version", &["journal.db", "version 99", "release that wrote it"]);
}

#[tokio::test]
async fn a_database_that_refuses_our_login_is_named() {
    let house = House::new().await;
    let url = std::env::var("MESH_RELAY_TEST_POSTGRES")
        .expect("MESH_RELAY_TEST_POSTGRES names no database; run `make test`");
    let database = format!("doctor_{}", std::process::id());
    let (client, connection) =
        tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("the database");
    tokio::spawn(connection);
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {database}")).await.expect("dropped");
    client.batch_execute(&format!("CREATE DATABASE {database}")).await.expect("made");
    let own = format!("{}/{database}", url.rsplit_once('/').expect("a database").0);
    house.secret("journal.url", &own);
    house.reword("path = \"state/journal.db\"", "url = { file = \"journal.url\" }\ninstance = \"relay-a\"");
    let report = house.doctor().await;
    assert_eq!((report.code, report.verdict("journal.rights")), (Some(0), "ok"), "{:#}", report.json);
    // A look makes nothing.
    let (inside, connection) =
        tokio_postgres::connect(&own, tokio_postgres::NoTls).await.expect("the database");
    tokio::spawn(connection);
    let schema =
        inside.query_one("SELECT to_regnamespace('mesh_relay') IS NULL", &[]).await.expect("an answer");
    assert!(schema.get::<_, bool>(0));

    let role = format!("{database}_user");
    client.batch_execute(&format!("CREATE ROLE {role} NOLOGIN")).await.expect("a role");
    let (before, host) = own.split_once('@').expect("a user");
    let scheme = before.split_once("//").expect("a scheme").0;
    house.secret("journal.url", &format!("{scheme}//{role}:wrong-password@{host}"));
    let report = house.doctor().await;
    report.blames("journal.database", &[&database, "refuses the login"]);
    assert!(!String::from_utf8_lossy(&report.output.stdout).contains("wrong-password"));
    for statement in [format!("DROP DATABASE {database} WITH (FORCE)"), format!("DROP ROLE {role}")] {
        client.batch_execute(&statement).await.expect("dropped");
    }
}
