//! A MESH that refuses every message, and says in its refusal everything that it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::net::TcpListener;

/// How it refuses what is sent.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
}

pub struct EchoMesh {
    address: SocketAddr,
    refused: Arc<AtomicUsize>,
}

impl EchoMesh {
    pub async fn start(refusal: Refusal) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let refused = Arc::new(AtomicUsize::new(0));
        let router = Router::new().fallback(answer).with_state((refusal, Arc::clone(&refused)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, refused }
    }

    /// How many messages it has refused.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(
    State((refusal, refused)): State<(Refusal, Arc<AtomicUsize>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let json = |status: u16, body: serde_json::Value| {
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [(header::CONTENT_TYPE, "application/vnd.mesh.v2+json")], body.to_string()).into_response()
    };
    if method == Method::POST && path.ends_with("/outbox") {
        refused.fetch_add(1, Ordering::Relaxed);
        let all: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let said = format!("refused: {}; {}", all.join(", "), String::from_utf8_lossy(&body));
        return json(
            refusal.status,
            json!({ "message_id": null, "internal_id": said, "detail": [
                { "event": "SEND", "code": refusal.code, "msg": said }
            ] }),
        );
    }
    if path.ends_with("/inbox") {
        return json(200, json!({ "messages": [], "approx_inbox_count": 0, "links": { "self": path } }));
    }
    json(200, json!({}))
}
