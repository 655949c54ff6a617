//! Who may be sent to: `registered-recipient`, `registered-workflow`.

use mesh_sandbox::Rule;
use serde_json::json;

use super::{all_but, post, strict};
use crate::section12::both_versions;
use crate::{ONE, Server, THREE, TWO, V2, expected};

const NOBODY: [(&str, &str); 3] =
    [("mex-to", "X26NONE"), ("mex-workflowid", "TEST_WORKFLOW"), ("mex-localid", "ref-1")];

async fn unregistered(accept: &str) {
    let server = strict().await;
    let got = post(&server, &[&NOBODY[..], &[("accept", accept)]].concat(), b"x").await;
    assert_eq!(got.refusal(), expected(417, "12", "Unregistered to address"));
    assert_eq!(got.note(), "rule registered-recipient");
    let mut body = got.json();
    let key = if accept == V2 { "message_id" } else { "messageID" };
    let id = body[key].as_str().expect("an id").to_owned();
    let internal = body.as_object_mut().expect("an object").remove("internal_id");
    assert_eq!(internal.is_some(), accept == V2, "version 1 has no place for it");
    if let Some(internal) = internal {
        let (time, tail) = internal.as_str().and_then(|id| id.split_once('_')).expect("an underscore");
        assert!(time.len() == 17 && time.bytes().all(|b| b.is_ascii_digit()), "{internal}");
        assert!(
            tail.len() == 8 && tail.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "{internal}"
        );
    }

    let reports = server.inbox(ONE).await;
    assert_eq!(reports.len(), 1);
    let report = server.get(&format!("{ONE}/inbox/{}", reports[0]), &[("accept", accept)]).await;
    for (name, value) in [
        ("mex-messagetype", "REPORT"),
        ("mex-to", "X26ABC1"),
        ("mex-linkedmsgid", &id),
        ("mex-statuscode", "12"),
        ("mex-statusevent", "SEND"),
        ("mex-statusdescription", "Unregistered to address"),
        ("mex-statussuccess", "ERROR"),
        ("mex-workflowid", "TEST_WORKFLOW"),
        ("mex-localid", "ref-1"),
    ] {
        assert_eq!(report.header(name), value, "{name}");
    }
}
both_versions!(unregistered: registered_recipient_refuses_with_an_id_and_reports_v1,
    registered_recipient_refuses_with_an_id_and_reports_v2);

async fn unregistered_off(accept: &str) {
    let server = all_but(Rule::RegisteredRecipient).await;
    let got = post(&server, &[&NOBODY[..], &[("accept", accept)]].concat(), b"x").await;
    let body = match accept {
        V2 => json!({"detail": [{"event": "SEND", "code": "12", "msg": "Unregistered to address"}]}),
        _ => json!({"errorEvent": "SEND", "errorCode": "12", "errorDescription": "Unregistered to address"}),
    };
    assert_eq!((got.status, got.json(), got.note()), (417, body, ""));
    assert_eq!(server.inbox(ONE).await, Vec::<String>::new(), "no report");
}
both_versions!(unregistered_off: registered_recipient_off_refuses_as_the_official_emulator_v1,
    registered_recipient_off_refuses_as_the_official_emulator_v2);

/// Sends a workflow from one mailbox to another: the status, the code, the text, the note.
async fn exchange(server: &Server, from: &str, to: &str, workflow: &str) -> (u16, String, String, String) {
    let to = to.rsplit('/').next().expect("a mailbox");
    let headers = [("mex-to", to), ("mex-workflowid", workflow)];
    let got = server.call("POST", &format!("{from}/outbox"), &headers, b"x").await;
    let (status, code, text) = got.refusal();
    (status, code, text, got.note().to_owned())
}

fn refused(code: &str, text: &str) -> (u16, String, String, String) {
    let (status, code, text) = expected(417, code, text);
    (status, code, text, "rule registered-workflow".to_owned())
}

#[tokio::test]
async fn registered_workflow_refuses_a_sender_that_is_not_registered_with_16() {
    let server = strict().await;
    let text = "Sender is not registered to send this workflow";
    assert_eq!(exchange(&server, TWO, ONE, "TEST_WORKFLOW").await, refused("16", text));
    assert_eq!(exchange(&server, ONE, TWO, "UNHEARD_OF").await, refused("16", text));
    assert_eq!(exchange(&server, TWO, ONE, "TEST_WORKFLOW_ACK").await.0, 202);
    let server = all_but(Rule::RegisteredWorkflow).await;
    assert_eq!(exchange(&server, TWO, ONE, "TEST_WORKFLOW").await.0, 202);
}

#[tokio::test]
async fn registered_workflow_refuses_a_recipient_that_is_not_registered_with_17() {
    let server = strict().await;
    let text = "Workflow ID not registered for mailbox";
    assert_eq!(exchange(&server, ONE, THREE, "TEST_WORKFLOW").await, refused("17", text));
    assert_eq!(exchange(&server, ONE, THREE, "TEST_WORKFLOW2").await.0, 202);
    let server = all_but(Rule::RegisteredWorkflow).await;
    assert_eq!(exchange(&server, ONE, THREE, "TEST_WORKFLOW").await.0, 202);
}
