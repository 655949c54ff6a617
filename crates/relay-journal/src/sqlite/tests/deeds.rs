//! What was changed behind the journal's back is found.

use relay_core::audit::AuditReport;
use relay_core::{DeedKind, Journal, NewDeed, Pausable, Records};
use rusqlite::Connection;

use super::{Place, relay_id};
use crate::tests::promises::deeds::{chain, deed};
use crate::tests::promises::pauses::pause;

/// A journal with four deeds, changed by `statement`, as its audit sees it then.
async fn after(statement: &str) -> AuditReport {
    let place = Place::new();
    let journal = place.open();
    for second in 1..=4 {
        let about = NewDeed { relay_id: Some(relay_id(1)), note: Some("why".to_owned()), ..deed(second) };
        journal.record_deed(NewDeed { kind: DeedKind::Park, ..about }).await.unwrap();
    }
    assert_eq!(chain(&journal).await.last, 4);
    let file = Connection::open(place.path()).unwrap();
    file.execute_batch(statement).unwrap();
    drop(file);
    let report = journal.verify().await.unwrap();
    assert!(!report.is_sound(), "{statement}");
    assert!(report.chains[0].fault.is_none(), "the messages' chain is as it was");
    journal.close().await;
    report
}

/// What is wrong with the chain of deeds.
fn fault(report: &AuditReport) -> &str {
    assert_eq!(report.chains[1].chain, "local deeds");
    report.chains[1].fault.as_deref().unwrap()
}

#[tokio::test]
async fn a_changed_deed_is_found() {
    for change in [
        "at = at + 1",
        "who = 'bob'",
        "kind = 'fetch'",
        "relay_id = NULL",
        "mailbox = 'X26ABC1'",
        "message_id = '20260101_1'",
        "note = 'another'",
        "note = NULL",
        "hash = zeroblob(32)",
    ] {
        let report = after(&format!("UPDATE deed SET {change} WHERE number = 2")).await;
        assert_eq!(fault(&report), "deed 2 was changed or is not where it was", "{change}");
    }
    let report = after("UPDATE deed SET kind = 'nonsense' WHERE number = 2").await;
    assert_eq!(fault(&report), "deed 2 cannot be read");
}

#[tokio::test]
async fn a_removed_deed_is_found() {
    let report = after("DELETE FROM deed WHERE number = 2").await;
    assert_eq!(fault(&report), "deed 2 is missing; deed 3 stands in its place");
    for statement in ["DELETE FROM deed WHERE number = 4", "DELETE FROM deed"] {
        let report = after(statement).await;
        assert!(fault(&report).contains("deeds at its end are missing"), "{report:?}");
    }
    let report = after("UPDATE deed_chain SET base_number = 1").await;
    assert!(fault(&report).starts_with("deed 2 is missing"), "{report:?}");
}

#[tokio::test]
async fn a_moved_deed_is_found() {
    let report = after(
        "UPDATE deed SET number = -2 WHERE number = 2;
         UPDATE deed SET number = 2 WHERE number = 3;
         UPDATE deed SET number = 3 WHERE number = -2",
    )
    .await;
    assert!(fault(&report).starts_with("deed 2 was changed"), "{report:?}");
    let report = after("UPDATE deed SET chain = 'elsewhere' WHERE number = 4").await;
    assert!(fault(&report).contains("deeds at its end are missing"), "{report:?}");
    assert_eq!(report.faults, ["1 deeds stand in no chain that is known"]);
}

#[tokio::test]
async fn deeds_and_pauses_outlast_the_relay() {
    let place = Place::new();
    let journal = place.open();
    journal.record_deed(deed(1)).await.unwrap();
    let paused = pause(Pausable::Adapter("pathology".to_owned()), "ada");
    journal.pause(paused.clone()).await.unwrap();
    journal.close().await;

    let journal = place.open();
    assert_eq!(journal.pauses().await.unwrap(), [paused]);
    journal.record_deed(deed(2)).await.unwrap();
    assert_eq!(chain(&journal).await.last, 2, "the chain goes on");
    journal.close().await;
}

#[tokio::test]
async fn many_deeds_are_forgotten_in_steps() {
    let place = Place::new();
    let journal = place.open();
    let deeds = 12_000;
    for chunk in (1..=deeds).collect::<Vec<i64>>().chunks(500) {
        let calls = chunk.iter().map(|second| journal.record_deed(deed(*second)));
        for recorded in futures_util::future::join_all(calls).await {
            recorded.unwrap();
        }
    }
    journal.record_deed(deed(deeds + 1)).await.unwrap();
    let before = journal.commits();
    let pruned = journal.prune(super::at(deeds + 1)).await.unwrap();
    assert_eq!(pruned.deeds, deeds as u64);
    assert!(journal.commits() - before >= 3, "other writes can go between");
    assert_eq!((chain(&journal).await.links, chain(&journal).await.last), (1, deeds as u64 + 1));
    journal.close().await;
}
