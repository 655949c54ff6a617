//! How messages are recognised when they come again.

use futures_util::future::join_all;
use relay_core::{Begin, InboundState, Journal, KeyReuse, NewInbound, NewOutbound};

use super::{
    accepted, at, begin, begin_inbound, commit, commit_inbound, inbound, inbound_to, known, mailbox, new,
    outbound, relay_id, to,
};

pub(crate) async fn a_key_that_returns_is_held_until_it_is_settled(journal: &dyn Journal) {
    let first = begin(journal, outbound(1, "a.ctl")).await;
    assert_eq!((first.relay_id, first.version), (relay_id(1), 1));
    let again = known(journal.begin_outbound(outbound(2, "a.ctl"), None).await.unwrap());
    assert_eq!((again.relay_id, again.received_at), (relay_id(1), first.received_at));
    assert_eq!(again.state, first.state);

    commit(journal, first, to(accepted("20260101_1"), at(5))).await;
    let ended = known(journal.begin_outbound(outbound(3, "a.ctl"), None).await.unwrap());
    assert_eq!((&ended.state, ended.version), (&accepted("20260101_1"), 2));

    journal.settle(relay_id(1), at(6), None).await.unwrap();
    assert!(journal.find_outbound(&ended.source).await.unwrap().is_none());
    let reused = begin(journal, outbound(4, "a.ctl")).await;
    assert_eq!(reused.relay_id, relay_id(4));
    // Settled once more, the first one frees nothing that another holds.
    journal.settle(relay_id(1), at(7), None).await.unwrap();
    known(journal.begin_outbound(outbound(5, "a.ctl"), None).await.unwrap());
}

pub(crate) async fn a_key_that_never_returns_is_held_for_ever(journal: &dyn Journal) {
    let never = |number| NewOutbound { reuse: KeyReuse::Never, ..outbound(number, "an-idempotency-key") };
    let record = begin(journal, never(1)).await;
    commit(journal, record, to(accepted("20260101_1"), at(5))).await;
    journal.settle(relay_id(1), at(6), None).await.unwrap();
    let again = known(journal.begin_outbound(never(2), None).await.unwrap());
    assert_eq!((again.relay_id, &again.state), (relay_id(1), &accepted("20260101_1")));
    assert!(journal.find_outbound(&again.source).await.unwrap().is_some());
    assert!(journal.unsettled("pathology").await.unwrap().is_empty());
}

pub(crate) async fn a_message_begun_again_under_its_own_id_is_new(journal: &dyn Journal) {
    begin(journal, outbound(1, "a.ctl")).await;
    let again = begin(journal, outbound(1, "a.ctl")).await;
    assert_eq!((again.relay_id, again.version), (relay_id(1), 1));
    begin_inbound(journal, inbound(2, "20260101_1")).await;
    begin_inbound(journal, inbound(2, "20260101_1")).await;
    assert_eq!(journal.history(relay_id(1)).await.unwrap().len(), 1, "and is recorded once");
    assert_eq!(journal.history(relay_id(2)).await.unwrap().len(), 1);
}

pub(crate) async fn another_adapter_may_use_the_same_key(journal: &dyn Journal) {
    begin(journal, outbound(1, "a.ctl")).await;
    let mut other = outbound(2, "a.ctl");
    other.source.adapter = "engine".to_owned();
    begin(journal, other).await;
}

pub(crate) async fn a_key_may_be_long(journal: &dyn Journal) {
    // Hardly compressible, as a store may compress.
    let long: String =
        (0..20_000_u32).map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761))).collect();
    let record = begin(journal, outbound(1, &long)).await;
    known(journal.begin_outbound(outbound(2, &long), None).await.unwrap());
    begin(journal, outbound(3, &format!("{long}x"))).await;
    assert_eq!(journal.find_outbound(&record.source).await.unwrap().unwrap().source, record.source);
}

pub(crate) async fn of_many_calls_with_one_key_one_is_new(journal: &dyn Journal) {
    let calls = (1..=100).map(|number| journal.begin_outbound(outbound(number, "a.ctl"), None));
    let begun: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(begun.iter().filter(|begun| matches!(begun, Begin::New(_))).count(), 1);
    let first = begun[0].clone().into_record().relay_id;
    assert!(begun.into_iter().all(|begun| begun.into_record().relay_id == first));
}

pub(crate) async fn an_inbound_message_is_known_by_mailbox_and_id(journal: &dyn Journal) {
    begin_inbound(journal, inbound(1, "20260101_1")).await;
    let again = known(journal.begin_inbound(inbound(2, "20260101_1"), None).await.unwrap());
    assert_eq!(again.relay_id, relay_id(1));
    let elsewhere = NewInbound { mailbox: mailbox("X26ABC2"), ..inbound(3, "20260101_1") };
    new(journal.begin_inbound(elsewhere, None).await.unwrap());
    new(journal.begin_inbound(inbound(4, "20260101_2"), None).await.unwrap());
}

pub(crate) async fn what_was_begun_and_has_not_ended_is_known_without_mesh(journal: &dyn Journal) {
    let states = [
        None,
        Some(InboundState::Delivered { receipt: "kept".to_owned() }),
        Some(InboundState::Acknowledged),
        Some(InboundState::Gone),
        Some(InboundState::Parked { reason: "too large".to_owned() }),
        Some(InboundState::Listed { workflow: "OTHER".to_owned() }),
    ];
    for (number, state) in (1_u128..).zip(states) {
        let record = begin_inbound(journal, inbound(number, &format!("20260101_{number}"))).await;
        if let Some(state) = state {
            commit_inbound(journal, record, inbound_to(state, at(1))).await;
        }
    }
    let mailbox = inbound(9, "20260101_9").mailbox;
    let found = async |limit| -> Vec<String> {
        let ids = journal.unended_inbound(&mailbox, limit).await.unwrap();
        ids.iter().map(ToString::to_string).collect()
    };
    assert_eq!(found(9).await, ["20260101_1", "20260101_2", "20260101_6"]);
    assert_eq!(found(1).await, ["20260101_1"]);
    let elsewhere = "X26ABC9".parse().unwrap();
    assert!(journal.unended_inbound(&elsewhere, 9).await.unwrap().is_empty());
}
