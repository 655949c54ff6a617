//! Messages and their states.

use relay_core::{
    DoubtStrategy, Evidence, InboundChange, InboundState, Journal, JournalError, MailboxTimes, NewOutbound,
    OutboundChange, OutboundState, Rejection, Resent,
};

use super::{
    accepted, at, begin, begin_inbound, commit, details, inbound, inbound_to, known, mailbox, message_id,
    outbound, rejected, relay_id, sending, to,
};

pub(crate) async fn every_outbound_state_comes_back_as_it_went_in(journal: &dyn Journal) {
    let fingerprint = Some("a-hash".to_owned());
    let mut record =
        begin(journal, NewOutbound { fingerprint: fingerprint.clone(), ..outbound(1, "a.ctl") }).await;
    assert_eq!((record.version, record.received_at, &record.fingerprint), (1, at(0), &fingerprint));
    assert_eq!(record.recipient.as_deref(), Some("X26ABC2"));
    let id = message_id("20260101000000000000_AAAAAA");
    let report = Rejection {
        event: "SEND".to_owned(),
        code: "14".to_owned(),
        description: "Message not collected — nobody's \"fault\"".to_owned(),
        message_id: Some(message_id("20260101000000000000_BBBBBB")),
    };
    let states = [
        sending(),
        OutboundState::Uploading {
            attempt: 1,
            id: id.clone(),
            taken: 1,
            of: 3,
            chunk_bytes: 100,
            resent: Resent::No,
        },
        OutboundState::InDoubt {
            attempt: 1,
            since: at(7),
            probes: 2,
            strategy: DoubtStrategy::Resend,
            resent: Resent::Blindly,
        },
        OutboundState::Received { attempts: 1, resent: Resent::Probed },
        OutboundState::Parked { reason: "in doubt".to_owned() },
        OutboundState::Expired { at: at(8) },
        OutboundState::Cancelled { by: "its source".to_owned() },
        rejected(),
        OutboundState::Accepted {
            id: id.clone(),
            at: at(9),
            by: Evidence::Probe,
            resent: Resent::Probed,
            followed: 3,
        },
        OutboundState::UnknownOutcome { id: id.clone(), at: at(9) },
        OutboundState::Acknowledged { id: id.clone(), at: at(9) },
        OutboundState::Undelivered { id, report },
    ];
    for (state, version) in states.into_iter().zip(2_u64..) {
        let change = OutboundChange { state: state.clone(), note: None, due: None, at: at(9) };
        journal.commit_outbound(&record, change, None).await.unwrap();
        record = known(journal.begin_outbound(outbound(9, "a.ctl"), None).await.unwrap());
        assert_eq!((&record.state, record.version), (&state, version));
        assert_eq!((record.relay_id, record.received_at), (relay_id(1), at(0)));
        assert_eq!((&record.fingerprint, &record.mailbox), (&fingerprint, &mailbox("X26ABC1")));
        assert_eq!(record.recipient.as_deref(), Some("X26ABC2"));
    }
}

pub(crate) async fn every_inbound_state_comes_back_as_it_went_in(journal: &dyn Journal) {
    let mut record = begin_inbound(journal, inbound(1, "20260101_1")).await;
    assert_eq!((&record.state, record.version), (&InboundState::Delivering { attempt: 1 }, 1));
    let states = [
        InboundState::Listed { workflow: "OTHER".to_owned() },
        InboundState::Delivering { attempt: 2 },
        InboundState::Delivered { receipt: "kept".to_owned() },
        InboundState::Parked { reason: "no room".to_owned() },
        InboundState::Gone,
        InboundState::Acknowledged,
    ];
    for (state, version) in states.into_iter().zip(2_u64..) {
        // What is known of it comes with one change and stays with the others.
        let details = (version == 3).then(details);
        let change = InboundChange { details, ..inbound_to(state.clone(), at(1)) };
        journal.commit_inbound(&record, change, None).await.unwrap();
        record = known(journal.begin_inbound(inbound(2, "20260101_1"), None).await.unwrap());
        assert_eq!((record.relay_id, &record.state, record.version), (relay_id(1), &state, version));
        assert_eq!(record.message_id, message_id("20260101_1"));
    }
}

pub(crate) async fn a_stale_version_conflicts_and_changes_nothing(journal: &dyn Journal) {
    let stale = begin(journal, outbound(1, "a.ctl")).await;
    commit(journal, stale.clone(), to(sending(), at(1))).await;
    let conflict = journal.commit_outbound(&stale, to(accepted("20260101_1"), at(2)), None).await;
    assert!(matches!(conflict, Err(JournalError::Conflict { relay_id: id }) if id == relay_id(1)));
    let now = journal.find_outbound(&stale.source).await.unwrap().unwrap();
    assert_eq!((now.state, now.version), (sending(), 2));
    assert_eq!(journal.history(relay_id(1)).await.unwrap().len(), 2);

    let stale = begin_inbound(journal, inbound(3, "20260101_1")).await;
    journal.commit_inbound(&stale, inbound_to(InboundState::Gone, at(1)), None).await.unwrap();
    let conflict = journal.commit_inbound(&stale, inbound_to(InboundState::Acknowledged, at(2)), None).await;
    assert!(matches!(conflict, Err(JournalError::Conflict { relay_id: id }) if id == relay_id(3)));

    let mut unknown = begin(journal, outbound(4, "b.ctl")).await;
    unknown.relay_id = relay_id(99);
    let conflict = journal.commit_outbound(&unknown, to(sending(), at(1)), None).await;
    assert!(matches!(conflict, Err(JournalError::Conflict { .. })), "and so does an unknown message");
}

