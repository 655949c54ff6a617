//! Faults over HTTP: one test for each effect, by what a caller sees of it.

mod answers;
mod connections;
mod corners;
mod inboxes;
mod reports;
mod scripts;

use serde_json::{Value, json};

use crate::{Attempt, Headers, ONE, Server};

/// Puts a fault in force.
async fn fault(server: &Server, name: &str, keys: Value) {
    let mut fault = json!({ "name": name });
    fault.as_object_mut().expect("an object").extend(keys.as_object().expect("keys").clone());
    let got = server.json("POST", "/sandbox/faults", &fault).await;
    assert_eq!(got.status, 200, "{}", got.json());
}

/// The strikes that the server lists: fault, call, mailbox and effect.
async fn fired(server: &Server) -> Vec<[String; 4]> {
    let got = server.open("GET", "/sandbox/faults", &[], b"").await;
    let fired = got.json()["fired"].as_array().expect("a list").clone();
    let keys = ["name", "call", "mailbox", "effect"];
    fired.iter().map(|one| keys.map(|key| one[key].as_str().unwrap_or("-").to_owned())).collect()
}

fn strike(name: &str, call: &str, mailbox: &str, effect: &str) -> [String; 4] {
    [name, call, mailbox, effect].map(str::to_owned)
}

/// One call of the mailbox in the path, whatever becomes of its answer.
async fn attempt(
    server: &Server,
    method: &str,
    path: &str,
    headers: Headers<'_>,
    body: &[u8],
) -> Option<Attempt> {
    let token = server.token(path.split('/').nth(2).expect("a mailbox in the path"));
    let headers = [&[("authorization", token.as_str())], headers].concat();
    let body = http_body_util::Full::new(bytes::Bytes::copy_from_slice(body));
    server.attempt(method, path, &headers, body).await
}

/// Tries to send from one to two.
async fn try_send(server: &Server, headers: Headers<'_>, body: &[u8]) -> Option<Attempt> {
    let headers = [&[("mex-to", "X26ABC2"), ("mex-workflowid", "TEST_WORKFLOW")], headers].concat();
    attempt(server, "POST", &format!("{ONE}/outbox"), &headers, body).await
}
