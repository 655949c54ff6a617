//! Deeds and pauses of several instances, and what was changed behind the journal's back.

use futures_util::future::{join, join_all};
use relay_core::audit::AuditReport;
use relay_core::{
    ChangeCursor, DeedKind, DeedPlace, DeedQuery, Journal, JournalError, NewDeed, Pausable, Records,
};

use super::Database;
use crate::tests::promises::changes::advance;
use crate::tests::promises::deeds::{chain, deed, deeds};
use crate::tests::promises::pauses::pause;
use crate::tests::promises::{begin, hours, outbound, relay_id};

/// A journal with four deeds, changed by `statement`, as its audit sees it then.
async fn after(statement: &str) -> AuditReport {
    let database = Database::new().await;
    let journal = database.open("one").await;
    for second in 1..=4 {
        let about = NewDeed { relay_id: Some(relay_id(1)), note: Some("why".to_owned()), ..deed(second) };
        journal.record_deed(NewDeed { kind: DeedKind::Park, ..about }).await.unwrap();
    }
    assert_eq!(chain(&journal).await.last, 4);
    database.client().await.batch_execute(statement).await.unwrap();
    let report = journal.verify().await.unwrap();
    assert!(!report.is_sound(), "{statement}");
    assert!(report.chains[0].fault.is_none(), "the messages' chain is as it was");
    report
}

/// What is wrong with the chain of deeds.
fn fault(report: &AuditReport) -> &str {
    assert_eq!(report.chains[1].chain, "one deeds");
    report.chains[1].fault.as_deref().unwrap()
}

#[tokio::test]
async fn a_changed_deed_is_found() {
    for change in [
        "at = at + interval '1 microsecond'",
        "who = 'bob'",
        "kind = 'fetch'",
        "relay_id = NULL",
        "mailbox = 'X26ABC1'",
        "message_id = '20260101_1'",
        "note = 'another'",
        "note = NULL",
        "hash = ''",
    ] {
        let report = after(&format!("UPDATE mesh_relay.deed SET {change} WHERE number = 2")).await;
        assert_eq!(fault(&report), "deed 2 was changed or is not where it was", "{change}");
    }
    let report = after("UPDATE mesh_relay.deed SET kind = 'nonsense' WHERE number = 2").await;
    assert_eq!(fault(&report), "deed 2 cannot be read");
}

#[tokio::test]
async fn a_removed_deed_is_found() {
    let report = after("DELETE FROM mesh_relay.deed WHERE number = 2").await;
    assert_eq!(fault(&report), "deed 2 is missing; deed 3 stands in its place");
    for statement in ["DELETE FROM mesh_relay.deed WHERE number = 4", "DELETE FROM mesh_relay.deed"] {
        let report = after(statement).await;
        assert!(fault(&report).contains("deeds at its end are missing"), "{report:?}");
    }
    let report = after("UPDATE mesh_relay.chain SET deed_base_number = 1").await;
    assert!(fault(&report).starts_with("deed 2 is missing"), "{report:?}");
}

