//! Whole requests, as browsers and programs send them.

mod browser;
mod forms;
mod sessions;
mod sign_in;
mod who;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use relay_core::{Clock, DeedKind, JournalError, NewDeed, Role};
use secrecy::SecretString;
use serde::Deserialize;
use tower::ServiceExt;

use super::*;
use crate::serve::Connection;

/// A clock that stands until a test moves it.
struct Standing(Mutex<Timestamp>);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("a clock")
    }
}

impl Standing {
    fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().expect("a clock");
        *now = now.checked_add(by).expect("a time");
    }
}

/// A record in memory, which may be out of order.
#[derive(Default)]
struct Record {
    deeds: Mutex<Vec<NewDeed>>,
    broken: AtomicBool,
}

#[async_trait]
impl Deeds for Record {
    async fn record(&self, deed: NewDeed) -> Result<(), JournalError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(JournalError::Closed);
        }
        self.deeds.lock().expect("a record").push(deed);
        Ok(())
    }
}

impl Record {
    fn kinds(&self) -> Vec<(DeedKind, String)> {
        self.deeds.lock().expect("a record").iter().map(|deed| (deed.kind, deed.who.clone())).collect()
    }
}

/// Tokens of the test, by role.
fn token(name: &str) -> String {
    format!("{name}-0123456789abcdef0123456789abcdef")
}

fn config() -> AccessConfig {
    let tokens = [("olive", Role::Operator), ("vera", Role::Viewer), ("engine", Role::Sender)];
    let tokens = tokens.map(|(name, role)| StaticToken {
        name: name.to_owned(),
        role,
        secret: SecretString::from(token(name)),
    });
    AccessConfig {
        listen: "127.0.0.1:8710".parse().expect("an address"),
        tls: false,
        public_url: None,
        read_without_sign_in: true,
        tokens: tokens.into(),
        openid: None,
    }
}

#[derive(Deserialize)]
struct Why {
    note: String,
}

/// A console with a few routes.
struct House {
    access: Access,
    routes: Router,
    record: Arc<Record>,
    clock: Arc<Standing>,
}

impl House {
    fn new() -> Self {
        Self::with(config())
    }

    fn signed_in_only() -> Self {
        Self::with(AccessConfig { read_without_sign_in: false, ..config() })
    }

    fn with(config: AccessConfig) -> Self {
        let record = Arc::new(Record::default());
        let clock = Arc::new(Standing(Mutex::new(Timestamp::from_second(1_800_000_000).expect("a time"))));
        let access = Access::new(config, Arc::clone(&record) as _, Arc::clone(&clock) as _).expect("access");
        let routes = Router::new()
            .route("/", get(async |Looker(visitor): Looker| visitor.recorded_name().to_owned()))
            .route("/v1/messages", get(async |Looker(visitor): Looker| visitor.recorded_name().to_owned()))
            .route("/v1/messages", post(async |SendingCaller(caller): SendingCaller| caller.to_string()))
            .route("/v1/park", post(async |Actor(caller): Actor| caller.to_string()))
            .route("/payload", get(async |Actor(caller): Actor| caller.to_string()))
            .route("/current", get(async |visitor: Visitor| visitor.is_current().to_string()))
            .route(
                "/park",
                post(async |Actor(caller): Actor, SignedForm(why): SignedForm<Why>| {
                    format!("{caller}: {}", why.note)
                }),
            )
            .route("/style.css", get(async || ([(header::CACHE_CONTROL, "max-age=60")], "")))
            .route("/broken", get(async || -> String { panic!("canary") }));
        Self { routes: access.protect(routes), access, record, clock }
    }

    async fn send(&self, request: Request<Body>) -> Told {
        let (mut parts, body) = request.into_parts();
        parts.headers.entry(header::HOST).or_insert("localhost:8710".parse().expect("a host"));
        if parts.extensions.get::<Connection>().is_none() {
            let end = |port| ([127, 0, 0, 1], port).into();
            parts.extensions.insert(Connection { peer: end(50_000), local: end(8710) });
        }
        let request = Request::from_parts(parts, body);
        let response = self.routes.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("text");
        Told { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Told {
        self.send(request("GET", path, headers, "")).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], form: &str) -> Told {
        let headers = [headers, &[("content-type", "application/x-www-form-urlencoded")]].concat();
        self.send(request("POST", path, &headers, form)).await
    }

    /// Signs in by the page, as a browser does, and answers with its cookie.
    async fn sign_in(&self, name: &str) -> String {
        let page = self.get("/sign-in", &[]).await;
        let cookie = page.cookie("form");
        let form = format!("token={}&csrf={}", token(name), page.csrf());
        let told = self.post("/sign-in", &[("cookie", &cookie)], &form).await;
        assert_eq!(told.status, StatusCode::SEE_OTHER, "{}", told.text);
        told.cookie("session")
    }

    /// The token that pages of a session hold.
    async fn csrf(&self, cookie: &str) -> String {
        self.get("/nowhere/", &[("cookie", cookie)]).await;
        let sessions = &self.access.0.sessions;
        let id = cookie.split_once('=').expect("a cookie").1;
        sessions.used(id, self.clock.now()).expect("a session").csrf
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).expect("a request")
}

/// An answer.
struct Told {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Told {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }

    /// A cookie as it is sent back: name and value.
    fn cookie(&self, purpose: &str) -> String {
        let set = self.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().expect("text"));
        let pairs = set.map(|text| text.split(';').next().unwrap_or_default());
        let mut found = pairs.filter(|pair| pair.contains(&format!("{purpose}=")));
        found.next().unwrap_or_else(|| panic!("no cookie {purpose}")).to_owned()
    }

    /// The hidden field of a form.
    fn csrf(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }

    /// Checks that this is a problem of a kind.
    fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&self.text).expect("JSON");
        assert_eq!(problem["type"], format!("about:blank#{kind}"));
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{}", self.text);
    }
}
