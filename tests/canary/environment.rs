//! Systems around the relay that a test plays: programs that are called.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

/// A program that webhooks call. It refuses as often as it is told to, with what it was sent as its answer.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    calls: Arc<Mutex<Vec<Bytes>>>,
    refusals: Arc<AtomicU32>,
}

impl Receiver {
    pub async fn start(refusals: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let receiver = Self { url, calls: Arc::default(), refusals: Arc::new(AtomicU32::new(refusals)) };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// The bodies of what it took.
    pub fn calls(&self) -> Vec<Bytes> {
        self.calls.lock().expect("a lock").clone()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let refused =
        receiver.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if refused.is_ok() {
        let echo = format!("{headers:?} {}", String::from_utf8_lossy(&body));
        return (StatusCode::INTERNAL_SERVER_ERROR, echo);
    }
    receiver.calls.lock().expect("a lock").push(body);
    (StatusCode::NO_CONTENT, String::new())
}
