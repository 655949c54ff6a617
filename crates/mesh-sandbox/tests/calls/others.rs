//! Messages of others, and calls that are open to all.

use serde_json::json;

use crate::{ONE, Server, TWO, V2, VERSIONS, expected};

#[tokio::test]
async fn messages_of_others_and_unknown_ones_are_refused() {
    let server = Server::start().await;
    let id = server.send(&[], b"x").await;
    let unknown = expected(404, "20", "Message does not exist");
    let forbidden = expected(403, "", "Forbidden");
    let not_found = expected(404, "", "Not Found");
    for (method, path, refusal) in [
        ("GET", format!("{ONE}/inbox/{id}"), &forbidden),
        ("GET", format!("{ONE}/inbox/NONE"), &unknown),
        ("PUT", format!("{ONE}/inbox/{id}/status/acknowledged"), &forbidden),
        ("PUT", format!("{ONE}/inbox/NONE/status/acknowledged"), &unknown),
        ("GET", format!("{TWO}/outbox/tracking?messageID={id}"), &not_found),
        ("GET", format!("{ONE}/outbox/tracking?messageID=NONE"), &not_found),
        ("GET", format!("{ONE}/outbox/tracking/NONE"), &not_found),
        ("GET", format!("{ONE}/outbox/tracking"), &expected(400, "messageID", "missing")),
        ("POST", ONE.to_owned(), &expected(400, "mex-clientversion", "missing")),
    ] {
        for accept in VERSIONS {
            let got = server.call(method, &path, &[("accept", accept)], b"").await;
            assert_eq!(&got.refusal(), refusal, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn open_calls_need_no_token() {
    let server = Server::start().await;
    let running = json!({"env": "local", "build_label": "latest", "status": "running", "outcome": "Yes"});
    for path in [
        "/health",
        "/healthcheck",
        "/_status",
        "/_ping",
        "/messageexchange/_ping",
        "/messageexchange/deepping",
    ] {
        assert_eq!(server.open("GET", path, &[], b"").await.json(), running);
    }
    let lookup = "/messageexchange/endpointlookup/X26/TEST_WORKFLOW";
    let v1 = server.open("GET", lookup, &[], b"").await.json();
    let found = json!([{"address": "X26ABC2", "description": "TESTMB2", "endpoint_type": "MESH"}]);
    assert_eq!((&v1["results"], v1["query_id"].is_string()), (&found, true));
    let found = json!({"results": [{"mailbox_id": "X26ABC2", "mailbox_name": "TESTMB2"}]});
    assert_eq!(server.open("GET", lookup, &[("accept", V2)], b"").await.json(), found);
    let search = "/messageexchange/workflowsearch/TEST_WORKFLOW";
    for accept in VERSIONS {
        assert_eq!(server.open("GET", search, &[("accept", accept)], b"").await.json(), found);
    }
    for (path, text) in [
        ("/messageexchange/endpointlookup/%20/W", "ods code missing"),
        ("/messageexchange/endpointlookup/X26/%20", "workflow id missing"),
        ("/messageexchange/workflowsearch/%20", "workflow id missing"),
    ] {
        assert_eq!(server.open("GET", path, &[], b"").await.refusal(), expected(400, "", text));
    }
    let got = server.open("GET", "/messageexchange", &[], b"").await;
    assert_eq!((got.status, got.json()), (404, json!({"detail": "Not Found"})));
    let got = server.open("DELETE", &format!("{ONE}/inbox"), &[], b"").await;
    assert_eq!((got.status, got.header("allow")), (405, "GET"));
    assert_eq!(got.json(), json!({"detail": "Method Not Allowed"}));
    let got = server.open("GET", "/health/", &[], b"").await;
    assert_eq!((got.status, got.header("location")), (307, "http://localhost/health"));
}
