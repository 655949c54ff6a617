//! Sending: what is sent once, what is doubted, what is resumed, what is refused.

use super::*;

const NINE: usize = 9;
const THREE_CHUNKS: usize = 25;

fn refusal() -> Rejection {
    Rejection {
        event: "SEND".to_owned(),
        code: "12".to_owned(),
        description: "Unregistered to address".to_owned(),
        message_id: None,
    }
}

#[tokio::test]
async fn a_message_offered_again_gets_its_recorded_outcome_and_is_sent_once() {
    let bench = Bench::new();
    let message = message("a", "L1", NINE);
    let first = bench.send(&message).await.expect("an end");
    let bench = bench.restart().await;
    let again = bench.send(&message).await.expect("an end");
    assert_eq!((first.outcome(), first.relay_id()), (again.outcome(), again.relay_id()));
    assert_eq!(bench.mesh.made(), [Made::Begin]);
}

#[tokio::test]
async fn the_same_message_offered_many_times_at_once_is_sent_once() {
    let bench = Bench::new();
    let message = message("a", "L1", NINE);
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let (relay, message) = (bench.relay.clone(), message.clone());
            tokio::spawn(async move { relay.send(message).await })
        })
        .collect();
    for send in sends {
        send.await.expect("a task").expect("an end");
    }
    assert_eq!(bench.mesh.made(), [Made::Begin]);
}

#[tokio::test]
async fn a_settled_key_may_come_again_as_a_new_message() {
    let bench = Bench::new();
    let message = message("a", "L1", NINE);
    let first = bench.send(&message).await.expect("an end");
    assert_eq!(bench.relay.unsettled("test").await.expect("a list").len(), 1);
    bench.relay.settled(&first).await.expect("recorded");
    assert!(bench.relay.unsettled("test").await.expect("a list").is_empty());
    let second = bench.send(&message).await.expect("an end");
    assert_ne!(first.relay_id(), second.relay_id());
    assert_eq!(bench.mesh.delivered().len(), 2);
}

#[tokio::test]
async fn a_lost_answer_is_resolved_by_a_probe_and_sent_once() {
    let bench = Bench::new();
    bench.mesh.then(Fault::AnswerLost);
    let ended = bench.send(&message("a", "L1", NINE)).await.expect("an end");
    assert!(matches!(ended.outcome(), Outcome::Accepted(_)));
    assert_eq!(bench.mesh.made(), [Made::Begin, Made::Probe]);
    assert_eq!(bench.mesh.delivered().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_without_a_local_id_of_its_own_is_parked_not_guessed() {
    // The last cannot be asked about: it would part the path of a URL.
    for local_ids in [["", ""], ["SHARED", "SHARED"], ["OTHER", "LAB/7"]] {
        let bench = Bench::new();
        bench.send(&message("a", local_ids[0], NINE)).await.expect("an end");
        bench.mesh.then(Fault::AnswerLost);
        let ended = bench.send(&message("b", local_ids[1], NINE)).await.expect("an end");
        assert!(matches!(ended.outcome(), Outcome::Parked(_)), "{:?}", ended.outcome());
        assert_eq!(bench.mesh.made(), [Made::Begin, Made::Begin], "neither asked nor sent again");
    }
}

#[tokio::test]
async fn a_doubt_that_cannot_be_asked_about_is_parked_within_ten_minutes() {
    let bench = Bench::new();
    bench.mesh.then(Fault::AnswerLost);
    for _ in 0..100 {
        bench.mesh.then(Fault::ProbeFails);
    }
    let clock = Arc::clone(&bench.clock);
    let ticking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(4)).await;
            clock.advance(Duration::from_secs(60));
        }
    });
    let ended = bench.send(&message("a", "L1", NINE)).await.expect("an end");
    assert!(matches!(ended.outcome(), Outcome::Parked(_)));
    let asked = bench.mesh.made().iter().filter(|made| **made == Made::Probe).count();
    assert!((1..20).contains(&asked), "asked {asked} times");
    ticking.abort();
}

#[tokio::test]
async fn a_crash_after_the_intent_is_a_doubt_not_a_second_send() {
    let bench = Bench::with(SendPolicy { doubt_wait: Duration::from_secs(60), ..policy() });
    bench.mesh.then(Fault::AnswerLost);
    let message = message("a", "L1", NINE);
    // The process goes while the doubt waits: only the intent and what MESH holds are left.
    let crashed = tokio::time::timeout(Duration::from_millis(300), bench.send(&message)).await;
    assert!(crashed.is_err());
    let bench = bench.restart().await;
    let ended = bench.send(&message).await.expect("an end");
    assert!(matches!(ended.outcome(), Outcome::Accepted(_)));
    assert_eq!(bench.mesh.made(), [Made::Begin, Made::Probe]);
}

