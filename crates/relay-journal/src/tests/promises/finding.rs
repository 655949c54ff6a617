//! What people ask.

use relay_core::{
    Collected, Cursor, Direction, InboundChange, InboundState, Journal, MessageQuery, MessageSummary,
    NewInbound, NewOutbound, Oldest, Partner, RelayId, StateCount,
};

use super::{
    accepted, at, begin, begin_inbound, commit, commit_inbound, details, inbound, inbound_to, mailbox,
    message_id, outbound, rejected, relay_id, sending, to,
};

fn everything() -> MessageQuery {
    MessageQuery { limit: 100, ..MessageQuery::default() }
}

async fn found(journal: &dyn Journal, query: MessageQuery) -> Vec<u128> {
    let found = journal.search(&query).await.unwrap();
    found.iter().map(|summary| summary.relay_id.0.as_u128()).collect()
}

pub(crate) async fn a_sent_message_is_found_by_the_id_that_mesh_gave(journal: &dyn Journal) {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    let ours = mailbox("X26ABC1");
    let id = message_id("20260101000000000000_AAAAAA");
    assert!(journal.find_sent(&ours, &id).await.unwrap().is_none());
    let record = commit(journal, record, to(accepted(id.as_str()), at(1))).await;
    journal.settle(relay_id(1), at(2), None).await.unwrap();
    let sent = journal.find_sent(&ours, &id).await.unwrap().unwrap();
    assert_eq!((sent.relay_id, &sent.state, sent.version), (relay_id(1), &record.state, 2));
    assert!(journal.find_sent(&mailbox("X26ABC9"), &id).await.unwrap().is_none());
    let parked = relay_core::OutboundState::Parked { reason: "a person looks".to_owned() };
    commit(journal, record, to(parked, at(3))).await;
    assert!(journal.find_sent(&ours, &id).await.unwrap().is_some(), "an id once known stays known");
}

pub(crate) async fn messages_of_a_local_id_come_newest_first(journal: &dyn Journal) {
    for (number, second) in [(1, 10), (2, 30), (3, 20), (4, 40), (5, 50)] {
        let mut message = NewOutbound { at: at(second), ..outbound(number, &format!("{number}.ctl")) };
        match number {
            4 => message.mailbox = mailbox("X26ABC9"),
            5 => message.details = None,
            _ => {}
        }
        begin(journal, message).await;
    }
    let ours = mailbox("X26ABC1");
    let ids = async |local_id: &str, limit| -> Vec<RelayId> {
        let found = journal.find_local_id(&ours, &local_id.parse().unwrap(), limit).await.unwrap();
        found.into_iter().map(|record| record.relay_id).collect()
    };
    assert_eq!(ids("report-1", 10).await, [2, 3, 1].map(relay_id));
    assert_eq!(ids("report-1", 2).await, [2, 3].map(relay_id));
    assert_eq!(ids("report-2", 10).await, []);
}

pub(crate) async fn counts_add_up(journal: &dyn Journal) {
    assert!(journal.counts().await.unwrap().is_empty());
    for number in 1..=3 {
        let record = begin(journal, outbound(number, &format!("{number}.ctl"))).await;
        if number == 1 {
            commit(journal, record, to(accepted("20260101_1"), at(5))).await;
        }
    }
    assert!(journal.waiting_counts().await.unwrap().is_empty(), "nothing waits for anybody");
    let record = begin(journal, outbound(4, "4.ctl")).await;
    let parked = relay_core::OutboundState::Parked { reason: "a person looks".to_owned() };
    commit(journal, record, to(parked, at(6))).await;
    begin_inbound(journal, inbound(9, "20260101_1")).await;
    let count =
        |direction, state: &str, messages| StateCount { direction, state: state.to_owned(), messages };
    let mut counts = journal.counts().await.unwrap();
    counts.sort_by_key(|count| (count.direction, count.state.clone()));
    assert_eq!(
        counts,
        [
            count(Direction::Outbound, "accepted", 1),
            count(Direction::Outbound, "parked", 1),
            count(Direction::Outbound, "received", 2),
            count(Direction::Inbound, "delivering", 1),
        ],
    );
    assert_eq!(journal.waiting_counts().await.unwrap(), [count(Direction::Outbound, "parked", 1)]);
}

