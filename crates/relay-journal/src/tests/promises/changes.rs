//! What those hear who watch.

use futures_util::future::{join, join_all};
use relay_core::{Change, ChangeCursor, Direction, InboundState, Journal};

use super::audit::tell_all;
use super::{
    accepted, at, begin, begin_inbound, commit, commit_inbound, hours, inbound, inbound_to, outbound,
    rejected_and_settled, relay_id, sending, to,
};

/// Moves a cursor behind these changes.
pub(crate) fn advance(cursor: &mut ChangeCursor, changes: &[Change]) {
    for change in changes {
        let before = cursor.0.insert(change.chain.clone(), change.number);
        assert!(before.unwrap_or_default() < change.number, "{change:?}");
    }
}

pub(crate) async fn changes_come_in_order_and_go_on_where_they_were_left(journal: &dyn Journal) {
    let mut cursor = journal.change_cursor().await.unwrap();
    assert_eq!(journal.changes(&cursor, 10).await.unwrap(), []);
    let sent = begin(journal, outbound(1, "a.ctl")).await;
    let sent = commit(journal, sent, to(sending(), at(1))).await;
    let received = begin_inbound(journal, inbound(2, "20260101_2")).await;
    commit(journal, sent, to(accepted("20260101_1"), at(2))).await;
    commit_inbound(journal, received, inbound_to(InboundState::Gone, at(3))).await;

    let mut heard = Vec::new();
    loop {
        let changes = journal.changes(&cursor, 2).await.unwrap();
        assert!(changes.len() <= 2);
        if changes.is_empty() {
            break;
        }
        advance(&mut cursor, &changes);
        heard.extend(changes);
    }
    let shown: Vec<_> = heard
        .iter()
        .map(|change| (change.relay_id, change.direction, change.sequence, change.at, &*change.state))
        .collect();
    assert_eq!(
        shown,
        [
            (relay_id(1), Direction::Outbound, 1, at(0), "received"),
            (relay_id(1), Direction::Outbound, 2, at(1), "sending"),
            (relay_id(2), Direction::Inbound, 1, at(0), "delivering"),
            (relay_id(1), Direction::Outbound, 3, at(2), "accepted"),
            (relay_id(2), Direction::Inbound, 2, at(3), "gone"),
        ]
    );
    assert_eq!(journal.change_cursor().await.unwrap(), cursor, "the end is where the last one stands");
    assert_eq!(journal.changes(&ChangeCursor::default(), 10).await.unwrap(), heard, "from the beginning");
    assert_eq!(journal.changes(&ChangeCursor::default(), 0).await.unwrap(), heard[..1], "no limit is one");
}

pub(crate) async fn a_cursor_at_forgotten_changes_goes_on_at_the_first_kept_one(journal: &dyn Journal) {
    let cursor = journal.change_cursor().await.unwrap();
    rejected_and_settled(journal, 1, hours(1)).await;
    rejected_and_settled(journal, 2, hours(50)).await;
    tell_all(journal).await;
    assert_eq!(journal.prune(hours(10)).await.unwrap().links, 2);
    let heard = journal.changes(&cursor, 10).await.unwrap();
    assert_eq!(heard.iter().map(|change| change.number).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(journal.changes(&ChangeCursor::default(), 10).await.unwrap(), heard);

    let end = journal.change_cursor().await.unwrap();
    assert_eq!(journal.prune(hours(99)).await.unwrap().links, 2);
    assert_eq!(journal.change_cursor().await.unwrap(), end, "the end stays when all is forgotten");
    assert_eq!(journal.changes(&end, 10).await.unwrap(), []);
}

pub(crate) async fn no_change_is_missed_while_many_are_made(journal: &dyn Journal) {
    const MESSAGES: u64 = 150;
    let mut cursor = journal.change_cursor().await.unwrap();
    let writing = join_all((1..=u128::from(MESSAGES)).map(|number| async move {
        let record = begin(journal, outbound(number, &format!("{number}.ctl"))).await;
        commit(journal, record, to(sending(), at(1))).await;
    }));
    let watching = async {
        let mut heard = Vec::new();
        // Two for each message; were one missed, this would not end.
        while (heard.len() as u64) < 2 * MESSAGES {
            let changes = journal.changes(&cursor, 50).await.unwrap();
            advance(&mut cursor, &changes);
            heard.extend(changes.iter().map(|change| change.number));
            tokio::task::yield_now().await;
        }
        heard
    };
    let (_, heard) = join(writing, watching).await;
    assert_eq!(heard, (1..=2 * MESSAGES).collect::<Vec<u64>>());
}
