//! A caller that says exactly what a test wants on the wire.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    key: &'a str,
    caller: Option<&'a str>,
    length: Option<usize>,
    headers: Vec<(&'a str, String)>,
    body: &'a [u8],
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The word of a problem.
    pub(crate) fn kind(&self) -> &str {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        self.body["type"].as_str().expect("a type").strip_prefix("about:blank#").expect("a word")
    }

    /// The id that MESH gave.
    pub(crate) fn message_id(&self) -> String {
        assert_eq!(self.status, 202, "{self:?}");
        self.body["message_id"].as_str().expect("an id").to_owned()
    }

    /// Seconds after which to repeat the request.
    pub(crate) fn retry_after(&self) -> u64 {
        self.header("retry-after").expect("a time").parse().expect("seconds")
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(key: &'a str) -> Self {
        Self { key, caller: Some("ward/sender"), length: None, headers: Vec::new(), body: b"" }
    }

    /// With a body of the length that it has.
    pub(crate) fn body(self, body: &'a [u8]) -> Self {
        Self { body, length: Some(body.len()), ..self }
    }

    /// With another length than its body has.
    pub(crate) fn length(self, length: usize) -> Self {
        Self { length: Some(length), ..self }
    }

    pub(crate) fn no_length(self) -> Self {
        Self { length: None, ..self }
    }

    pub(crate) fn caller(self, caller: Option<&'a str>) -> Self {
        Self { caller, ..self }
    }

    pub(crate) fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn head(&self) -> String {
        let Self { key, caller, length, headers, .. } = self;
        let mut head = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nIdempotency-Key: {key}\r\n"
        );
        for (name, value) in [("Mex-To", "X26ABC2"), ("Mex-WorkflowID", "TEST_WORKFLOW")] {
            if !headers.iter().any(|(other, _)| *other == name) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        if let Some(caller) = caller {
            head += &format!("X-Caller: {caller}\r\n");
        }
        if let Some(length) = length {
            head += &format!("Content-Length: {length}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// Begins it, with what it has of a body.
    pub(crate) async fn begin(self, address: SocketAddr) -> Begun {
        let mut wire = TcpStream::connect(address).await.expect("a connection");
        wire.write_all(self.head().as_bytes()).await.expect("the head goes out");
        wire.write_all(self.body).await.expect("the body goes out");
        Begun(wire)
    }
}

/// A request on its way.
pub(crate) struct Begun(TcpStream);

impl Begun {
    /// Sends more of the body.
    pub(crate) async fn send(&mut self, more: &[u8]) {
        self.0.write_all(more).await.expect("more goes out");
    }

    /// Waits for the answer.
    pub(crate) async fn answer(mut self) -> Answer {
        let mut whole = Vec::new();
        let reading = self.0.read_to_end(&mut whole);
        tokio::time::timeout(Duration::from_secs(60), reading).await.expect("an answer").expect("an answer");
        let whole = String::from_utf8(whole).expect("text");
        let (head, body) = whole.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }
}

/// Makes a request and waits for its answer.
pub(crate) async fn call(address: SocketAddr, call: Call<'_>) -> Answer {
    call.begin(address).await.answer().await
}
