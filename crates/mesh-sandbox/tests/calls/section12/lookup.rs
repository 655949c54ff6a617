//! 21 and 22: who receives a workflow. Nobody is asked for a token.

use serde_json::json;

use super::both_versions;
use crate::{Server, V2};

async fn endpoint_lookup(accept: &str) {
    let server = Server::start().await;
    for (workflow, ods_code, found) in [
        ("TEST_WORKFLOW", "X26", &["X26ABC2"][..]),
        ("TEST_WORKFLOW", "X27", &[]),
        ("TEST_WORKFLOW2", "X26", &["X26ABC1", "X26ABC2"]),
        ("TEST_WORKFLOW_ACK", "X26", &["X26ABC1"]),
        ("TEST_WORKFLOW_ACK", "X27", &["X26ABC3"]),
        ("UNHEARD_OF", "X26", &[]),
    ] {
        let path = format!("/messageexchange/endpointlookup/{ods_code}/{workflow}");
        let got = server.open("GET", &path, &[("accept", accept)], b"").await;
        assert_eq!(got.status, 200);
        let body = got.json();
        let results = body["results"].as_array().expect("results");
        let key = if accept == V2 { "mailbox_id" } else { "address" };
        let ids: Vec<_> = results.iter().map(|result| result[key].as_str().expect("a mailbox")).collect();
        assert_eq!(ids, found, "{workflow} at {ods_code}");
        assert_eq!(body["query_id"].is_string(), accept != V2);
    }
}
both_versions!(endpoint_lookup: s21_endpoint_lookup_v1, s21_endpoint_lookup_v2);

async fn workflow_search(accept: &str) {
    let server = Server::start().await;
    let found = |id: &str, name: &str| json!({"mailbox_id": id, "mailbox_name": name});
    for (workflow, results) in [
        ("TEST_WORKFLOW", json!([found("X26ABC2", "TESTMB2")])),
        ("TEST_WORKFLOW_ACK", json!([found("X26ABC1", "TESTMB1"), found("X26ABC3", "TESTMB3")])),
        ("UNHEARD_OF", json!([])),
    ] {
        let path = format!("/messageexchange/workflowsearch/{workflow}");
        let got = server.open("GET", &path, &[("accept", accept)], b"").await;
        assert_eq!((got.status, got.json()), (200, json!({"results": results})), "{workflow}");
    }
}
both_versions!(workflow_search: s22_workflow_search_v1, s22_workflow_search_v2);
