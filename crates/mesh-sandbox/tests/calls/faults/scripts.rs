//! Faults put, listed and taken away over HTTP, and their chances.

use mesh_sandbox::{FaultScript, SandboxConfig};
use serde_json::{Value, json};

use super::{fault, fired, strike};
use crate::{Server, TWO};

/// Names of the faults in force.
async fn standing(server: &Server) -> Vec<String> {
    let got = server.open("GET", "/sandbox/faults", &[], b"").await.json();
    let standing = got["standing"].as_array().expect("a list");
    standing.iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
}

/// On which of forty calls a fault strikes that strikes every other time by chance.
async fn sequence(server: &Server, seed: u64) -> Vec<bool> {
    let script = json!({"seed": seed, "fault": [
        {"name": "half", "effect": "status", "status": 503, "call": "count", "probability": 0.5},
    ]});
    assert_eq!(server.json("PUT", "/sandbox/faults", &script).await.status, 200);
    let mut struck = Vec::new();
    for _ in 0..40 {
        let got = server.get(&format!("{TWO}/count"), &[]).await;
        assert_eq!(got.status == 503, got.note() == "fault half");
        struck.push(got.status == 503);
    }
    struck
}

#[tokio::test]
async fn chances_of_one_seed_come_out_the_same_twice() {
    let server = Server::start().await;
    let first = sequence(&server, 7).await;
    assert_eq!(sequence(&server, 7).await, first);
    assert_eq!(sequence(&Server::start().await, 7).await, first, "on another server too");
    assert_ne!(sequence(&server, 8).await, first);
    assert!(first.contains(&true) && first.contains(&false));
}

#[tokio::test]
async fn faults_of_a_file_are_in_force_from_the_start() {
    let text = "[[fault]]\nname = \"down\"\neffect = \"status\"\nstatus = 503\nmailbox = \"X26ABC2\"\n";
    let faults = FaultScript::from_toml(text).expect("a script");
    let server = Server::with(SandboxConfig { faults, ..SandboxConfig::loopback() }).await;
    assert_eq!(server.get(&format!("{TWO}/count"), &[]).await.status, 503);
    assert_eq!(server.get("/messageexchange/X26ABC1/count", &[]).await.status, 200);
}

#[tokio::test]
async fn faults_are_listed_with_what_they_did() {
    let server = Server::start().await;
    let keys = json!({"effect": "status", "status": 503, "call": "count", "skip": 1, "times": 1});
    fault(&server, "once", keys).await;
    for _ in 0..4 {
        server.get(&format!("{TWO}/count"), &[]).await;
    }
    let listed = server.open("GET", "/sandbox/faults", &[], b"").await.json();
    let standing = json!([{"name": "once", "call": ["count"], "skip": 1, "times": 1, "probability": 1.0,
        "effect": "status", "status": 503, "body": "mesh", "matched": 4, "fired": 1}]);
    assert_eq!(listed["standing"], standing);
    assert_eq!(fired(&server).await, [strike("once", "count", "X26ABC2", "status")]);
    let lookup = json!({"effect": "status", "status": 503, "call": "lookup"});
    fault(&server, "lookup", lookup).await;
    let path = "/messageexchange/workflowsearch/TEST_WORKFLOW";
    let got = server.open("GET", path, &[], b"").await;
    assert_eq!((got.status, got.note()), (503, "fault lookup"));
    assert_eq!(fired(&server).await[1], strike("lookup", "lookup", "-", "status"), "no mailbox is named");
}

#[tokio::test]
async fn each_answer_names_every_fault_that_struck_it() {
    let server = Server::start().await;
    fault(&server, "slow", json!({"effect": "delay", "millis": 1, "call": "count"})).await;
    fault(&server, "down", json!({"effect": "status", "status": 503, "call": "count", "times": 1})).await;
    assert_eq!(server.get(&format!("{TWO}/count"), &[]).await.note(), "fault slow, fault down");
    assert_eq!(server.get(&format!("{TWO}/count"), &[]).await.note(), "fault slow");
    assert_eq!(server.get(&format!("{TWO}/inbox"), &[]).await.note(), "");
}

#[tokio::test]
async fn faults_are_added_replaced_and_removed() {
    let server = Server::start().await;
    let delay = |name: &str| json!({"name": name, "effect": "delay", "millis": 1});
    for name in ["one", "two", "one"] {
        assert_eq!(server.json("POST", "/sandbox/faults", &delay(name)).await.status, 200);
    }
    assert_eq!(standing(&server).await, ["one", "two"], "a name stands for one fault");
    let got = server.open("DELETE", "/sandbox/faults/one", &[], b"").await;
    assert_eq!((got.status, standing(&server).await), (200, vec!["two".to_owned()]));
    let got = server.open("DELETE", "/sandbox/faults/one", &[], b"").await;
    let sentence = json!({"error": "there is no fault of this name; GET /sandbox/faults lists them"});
    assert_eq!((got.status, got.json()), (404, sentence));
    let script = json!({"fault": [delay("three"), delay("four")]});
    let got = server.json("PUT", "/sandbox/faults", &script).await;
    assert_eq!((got.status, standing(&server).await), (200, vec!["three".to_owned(), "four".to_owned()]));
    let got = server.open("DELETE", "/sandbox/faults", &[], b"").await;
    assert_eq!((got.status, standing(&server).await), (200, Vec::new()));
    assert_eq!(server.get(&format!("{TWO}/count"), &[]).await.note(), "");
}

#[tokio::test]
async fn faults_that_cannot_be_are_refused_with_a_sentence_and_change_nothing() {
    let server = Server::start().await;
    fault(&server, "kept", json!({"effect": "delay", "millis": 1})).await;
    for (method, body, words) in [
        ("POST", r#"{"name": "n", "effect": "dealy"}"#, "`effect` is \"dealy\": write one of lose-answer"),
        ("POST", r#"{"name": "n", "effect": "delay"}"#, "the key `millis` is missing"),
        ("POST", r#"{"effect": "lose-answer"}"#, "the key `name` is missing"),
        ("POST", "not JSON", "the text cannot be read as JSON"),
        ("PUT", r#"{"fault": {}}"#, "write a list of faults"),
        ("PUT", r#"{"faults": []}"#, "the key \"faults\" has no meaning here: the keys are seed, fault"),
        ("PUT", "", "the text cannot be read as JSON"),
    ] {
        let got = server.open(method, "/sandbox/faults", &[], body.as_bytes()).await;
        let Value::String(text) = &got.json()["error"] else { panic!("no sentence for {body}") };
        assert!(text.starts_with("fault script, line 1") && text.contains(words), "{body}: {text}");
        assert_eq!(got.status, 400, "{body}");
    }
    let got = server.open("POST", "/sandbox/faults", &[], b"\xff").await;
    assert_eq!((got.status, got.json()), (400, json!({"error": "the body is not UTF-8; send JSON"})));
    assert_eq!(standing(&server).await, ["kept"]);
}
