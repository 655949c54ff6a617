//! Rows 1 to 7, 11 and 12: a message of the queue on its way to MESH or to the parked queue, and what is told of it.

use mesh_sandbox::{Call, Effect, Fault};

use super::scene::TO_BOB;
use super::{Message, Stage, state};
use crate::queues::tables::Tables;

/// Nobody at MESH has this mailbox.
const TO_NOBODY: [(&str, &str); 2] = [("mesh_to", "X26NONE"), TO_BOB[1]];

/// A stage with a message in the queue whose relay was killed at a point.
async fn crashed(point: &str, headers: &[(&str, &str)], body: &[u8]) -> Stage {
    let mut stage = Stage::new().await;
    stage.put(Message::new("L1", headers, body)).await;
    stage.crash(point).await;
    stage
}

/// MESH has it, and it was sent again or not, as the last state says.
async fn sent(stage: &mut Stage, resent: bool) -> Tables {
    let tables = stage.finish().await;
    let row = &tables.outbound["L1"][0];
    assert_eq!((row.state.as_str(), row.marked), ("accepted", resent), "{:?}", row.states);
    assert_eq!((stage.at_mesh(), stage.copies().len()), (1, 1), "MESH has it once");
    tables
}

#[tokio::test]
async fn row_01_killed_with_a_delivery_taken_and_nothing_recorded_it_is_taken_as_new() {
    let mut stage = crashed("before begin", &TO_BOB, b"payload").await;
    assert_eq!(stage.state(), "nothing");
    let tables = sent(&mut stage, false).await;
    assert_eq!(tables.outbound["L1"][0].states, ["received", "sending", "accepted"]);
}

#[tokio::test]
async fn row_02_killed_behind_a_commit_the_delivery_that_comes_again_meets_its_record() {
    for (point, before, is_settled) in [
        ("after begin", "received", false),
        ("after commit of accepted", "accepted", false),
        ("before settled", "accepted", false),
        // All that is left to do is the acknowledgement.
        ("after settled", "accepted", true),
    ] {
        let mut stage = crashed(point, &TO_BOB, b"payload").await;
        let tables = stage.tables();
        assert_eq!(
            (state(&tables).as_str(), tables.outbound["L1"][0].settled),
            (before, is_settled),
            "{point}"
        );
        let tables = sent(&mut stage, false).await;
        assert_eq!(tables.outbound["L1"][0].states, ["received", "sending", "accepted"], "{point}");
        assert_eq!(stage.requests("send"), 1, "{point}");
    }
}

#[tokio::test]
async fn row_02_killed_anywhere_on_the_way_to_the_parked_queue_the_message_gets_there() {
    let unfit = &TO_BOB[1..];
    for (point, headers, parked_before) in [
        // MESH refuses it.
        ("after commit of rejected", &TO_NOBODY[..], 0),
        ("before settled", &TO_NOBODY[..], 1),
        ("after settled", &TO_NOBODY[..], 1),
        // It can be seen here that MESH would not take it.
        ("before begin", unfit, 0),
        ("after begin", unfit, 0),
        ("before settled", unfit, 1),
        ("after settled", unfit, 1),
    ] {
        let mut stage = crashed(point, headers, b"payload").await;
        assert_eq!(stage.parked(), parked_before, "{point}");
        let tables = stage.finish().await;
        assert_eq!(state(&tables), "rejected", "{point}");
        // Nobody here knows whether the copy of before is there. Another one is the same in all that tells it from others.
        assert_eq!(stage.parked(), parked_before + 1, "{point}");
        assert_eq!(stage.times_told("rejected"), 1, "{point}");
        assert_eq!(stage.at_mesh(), 0, "{point}");
    }
}

#[tokio::test]
async fn row_03_killed_before_the_intent_it_is_sent() {
    let mut stage = crashed("before commit of sending", &TO_BOB, b"payload").await;
    assert_eq!((stage.state().as_str(), stage.requests("send")), ("received", 0));
    sent(&mut stage, false).await;
}

#[tokio::test]
async fn row_04_killed_before_the_first_byte_mesh_is_asked_and_it_is_sent_again_marked() {
    for point in ["after commit of sending", "before post"] {
        let mut stage = crashed(point, &TO_BOB, b"payload").await;
        assert_eq!((stage.state().as_str(), stage.requests("send")), ("sending", 0), "{point}");
        sent(&mut stage, true).await;
        assert_eq!((stage.requests("send"), stage.requests("track-local-id")), (1, 2), "{point}");
    }
}

#[tokio::test]
async fn row_05_killed_inside_the_body_mesh_is_asked_and_it_is_sent_again_marked() {
    let mut stage = crashed("inside post", &TO_BOB, &vec![7; 900_000]).await;
    assert_eq!(stage.state(), "sending");
    assert_eq!(stage.at_mesh(), 0, "the first request was not taken");
    sent(&mut stage, true).await;
    assert_eq!(stage.requests("track-local-id"), 2);
}

#[tokio::test]
async fn row_06_killed_with_the_body_complete_and_no_answer_the_message_is_found_and_adopted() {
    let mut stage = Stage::new().await;
    let lost = Fault { calls: vec![Call::Send], times: Some(1), ..Fault::new("lost", Effect::LoseAnswer) };
    stage.scene.sandbox.faults().add(lost).expect("a fault");
    stage.put(Message::new("L1", &TO_BOB, b"payload")).await;
    stage.crash("after post").await;
    assert_eq!((stage.state().as_str(), stage.at_mesh()), ("sending", 1));
    sent(&mut stage, false).await;
    assert_eq!((stage.requests("send"), stage.requests("track-local-id")), (1, 1));
}

#[tokio::test]
async fn row_07_killed_with_the_answer_read_and_not_recorded_the_message_is_found_and_adopted() {
    for point in ["after post", "before commit of accepted"] {
        let mut stage = crashed(point, &TO_BOB, b"payload").await;
        assert_eq!((stage.state().as_str(), stage.at_mesh()), ("sending", 1), "{point}");
        sent(&mut stage, false).await;
        assert_eq!((stage.requests("send"), stage.requests("track-local-id")), (1, 1), "{point}");
    }
}

#[tokio::test]
async fn row_11_killed_before_an_event_is_published_it_is_published() {
    for state in ["received", "accepted"] {
        let mut stage = Stage::new().await;
        stage.put(Message::new("L1", &TO_BOB, b"payload")).await;
        stage.crash_telling(&format!("before telling of {state}")).await;
        assert_eq!(stage.times_told(state), 0);
        sent_however(&mut stage).await;
        assert_eq!(stage.times_told(state), 1);
    }
}

#[tokio::test]
async fn row_12_killed_behind_an_event_it_is_published_again_under_the_same_id() {
    for state in ["received", "accepted"] {
        let mut stage = Stage::new().await;
        stage.put(Message::new("L1", &TO_BOB, b"payload")).await;
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
