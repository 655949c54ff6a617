//! What people did.

use futures_util::future::join_all;
use relay_core::audit::{ChainReport, Pruned};
use relay_core::{Deed, DeedKind, DeedPlace, DeedQuery, Journal, NewDeed};

use super::{at, begin, hours, mailbox, message_id, outbound, relay_id};

/// A deed of somebody, at a second.
pub(crate) fn deed(second: i64) -> NewDeed {
    NewDeed {
        at: at(second),
        who: "ada".to_owned(),
        kind: DeedKind::View,
        relay_id: None,
        mailbox: None,
        message_id: None,
        note: None,
    }
}

pub(crate) async fn deeds(journal: &dyn Journal) -> Vec<Deed> {
    journal.deeds(&DeedQuery { limit: 500, ..DeedQuery::default() }).await.unwrap()
}

/// The chain of deeds of a journal with one instance, which is sound.
pub(crate) async fn chain(journal: &dyn Journal) -> ChainReport {
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    let [_, deeds] = report.chains.as_slice() else { panic!("{report:?}") };
    assert!(deeds.chain.ends_with(" deeds"), "{deeds:?}");
    deeds.clone()
}

pub(crate) async fn deeds_come_back_as_they_went_in_newest_first(journal: &dyn Journal) {
    assert_eq!(deeds(journal).await, []);
    let about_much = NewDeed {
        kind: DeedKind::Fetch,
        relay_id: Some(relay_id(7)),
        mailbox: Some(mailbox("X26ABC1")),
        message_id: Some(message_id("20260101_1")),
        note: Some("asked for by the ward".to_owned()),
        ..deed(20)
    };
    let empty = NewDeed { note: Some(String::new()), ..deed(30) };
    let refused = NewDeed { kind: DeedKind::SignInRefused, who: "Ünal's \"desk\"".to_owned(), ..deed(10) };
    for new in [&about_much, &empty, &refused] {
        journal.record_deed(new.clone()).await.unwrap();
    }
    let found = deeds(journal).await;
    let shown: Vec<_> = found.iter().map(|deed| (deed.number, &deed.deed)).collect();
    assert_eq!(shown, [(2, &empty), (1, &about_much), (3, &refused)]);

    let about = |number| DeedQuery { relay_id: Some(relay_id(number)), limit: 9, ..DeedQuery::default() };
    assert_eq!(journal.deeds(&about(7)).await.unwrap(), found[1..2]);
    assert_eq!(journal.deeds(&about(8)).await.unwrap(), []);
    assert_eq!(journal.deeds(&DeedQuery::default()).await.unwrap(), found[..1], "no limit is one");
}

pub(crate) async fn pages_of_deeds_follow_without_gap_or_repeat(journal: &dyn Journal) {
    for number in 0..20 {
        // Several at the same time, and not in the order of their time; half of them about a message.
        let about = (number % 2 == 0).then(|| relay_id(1));
        let new = NewDeed { relay_id: about, note: Some(number.to_string()), ..deed((number * 7 % 20) / 4) };
        journal.record_deed(new).await.unwrap();
    }
    for about in [None, Some(relay_id(1))] {
        let all = DeedQuery { relay_id: about, limit: 100, ..DeedQuery::default() };
        let all = journal.deeds(&all).await.unwrap();
        assert_eq!(all.len(), if about.is_some() { 10 } else { 20 });
        assert!(all.is_sorted_by_key(|deed| std::cmp::Reverse((deed.deed.at, deed.number))));
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let query = DeedQuery { relay_id: about, before: before.take(), limit: 3 };
            let page = journal.deeds(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(DeedPlace { at: last.deed.at, chain: last.chain.clone(), number: last.number });
            seen.extend(page);
        }
        assert_eq!(seen, all);
    }
}

pub(crate) async fn a_deed_that_is_recorded_again_is_there_once(journal: &dyn Journal) {
    let new = NewDeed { relay_id: Some(relay_id(1)), note: Some("why".to_owned()), ..deed(1) };
    let others = [
        NewDeed { note: None, ..new.clone() },
        NewDeed { relay_id: None, ..new.clone() },
        NewDeed { who: "bob".to_owned(), ..new.clone() },
        NewDeed { kind: DeedKind::Search, ..new.clone() },
    ];
    for _ in 0..2 {
        journal.record_deed(new.clone()).await.unwrap();
        for other in &others {
            journal.record_deed(other.clone()).await.unwrap();
        }
    }
    assert_eq!(chain(journal).await.links, 5);
}

pub(crate) async fn deeds_have_a_chain_of_their_own(journal: &dyn Journal) {
    begin(journal, outbound(1, "a.ctl")).await;
    let before = journal.verify().await.unwrap();
    assert_eq!((before.chains[1].links, before.chains[1].last), (0, 0));
    for second in 1..=3 {
        journal.record_deed(deed(second)).await.unwrap();
    }
    let after = chain(journal).await;
    assert_eq!((after.links, after.last), (3, 3));
    assert_ne!(after.head, before.chains[1].head);
    assert_eq!(journal.verify().await.unwrap().chains[0], before.chains[0], "the messages' is as it was");
}

pub(crate) async fn deeds_made_at_the_same_time_have_a_place_each(journal: &dyn Journal) {
    let calls = (1..=300).map(|second| journal.record_deed(deed(second)));
    for recorded in join_all(calls).await {
        recorded.unwrap();
    }
    let mut numbers: Vec<u64> = deeds(journal).await.iter().map(|deed| deed.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=300).collect::<Vec<u64>>());
    assert_eq!(chain(journal).await.last, 300);
}

pub(crate) async fn old_deeds_are_forgotten_and_the_rest_stays_sound(journal: &dyn Journal) {
    let done = |hour| NewDeed { at: hours(hour), ..deed(0) };
    for hour in [1, 2, 30, 3] {
        journal.record_deed(done(hour)).await.unwrap();
    }
    assert_eq!(journal.prune(hours(1)).await.unwrap(), Pruned::default(), "the first is not older than that");
    assert_eq!(journal.prune(hours(10)).await.unwrap(), Pruned { deeds: 2, ..Pruned::default() });
    let after = chain(journal).await;
    assert_eq!((after.links, after.last), (2, 4), "what stands behind one that stays is kept");
    assert_eq!(deeds(journal).await.iter().map(|deed| deed.number).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(journal.prune(hours(10)).await.unwrap(), Pruned::default());

    journal.record_deed(done(31)).await.unwrap();
    assert_eq!(chain(journal).await.last, 5, "and the chain goes on");
    assert_eq!(journal.prune(hours(99)).await.unwrap().deeds, 3);
    assert_eq!((chain(journal).await.links, chain(journal).await.last), (0, 5));
    journal.record_deed(done(100)).await.unwrap();
    assert_eq!((chain(journal).await.links, chain(journal).await.last), (1, 6));
}
