//! What was changed behind the journal's back is found.

use futures_util::future::{join, join_all};
use relay_core::audit::AuditReport;
use relay_core::{InboundState, Journal, NewOutbound, Records};

use super::Database;
use crate::PostgresJournal;
use crate::tests::promises::audit::tell_all;
use crate::tests::promises::{
    accepted, at, begin, begin_inbound, commit, commit_inbound, hours, inbound, inbound_to, outbound,
    rejected_and_settled, sending, to,
};

/// A journal with seven links, changed by `statement`, as its audit sees it then.
async fn after(statement: &str) -> AuditReport {
    let database = Database::new().await;
    let journal = database.open("one").await;
    filled(&journal).await;
    assert!(journal.verify().await.unwrap().is_sound());
    database.client().await.batch_execute(statement).await.unwrap();
    let report = journal.verify().await.unwrap();
    assert!(!report.is_sound(), "{statement}");
    report
}

async fn filled(journal: &PostgresJournal) {
    for number in 1..=2 {
        let record = begin(journal, outbound(number, &format!("{number}.ctl"))).await;
        let record = commit(journal, record, to(sending(), at(1))).await;
        commit(journal, record, to(accepted(&format!("2026_{number}")), at(2))).await;
    }
    begin_inbound(journal, inbound(3, "20260101_1")).await;
}

/// What is wrong with the only chain.
fn fault(report: &AuditReport) -> &str {
    report.chains[0].fault.as_deref().unwrap()
}

#[tokio::test]
async fn a_changed_link_is_found() {
    for change in [
        "note = 'nothing happened'",
        "state = replace(state, '1', '2')",
        "at = at + interval '1 microsecond'",
        "sequence = 9",
        "relay_id = '00000000-0000-0000-0000-000000000003'",
        "direction = 'inbound'",
    ] {
        let report = after(&format!("UPDATE mesh_relay.event SET {change} WHERE number = 2")).await;
        assert!(fault(&report).starts_with("link 2"), "{change}: {report:?}");
    }
    let report = after("UPDATE mesh_relay.event SET state_name = 'parked' WHERE number = 2").await;
    assert!(fault(&report).contains("names another state"), "{report:?}");
}

#[tokio::test]
async fn a_removed_link_is_found() {
    let report = after("DELETE FROM mesh_relay.event WHERE number = 4").await;
    assert_eq!(fault(&report), "link 4 is missing; link 5 stands in its place");
    let report = after("DELETE FROM mesh_relay.event WHERE number = 1").await;
    assert!(fault(&report).starts_with("link 1 is missing"), "{report:?}");
    let report = after("DELETE FROM mesh_relay.event WHERE number = 7").await;
    assert!(fault(&report).contains("links at its end are missing"), "{report:?}");
}

#[tokio::test]
async fn two_links_that_changed_places_are_found() {
    let report = after(
        "UPDATE mesh_relay.event SET number = -2 WHERE number = 2;
        UPDATE mesh_relay.event SET number = 2 WHERE number = 3;
        UPDATE mesh_relay.event SET number = 3 WHERE number = -2",
    )
    .await;
    assert!(fault(&report).starts_with("link 2"), "{report:?}");
}

#[tokio::test]
async fn a_message_that_is_not_in_its_last_links_state_is_found() {
    let report = after(
        "UPDATE mesh_relay.outbound SET state = replace(state, '2026_1', '2026_9') WHERE version = 3
            AND message_id = '2026_1'",
    )
    .await;
    assert_eq!(report.faults.len(), 1, "{report:?}");
    assert!(report.faults[0].contains("00000000-0000-0000-0000-000000000001 is in another state"));
    assert!(report.chains[0].fault.is_none());

    let report = after("UPDATE mesh_relay.inbound SET version = 7").await;
    assert_eq!(report.faults.len(), 1, "{report:?}");
    let report = after("DELETE FROM mesh_relay.inbound").await;
    assert!(report.faults[0].contains("is missing, and links about it are there"), "{report:?}");
    let report = after(
        "INSERT INTO mesh_relay.inbound SELECT gen_random_uuid(), mailbox, 'another', sender, workflow, local_id,
            file_name, report, received_at, state_name, state, version, updated_at, first_words, words
        FROM mesh_relay.inbound",
    )
    .await;
    assert!(report.faults[0].ends_with("has no link"), "{report:?}");
}

#[tokio::test]
async fn each_instance_has_a_chain_and_all_are_pruned_and_stay_sound() {
    let database = Database::new().await;
    let (one, two) = (database.open("one").await, database.open("two").await);
    rejected_and_settled(&one, 1, hours(1)).await;
    // Begun by one and ended by the other, behind a message that has not ended.
    let shared = NewOutbound { at: hours(1), ..outbound(2, "2.ctl") };
    begin(&two, NewOutbound { at: hours(1), ..outbound(3, "3.ctl") }).await;
    let record = begin(&two, shared).await;
    commit(&one, record, to(crate::tests::promises::rejected(), hours(2))).await;
    one.settle(crate::tests::promises::relay_id(2), hours(2), None).await.unwrap();
    let report = two.verify().await.unwrap();
    assert!(report.is_sound());
    let links: Vec<_> =
        report.chains.iter().map(|chain| (chain.chain.as_str(), chain.links, chain.last)).collect();
    assert_eq!(links, [("one", 3, 3), ("two", 2, 2), ("one deeds", 0, 0), ("two deeds", 0, 0)]);

    tell_all(&one).await;
    let pruned = one.prune(hours(10)).await.unwrap();
    assert_eq!((pruned.messages, pruned.links), (1, 3), "the second message has a link left");
    let report = two.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    let links: Vec<_> = report.chains.iter().map(|chain| chain.links).collect();
    assert_eq!(links, [0, 2, 0, 0]);

    // The first link that stayed is missed, and so is a base that moved too far.
    let client = database.client().await;
    client.batch_execute("UPDATE mesh_relay.chain SET base_number = 1 WHERE name = 'two'").await.unwrap();
    assert!(!one.verify().await.unwrap().is_sound());
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_forgotten() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let record = begin_inbound(&journal, inbound(1, "20260101_1")).await;
    commit_inbound(&journal, record, inbound_to(InboundState::Gone, hours(1))).await;
    rejected_and_settled(&journal, 2, hours(1)).await;
    // A change by hand after its time is up.
    let client = database.client().await;
    tell_all(&journal).await;
    let change = "UPDATE mesh_relay.outbound SET updated_at = updated_at + interval '1 day'";
    client.batch_execute(change).await.unwrap();
    let pruned = journal.prune(hours(10)).await.unwrap();
    assert_eq!((pruned.messages, pruned.links), (1, 2));
    assert!(journal.verify().await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_is_forgotten_in_steps_while_the_writer_goes_on() {
    let database = Database::new().await;
    let journal = database.open("one").await;
    let messages: u32 = 3_000;
    join_all((1..=messages).map(|number| rejected_and_settled(&journal, number.into(), hours(1)))).await;
    tell_all(&journal).await;
    let later = async {
        for number in 1..=20 {
            rejected_and_settled(&journal, u128::from(messages + number), hours(50)).await;
        }
    };
    let (pruned, ()) = join(journal.prune(hours(10)), later).await;
    let pruned = pruned.unwrap();
    assert_eq!((pruned.messages, pruned.links), (messages.into(), 2 * u64::from(messages)));
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.chains[0].links, 40);
}
