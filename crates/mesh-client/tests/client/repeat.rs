//! What is repeated, and how.

use std::collections::HashSet;
use std::time::Duration;

use mesh_api::{Classify, Effect, FailureClass};
use mesh_client::{ErrorKind, LocalIdMatch, REPEATS_MAX};

use crate::server::{Server, Step, say};

const NOT_FOUND: &[u8] = br#"{"detail":[{"event":"","code":"","msg":"Not Found"}]}"#;

#[tokio::test]
async fn repeated_calls_carry_new_tokens() {
    let server = Server::start(vec![
        Step::Cut,
        say("503 Busy", &["retry-after: 0"], b"busy"),
        say("200 OK", &[], b""),
    ])
    .await;
    server.mailbox().handshake().await.expect("a handshake");
    let seen = server.seen();
    let tokens: HashSet<_> = seen.iter().filter_map(|request| request.header("authorization")).collect();
    assert_eq!((seen.len(), tokens.len()), (3, 3));
    assert_eq!(seen[0].header("mex-clientversion"), Some("mesh-relay==0.1.0"));
    assert!(seen[0].header("mex-osname").is_some() && seen[0].header("mex-osversion").is_some());
}

#[tokio::test]
async fn repeating_ends() {
    let steps = (0..5).map(|_| say("502 Bad Gateway", &[], b"")).collect();
    let server = Server::start(steps).await;
    let error = server.mailbox().list().await.expect_err("a failure");
    assert!(matches!(error.kind(), ErrorKind::ServerTrouble { .. }));
    assert_eq!(server.seen().len(), REPEATS_MAX as usize);
}

#[tokio::test]
async fn long_waits_are_left_to_the_caller() {
    let server = Server::start(vec![say("429 Too Many", &["retry-after: 60"], b"")]).await;
    let error = server.mailbox().list().await.expect_err("a failure");
    let retry_after = Duration::from_secs(60);
    assert_eq!(error.class(), FailureClass::Throttled { retry_after });
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn refusals_and_silence_are_not_repeated() {
    for step in [say("403 Forbidden", &[], b""), Step::Hang] {
        let server = Server::start(vec![step, say("200 OK", &[], b"")]).await;
        let id = "ID1".parse().expect("an id");
        assert!(server.mailbox().acknowledge(&id).await.is_err());
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_lost_answer_to_acknowledge_is_in_doubt() {
    let server = Server::start(vec![Step::Hang]).await;
    let id = "ID1".parse().expect("an id");
    let error = server.mailbox().acknowledge(&id).await.expect_err("a failure");
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::TimedOut, Effect::Unknown));
}

#[tokio::test]
async fn connections_are_used_again_and_dead_ones_are_not() {
    let ok = || say("200 OK", &[], b"");
    let server =
        Server::start(vec![ok(), Step::AnswerAndClose(crate::server::answer("200 OK", &[], b"")), ok()])
            .await;
    let mailbox = server.mailbox();
    mailbox.handshake().await.expect("the first");
    mailbox.handshake().await.expect("the second");
    tokio::time::sleep(Duration::from_millis(100)).await;
    mailbox.handshake().await.expect("the third");
    let connections: Vec<_> = server.seen().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn local_ids_are_found_or_not_but_never_guessed() {
    let one = br#"{"messageId":"ID1","status":"Accepted"}"#;
    let server = Server::start(vec![
        say("404 Not Found", &[], NOT_FOUND),
        say("200 OK", &[], one),
        say("300 Multiple Choices", &[], b""),
        say("404 Not Found", &[], b"<html>"),
    ])
    .await;
    let mailbox = server.mailbox();
    let local_id = "a/b".parse().expect("a local id");
    assert_eq!(mailbox.track_by_local_id(&local_id).await.expect("an answer"), LocalIdMatch::Nothing);
    assert!(matches!(mailbox.track_by_local_id(&local_id).await, Ok(LocalIdMatch::One(_))));
    assert_eq!(mailbox.track_by_local_id(&local_id).await.expect("an answer"), LocalIdMatch::Several);
    let error = mailbox.track_by_local_id(&local_id).await.expect_err("a proxy's 404");
    assert!(matches!(error.kind(), ErrorKind::NotMesh(_)));
    assert!(!format!("{error:?}").contains("a/b"));
}
