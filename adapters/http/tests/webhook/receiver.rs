//! A receiver: a real server that keeps what it got and answers as a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use sha2::Sha256;
use tokio::net::TcpListener;

use super::KEY;

/// What the receiver does with the next request. With none left it takes it: 204.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    /// Answers with this.
    Answers(u16),
    /// Keeps silent.
    KeepsSilent,
    /// Says that it has it before it has read it.
    AnswersAtOnce,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// Whether the body came to its end.
    pub(crate) is_whole: bool,
}

#[derive(Default)]
struct Inner {
    does: VecDeque<Does>,
    got: Vec<Got>,
}

/// The receiver.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Mutex<Inner>>,
}

impl Receiver {
    pub(crate) async fn new() -> Self {
        let inner: Arc<Mutex<Inner>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/mesh?tenant=private", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    pub(crate) fn then(&self, does: Does) {
        self.inner.lock().expect("a lock").does.push_back(does);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.inner.lock().expect("a lock").got.clone()
    }
}

async fn take(State(inner): State<Arc<Mutex<Inner>>>, request: Request) -> Response {
    let does = inner.lock().expect("a lock").does.pop_front().unwrap_or(Does::Answers(204));
    if let Does::AnswersAtOnce = does {
        // Not dropped, which would end the connection.
        tokio::spawn(async move {
            let _held = request;
            std::future::pending::<()>().await
        });
        return StatusCode::OK.into_response();
    }
    let got = read(request).await;
    inner.lock().expect("a lock").got.push(got);
    match does {
        Does::Answers(status @ 300..400) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("location", "/elsewhere")]).into_response()
        }
        Does::Answers(status) => {
            (StatusCode::from_u16(status).expect("a status"), "private words").into_response()
        }
        Does::KeepsSilent | Does::AnswersAtOnce => std::future::pending().await,
    }
}

async fn read(request: Request) -> Got {
    let (parts, mut body) = request.into_parts();
    let mut got = Got { headers: parts.headers, body: Bytes::new(), trailers: None, is_whole: false };
    let mut whole = Vec::new();
    loop {
        match body.frame().await {
            None => {
                got.is_whole = true;
                break;
            }
            Some(Err(_)) => break,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => whole.extend_from_slice(&data),
                Err(frame) => got.trailers = frame.into_trailers().ok(),
            },
        }
    }
    got.body = whole.into();
    got
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().expect("text")
    }

    /// What a signature over this content must be.
    pub(crate) fn signature(&self, scheme: &str, content: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key");
        mac.update(format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp")).as_bytes());
        mac.update(content);
        format!("{scheme},{}", Base64::encode_string(&mac.finalize().into_bytes()))
    }
}