pub(crate) async fn the_oldest_unended_of_each_mailbox_is_named(journal: &dyn Journal) {
    assert!(journal.oldest_unended().await.unwrap().is_empty());
    for (number, second, home) in
        [(1, 10, "X26ABC1"), (2, 20, "X26ABC1"), (3, 30, "X26ABC1"), (4, 5, "X26ABC9")]
    {
        let message = outbound(number, &format!("{number}.ctl"));
        let record = begin(journal, NewOutbound { at: at(second), mailbox: mailbox(home), ..message }).await;
        match number {
            // The oldest has ended.
            1 => drop(commit(journal, record, to(accepted("20260101_1"), at(40))).await),
            2 => drop(commit(journal, record, to(sending(), at(40))).await),
            _ => {}
        }
    }
    for (number, second, state) in [(5, 7, InboundState::Acknowledged), (6, 8, InboundState::Gone)] {
        let new = NewInbound { at: at(second), ..inbound(number, &format!("2026_{number}")) };
        let record = begin_inbound(journal, new).await;
        commit_inbound(journal, record, inbound_to(state, at(40))).await;
    }
    let record = begin_inbound(journal, NewInbound { at: at(9), ..inbound(7, "2026_7") }).await;
    commit_inbound(journal, record, inbound_to(InboundState::Delivered { receipt: String::new() }, at(40)))
        .await;
    let oldest = |direction, home, messages, number, second| Oldest {
        direction,
        mailbox: mailbox(home),
        adapter: (direction == Direction::Outbound).then(|| outbound(1, "").source.adapter),
        messages,
        relay_id: relay_id(number),
        received_at: at(second),
    };
    let mut named = journal.oldest_unended().await.unwrap();
    named.sort_by_key(|oldest| (oldest.direction, oldest.mailbox.clone()));
    assert_eq!(
        named,
        [
            oldest(Direction::Outbound, "X26ABC1", 2, 2, 20),
            oldest(Direction::Outbound, "X26ABC9", 1, 4, 5),
            oldest(Direction::Inbound, "X26ABC1", 1, 7, 9),
        ],
    );
}

/// Two messages that differ in everything, and what they are shown as.
async fn two(journal: &dyn Journal) -> [MessageSummary; 2] {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    commit(journal, record, to(accepted("20260329234512345678_0A1B2C"), at(5))).await;
    journal.settle(relay_id(1), at(6), None).await.unwrap();
    let message =
        NewInbound { at: at(10), mailbox: mailbox("X26XYZ7"), ..inbound(2, "20260401000000000000_DDEEFF") };
    let record = begin_inbound(journal, message).await;
    let delivered = inbound_to(InboundState::Delivered { receipt: "kept".to_owned() }, at(12));
    commit_inbound(journal, record, InboundChange { details: Some(details()), ..delivered }).await;
    [
        MessageSummary {
            direction: Direction::Outbound,
            relay_id: relay_id(1),
            message_id: Some(message_id("20260329234512345678_0A1B2C")),
            mailbox: mailbox("X26ABC1"),
            partner: Some("X26ABC2".to_owned()),
            workflow: Some("PATH_MEDRPT_V3".to_owned()),
            local_id: Some("report-1".to_owned()),
            file_name: Some("report.dat".to_owned()),
            length: Some(17),
            adapter: Some("pathology".to_owned()),
            state: "accepted".to_owned(),
            received_at: at(0),
            updated_at: at(5),
            settled_at: Some(at(6)),
        },
        MessageSummary {
            direction: Direction::Inbound,
            relay_id: relay_id(2),
            message_id: Some(message_id("20260401000000000000_DDEEFF")),
            mailbox: mailbox("X26XYZ7"),
            partner: Some("X26ABC3".to_owned()),
            workflow: Some("TOC_DISCHARGE".to_owned()),
            local_id: Some("letter-9".to_owned()),
            file_name: Some("letter.xml".to_owned()),
            length: None,
            adapter: None,
            state: "delivered".to_owned(),
            received_at: at(10),
            updated_at: at(12),
            settled_at: None,
        },
    ]
}

pub(crate) async fn every_field_restricts_a_search(journal: &dyn Journal) {
    let [out, inside] = two(journal).await;
    assert_eq!(journal.search(&everything()).await.unwrap(), [inside.clone(), out.clone()], "newest first");
    for (summary, number) in [(&out, 1), (&inside, 2)] {
        let queries = [
            MessageQuery { direction: Some(summary.direction), ..everything() },
            MessageQuery { mailbox: Some(summary.mailbox.clone()), ..everything() },
            MessageQuery { partner: summary.partner.clone(), ..everything() },
            MessageQuery { workflow: summary.workflow.clone(), ..everything() },
            MessageQuery { state: Some(summary.state.clone()), ..everything() },
        ];
        for (index, query) in queries.into_iter().enumerate() {
            assert_eq!(found(journal, query).await, [number], "{index}");
        }
    }
    assert_eq!(found(journal, MessageQuery { from: Some(at(10)), ..everything() }).await, [2]);
    assert_eq!(found(journal, MessageQuery { from: Some(at(11)), ..everything() }).await, []);
    assert_eq!(found(journal, MessageQuery { until: Some(at(10)), ..everything() }).await, [1]);
    assert_eq!(found(journal, MessageQuery { limit: 1, ..everything() }).await, [2]);
    let both = MessageQuery {
        mailbox: Some(out.mailbox.clone()),
        state: Some("delivered".to_owned()),
        ..everything()
    };
    assert_eq!(found(journal, both).await, [], "all must fit");
}

