//! `gp-routing`: an address of a patient's leads to the practice, or to a report. The patients are the stock ones.

use std::fs;

use mesh_sandbox::{Clock, Rule, SandboxConfig, StoreKind};

use super::{all_but, noon, post, strict};
use crate::folder::files;
use crate::{Got, ONE, Server, TWO, V2, VERSIONS, expected};

/// Of a patient at the practice of `X26ABC1` and `X26ABC2`.
const SAMPLE: &str = "GPPROVIDER_9990548609_19550109_Sample";

async fn route(server: &Server, to: &str, workflow: &str) -> Got {
    post(server, &[("mex-to", to), ("mex-workflowid", workflow), ("mex-localid", "ref-1")], b"letter").await
}

/// The one report in the sender's inbox, if there is any: linked message, code and words.
async fn report(server: &Server) -> Option<[String; 3]> {
    let ids = server.inbox(ONE).await;
    assert!(ids.len() < 2, "{ids:?}");
    let got = server.get(&format!("{ONE}/inbox/{}", ids.first()?), &[]).await;
    assert_eq!(
        (got.status, got.header("mex-messagetype"), got.header("mex-localid")),
        (200, "REPORT", "ref-1")
    );
    Some(
        ["mex-linkedmsgid", "mex-statuscode", "mex-statusdescription"]
            .map(|name| got.header(name).to_owned()),
    )
}

async fn assert_reported(to: &str, workflow: &str, code: &str, text: &str) {
    let server = strict().await;
    let got = route(&server, to, workflow).await;
    assert_eq!((got.status, got.note()), (202, ""), "no word of it in the answer");
    let id = got.json()["messageID"].as_str().expect("an id").to_owned();
    assert_eq!(report(&server).await, Some([id.as_str(), code, text].map(str::to_owned)));
    let tracked = server.track(&id, V2).await.json();
    assert_eq!(
        (tracked["status"].as_str(), tracked["status_success"].as_bool()),
        (Some("error"), Some(false))
    );
}

#[tokio::test]
async fn gp_routing_reports_several_mailboxes_with_150() {
    assert_reported(SAMPLE, "TEST_WORKFLOW2", "EPL-150", "Multiple mailboxes matches").await;
}

#[tokio::test]
async fn gp_routing_reports_no_mailbox_with_151() {
    let nowhere = "GPPROVIDER_9990548625_20120704_Nowhere";
    assert_reported(nowhere, "TEST_WORKFLOW", "EPL-151", "No mailbox matched").await;
}

#[tokio::test]
async fn gp_routing_reports_a_number_that_cannot_be_with_152() {
    let wrong_check_digit = "GPPROVIDER_9990548608_19550109_Sample";
    assert_reported(wrong_check_digit, "TEST_WORKFLOW", "EPL-152", "Invalid NHS Number").await;
}

#[tokio::test]
async fn gp_routing_reports_an_unknown_number_with_153() {
    let nobody = "GPPROVIDER_9990548633_19550109_Sample";
    assert_reported(nobody, "TEST_WORKFLOW", "EPL-153", "NHS Number not found").await;
}

#[tokio::test]
async fn gp_routing_reports_other_demographics_with_154() {
    let other_birthday = "GPPROVIDER_9990548609_19550110_Sample";
    let text = "NHS Number supplied does not match the demographics";
    assert_reported(other_birthday, "TEST_WORKFLOW", "EPL-154", text).await;
}

#[tokio::test]
async fn gp_routing_reports_a_chunked_message_when_it_is_complete() {
    let server = strict().await;
    let headers = [
        ("mex-to", "GPPROVIDER_9990548633_19550109_Sample"),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-localid", "ref-1"),
        ("mex-chunk-range", "1:3"),
    ];
    let got = post(&server, &headers, b"one").await;
    let id = got.json()["messageID"].as_str().expect("an id").to_owned();
    assert_eq!((got.status, report(&server).await), (202, None));
    assert_eq!((server.chunk(&id, "2:3", &[], b"two").await.status, report(&server).await), (202, None));
    assert_eq!(server.chunk(&id, "3:3", &[], b"three").await.status, 202);
    let words = [id.as_str(), "EPL-153", "NHS Number not found"].map(str::to_owned);
    assert_eq!(report(&server).await, Some(words));
}

#[tokio::test]
async fn gp_routing_delivers_to_the_practice_and_the_address_is_seen_nowhere() {
    let server = strict().await;
    let mut seen = Vec::new();
    let sent = route(&server, SAMPLE, "TEST_WORKFLOW").await;
    let id = sent.json()["messageID"].as_str().expect("an id").to_owned();
    assert_eq!(server.inbox(TWO).await, [id.as_str()]);
    seen.push(sent);
    for accept in VERSIONS {
        let got = server.get(&format!("{TWO}/inbox/{id}"), &[("accept", accept)]).await;
        assert_eq!((got.status, got.body.as_ref(), got.header("mex-to")), (200, &b"letter"[..], "X26ABC2"));
        seen.push(got);
        let got = server.track(&id, accept).await;
        assert_eq!(got.json()["recipient"], "X26ABC2");
        seen.push(got);
    }
    seen.push(server.call("HEAD", &format!("{ONE}/inbox/{id}"), &[], b"").await);
    seen.push(server.get(&format!("{ONE}/outbox/rich"), &[]).await);
    seen.push(server.get(&format!("{TWO}/inbox/rich"), &[]).await);
    seen.push(server.open("GET", &format!("/admin/message/{id}"), &[], b"").await);
    // One that fails, with its report.
    seen.push(route(&server, SAMPLE, "TEST_WORKFLOW2").await);
    seen.push(server.get(&format!("{ONE}/inbox/{}", server.inbox(ONE).await[0]), &[]).await);
    let requests = server.open("GET", "/sandbox/requests", &[], b"").await;
    assert!(requests.json()["total"].as_u64() >= Some(10));
    seen.push(requests);
    for got in &seen {
        assert!((200..300).contains(&got.status), "{}", got.status);
        let text = format!("{:?} {}", got.headers, String::from_utf8_lossy(&got.body)).to_uppercase();
        for part in ["GPPROVIDER", "9990548609", "19550109", "SAMPLE"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
    }
    assert!(!format!("{:?}", server.sandbox.requests()).to_uppercase().contains("SAMPLE"));
}

#[tokio::test]
async fn gp_routing_writes_the_address_into_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = StoreKind::Folder(folder.path().to_owned());
    let config = SandboxConfig { clock: Clock::new(noon), store, ..SandboxConfig::strict() };
    let server = Server::with(config).await;
    assert_eq!(route(&server, SAMPLE, "TEST_WORKFLOW").await.status, 202);
    assert_eq!(route(&server, SAMPLE, "TEST_WORKFLOW2").await.status, 202);
    let files = files(folder.path());
    let metadata = files.iter().filter(|file| file.ends_with(".json")).count();
    assert_eq!(metadata, 2, "the message that was routed, and the report of the other: {files:?}");
    for file in files {
        let bytes = fs::read(folder.path().join(&file)).expect("a file");
        let text = format!("{file} {}", String::from_utf8_lossy(&bytes)).to_uppercase();
        assert!(!text.contains("GPPROVIDER") && !text.contains("9990548609"), "{text}");
    }
}

#[tokio::test]
async fn gp_routing_off_knows_no_such_mailbox() {
    let server = all_but(Rule::GpRouting).await;
    let got = route(&server, SAMPLE, "TEST_WORKFLOW").await;
    assert_eq!(got.refusal(), expected(417, "12", "Unregistered to address"));
    assert_eq!(server.inbox(TWO).await, Vec::<String>::new());
}
