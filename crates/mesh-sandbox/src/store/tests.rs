//! The store without HTTP.

use super::*;
use crate::text::Text;

fn now() -> Timestamp {
    "2026-03-29T23:45:12.345678Z".parse().expect("a time")
}

fn mailbox(id: &str) -> MailboxId {
    id.parse().expect("a mailbox")
}

fn sent(workflow: &str, chunks: u32) -> Sent {
    Sent {
        sender: mailbox("A"),
        recipient: mailbox("B"),
        workflow: Text::new(workflow),
        local_id: Text::new("ref"),
        subject: Text::new("canary"),
        file_name: Text::default(),
        content_type: Text::default(),
        partner_id: Text::default(),
        checksum: Text::default(),
        encrypted: false,
        compressed: false,
        gzip: false,
        chunks,
    }
}

fn notice<'a>(id: &'a MessageId, sender: &'a MailboxId, index: u32) -> ChunkNotice<'a> {
    ChunkNotice { message: id.as_str(), sender, index, gzip: false }
}

fn listed(store: &Store, filter: &str, after: Option<&MessageId>, limit: usize) -> (Vec<MessageId>, bool) {
    let filter = WorkflowFilter::read(filter);
    let page = store.page(&mailbox("B"), &filter, after.map(MessageId::as_str), limit);
    (page.ids, page.more)
}

#[test]
fn ids_have_the_live_shape_and_differ_under_a_standing_clock() {
    let store = Store::default();
    let first = store.send(sent("W", 1), Bytes::from("x"), now());
    let second = store.send(sent("W", 1), Bytes::from("x"), now());
    assert_eq!(first.as_str(), "20260329234512345678_000001");
    assert_ne!(first, second);
}

#[test]
fn a_message_goes_from_accepted_to_acknowledged() {
    let store = Store::default();
    let id = store.send(sent("W", 1), Bytes::from("body"), now());
    assert_eq!(listed(&store, "", None, 10), (vec![id.clone()], false));
    assert_eq!(store.count(&mailbox("B")), 1);
    let message = store.find(id.as_str()).expect("the message");
    assert_eq!((message.status(), message.size), (Status::Accepted, 4));

    let refused = store.acknowledge(id.as_str(), &mailbox("A"), now());
    assert_eq!(refused, Err(AcknowledgeError::NotRecipient));
    assert_eq!(store.acknowledge("NONE", &mailbox("B"), now()), Err(AcknowledgeError::Unknown));
    for _ in 0..2 {
        assert_eq!(store.acknowledge(id.as_str(), &mailbox("B"), now()), Ok(()));
    }
    assert_eq!(store.count(&mailbox("B")), 0);
    let message = store.find(id.as_str()).expect("the message");
    assert_eq!(message.status(), Status::Acknowledged);
    assert!(message.since(Status::Accepted).is_some());
}

#[test]
fn chunks_are_checked_in_order_and_the_last_one_completes() {
    let store = Store::default();
    let (a, b) = (mailbox("A"), mailbox("B"));
    let id = store.send(sent("W", 3), Bytes::from("1"), now());
    let later = store.send(sent("W", 1), Bytes::from("x"), now());
    assert_eq!(store.acknowledge(id.as_str(), &b, now()), Ok(()), "changes nothing while uploading");

    let check = |notice: ChunkNotice<'_>| store.check_chunk(&notice);
    let unknown: MessageId = "NONE".parse().expect("an id");
    assert_eq!(check(notice(&unknown, &a, 2)), Err(ChunkError::Unknown));
    assert_eq!(check(notice(&id, &b, 9)), Err(ChunkError::NotSender));
    assert_eq!(check(notice(&later, &a, 9)), Err(ChunkError::Complete));
    let odd = ChunkNotice { gzip: true, ..notice(&id, &a, 4) };
    assert_eq!(check(odd), Err(ChunkError::AboveTotal));
    let odd = ChunkNotice { gzip: true, ..notice(&id, &a, 3) };
    assert_eq!(check(odd), Err(ChunkError::EncodingChanged));

    let put = |index, body| store.put_chunk(&notice(&id, &a, index), Bytes::from(body), now());
    assert_eq!(put(1, "one "), Ok(()), "the first chunk may come again");
    assert_eq!(store.find(id.as_str()).expect("the message").status(), Status::Uploading);
    assert_eq!(put(2, "two "), Ok(()));
    assert_eq!(put(3, "three"), Ok(()));
    assert_eq!(put(3, "three"), Err(ChunkError::Complete));
    assert_eq!(listed(&store, "", None, 10).0, [later, id.clone()], "order of acceptance");
    let stored = store.sent_to(&b);
    assert_eq!((stored[0].message_id == id, stored[0].body()), (true, b"one two three".to_vec()));
    assert_eq!((stored[0].status, stored[0].chunk_count), ("accepted", 3));
    assert!(!format!("{:?}", stored[0]).contains("ref"));
}

#[test]
fn a_gap_does_not_stop_delivery() {
    let store = Store::default();
    let id = store.send(sent("W", 3), Bytes::from("1"), now());
    assert_eq!(store.put_chunk(&notice(&id, &mailbox("A"), 3), Bytes::from("3"), now()), Ok(()));
    let message = store.find(id.as_str()).expect("the message");
    assert_eq!((message.status(), message.chunk(2)), (Status::Accepted, None));
}

#[test]
fn pages_follow_one_another() {
    let store = Store::default();
    let ids: Vec<MessageId> = (0..5)
        .map(|n| store.send(sent(if n % 2 == 0 { "EVEN" } else { "ODD" }, 1), Bytes::from("x"), now()))
        .collect();
    assert_eq!(listed(&store, "", None, 2), (ids[..2].to_vec(), true));
    assert_eq!(listed(&store, "", Some(&ids[1]), 2), (ids[2..4].to_vec(), true));
    assert_eq!(listed(&store, "", Some(&ids[3]), 2), (ids[4..].to_vec(), false));
    assert_eq!(listed(&store, "ODD", None, 2), (vec![ids[1].clone(), ids[3].clone()], false));
    store.acknowledge(ids[1].as_str(), &mailbox("B"), now()).expect("acknowledged");
    let again = listed(&store, "", Some(&ids[1]), 1);
    assert_eq!(again, (vec![ids[0].clone()], true), "from the beginning once the mark is gone");
}

#[test]
fn local_ids_find_what_their_sender_sent() {
    let store = Store::default();
    store.send(sent("W", 1), Bytes::from("x"), now());
    store.send(sent("W", 1), Bytes::from("x"), now());
    assert_eq!(store.find_by_local_id(&mailbox("A"), "ref").len(), 2);
    assert_eq!(store.find_by_local_id(&mailbox("B"), "ref").len(), 0);
}