#[tokio::test]
async fn what_certainly_did_not_arrive_is_sent_again() {
    let bench = Bench::new();
    bench.mesh.then(Fault::NotSent);
    bench.mesh.then(Fault::NotSent);
    let message = message("a", "L1", NINE);
    let deferral = bench.send(&message).await.expect_err("a deferral");
    assert!(deferral.is_mailbox_wide() && !deferral.after.is_zero());
    bench.send_until_ended(&message, 3).await;
    assert_eq!(bench.mesh.delivered().len(), 1);
}

#[tokio::test]
async fn a_chunked_message_arrives_whole_whatever_breaks_on_the_way() {
    use Fault::{AnswerLost, NotSent, UploadLost};
    for faults in [
        vec![],
        vec![AnswerLost],
        vec![NotSent],
        vec![AnswerLost, AnswerLost, AnswerLost],
        vec![NotSent, NotSent, NotSent, NotSent],
        vec![UploadLost],
    ] {
        for before in 0..3 {
            let bench = Bench::new();
            let message = message("a", "L1", THREE_CHUNKS);
            // The faults hit the call after `before` calls went well.
            let described = format!("{faults:?} after {before}");
            bench.mesh.then_well(before);
            faults.iter().for_each(|fault| bench.mesh.then(fault.clone()));
            if before == 0 && matches!(faults.first(), Some(UploadLost)) {
                continue; // There is no upload to lose yet.
            }
            let ended = bench.send_until_ended(&message, 8).await;
            if before == 2 && matches!(faults.first(), Some(UploadLost)) {
                // MESH forgot the upload when only its last chunk was missing: it may be complete.
                assert!(matches!(ended.outcome(), Outcome::Parked(_)), "{described}: {:?}", ended.outcome());
                continue;
            }
            assert!(matches!(ended.outcome(), Outcome::Accepted(_)), "{described}: {:?}", ended.outcome());
            let delivered = bench.mesh.delivered();
            assert_eq!(delivered.len(), 1, "{described}");
            let whole: Vec<u8> = (0..THREE_CHUNKS).map(|i| i as u8).collect();
            assert_eq!(delivered[0].body, whole, "{described}");
        }
    }
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_after_a_restart() {
    let bench = Bench::new();
    bench.mesh.then_well(2);
    for _ in 0..3 {
        bench.mesh.then(Fault::NotSent);
    }
    let message = message("a", "L1", THREE_CHUNKS);
    bench.send(&message).await.expect_err("a deferral");
    let bench = bench.restart().await;
    bench.send(&message).await.expect("an end");
    let chunks: Vec<Made> = bench.mesh.made();
    let three = Made::Chunk(3);
    assert_eq!(chunks, [Made::Begin, Made::Chunk(2), three.clone(), three.clone(), three.clone(), three]);
    assert_eq!(bench.mesh.delivered().len(), 1);
}

#[tokio::test]
async fn refusals_end_with_their_reason() {
    let bench = Bench::new();
    bench.mesh.then(Fault::Refuse(refusal()));
    let refused = bench.send(&message("a", "L1", NINE)).await.expect("an end");
    assert_eq!(refused.outcome(), &Outcome::Rejected(refusal()));

    let empty = bench.send(&message("b", "L2", 0)).await.expect("an end");
    assert!(matches!(empty.outcome(), Outcome::Rejected(rejection) if rejection.code == "02"));

    let key = SourceKey { adapter: "test".to_owned(), message: "c".to_owned() };
    let unreadable =
        Refused { key, mailbox: mailbox(), rejection: refusal(), reply: None, trace: Trace::default() };
    let ended = bench.relay.refuse(unreadable).await.expect("an end");
    assert_eq!(ended.outcome(), &Outcome::Rejected(refusal()));
    assert_eq!(bench.mesh.made(), [Made::Begin], "what can never be sent is not sent");
    assert_eq!(bench.relay.unsettled("test").await.expect("a list").len(), 3);
}

#[tokio::test]
async fn a_message_that_is_never_taken_expires() {
    let bench = Bench::new();
    bench.mesh.then(Fault::NotSent);
    let message = message("a", "L1", NINE);
    bench.send(&message).await.expect_err("a deferral");
    bench.clock.advance(Duration::from_secs(73 * 60 * 60));
    bench.mesh.then(Fault::NotSent);
    let ended = bench.send(&message).await.expect("an end");
    assert_eq!(ended.outcome(), &Outcome::Expired);
}

#[tokio::test]
async fn the_intent_is_on_disk_before_the_first_byte_leaves() {
    // INV-2: what the journal's file holds at the moment of the call, read by someone else.
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let clock = Arc::new(TestClock::default());
    let mesh = Arc::new(ScriptedMesh::new(&mailbox(), clock.clone()));
    let path = folder.path().join("journal.db");
    let seen = Arc::new(std::sync::Mutex::new(String::new()));
    let (out, db) = (Arc::clone(&seen), path.clone());
    mesh.on_begin(move || {
        let read = rusqlite::Connection::open(&db).expect("the journal");
        let state = read.query_row("SELECT state_name FROM outbound", [], |row| row.get(0)).expect("a row");
        *out.lock().expect("a lock") = state;
    });
    let bench = Bench::on(folder, mesh, clock, policy());
    bench.send(&message("a", "L1", NINE)).await.expect("an end");
    assert_eq!(*seen.lock().expect("a lock"), "sending");
}

#[tokio::test]
async fn an_older_message_with_the_same_local_id_is_not_taken_for_this_one() {
    // The journal is new, as after a migration; MESH remembers.
    let bench = Bench::new();
    bench.send(&message("a", "L1", NINE)).await.expect("an end");
    bench.clock.advance(Duration::from_secs(24 * 60 * 60));
    let again = Bench::on(
        Arc::new(tempfile::tempdir().expect("a folder")),
        Arc::clone(&bench.mesh),
        Arc::clone(&bench.clock),
        policy(),
    );
    again.mesh.then(Fault::LostUnseen);
    let ended = again.send(&message("b", "L1", NINE)).await.expect("an end");
    assert!(matches!(ended.outcome(), Outcome::Parked(_)), "{:?}", ended.outcome());
}

#[tokio::test]
async fn a_route_says_what_is_done_in_doubt() {
    let resend = SendRoute {
        to: Some(Pattern::new("X26ABC2")),
        workflow: Some(Pattern::new("TEST_*")),
        in_doubt: DoubtStrategy::Resend,
        ..SendRoute::default()
    };
    let routes = vec![SendRoute { from: Some(Pattern::new("OTHER*")), ..SendRoute::default() }, resend];
    let bench = Bench::with(SendPolicy { routes, in_doubt: DoubtStrategy::Park, ..policy() });
    for (fault, delivered) in [(Fault::LostUnseen, 1), (Fault::AnswerLost, 3)] {
        bench.mesh.then(fault);
        let cannot_be_asked_about = message(&format!("to be sent {delivered}"), "", NINE);
        let ended = bench.send_until_ended(&cannot_be_asked_about, 3).await;
        assert!(matches!(ended.outcome(), Outcome::Accepted(_)), "{:?}", ended.outcome());
        assert_eq!(bench.mesh.delivered().len(), delivered);
    }
    // Twice in doubt: once was enough.
    bench.mesh.then(Fault::LostUnseen);
    bench.mesh.then(Fault::LostUnseen);
    let ended = bench.send_until_ended(&message("b", "", NINE), 3).await;
    assert!(matches!(ended.outcome(), Outcome::Parked(_)), "{:?}", ended.outcome());

    let elsewhere = {
        let mut other = message("c", "L1", NINE);
        other.envelope.workflow = "OTHER_WORKFLOW".parse().expect("a workflow");
        other
    };
    bench.mesh.then(Fault::LostUnseen);
    let ended = bench.send_until_ended(&elsewhere, 3).await;
    assert!(matches!(ended.outcome(), Outcome::Parked(_)), "the default holds: {:?}", ended.outcome());
    assert_eq!(bench.mesh.delivered().len(), 3);
}

#[tokio::test]
async fn what_its_source_takes_away_ends() {
    let bench = Bench::new();
    let key = |name: &str| message(name, "", NINE).key;
    assert!(bench.relay.withdraw(&key("unknown")).await.expect("an answer").is_none());
    bench.mesh.then(Fault::NotSent);
    bench.send(&message("a", "L1", NINE)).await.expect_err("a deferral");
    let ended = bench.relay.withdraw(&key("a")).await.expect("an answer").expect("an end");
    assert_eq!(ended.outcome(), &Outcome::Cancelled { by_person: false });

    let doubtful = Bench::with(SendPolicy { doubt_wait: Duration::from_secs(60), ..policy() });
    doubtful.mesh.then(Fault::AnswerLost);
    let message = message("b", "L2", NINE);
    let crashed = tokio::time::timeout(Duration::from_millis(300), doubtful.send(&message)).await;
    assert!(crashed.is_err());
    let ended = doubtful.relay.withdraw(&message.key).await.expect("an answer").expect("an end");
    assert!(matches!(ended.outcome(), Outcome::Parked(_)), "MESH may have it");
}

#[tokio::test]
async fn while_mesh_cannot_be_reached_no_message_is_put_at_risk() {
    let bench = Bench::new();
    bench.mesh.set_reachable(false);
    let sent = message("a", "", NINE);
    for _ in 0..3 {
        let deferral = bench.send(&sent).await.expect_err("a deferral");
        assert!(deferral.is_mailbox_wide());
        tokio::time::sleep(deferral.after).await;
    }
    assert_eq!(bench.mesh.made(), [], "nothing was posted, so nothing is in doubt");
    bench.mesh.set_reachable(true);
    bench.send_until_ended(&sent, 3).await;
    assert_eq!(bench.mesh.made(), [Made::Begin]);
}
