//! The calls over HTTP, one connection each.

#![expect(clippy::expect_used, reason = "a test ends at what it cannot go on from")]

mod flow;
mod order;
mod others;
mod page;

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use mesh_api::{Authorization, MailboxId, SharedKey};
use mesh_sandbox::{Clock, Sandbox, SandboxConfig};
use serde_json::Value;
use tokio::net::TcpStream;
use uuid::Uuid;

const V1: &str = "application/json";
const V2: &str = "application/vnd.mesh.v2+json";
const VERSIONS: [&str; 2] = [V1, V2];
const ONE: &str = "/messageexchange/X26ABC1";
const TWO: &str = "/messageexchange/X26ABC2";
const THREE: &str = "/messageexchange/X26ABC3";

type Headers<'a> = &'a [(&'a str, &'a str)];

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// Status, code and text of an error of either version; a validation error has its place for a code.
    fn refusal(&self) -> (u16, String, String) {
        let body = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (code, description) = match body["detail"].get(0) {
            Some(first) if first.get("loc").is_some() => (text(&first["loc"][1]), text(&first["type"])),
            Some(first) => (text(&first["code"]), text(&first["msg"])),
            None if body["message"].is_string() => (String::new(), "bare".to_owned()),
            None => (text(&body["errorCode"]), text(&body["errorDescription"])),
        };
        (self.status, code, description)
    }
}

struct Server(Sandbox);

impl Server {
    async fn start() -> Self {
        Self(Sandbox::start(SandboxConfig::loopback()).await.expect("a server"))
    }

    /// One call without authorisation.
    async fn open(&self, method: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> Got {
        let stream = TcpStream::connect(self.0.address()).await.expect("a connection");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request");
        let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
        Got {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.expect("a body").to_bytes(),
        }
    }

    /// One call of the mailbox in the path.
    async fn call(&self, method: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> Got {
        let mailbox = path.split('/').nth(2).expect("a mailbox in the path");
        let token = token(mailbox, "password", "TestKey");
        self.open(method, path, &[&[("authorization", token.as_str())], headers].concat(), body).await
    }

    async fn get(&self, path: &str, headers: Headers<'_>) -> Got {
        self.call("GET", path, headers, b"").await
    }

    /// Sends from one to two and gives the id.
    async fn send(&self, headers: Headers<'_>, body: &[u8]) -> String {
        let headers = [&[("mex-to", "X26ABC2"), ("mex-workflowid", "FLOW")], headers].concat();
        let got = self.call("POST", &format!("{ONE}/outbox"), &headers, body).await;
        assert_eq!(got.status, 202);
        got.json()["messageID"].as_str().expect("an id").to_owned()
    }
}

fn token(mailbox: &str, password: &str, key: &str) -> String {
    let id: MailboxId = mailbox.parse().expect("a mailbox");
    let now = Clock::system().now();
    let nonce = Uuid::new_v4().to_string();
    Authorization::new(&id, password, &SharedKey::new(key), &nonce, now).to_string()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).expect("gzip");
    plain
}

fn expected(status: u16, code: &str, text: &str) -> (u16, String, String) {
    (status, code.to_owned(), text.to_owned())
}
