//! The store without HTTP.

use std::fs;
use std::path::Path;

use super::*;
use crate::text::Text;

fn now() -> Timestamp {
    "2026-03-29T23:45:12.345678Z".parse().expect("a time")
}

fn mailbox(id: &str) -> MailboxId {
    id.parse().expect("a mailbox")
}

fn party(id: &str) -> Arc<Party> {
    Arc::new(Party { id: Some(mailbox(id)), ..Party::default() })
}

fn sent(workflow: &str, chunks: u32) -> Sent {
    Sent {
        local_id: Text::new("ref"),
        subject: Text::new("canary"),
        chunks,
        ..Sent::new(Kind::Data, party("A"), party("B"), Text::new(workflow))
    }
}

fn notice<'a>(id: &'a MessageId, sender: &'a MailboxId, index: u32) -> ChunkNotice<'a> {
    ChunkNotice { message: id.as_str(), sender, index, of: 3, gzip: false, in_order: false }
}

fn memory() -> Store {
    Store::open(&StoreKind::Memory, now()).expect("a store")
}

fn folder(root: &Path) -> Store {
    Store::open(&StoreKind::Folder(root.to_owned()), now()).expect("a store")
}

fn payload(store: &Store, id: &MessageId, index: u32, body: &str) -> Ended {
    let kept = async {
        let mut intake = store.intake(Some(&mailbox("B")), id.as_str(), index);
        intake.take(body.as_bytes()).await?;
        intake.end().await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(kept).expect("room")
}

fn send(store: &Store, sent: Sent, body: &str) -> MessageId {
    let id = store.new_id(now());
    let chunk = payload(store, &id, 1, body);
    store.send(id.clone(), sent, chunk, now()).expect("room");
    id
}

fn refused<T, E>(result: Result<T, ChangeError<E>>) -> Result<(), E> {
    match result {
        Ok(_) => Ok(()),
        Err(ChangeError::Refused(error)) => Err(error),
        Err(ChangeError::Unwritten(error)) => panic!("{error}"),
    }
}

fn listed(store: &Store, filter: &str, after: Option<&MessageId>, limit: usize) -> (Vec<MessageId>, bool) {
    let filter = WorkflowFilter::read(filter);
    let after = after.map(|id| After::Message(id.to_string()));
    let page = store.page(&mailbox("B"), &filter, after.as_ref(), limit);
    (page.ids, page.next.is_some())
}

#[test]
fn ids_have_the_live_shape_and_differ_under_a_standing_clock() {
    let store = memory();
    let first = send(&store, sent("W", 1), "x");
    let second = send(&store, sent("W", 1), "x");
    assert_eq!(first.as_str(), "20260329234512345678_000001");
    assert_ne!(first, second);
}

#[test]
fn a_message_goes_from_accepted_to_acknowledged() {
    let store = memory();
    let id = send(&store, sent("W", 1), "body");
    assert_eq!(listed(&store, "", None, 10), (vec![id.clone()], false));
    assert_eq!(store.count(&mailbox("B")), 1);
    let message = store.find(id.as_str()).expect("the message");
    assert_eq!((message.status(), message.size), (&Status::Accepted, 4));

    let other = store.acknowledge(id.as_str(), &mailbox("A"), now());
    assert_eq!(refused(other), Err(AcknowledgeError::NotRecipient));
    assert_eq!(refused(store.acknowledge("NONE", &mailbox("B"), now())), Err(AcknowledgeError::Unknown));
    for _ in 0..2 {
        assert_eq!(refused(store.acknowledge(id.as_str(), &mailbox("B"), now())), Ok(()));
    }
    assert_eq!(store.count(&mailbox("B")), 0);
    let message = store.find(id.as_str()).expect("the message");
    assert_eq!(message.status(), &Status::Acknowledged);
    assert!(message.since(&Status::Accepted).is_some());
}

#[test]
fn chunks_are_checked_in_order_and_the_last_one_completes() {
    let store = memory();
    let (a, b) = (mailbox("A"), mailbox("B"));
    let id = send(&store, sent("W", 3), "1");
    let later = send(&store, sent("W", 1), "x");
    assert_eq!(refused(store.acknowledge(id.as_str(), &b, now())), Ok(()), "changes nothing while uploading");

    let check = |notice: ChunkNotice<'_>| store.check_chunk(&notice).map(|_| ());
    let unknown: MessageId = "NONE".parse().expect("an id");
    assert_eq!(check(notice(&unknown, &a, 2)), Err(ChunkError::Unknown));
    assert_eq!(check(notice(&id, &b, 9)), Err(ChunkError::NotSender));
    assert_eq!(check(notice(&later, &a, 9)), Err(ChunkError::Complete));
    let odd = ChunkNotice { gzip: true, ..notice(&id, &a, 4) };
    assert_eq!(check(odd), Err(ChunkError::AboveTotal));
    let odd = ChunkNotice { gzip: true, ..notice(&id, &a, 3) };
    assert_eq!(check(odd), Err(ChunkError::EncodingChanged));

    let put = |index, body| {
        let chunk = payload(&store, &id, index, body);
        refused(store.put_chunk(&notice(&id, &a, index), chunk, now()))
    };
    assert_eq!(put(1, "one "), Ok(()), "the first chunk may come again");
    assert_eq!(store.find(id.as_str()).expect("the message").status(), &Status::Uploading);
    assert_eq!(put(2, "two "), Ok(()));
    assert_eq!(put(3, "three"), Ok(()));
    assert_eq!(put(3, "three"), Err(ChunkError::Complete));
    assert_eq!(listed(&store, "", None, 10).0, [later, id.clone()], "order of acceptance");
    let stored = store.sent_to(&b);
    assert_eq!((stored[0].message_id == id, stored[0].body()), (true, b"one two three".to_vec()));
    assert_eq!((stored[0].status.as_str(), stored[0].chunk_count), ("accepted", 3));
    assert!(!format!("{:?}", stored[0]).contains("ref"));
}

#[test]
fn a_gap_does_not_stop_delivery() {
    let store = memory();
    let id = send(&store, sent("W", 3), "1");
    let a = mailbox("A");
    let third = ChunkNotice { in_order: true, ..notice(&id, &a, 3) };
    assert_eq!(store.check_chunk(&third).map(|_| ()), Err(ChunkError::OutOfOrder), "unless order is wanted");
    let other = ChunkNotice { in_order: true, of: 4, ..notice(&id, &a, 2) };
    assert_eq!(store.check_chunk(&other).map(|_| ()), Err(ChunkError::OutOfOrder), "and one total");
    let chunk = payload(&store, &id, 3, "3");
    assert_eq!(refused(store.put_chunk(&notice(&id, &mailbox("A"), 3), chunk, now())), Ok(()));
    let message = store.find(id.as_str()).expect("the message");
    assert_eq!((message.status(), message.chunk(2).is_none()), (&Status::Accepted, true));
}

#[test]
fn pages_follow_one_another() {
    let store = memory();
    let ids: Vec<MessageId> =
        (0..5).map(|n| send(&store, sent(if n % 2 == 0 { "EVEN" } else { "ODD" }, 1), "x")).collect();
    assert_eq!(listed(&store, "", None, 2), (ids[..2].to_vec(), true));
    assert_eq!(listed(&store, "", Some(&ids[1]), 2), (ids[2..4].to_vec(), true));
    assert_eq!(listed(&store, "", Some(&ids[3]), 2), (ids[4..].to_vec(), false));
    assert_eq!(listed(&store, "ODD", None, 2), (vec![ids[1].clone(), ids[3].clone()], false));
    refused(store.acknowledge(ids[1].as_str(), &mailbox("B"), now())).expect("acknowledged");
    let again = listed(&store, "", Some(&ids[1]), 1);
    assert_eq!(again, (vec![ids[0].clone()], true), "from the beginning once the mark is gone");
    let filter = WorkflowFilter::read("");
    let first = store.page(&mailbox("B"), &filter, None, 2);
    assert_eq!(first.ids, [ids[0].clone(), ids[2].clone()]);
    refused(store.acknowledge(ids[2].as_str(), &mailbox("B"), now())).expect("acknowledged");
    let place = first.next.map(After::Place);
    let second = store.page(&mailbox("B"), &filter, place.as_ref(), 2);
    assert_eq!(second.ids, ids[3..], "a place stays good");
}

#[test]
fn local_ids_find_what_their_sender_sent() {
    let store = memory();
    send(&store, sent("W", 1), "x");
    send(&store, sent("W", 1), "x");
    assert_eq!(store.find_by_local_id(&mailbox("A"), "ref").len(), 2);
    assert_eq!(store.find_by_local_id(&mailbox("B"), "ref").len(), 0);
}

#[test]
fn a_folder_survives_a_restart_with_states_order_and_bodies() {
    let root = tempfile::tempdir().expect("a folder");
    let store = folder(root.path());
    let ids = ["one", "two", "three"].map(|body| send(&store, sent("W", 1), body));
    let unfinished = send(&store, sent("W", 3), "1");
    refused(store.acknowledge(ids[1].as_str(), &mailbox("B"), now())).expect("acknowledged");
    assert_eq!(fs::read(root.path().join(format!("B/in/{}/1", ids[0]))).expect("a file"), b"one");
    drop(store);

    let store = folder(root.path());
    assert_eq!(store.mailboxes(), [mailbox("B")]);
    assert_eq!(listed(&store, "", None, 10).0, [ids[0].clone(), ids[2].clone()]);
    assert_eq!(store.find_by_local_id(&mailbox("A"), "ref").len(), 4);
    let seen: Vec<_> = store.sent_to(&mailbox("B")).iter().map(|m| (m.status.clone(), m.body())).collect();
    assert!(seen.contains(&("acknowledged".to_owned(), b"two".to_vec())), "{seen:?}");
    let a = mailbox("A");
    let next = ChunkNotice { in_order: true, ..notice(&unfinished, &a, 2) };
    assert_eq!(store.check_chunk(&next), Ok(Some(mailbox("B"))), "an upload goes on");
}

#[test]
fn what_is_no_message_is_passed_over_and_what_was_left_unfinished_is_removed() {
    let root = tempfile::tempdir().expect("a folder");
    let store = folder(root.path());
    let id = send(&store, sent("W", 1), "x");
    drop(store);
    let inbox = root.path().join("B/in");
    fs::create_dir_all(root.path().join("lost+found")).expect("a folder");
    fs::create_dir_all(root.path().join("C/in")).expect("a folder");
    let record = fs::read(inbox.join(format!("{id}.json"))).expect("a record");
    for file in ["X.json", ".part-abc"] {
        fs::File::create(inbox.join(file)).expect("a file");
    }
    // Another mailbox's record, as after a renamed folder.
    fs::File::create(root.path().join(format!("C/in/{id}.json")))
        .and_then(|mut file| std::io::Write::write_all(&mut file, &record))
        .expect("a file");
    fs::create_dir_all(inbox.join("ORPHAN")).expect("a folder");
    fs::File::create(inbox.join("ORPHAN/1")).expect("a file");
    fs::create_dir_all(inbox.join("NOTES")).expect("a folder");
    fs::File::create(inbox.join("NOTES/letter.txt")).expect("a file");

    let store = folder(root.path());
    assert_eq!(listed(&store, "", None, 10).0, [id]);
    assert_eq!((store.count(&mailbox("C")), store.mailboxes().len()), (0, 2));
    assert!(!inbox.join(".part-abc").exists() && !inbox.join("ORPHAN").exists());
    assert!(inbox.join("NOTES/letter.txt").exists() && inbox.join("X.json").exists());
    let file = Store::open(&StoreKind::Folder(inbox.join("X.json")), now()).map(|_| ());
    assert!(matches!(file, Err(FolderError::Unusable { .. })));
}

#[test]
fn a_refused_chunk_leaves_what_was_accepted_as_it_is() {
    let root = tempfile::tempdir().expect("a folder");
    let store = folder(root.path());
    let (a, id) = (mailbox("A"), send(&store, sent("W", 2), "one "));
    let late = payload(&store, &id, 2, "too late");
    let in_time = payload(&store, &id, 2, "two");
    let second = ChunkNotice { of: 2, ..notice(&id, &a, 2) };
    assert_eq!(refused(store.put_chunk(&second, in_time, now())), Ok(()));
    assert_eq!(refused(store.put_chunk(&second, late, now())), Err(ChunkError::Complete));
    assert_eq!(store.sent_to(&mailbox("B"))[0].body(), b"one two");
    let files = fs::read_dir(root.path().join("B/in")).expect("a folder").count();
    assert_eq!(files, 2, "the record and its chunks, nothing beside");
}

#[test]
fn what_cannot_be_written_is_not_shown() {
    let root = tempfile::tempdir().expect("a folder");
    let store = folder(root.path());
    let id = send(&store, sent("W", 1), "x");
    // A file where the mailbox's folder was: nothing more can be written there.
    fs::remove_dir_all(root.path().join("B")).expect("removed");
    fs::File::create(root.path().join("B")).expect("a file");
    let unwritten = store.acknowledge(id.as_str(), &mailbox("B"), now());
    assert!(matches!(unwritten, Err(ChangeError::Unwritten(_))));
    assert_eq!(store.count(&mailbox("B")), 1, "it still waits");
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let root = tempfile::tempdir().expect("a folder");
    let store = folder(root.path());
    let id = store.new_id(now());
    let chunk = payload(&store, &id, 1, "x");
    // A folder where the record would stand.
    fs::create_dir_all(root.path().join(format!("B/in/{id}.json"))).expect("a folder");
    assert!(store.send(id.clone(), sent("W", 1), chunk, now()).is_err());
    assert!(!root.path().join(format!("B/in/{id}")).exists() && store.find(id.as_str()).is_none());
}

#[test]
fn an_expiry_and_its_report_are_both_there_or_neither() {
    let root = tempfile::tempdir().expect("a folder");
    let store = folder(root.path());
    let id = send(&store, sent("W", 1), "x");
    let end = after(now(), INBOX_EXPIRY);
    let expire = |at: Timestamp| {
        let report = Report {
            recipient: party("A"),
            workflow: Text::new("W"),
            local_id: Text::default(),
            subject: Text::new("NDR"),
            file_name: Text::default(),
            event: Event::failure("14", "late", at),
        };
        store.expire(id.as_str(), vec![Event::plain(Status::Undeliverable, at)], Some(report), at)
    };
    assert!(!expire(end - SignedDuration::from_nanos(1)).expect("nothing to do"), "not yet");
    // The sender's inbox cannot be written: nothing happens, and it can be tried again.
    fs::File::create(root.path().join("A")).expect("a file");
    assert!(expire(end).is_err());
    assert_eq!((store.count(&mailbox("B")), store.count(&mailbox("A"))), (1, 0));
    fs::remove_file(root.path().join("A")).expect("removed");
    assert!(expire(end).expect("room"));
    assert_eq!((store.count(&mailbox("B")), store.count(&mailbox("A"))), (0, 1));
    assert!(!expire(end).expect("nothing to do"), "once");
}

#[test]
fn expiry_and_deletion_follow_the_clock() {
    let root = tempfile::tempdir().expect("a folder");
    let store = folder(root.path());
    let id = send(&store, sent("W", 1), "x");
    let almost = after(now(), INBOX_EXPIRY - SignedDuration::from_nanos(1));
    assert!(store.expired(almost, 10).is_empty());
    let due = store.expired(after(now(), INBOX_EXPIRY), 10);
    assert_eq!(due.iter().map(|message| &message.id).collect::<Vec<_>>(), [&id]);
    assert!(
        !store.delete_one(after(now(), RETENTION - SignedDuration::from_nanos(1))).expect("nothing to do")
    );
    assert!(store.delete_one(after(now(), RETENTION)).expect("deleted"));
    assert!(store.find(id.as_str()).is_none() && store.find_by_local_id(&mailbox("A"), "ref").is_empty());
    assert_eq!(fs::read_dir(root.path().join("B/in")).expect("a folder").count(), 0);
    assert!(store.sent_to(&mailbox("B")).is_empty() && store.count(&mailbox("B")) == 0);
}

#[test]
fn a_reset_of_one_party_leaves_the_other_its_messages() {
    let store = memory();
    let id = send(&store, sent("W", 1), "x");
    store.reset_mailbox(&mailbox("B")).expect("a reset");
    assert_eq!((store.count(&mailbox("B")), store.sent_to(&mailbox("B")).len()), (0, 0));
    assert!(store.find_sent(&mailbox("A"), id.as_str()).is_some(), "its sender still has it");
    let accepted = Event::plain(Status::Accepted, now());
    assert!(store.push_event(id.as_str(), accepted).expect("room"));
    assert_eq!(store.count(&mailbox("B")), 0, "and it does not come back");
    store.reset_mailbox(&mailbox("A")).expect("a reset");
    assert!(store.find(id.as_str()).is_none());
}

#[test]
fn an_event_moves_a_message_out_of_its_inbox_and_back_to_its_place() {
    let store = memory();
    let ids = ["one", "two"].map(|body| send(&store, sent("W", 1), body));
    let push = |status| store.push_event(ids[0].as_str(), Event::plain(status, now())).expect("room");
    assert!(push(Status::Error));
    assert_eq!(listed(&store, "", None, 10).0, [ids[1].clone()]);
    assert!(push(Status::Accepted));
    assert_eq!(listed(&store, "", None, 10).0, ids);
    assert!(!store.push_event("NONE", Event::plain(Status::Error, now())).expect("room"));
}
