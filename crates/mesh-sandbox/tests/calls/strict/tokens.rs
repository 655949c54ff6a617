//! Who may call: `token-replay`, `clock-skew`, `mailbox-case`, `inactive-mailbox`.

use jiff::SignedDuration;
use mesh_sandbox::Rule;

use super::{all_but, noon, strict};
use crate::{Got, ONE, Server, TWO, VERSIONS, expected, mailbox, token_at};

/// A call that changes nothing, with a token made elsewhere.
async fn count(server: &Server, path: &str, token: &str) -> Got {
    server.open("GET", &format!("{path}/count"), &[("authorization", token)], b"").await
}

#[tokio::test]
async fn token_replay_lets_each_token_in_once() {
    let server = strict().await;
    for accept in VERSIONS {
        let token = server.token("X26ABC1");
        let headers = [("authorization", token.as_str()), ("accept", accept)];
        assert_eq!(server.open("GET", &format!("{ONE}/count"), &headers, b"").await.status, 200);
        let got = server.open("GET", &format!("{ONE}/count"), &headers, b"").await;
        assert_eq!(got.refusal(), expected(403, "", "Error Duplicated Authentication Token"));
        assert_eq!((got.note(), got.header("content-type")), ("rule token-replay", accept));
    }
    let server = all_but(Rule::TokenReplay).await;
    let token = server.token("X26ABC1");
    for _ in 0..2 {
        let got = count(&server, ONE, &token).await;
        assert_eq!((got.status, got.note()), (200, ""));
    }
}

#[tokio::test]
async fn clock_skew_of_two_hours_passes_and_a_minute_more_does_not() {
    let (server, lenient) = (strict().await, all_but(Rule::ClockSkew).await);
    for (minutes, passes) in [(-121, false), (-120, true), (0, true), (120, true), (121, false)] {
        let made = noon() + SignedDuration::from_mins(minutes);
        let token = token_at("X26ABC1", "password", "TestKey", made);
        let got = count(&server, ONE, &token).await;
        match passes {
            true => assert_eq!((got.status, got.note()), (200, ""), "{minutes} minutes"),
            false => {
                assert_eq!(got.refusal(), expected(403, "", "Invalid Authentication Token"));
                assert_eq!(got.note(), "rule clock-skew", "{minutes} minutes");
            }
        }
        assert_eq!(count(&lenient, ONE, &token).await.status, 200, "{minutes} minutes");
    }
}

#[tokio::test]
async fn clock_skew_follows_the_servers_clock() {
    let server = strict().await;
    let tokens = [server.token("X26ABC1"), server.token("X26ABC1")];
    server.advance(2);
    assert_eq!(count(&server, ONE, &tokens[0]).await.status, 200);
    server.sandbox.advance(SignedDuration::from_mins(1)).expect("forward");
    assert_eq!(count(&server, ONE, &tokens[1]).await.note(), "rule clock-skew");
}

#[tokio::test]
async fn mailbox_case_wants_the_path_in_upper_case() {
    let (server, lower) = (strict().await, "/messageexchange/x26abc1");
    let got = count(&server, lower, &server.token("X26ABC1")).await;
    assert_eq!(got.refusal(), expected(403, "", "Mailbox id does not match token"));
    assert_eq!(got.note(), "rule mailbox-case");
    let server = all_but(Rule::MailboxCase).await;
    let got = count(&server, lower, &server.token("X26ABC1")).await;
    assert_eq!((got.status, got.note()), (200, ""));
}

#[tokio::test]
async fn inactive_mailbox_makes_no_call() {
    let server = strict().await;
    server.sandbox.set_active(&mailbox(TWO), false);
    for accept in VERSIONS {
        let got = server.get(&format!("{TWO}/inbox"), &[("accept", accept)]).await;
        assert_eq!(got.refusal(), expected(403, "", "Request Received from Inactive Mailbox"));
        assert_eq!(got.note(), "rule inactive-mailbox");
    }
    server.sandbox.set_active(&mailbox(TWO), true);
    assert_eq!(server.get(&format!("{TWO}/inbox"), &[]).await.status, 200);

    let server = all_but(Rule::InactiveMailbox).await;
    server.sandbox.set_active(&mailbox(TWO), false);
    let got = server.get(&format!("{TWO}/inbox"), &[]).await;
    assert_eq!((got.status, got.note()), (200, ""));
}

#[tokio::test]
async fn inactive_mailbox_is_sent_to_and_the_report_says_that_it_is_deactivated() {
    let server = strict().await;
    server.sandbox.set_active(&mailbox(TWO), false);
    let id = server.send(&[], b"for nobody").await;
    server.advance(5 * 24);
    let reports = server.inbox(ONE).await;
    assert_eq!(reports.len(), 1);
    let report = server.get(&format!("{ONE}/inbox/{}", reports[0]), &[]).await;
    let facts = (report.header("mex-linkedmsgid"), report.header("mex-statuscode"));
    assert_eq!(facts, (id.as_str(), "14"));
    let words = "Message was not collected as the mailbox is deactivated";
    assert_eq!(report.header("mex-statusdescription"), words);
}
