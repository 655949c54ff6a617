//! Rows 1 to 7, 11 and 12: a record of the topic on its way to MESH or to the topic of dead letters, and what is told of it.

use mesh_sandbox::{Call, Effect, Fault};

use super::{Message, Mode, Stage, TO_BOB, row, state};
use crate::queues::tables::Tables;

/// Nobody at MESH has this mailbox.
const TO_NOBODY: [(&str, &str); 2] = [("mesh_to", "X26NONE"), TO_BOB[1]];

/// A stage with a record in the topic whose relay was killed at a point.
async fn crashed(point: &str, message: Message) -> Stage {
    let mut stage = Stage::new(Mode::Usual).await;
    stage.put(message).await;
    stage.crash(point).await;
    stage
}

fn fit() -> Message {
    Message::new("L1", &TO_BOB, b"payload")
}

/// Without an id: the account's topic gives none to a message of this name.
fn anonymous() -> Message {
    Message::new("L7", &TO_BOB, b"payload")
}

/// MESH has it, and it was sent again or not, as the last state says.
async fn sent(stage: &mut Stage, resent: bool) -> Tables {
    let tables = stage.finish().await;
    let row = row(&tables);
    assert_eq!((row.state.as_str(), row.marked), ("accepted", resent), "{:?}", row.states);
    assert_eq!((stage.at_mesh(), stage.copies().len()), (1, 1), "MESH has it once");
    tables
}

#[tokio::test]
async fn row_01_killed_with_a_record_taken_and_nothing_recorded_it_is_taken_as_new() {
    let mut stage = crashed("before begin", fit()).await;
    assert_eq!(stage.state(), "nothing");
    let tables = sent(&mut stage, false).await;
    assert_eq!(row(&tables).states, ["received", "sending", "accepted"]);
}

#[tokio::test]
async fn row_02_killed_behind_a_commit_the_record_that_comes_again_meets_its_own_in_the_journal() {
    for (point, before, is_settled) in [
        ("after begin", "received", false),
        ("after commit of accepted", "accepted", false),
        ("before settled", "accepted", false),
        // All that is left to do is to move the group's offset.
        ("after settled", "accepted", true),
    ] {
        let mut stage = crashed(point, fit()).await;
        let tables = stage.tables();
        assert_eq!((state(&tables).as_str(), row(&tables).settled), (before, is_settled), "{point}");
        let tables = sent(&mut stage, false).await;
        assert_eq!(row(&tables).states, ["received", "sending", "accepted"], "{point}");
        assert_eq!(stage.requests("send"), 1, "{point}");
    }
}

#[tokio::test]
async fn row_02_killed_anywhere_on_the_way_to_the_dead_letters_the_record_gets_there() {
    let to_nobody = || Message::new("L1", &TO_NOBODY, b"payload");
    let unfit = || Message::new("L1", &TO_BOB[1..], b"payload").unreadable();
    let cases: [(&str, &dyn Fn() -> Message, usize); 7] = [
        // MESH refuses it.
        ("after commit of rejected", &to_nobody, 0),
        ("before settled", &to_nobody, 1),
        ("after settled", &to_nobody, 1),
        // It can be seen here that MESH would not take it.
        ("before begin", &unfit, 0),
        ("after begin", &unfit, 0),
        ("before settled", &unfit, 1),
        ("after settled", &unfit, 1),
    ];
    for (point, message, parked_before) in cases {
        let mut stage = crashed(point, message()).await;
        assert_eq!(stage.parked(), parked_before, "{point}");
        let tables = stage.finish().await;
        assert_eq!(state(&tables), "rejected", "{point}");
        // Nobody here knows whether the copy of before is there. Another one is the same in all that tells it from others.
        assert_eq!(stage.parked(), parked_before + 1, "{point}");
        // It may have been told before the kill already, and that not recorded.
        assert!(stage.times_told("rejected") >= 1, "{point}");
        assert_eq!(stage.at_mesh(), 0, "{point}");
    }
}

#[tokio::test]
async fn row_03_killed_before_the_intent_it_is_sent() {
    let mut stage = crashed("before commit of sending", fit()).await;
    assert_eq!((stage.state().as_str(), stage.requests("send")), ("received", 0));
    sent(&mut stage, false).await;
}

