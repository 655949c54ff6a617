//! The audit chain, and forgetting without breaking it.

use jiff::Timestamp;
use relay_core::audit::Pruned;
use relay_core::{InboundState, Journal, MessageQuery, NewOutbound, OutboundState};

use super::{
    accepted, at, begin, begin_inbound, commit, commit_inbound, hours, inbound, inbound_to, outbound,
    rejected_and_settled, relay_id, sending, to,
};

async fn kept(journal: &dyn Journal) -> Vec<u128> {
    let query = MessageQuery { limit: 100, ..MessageQuery::default() };
    let found = journal.search(&query).await.unwrap();
    let mut kept: Vec<u128> = found.iter().map(|summary| summary.relay_id.0.as_u128()).collect();
    kept.sort_unstable();
    kept
}

/// How many links are kept in all, and the last one's number, of a sound journal with one chain of messages and no deeds.
async fn links(journal: &dyn Journal) -> (u64, u64) {
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    let [chain, deeds] = report.chains.as_slice() else { panic!("{report:?}") };
    assert_eq!((deeds.links, deeds.last), (0, 0));
    (chain.links, chain.last)
}

pub(crate) async fn the_chain_of_an_empty_journal_is_sound(journal: &dyn Journal) {
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound());
    assert_eq!(report.chains.iter().map(|chain| chain.links).sum::<u64>(), 0);
    assert_eq!(journal.prune(hours(100)).await.unwrap(), Pruned::default());
}

pub(crate) async fn every_change_is_a_link_and_the_chain_is_sound(journal: &dyn Journal) {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    let first = journal.verify().await.unwrap().chains[0].head;
    let record = commit(journal, record, to(sending(), at(1))).await;
    let stale = record.clone();
    commit(journal, record, to(accepted("20260101_1"), at(2))).await;
    let record = begin_inbound(journal, inbound(2, "20260101_2")).await;
    commit_inbound(journal, record, inbound_to(InboundState::Gone, at(3))).await;
    assert_eq!(links(journal).await, (5, 5));
    let head = journal.verify().await.unwrap().chains[0].head;
    assert_ne!(head, first);
    // What changes nothing adds nothing.
    journal.begin_outbound(outbound(9, "a.ctl"), None).await.unwrap();
    journal.commit_outbound(&stale, to(sending(), at(9)), None).await.unwrap_err();
    journal.settle(relay_id(1), at(9), None).await.unwrap();
    assert_eq!(journal.verify().await.unwrap().chains[0].head, head);
}

/// Tells every event: what is still to be told is never forgotten.
pub(crate) async fn tell_all(journal: &dyn Journal) {
    let events: Vec<_> =
        journal.untold("pathology", &[], 10_000).await.unwrap().into_iter().map(|event| event.id).collect();
    journal.told(&events, None).await.unwrap();
}

async fn prune(journal: &dyn Journal, before: Timestamp) -> Pruned {
    tell_all(journal).await;
    journal.prune(before).await.unwrap()
}

pub(crate) async fn what_is_still_to_be_told_is_not_forgotten(journal: &dyn Journal) {
    rejected_and_settled(journal, 1, hours(1)).await;
    assert_eq!(journal.prune(hours(10)).await.unwrap(), Pruned::default());
    assert_eq!(prune(journal, hours(10)).await, Pruned { messages: 1, links: 2, deeds: 0 });
}

pub(crate) async fn pruning_forgets_what_ended_and_keeps_the_rest_sound(journal: &dyn Journal) {
    rejected_and_settled(journal, 1, hours(1)).await;
    let received =
        begin_inbound(journal, relay_core::NewInbound { at: hours(2), ..inbound(2, "20260101_2") }).await;
    commit_inbound(journal, received, inbound_to(InboundState::Acknowledged, hours(2))).await;
    rejected_and_settled(journal, 3, hours(3)).await;
    rejected_and_settled(journal, 4, hours(50)).await;
    assert_eq!(links(journal).await, (8, 8));

    assert_eq!(prune(journal, hours(1)).await, Pruned::default(), "the first is not older than that");
    assert_eq!(prune(journal, hours(10)).await, Pruned { messages: 3, links: 6, deeds: 0 });
    assert_eq!(kept(journal).await, [4]);
    assert_eq!(links(journal).await, (2, 8));
    assert!(journal.history(relay_id(1)).await.unwrap().is_empty());
    assert_eq!(prune(journal, hours(10)).await, Pruned::default());

    rejected_and_settled(journal, 5, hours(51)).await;
    assert_eq!(links(journal).await, (4, 10), "and the chain goes on");
    assert_eq!(prune(journal, hours(60)).await, Pruned { messages: 2, links: 4, deeds: 0 });
    assert_eq!(links(journal).await, (0, 10));
    rejected_and_settled(journal, 6, hours(61)).await;
    assert_eq!(links(journal).await, (2, 12));
}

pub(crate) async fn pruning_keeps_what_has_not_ended_and_all_behind_it(journal: &dyn Journal) {
    rejected_and_settled(journal, 1, hours(1)).await;
    // Seen before the rest and still under way.
    let message = NewOutbound { at: hours(2), ..outbound(2, "2.ctl") };
    let under_way = begin(journal, message).await;
    rejected_and_settled(journal, 3, hours(3)).await;
    assert_eq!(prune(journal, hours(10)).await, Pruned { messages: 1, links: 2, deeds: 0 });
    assert_eq!(kept(journal).await, [2, 3]);
    assert_eq!(links(journal).await, (3, 5));

    // Ended, but its source has not let go.
    let by = "its source".to_owned();
    commit(journal, under_way, to(OutboundState::Cancelled { by }, hours(4))).await;
    assert_eq!(prune(journal, hours(10)).await, Pruned::default());
    journal.settle(relay_id(2), hours(5), None).await.unwrap();
    assert_eq!(prune(journal, hours(10)).await, Pruned { messages: 2, links: 4, deeds: 0 });
    assert_eq!(kept(journal).await, []);

    // An inbound one that MESH was not told of.
    let received =
        begin_inbound(journal, relay_core::NewInbound { at: hours(6), ..inbound(7, "20260101_7") }).await;
    let delivered = InboundState::Delivered { receipt: "kept".to_owned() };
    commit_inbound(journal, received, inbound_to(delivered, hours(6))).await;
    assert_eq!(prune(journal, hours(10)).await, Pruned::default());
    assert_eq!(kept(journal).await, [7]);
}

pub(crate) async fn pruning_waits_for_the_follow_up_of_an_accepted_message(journal: &dyn Journal) {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    let record = commit(journal, record, to(accepted("20260101_1"), at(5))).await;
    journal.settle(relay_id(1), at(6), None).await.unwrap();
    assert_eq!(prune(journal, hours(10)).await, Pruned::default());
    let OutboundState::Accepted { id, .. } = record.state.clone() else { panic!("{record:?}") };
    commit(journal, record, to(OutboundState::Acknowledged { id, at: hours(1) }, hours(1))).await;
    assert_eq!(prune(journal, hours(10)).await, Pruned { messages: 1, links: 3, deeds: 0 });
}
