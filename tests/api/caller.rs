//! Whoever calls the API: one connection for each call, and what holds for every answer is looked at in each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest wait for an answer that must come.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Somebody who calls, with what they send along each time.
#[derive(Clone)]
pub struct Caller {
    pub address: SocketAddr,
    headers: Vec<(String, String)>,
    tls: Option<Arc<ClientConfig>>,
}

/// What they were answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Caller {
    /// Nobody that is known.
    pub fn nobody(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new(), tls: None }
    }

    /// The same with a token.
    pub fn with_token(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The same with a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same over TLS.
    pub fn over_tls(self, config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, json: &Value) -> Answer {
        self.call("POST", path, &[("content-type", "application/json")], json.to_string()).await
    }

    /// The JSON of a question that is answered.
    pub async fn ask(&self, path: &str) -> Value {
        self.get(path).await.good(200)
    }

    /// Calls, and takes the whole answer.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let whole = async {
            let (parts, body) = self.open(method, path, headers, body.into()).await.into_parts();
            let body =
                body.collect().await.unwrap_or_else(|error| panic!("{method} {path}: {error}")).to_bytes();
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, whole).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method} {path} was not answered"));
        if answer.status >= 400 && (path == "/v1" || path.starts_with("/v1/")) && method != "HEAD" {
            answer.is_problem(&format!("{method} {path}"));
        }
        answer
    }

    /// Calls, and leaves the body of the answer to be taken.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response<Incoming> {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut request = Request::builder().method(method).uri(path);
        let all: Vec<(&str, &str)> = own.chain(headers.iter().copied()).collect();
        if !all.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in all {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).expect("a request");
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        match &self.tls {
            None => exchange(stream, request).await,
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                let connector = TlsConnector::from(Arc::clone(config));
                exchange(connector.connect(name, stream).await.expect("a handshake"), request).await
            }
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Response<Incoming> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    // It ends when the answer is taken, or dropped.
    tokio::spawn(connection);
    sender.send_request(request).await.expect("an answer")
}

impl Answer {
    /// What it holds, when it has this status.
    pub fn good(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// A problem of this status and kind; answers with its detail.
    pub fn refused(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        self.is_problem("the answer");
        let problem = self.json();
        assert_eq!(problem["type"], format!("about:blank#{kind}"), "{problem}");
        problem["detail"].as_str().expect("a detail").to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What every refusal of the API is.
    fn is_problem(&self, what: &str) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{what}: {}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{what}: {problem}");
        for key in ["type", "title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{what}: {problem}");
        }
    }
}
