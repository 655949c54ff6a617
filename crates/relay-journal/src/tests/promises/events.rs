//! What is told, and what happened.

use relay_core::{EventId, Journal, NewOutbound, OutboundChange};

use super::{accepted, at, begin, begin_inbound, commit, inbound, outbound, relay_id, sending, to};

pub(crate) async fn each_change_is_an_event_in_order_with_its_own_id(journal: &dyn Journal) {
    let first = begin(journal, outbound(1, "a.ctl")).await;
    let second = begin(journal, outbound(2, "b.ctl")).await;
    let change = OutboundChange { note: Some("first attempt".to_owned()), ..to(sending(), at(1)) };
    let first = commit(journal, first, change).await;
    commit(journal, second, to(sending(), at(2))).await;
    commit(journal, first, to(accepted("20260101_1"), at(3))).await;

    let events = journal.untold("pathology", &[], 10).await.unwrap();
    let ids: Vec<_> = events.iter().map(|event| (event.id.relay_id, event.id.sequence)).collect();
    let expected = [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)];
    assert_eq!(ids, expected.map(|(number, sequence)| (relay_id(number), sequence)));
    assert_eq!(events[2].note.as_deref(), Some("first attempt"));
    assert_eq!((&events[2].state, events[2].at), (&sending(), at(1)));
    assert_eq!((&events[4].state, events[4].note.as_deref()), (&accepted("20260101_1"), None));
    assert_eq!(events[4].source.adapter, "pathology");
    assert_eq!(events[4].source.message, "a.ctl");
    assert_eq!(journal.untold("pathology", &[], 10).await.unwrap(), events, "asked again, they are the same");
}

pub(crate) async fn what_was_told_is_not_told_again(journal: &dyn Journal) {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    let record = commit(journal, record, to(sending(), at(1))).await;
    commit(journal, record, to(accepted("20260101_1"), at(2))).await;
    let first = journal.untold("pathology", &[], 2).await.unwrap();
    assert_eq!(first.iter().map(|event| event.id.sequence).collect::<Vec<_>>(), [1, 2]);
    let told: Vec<EventId> = first.iter().map(|event| event.id).collect();
    journal.told(&told, None).await.unwrap();
    journal.told(&told, None).await.unwrap();
    journal.told(&[], None).await.unwrap();
    let left = journal.untold("pathology", &[], 2).await.unwrap();
    assert_eq!(left.iter().map(|event| event.id.sequence).collect::<Vec<_>>(), [3]);
    assert_eq!(journal.history(relay_id(1)).await.unwrap().len(), 3, "the history keeps them");
    assert!(journal.verify().await.unwrap().is_sound());
}

pub(crate) async fn only_messages_that_tell_have_events_and_each_adapter_its_own(journal: &dyn Journal) {
    begin(journal, NewOutbound { tell: false, ..outbound(1, "a.ctl") }).await;
    let mut other = outbound(2, "a.ctl");
    other.source.adapter = "engine".to_owned();
    begin(journal, other).await;
    begin_inbound(journal, inbound(3, "20260101_1")).await;
    assert!(journal.untold("pathology", &[], 10).await.unwrap().is_empty());
    let events = journal.untold("engine", &[], 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].id, EventId { relay_id: relay_id(2), sequence: 1 });
    assert!(journal.untold("nobody", &[], 10).await.unwrap().is_empty());
}

pub(crate) async fn the_history_holds_every_change_with_its_evidence(journal: &dyn Journal) {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    let record = commit(journal, record, to(sending(), at(1))).await;
    let change = OutboundChange { note: Some("MESH took it".to_owned()), ..to(accepted("2026_1"), at(2)) };
    commit(journal, record, change).await;
    let history = journal.history(relay_id(1)).await.unwrap();
    let shown: Vec<_> =
        history.iter().map(|entry| (entry.sequence, entry.state.as_str(), entry.at)).collect();
    assert_eq!(shown, [(1, "received", at(0)), (2, "sending", at(1)), (3, "accepted", at(2))]);
    assert_eq!(history[2].note.as_deref(), Some("MESH took it"));
    assert_eq!(history[2].evidence, serde_json::to_string(&accepted("2026_1")).unwrap());
    assert!(journal.history(relay_id(9)).await.unwrap().is_empty());
}