#[tokio::test]
async fn a_moved_deed_is_found() {
    let report = after(
        "UPDATE mesh_relay.deed SET number = -2 WHERE number = 2;
        UPDATE mesh_relay.deed SET number = 2 WHERE number = 3;
        UPDATE mesh_relay.deed SET number = 3 WHERE number = -2",
    )
    .await;
    assert!(fault(&report).starts_with("deed 2 was changed"), "{report:?}");
    let report = after("UPDATE mesh_relay.deed SET chain = 'elsewhere' WHERE number = 4").await;
    assert!(fault(&report).contains("deeds at its end are missing"), "{report:?}");
    assert_eq!(report.faults, ["chain elsewhere has deeds and no head"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_instance_has_a_chain_of_deeds_and_all_see_all() {
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    // The same to the letter: two instances did it.
    let calls = |journal| (1..=50).map(move |second| Journal::record_deed(journal, deed(second)));
    let (ones, twos) = join(join_all(calls(&one)), join_all(calls(&two))).await;
    ones.into_iter().chain(twos).for_each(|recorded| recorded.unwrap());
    let report = two.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    let links: Vec<_> = report.chains.iter().map(|chain| (chain.chain.as_str(), chain.links)).collect();
    assert_eq!(links, [("one", 0), ("two", 0), ("one deeds", 50), ("two deeds", 50)]);

    let all = deeds(&one).await;
    assert_eq!(all.len(), 100);
    assert!(all.is_sorted_by_key(|deed| std::cmp::Reverse((deed.deed.at, deed.chain.clone(), deed.number))));
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page =
            two.deeds(&DeedQuery { before: before.take(), limit: 7, ..DeedQuery::default() }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(DeedPlace { at: last.deed.at, chain: last.chain.clone(), number: last.number });
        seen.extend(page);
    }
    assert_eq!(seen, all);

    one.record_deed(NewDeed { at: hours(50), ..deed(0) }).await.unwrap();
    assert_eq!(one.prune(hours(10)).await.unwrap().deeds, 100, "of both");
    let report = two.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.chains[2].links, report.chains[3].links), (1, 0));
}

#[tokio::test]
async fn a_pause_by_one_instance_is_one_for_all_and_lasts() {
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    let paused = pause(Pausable::Adapter("pathology".to_owned()), "ada");
    one.pause(paused.clone()).await.unwrap();
    assert_eq!(two.pauses().await.unwrap(), std::slice::from_ref(&paused));
    one.close().await;
    let one = database.open("one").await;
    assert_eq!(one.pauses().await.unwrap(), std::slice::from_ref(&paused));
    assert!(two.resume(&paused.what).await.unwrap());
    assert!(!one.resume(&paused.what).await.unwrap());
}

#[tokio::test]
async fn a_deed_that_the_database_does_not_take_fails_alone() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let calls = (1..=20).map(|second| {
        // PostgreSQL's texts hold no NUL.
        let note = (second == 10).then(|| "canary\0".to_owned());
        journal.record_deed(NewDeed { note, ..deed(second) })
    });
    for (recorded, second) in join_all(calls).await.into_iter().zip(1..) {
        match recorded {
            Err(error @ JournalError::Storage { .. }) => {
                assert_eq!(second, 10);
                assert!(!error.to_string().contains("canary"), "{error}");
            }
            recorded => assert!(recorded.is_ok() && second != 10),
        }
    }
    assert_eq!(chain(&journal).await.links, 19);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_watches_misses_nothing_of_any_instance() {
    const MESSAGES: u128 = 200;
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    let watcher = database.open("watcher").await;
    let mut cursor = watcher.change_cursor().await.unwrap();
    let writing = |journal: crate::PostgresJournal, first: u128| {
        join_all((first..first + MESSAGES).map(move |number| {
            let journal = journal.clone();
            tokio::spawn(async move { drop(begin(&journal, outbound(number, &number.to_string())).await) })
        }))
    };
    let watching = async {
        let mut heard = Vec::new();
        // Were one missed, this would not end.
        while (heard.len() as u128) < 2 * MESSAGES {
            let changes = watcher.changes(&cursor, 30).await.unwrap();
            advance(&mut cursor, &changes);
            heard.extend(changes.iter().map(|change| change.relay_id.0.as_u128()));
        }
        heard
    };
    let (_, _, mut heard) =
        futures_util::future::join3(writing(one.clone(), 1), writing(two.clone(), 1 + MESSAGES), watching)
            .await;
    heard.sort_unstable();
    assert_eq!(heard, (1..=2 * MESSAGES).collect::<Vec<u128>>());

    // Of what a new watcher is told first, each has its share.
    let changes = watcher.changes(&ChangeCursor::default(), 10).await.unwrap();
    let of = |chain: &str| -> Vec<u64> {
        changes.iter().filter(|change| change.chain == chain).map(|change| change.number).collect()
    };
    assert_eq!((of("one"), of("two")), ((1..=5).collect(), (1..=5).collect()));
}
