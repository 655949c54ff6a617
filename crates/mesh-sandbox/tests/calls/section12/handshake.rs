//! 1 to 4: the handshake under each way of authorising.

use mesh_sandbox::{Auth, SandboxConfig};
use serde_json::{Value, json};

use super::both_versions;
use crate::{Got, ONE, Server, V1, V2, expected, token};

const NOBODY: &str = "/messageexchange/X26NONE";

async fn server(auth: Auth) -> Server {
    Server::with(SandboxConfig { auth, ..SandboxConfig::loopback() }).await
}

/// A handshake with the headers that it must have, and a token if there is one.
async fn shake(server: &Server, path: &str, accept: &str, token: Option<&str>) -> Got {
    let mut headers = vec![("accept", accept)];
    headers.extend([("mex-clientversion", "test==1"), ("mex-osname", "Linux"), ("mex-osversion", "6.8")]);
    headers.extend(token.map(|token| ("authorization", token)));
    server.open("GET", path, &headers, b"").await
}

fn assert_let_in(got: &Got, accept: &str) {
    let body = if accept == V2 { Value::Null } else { json!({"mailboxId": "X26ABC1"}) };
    assert_eq!((got.status, got.json(), got.body.is_empty()), (200, body, accept == V2));
}

async fn without_authorisation(accept: &str) {
    let server = server(Auth::None).await;
    assert_let_in(&shake(&server, ONE, accept, None).await, accept);
    let named = if accept == V1 { "application/vnd.mesh.v1+json" } else { accept };
    assert_let_in(&shake(&server, ONE, named, None).await, accept);
}
both_versions!(without_authorisation:
    s01_handshake_without_authorisation_v1, s01_handshake_without_authorisation_v2);

async fn unknown_without_authorisation(accept: &str) {
    let got = shake(&server(Auth::None).await, NOBODY, accept, None).await;
    assert_eq!(got.refusal(), expected(403, "EPL-151", "No mailbox matched"));
    assert_eq!(got.header("content-type"), accept);
}
both_versions!(unknown_without_authorisation:
    s02_unknown_mailbox_without_authorisation_v1, s02_unknown_mailbox_without_authorisation_v2);

async fn canned_valid(accept: &str) {
    let server = server(Auth::Canned).await;
    let four_fields = "NHSMESH X26ABC1:VALID:1:202603292345";
    assert_let_in(&shake(&server, ONE, accept, Some(four_fields)).await, accept);
}
both_versions!(canned_valid: s03_canned_nonce_valid_v1, s03_canned_nonce_valid_v2);

async fn canned_invalid(accept: &str) {
    let server = server(Auth::Canned).await;
    let four_fields = "NHSMESH X26ABC1:INVALID:1:202603292345";
    let got = shake(&server, ONE, accept, Some(four_fields)).await;
    assert_eq!(got.refusal(), expected(403, "", "Invalid Authentication Token"));
}
both_versions!(canned_invalid: s03_canned_nonce_invalid_v1, s03_canned_nonce_invalid_v2);

async fn full_good(accept: &str) {
    let server = server(Auth::Full).await;
    let token = token("X26ABC1", "password", "TestKey");
    assert_let_in(&shake(&server, ONE, accept, Some(&token)).await, accept);
}
both_versions!(full_good: s04_full_authorisation_good_v1, s04_full_authorisation_good_v2);

async fn full_unknown_mailbox(accept: &str) {
    let server = server(Auth::Full).await;
    let got = shake(&server, NOBODY, accept, Some(&token("X26NONE", "password", "TestKey"))).await;
    assert_eq!(got.refusal(), expected(403, "EPL-151", "No mailbox matched"));
}
both_versions!(full_unknown_mailbox:
    s04_an_unknown_mailbox_is_refused_v1, s04_an_unknown_mailbox_is_refused_v2);

async fn full_bad_password(accept: &str) {
    let server = server(Auth::Full).await;
    let got = shake(&server, ONE, accept, Some(&token("X26ABC1", "other", "TestKey"))).await;
    assert_eq!(got.refusal(), expected(403, "", "Invalid Authentication Token"));
}
both_versions!(full_bad_password: s04_a_bad_password_is_refused_v1, s04_a_bad_password_is_refused_v2);

async fn full_bad_secret(accept: &str) {
    let server = server(Auth::Full).await;
    let got = shake(&server, ONE, accept, Some(&token("X26ABC1", "password", "OtherKey"))).await;
    assert_eq!(got.refusal(), expected(403, "", "Invalid Authentication Token"));
}
both_versions!(full_bad_secret: s04_a_bad_secret_is_refused_v1, s04_a_bad_secret_is_refused_v2);
