//! The calls over HTTP, one connection each.

#![expect(clippy::expect_used, reason = "a test ends at what it cannot go on from")]

mod faults;
mod flow;
mod folder;
mod order;
mod others;
mod page;
mod section12;
mod strict;

use std::convert::Infallible;
use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use mesh_api::{Authorization, MailboxId, SharedKey};
use mesh_sandbox::{Clock, NOTE_HEADER, Sandbox, SandboxConfig};
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

    /// What rules and faults had a part in it.
    fn note(&self) -> &str {
        self.header(NOTE_HEADER)
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

/// A server, and the clock that it tells the time by.
struct Server {
    sandbox: Sandbox,
    clock: Clock,
}

impl Server {
    async fn start() -> Self {
        Self::with(SandboxConfig::loopback()).await
    }

    async fn with(config: SandboxConfig) -> Self {
        let clock = config.clock.clone();
        Self { sandbox: Sandbox::start(config).await.expect("a server"), clock }
    }

    /// One call with whatever body; `None` when the connection ended without an answer.
    async fn attempt<B>(&self, method: &str, path: &str, headers: Headers<'_>, body: B) -> Option<Attempt>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let stream = TcpStream::connect(self.sandbox.address()).await.expect("a connection");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(Box::pin(body)).expect("a request");
        let (parts, mut body) = sender.send_request(request).await.ok()?.into_parts();
        let (mut bytes, mut whole) = (Vec::new(), true);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        let got = Got { status: parts.status.as_u16(), headers: parts.headers, body: bytes.into() };
        Some(Attempt { got, whole })
    }

    /// One call without authorisation.
    async fn open(&self, method: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> Got {
        let body = Full::new(Bytes::copy_from_slice(body));
        let attempt = self.attempt(method, path, headers, body).await.expect("an answer");
        assert!(attempt.whole, "the answer ended early");
        attempt.got
    }

    /// One call with a JSON body and without authorisation, as the admin and control calls want it.
    async fn json(&self, method: &str, path: &str, body: &Value) -> Got {
        self.open(method, path, &[("content-type", V1)], body.to_string().as_bytes()).await
    }

    /// One call of the mailbox in the path.
    async fn call(&self, method: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> Got {
        let token = self.token(path.split('/').nth(2).expect("a mailbox in the path"));
        self.open(method, path, &[&[("authorization", token.as_str())], headers].concat(), body).await
    }

    async fn get(&self, path: &str, headers: Headers<'_>) -> Got {
        self.call("GET", path, headers, b"").await
    }

    /// Sends from one to two and gives the id.
    async fn send(&self, headers: Headers<'_>, body: &[u8]) -> String {
        let headers = [&[("mex-to", "X26ABC2"), ("mex-workflowid", "TEST_WORKFLOW")], headers].concat();
        let got = self.call("POST", &format!("{ONE}/outbox"), &headers, body).await;
        assert_eq!(got.status, 202);
        got.json()["messageID"].as_str().expect("an id").to_owned()
    }

    /// Sends a later chunk of a message from one to two.
    async fn chunk(&self, id: &str, range: &str, headers: Headers<'_>, body: &[u8]) -> Got {
        let number = range.split(':').next().expect("a number");
        let headers = [&[("mex-chunk-range", range)], headers].concat();
        self.call("POST", &format!("{ONE}/outbox/{id}/{number}"), &headers, body).await
    }

    /// The ids that an inbox lists.
    async fn inbox(&self, mailbox: &str) -> Vec<String> {
        let got = self.get(&format!("{mailbox}/inbox"), &[]).await;
        assert_eq!(got.status, 200);
        texts(&got.json()["messages"])
    }

    async fn acknowledge(&self, mailbox: &str, id: &str, headers: Headers<'_>) -> Got {
        self.call("PUT", &format!("{mailbox}/inbox/{id}/status/acknowledged"), headers, b"").await
    }

    /// What one's tracking says of a message.
    async fn track(&self, id: &str, accept: &str) -> Got {
        self.get(&format!("{ONE}/outbox/tracking?messageID={id}"), &[("accept", accept)]).await
    }

    /// A new token, good at this moment of the server.
    fn token(&self, mailbox: &str) -> String {
        token_at(mailbox, "password", "TestKey", self.clock.now())
    }

    fn advance(&self, hours: i64) {
        self.sandbox.advance(SignedDuration::from_hours(hours)).expect("forward");
    }
}

/// An answer that may have ended early.
struct Attempt {
    got: Got,
    whole: bool,
}

fn token(mailbox: &str, password: &str, key: &str) -> String {
    token_at(mailbox, password, key, Clock::system().now())
}

fn token_at(mailbox: &str, password: &str, key: &str, now: Timestamp) -> String {
    let id: MailboxId = mailbox.parse().expect("a mailbox");
    let nonce = Uuid::new_v4().to_string();
    Authorization::new(&id, password, &SharedKey::new(key), &nonce, now).to_string()
}

fn mailbox(path: &str) -> MailboxId {
    path.split('/').nth(2).unwrap_or_default().parse().expect("a mailbox")
}

/// The texts of a JSON list.
fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
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