#[tokio::test]
async fn row_04_killed_before_the_first_byte_mesh_is_asked_and_it_is_sent_again_marked() {
    for point in ["after commit of sending", "before post"] {
        let mut stage = crashed(point, fit()).await;
        assert_eq!((stage.state().as_str(), stage.requests("send")), ("sending", 0), "{point}");
        sent(&mut stage, true).await;
        assert_eq!((stage.requests("send"), stage.requests("track-local-id")), (1, 2), "{point}");
    }
}

#[tokio::test]
async fn row_05_killed_inside_the_body_mesh_is_asked_and_it_is_sent_again_marked() {
    let mut stage = crashed("inside post", Message::new("L1", &TO_BOB, &vec![7; 900_000])).await;
    assert_eq!(stage.state(), "sending");
    assert_eq!(stage.at_mesh(), 0, "the first request was not taken");
    sent(&mut stage, true).await;
    assert_eq!(stage.requests("track-local-id"), 2);
}

#[tokio::test]
async fn row_06_killed_with_the_body_complete_and_no_answer_the_message_is_found_and_adopted() {
    // One without an id as well: MESH is asked by the id that the relay gave it.
    for message in [fit(), anonymous()] {
        let mut stage = Stage::new(Mode::Usual).await;
        let lost =
            Fault { calls: vec![Call::Send], times: Some(1), ..Fault::new("lost", Effect::LoseAnswer) };
        stage.scene.sandbox.faults().add(lost).expect("a fault");
        stage.put(message).await;
        stage.crash("after post").await;
        assert_eq!((stage.state().as_str(), stage.at_mesh()), ("sending", 1));
        sent(&mut stage, false).await;
        assert_eq!((stage.requests("send"), stage.requests("track-local-id")), (1, 1));
    }
}

#[tokio::test]
async fn row_07_killed_with_the_answer_read_and_not_recorded_the_message_is_found_and_adopted() {
    for point in ["after post", "before commit of accepted"] {
        let mut stage = crashed(point, fit()).await;
        assert_eq!((stage.state().as_str(), stage.at_mesh()), ("sending", 1), "{point}");
        sent(&mut stage, false).await;
        assert_eq!((stage.requests("send"), stage.requests("track-local-id")), (1, 1), "{point}");
    }
}

/// That the offset is still before it, is looked at after each crash. Here it would have been moved by then, had anything
/// but an end in the journal let it.
#[tokio::test]
async fn row_07_killed_with_an_answer_that_was_long_in_coming_the_message_is_found_and_adopted() {
    let mut stage = Stage::new(Mode::Usual).await;
    // Offsets are moved each second.
    let late = Effect::Delay { millis: 2_500 };
    let slow = Fault { calls: vec![Call::Send], times: Some(1), ..Fault::new("slow", late) };
    stage.scene.sandbox.faults().add(slow).expect("a fault");
    stage.put(fit()).await;
    stage.crash("after post").await;
    assert_eq!((stage.state().as_str(), stage.at_mesh()), ("sending", 1));
    sent(&mut stage, false).await;
}

#[tokio::test]
async fn row_11_killed_before_an_event_is_published_it_is_published() {
    for state in ["received", "accepted"] {
        let mut stage = Stage::new(Mode::Usual).await;
        stage.put(fit()).await;
        stage.crash_telling(&format!("before telling of {state}")).await;
        assert_eq!(stage.times_told(state), 0);
        sent_however(&mut stage).await;
        assert_eq!(stage.times_told(state), 1);
    }
}

#[tokio::test]
async fn row_12_killed_behind_an_event_it_is_published_again_under_the_same_id() {
    for state in ["received", "accepted"] {
        let mut stage = Stage::new(Mode::Usual).await;
        stage.put(fit()).await;
        stage.crash_telling(&format!("after telling of {state}")).await;
        assert_eq!(stage.times_told(state), 1);
        // That a repetition is word for word what it repeats is looked at after every row.
        sent_however(&mut stage).await;
        assert_eq!(stage.times_told(state), 2);
    }
}

/// MESH has it once. How far the message was when its event was told is left to chance.
async fn sent_however(stage: &mut Stage) {
    let tables = stage.finish().await;
    assert_eq!(state(&tables), "accepted");
    assert_eq!((stage.at_mesh(), stage.copies().len()), (1, 1));
}