pub(crate) async fn a_write_made_again_is_found_done(journal: &dyn Journal) {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    let change = OutboundChange { note: Some("said so".to_owned()), ..to(sending(), at(1)) };
    for _ in 0..2 {
        journal.commit_outbound(&record, change.clone(), None).await.unwrap();
    }
    assert_eq!(journal.history(relay_id(1)).await.unwrap().len(), 2, "and is written once");
    let other = to(accepted("20260101_1"), at(1));
    let conflict = journal.commit_outbound(&record, other, None).await;
    assert!(matches!(conflict, Err(JournalError::Conflict { .. })), "another one is no repetition");

    let record = begin_inbound(journal, inbound(2, "20260101_1")).await;
    let change = inbound_to(InboundState::Delivered { receipt: "kept".to_owned() }, at(1));
    for _ in 0..2 {
        journal.commit_inbound(&record, change.clone(), None).await.unwrap();
    }
    assert_eq!(journal.history(relay_id(2)).await.unwrap().len(), 2);
    assert!(journal.verify().await.unwrap().is_sound());
}

pub(crate) async fn settling_twice_keeps_the_first_time_and_an_unknown_message_is_refused(
    journal: &dyn Journal,
) {
    let record = begin(journal, outbound(1, "a.ctl")).await;
    commit(journal, record, to(accepted("20260101_1"), at(5))).await;
    journal.settle(relay_id(1), at(6), None).await.unwrap();
    journal.settle(relay_id(1), at(99), None).await.unwrap();
    let unknown = journal.settle(relay_id(2), at(6), None).await;
    assert!(matches!(unknown, Err(JournalError::Conflict { .. })));
    let query = relay_core::MessageQuery { limit: 10, ..Default::default() };
    let found = journal.search(&query).await.unwrap();
    assert_eq!(found[0].settled_at, Some(at(6)));
    assert_eq!(found[0].updated_at, at(5));
}

pub(crate) async fn unsettled_lists_those_of_one_adapter_oldest_first(journal: &dyn Journal) {
    for (number, second) in [(1, 30), (2, 10), (3, 20), (4, 5)] {
        let mut message = outbound(number, &format!("{number}.ctl"));
        message.at = at(second);
        if number == 3 {
            message.source.adapter = "engine".to_owned();
        }
        let record = begin(journal, message).await;
        // The fourth, the oldest, is still under way.
        if number != 4 {
            commit(journal, record, to(accepted(&format!("2026_{number}")), at(40))).await;
        }
    }
    let ids = |records: Vec<relay_core::OutboundRecord>| -> Vec<_> {
        records.into_iter().map(|record| record.relay_id).collect()
    };
    let waiting = journal.unsettled("pathology").await.unwrap();
    assert_eq!(waiting[1].state, accepted("2026_2"));
    assert_eq!(ids(waiting), [relay_id(4), relay_id(2), relay_id(1)]);

    journal.settle(relay_id(2), at(50), None).await.unwrap();
    assert_eq!(ids(journal.unsettled("pathology").await.unwrap()), [relay_id(4), relay_id(1)]);
    assert_eq!(ids(journal.unsettled("engine").await.unwrap()), [relay_id(3)]);
    assert!(journal.unsettled("nobody").await.unwrap().is_empty());
}

pub(crate) async fn what_is_due_comes_longest_due_first(journal: &dyn Journal) {
    for (number, due) in [(1, Some(30)), (2, Some(10)), (3, Some(99)), (4, None), (5, Some(20)), (6, Some(5))]
    {
        let mut message = outbound(number, &format!("{number}.ctl"));
        if number == 6 {
            message.mailbox = mailbox("X26ABC9");
        }
        let record = begin(journal, message).await;
        let change = OutboundChange { due: due.map(at), ..to(accepted(&format!("2026_{number}")), at(1)) };
        let record = commit(journal, record, change).await;
        if number == 5 {
            // What is no longer to be looked after is not due.
            commit(journal, record, to(rejected(), at(2))).await;
        }
    }
    let ours = mailbox("X26ABC1");
    let ids = |records: Vec<relay_core::OutboundRecord>| -> Vec<_> {
        records.into_iter().map(|record| record.relay_id).collect()
    };
    assert_eq!(ids(journal.due(&ours, at(30), 10).await.unwrap()), [relay_id(2), relay_id(1)]);
    assert_eq!(ids(journal.due(&ours, at(30), 1).await.unwrap()), [relay_id(2)]);
    assert_eq!(ids(journal.due(&ours, at(9), 10).await.unwrap()), []);
}

pub(crate) async fn mailbox_times_are_kept_each_by_itself(journal: &dyn Journal) {
    let (ours, other) = (mailbox("X26ABC1"), mailbox("X26ABC2"));
    assert_eq!(journal.mailbox_times(&ours).await.unwrap(), MailboxTimes::default());
    let polled = MailboxTimes { polled_at: Some(at(1)), handshake_at: None };
    journal.commit_mailbox_times(&ours, polled, None).await.unwrap();
    let shaken = MailboxTimes { polled_at: None, handshake_at: Some(at(2)) };
    journal.commit_mailbox_times(&ours, shaken, None).await.unwrap();
    let both = MailboxTimes { polled_at: Some(at(1)), handshake_at: Some(at(2)) };
    assert_eq!(journal.mailbox_times(&ours).await.unwrap(), both);
    let later = MailboxTimes { polled_at: Some(at(3)), handshake_at: None };
    journal.commit_mailbox_times(&ours, later, None).await.unwrap();
    let both = MailboxTimes { polled_at: Some(at(3)), handshake_at: Some(at(2)) };
    assert_eq!(journal.mailbox_times(&ours).await.unwrap(), both);
    assert_eq!(journal.mailbox_times(&other).await.unwrap(), MailboxTimes::default());
}