pub(crate) async fn words_find_by_their_beginning(journal: &dyn Journal) {
    two(journal).await;
    let unreadable = NewOutbound { at: at(20), details: None, ..outbound(3, "c.ctl") };
    begin(journal, unreadable).await;
    let cases: [(&[&str], &[u128]); 19] = [
        (&["20260329234512345678_0A1B2C"], &[1]),
        (&["20260329"], &[1]),
        (&["20260329234512345678_0a1b"], &[1]),
        (&["0A1B2C"], &[1]),
        (&["20260401000000000000_DDEEFF"], &[2]),
        (&["x26abc"], &[3, 2, 1]),
        (&["X26XYZ7"], &[2]),
        (&["X26ABC3"], &[2]),
        (&["path_medrpt"], &[1]),
        (&["report-1"], &[1]),
        (&["letter"], &[2]),
        (&["LETTER.XML"], &[2]),
        (&["report", "x26abc2"], &[1]),
        (&["report", "letter"], &[]),
        (&["eport"], &[]),
        (&["A1B2C"], &[]),
        (&["00000000-0000-0000-0000-000000000002"], &[2]),
        (&["report.d'a:t & \\ (*"], &[]),
        (&[], &[3, 2, 1]),
    ];
    for (words, expected) in cases {
        let query =
            MessageQuery { words: words.iter().map(|word| (*word).to_owned()).collect(), ..everything() };
        assert_eq!(found(journal, query).await, expected, "{words:?}");
    }
}

pub(crate) async fn pages_follow_without_gap_or_repeat(journal: &dyn Journal) {
    // Several were seen at the same time, and both ways are mixed.
    for number in 1..=20_u128 {
        let seen = at(i64::try_from(number / 4).unwrap());
        if number % 3 == 0 {
            begin_inbound(journal, NewInbound { at: seen, ..inbound(number, &format!("2026_{number}")) })
                .await;
        } else {
            begin(journal, NewOutbound { at: seen, ..outbound(number, &format!("{number}.ctl")) }).await;
        }
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page =
            journal.search(&MessageQuery { after, limit: 3, ..MessageQuery::default() }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(Cursor { received_at: last.received_at, relay_id: last.relay_id });
        seen.extend(page.iter().map(|summary| summary.relay_id.0.as_u128()));
    }
    assert_eq!(seen, (1..=20).rev().collect::<Vec<u128>>());
}

pub(crate) async fn a_message_is_found_by_its_id(journal: &dyn Journal) {
    let [out, inside] = two(journal).await;
    assert_eq!(journal.message(relay_id(1)).await.unwrap(), Some(out));
    assert_eq!(journal.message(relay_id(2)).await.unwrap(), Some(inside));
    assert_eq!(journal.message(relay_id(3)).await.unwrap(), None);

    let record = journal.outbound(relay_id(1)).await.unwrap().unwrap();
    assert_eq!((record.version, &record.source.message[..]), (2, "a.ctl"));
    assert_eq!(record.state, accepted("20260329234512345678_0A1B2C"));
    assert!(journal.outbound(relay_id(2)).await.unwrap().is_none(), "it goes the other way");
    let record = journal.inbound(relay_id(2)).await.unwrap().unwrap();
    assert_eq!((record.version, record.message_id.as_str()), (2, "20260401000000000000_DDEEFF"));
    assert_eq!(record.state, InboundState::Delivered { receipt: "kept".to_owned() });
    assert!(journal.inbound(relay_id(1)).await.unwrap().is_none());
}

pub(crate) async fn partners_are_counted(journal: &dyn Journal) {
    for (number, second) in [(1, 10), (2, 20), (3, 30), (4, 5)] {
        let message = NewOutbound { at: at(second), ..outbound(number, &format!("{number}.ctl")) };
        let record = begin(journal, message).await;
        let state = if number == 3 { rejected() } else { accepted(&format!("2026_{number}")) };
        commit(journal, record, to(state, at(40))).await;
    }
    // Nobody is known to be on the other side of these.
    begin(journal, NewOutbound { at: at(50), details: None, ..outbound(5, "5.ctl") }).await;
    begin_inbound(journal, NewInbound { at: at(50), ..inbound(6, "2026_6") }).await;
    for (number, state) in
        [(7, InboundState::Acknowledged), (8, InboundState::Parked { reason: "no room".to_owned() })]
    {
        let record =
            begin_inbound(journal, NewInbound { at: at(60), ..inbound(number, &format!("2026_{number}")) })
                .await;
        let change = InboundChange { details: Some(details()), ..inbound_to(state, at(61)) };
        commit_inbound(journal, record, change).await;
    }
    let mut partners = journal.partners(at(10)).await.unwrap();
    partners.sort_by_key(|partner| partner.direction);
    let sent = Partner {
        direction: Direction::Outbound,
        mailbox: mailbox("X26ABC1"),
        partner: "X26ABC2".to_owned(),
        workflow: "PATH_MEDRPT_V3".to_owned(),
        messages: 3,
        uncollected: 2,
        uncollected_since: Some(at(10)),
        failed: 1,
        collected: Collected::default(),
        last: at(30),
    };
    let received = Partner {
        direction: Direction::Inbound,
        mailbox: mailbox("X26ABC1"),
        partner: "X26ABC3".to_owned(),
        workflow: "TOC_DISCHARGE".to_owned(),
        messages: 2,
        uncollected: 0,
        uncollected_since: None,
        failed: 1,
        collected: Collected::default(),
        last: at(60),
    };
    assert_eq!(partners, [sent, received]);
}
