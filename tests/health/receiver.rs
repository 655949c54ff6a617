//! A server that takes what is posted to it, when a test lets it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What posts are signed with.
pub const KEY: &str = "a secret of enough bytes";

/// What a post said.
#[derive(Debug, Clone)]
pub struct Post {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The server. It ends with the test.
pub struct Receiver {
    pub url: String,
    posts: Arc<Mutex<Vec<Post>>>,
    open: watch::Sender<bool>,
}

type Shared = (Arc<Mutex<Vec<Post>>>, watch::Receiver<bool>);

impl Receiver {
    /// One that answers at once.
    pub async fn open() -> Self {
        Self::start(true).await
    }

    /// One that takes what comes and keeps silent, until it is [`answer`](Self::answer)ing.
    pub async fn silent() -> Self {
        Self::start(false).await
    }

    async fn start(open: bool) -> Self {
        let (open, is_open) = watch::channel(open);
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(take).with_state((Arc::clone(&posts), is_open));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, posts, open }
    }

    /// Answers from now on, also what waits.
    pub fn answer(&self) {
        self.open.send_replace(true);
    }

    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().expect("a lock").clone()
    }

    /// What alerts of a kind say: their states, in the order in which they came.
    pub fn told(&self, kind: &str) -> Vec<String> {
        let alerts = self.posts().into_iter().map(|post| post.json());
        alerts
            .filter(|alert| alert["data"]["kind"] == kind)
            .map(|alert| text(&alert["data"]["state"]))
            .collect()
    }
}

async fn take(State((posts, mut open)): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    posts.lock().expect("a lock").push(Post { headers, body });
    // The test may be over.
    let _ = open.wait_for(|open| *open).await;
    StatusCode::NO_CONTENT
}

impl Post {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Whether it is signed as it must be.
    pub fn is_signed(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("a key");
        mac.update(format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp")).as_bytes());
        mac.update(&self.body);
        self.header("webhook-signature")
            == format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()))
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
