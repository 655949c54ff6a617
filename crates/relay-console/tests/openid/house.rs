//! A console, and the provider at which its people sign in.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use relay_console::{
    Access, AccessConfig, Actor, Deeds, ListenConfig, Listening, Looker, OpenIdConfig, StaticToken,
};
use relay_core::{Clock, DeedKind, JournalError, NewDeed, Role, Shutdown, ShutdownTrigger};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::browser::Browser;

/// Where the provider tells of roles.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Claims {
    InToken,
    OnAsking,
}

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

#[derive(Default)]
struct Record(Mutex<Vec<NewDeed>>);

#[async_trait]
impl Deeds for Record {
    async fn record(&self, deed: NewDeed) -> Result<(), JournalError> {
        self.0.lock().expect("a record").push(deed);
        Ok(())
    }
}

pub(crate) struct House {
    pub(crate) issuer: String,
    base: String,
    provider: Child,
    said: Lines<BufReader<ChildStdout>>,
    record: Arc<Record>,
    stop: ShutdownTrigger,
    served: JoinHandle<()>,
}

impl House {
    pub(crate) async fn start(claims: Claims) -> Self {
        let listen = ListenConfig { address: ([127, 0, 0, 1], 0).into(), tls: None };
        let listening = Listening::bind(listen).await.expect("a port");
        let address = listening.address();
        let base = format!("http://{address}");
        let (provider, mut said) = provider(&base, claims);
        let issuer = told(&mut said, "issuer ").await;
        let config = AccessConfig {
            listen: address,
            tls: false,
            public_url: None,
            read_without_sign_in: false,
            tokens: vec![StaticToken {
                name: "engine".to_owned(),
                role: Role::Sender,
                secret: "0123456789abcdef0123456789abcdef".into(),
            }],
            openid: Some(OpenIdConfig {
                issuer: issuer.clone(),
                client_id: "mesh-relay".to_owned(),
                client_secret: Some("a-secret-of-the-test".into()),
                scopes: vec!["profile".to_owned(), "roles".to_owned()],
                roles_claim: "roles".to_owned(),
                operators: vec!["mesh-operators".to_owned()],
                viewers: vec!["mesh-viewers".to_owned()],
                name_claim: None,
                roots: None,
            }),
        };
        let record = Arc::new(Record::default());
        let access = Access::new(config, Arc::clone(&record) as _, Arc::new(Standing)).expect("access");
        let routes = Router::new()
            .route(
                "/messages",
                get(async |Looker(visitor): Looker| format!("{} looks", visitor.recorded_name())),
            )
            .route("/payload", get(async |Actor(caller): Actor| format!("{caller} acts")));
        let (stop, shutdown) = Shutdown::channel();
        let served = tokio::spawn(listening.run(access.protect(routes), shutdown));
        Self { issuer, base, provider, said, record, stop, served }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The whole way: a page that needs sign-in, the sign-in page's link, the provider, and back.
    pub(crate) async fn sign_in(&self, browser: &mut Browser, login: &str) -> crate::browser::Page {
        let page = browser.get(&self.url("/messages?state=parked")).await;
        let link = page.between("href=\"/sign-in/openid", "\"").replace("&#38;", "&");
        let there = browser.step(&self.url(&format!("/sign-in/openid{link}"))).await.location();
        let back = self.at_provider(browser, &there, login).await;
        browser.get(&back).await
    }

    /// What somebody does at the provider; answers with the address that leads back.
    pub(crate) async fn at_provider(&self, browser: &mut Browser, there: &str, login: &str) -> String {
        let mut page = browser.step(there).await;
        loop {
            if page.status == 303 || page.status == 302 {
                let next = page.location();
                if next.starts_with(&self.base) {
                    return next;
                }
                page = browser.step(&next).await;
            } else {
                let action = page.between("action=\"", "\"");
                let prompt = page.between("name=\"prompt\" value=\"", "\"");
                let fields = [("prompt", prompt.as_str()), ("login", login), ("password", "any")];
                page = browser.post(&action, &fields).await;
            }
        }
    }

    pub(crate) fn deeds(&self) -> Vec<(DeedKind, String)> {
        self.record.0.lock().expect("a record").iter().map(|deed| (deed.kind, deed.who.clone())).collect()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.record.0.lock().expect("a record").iter().flat_map(|deed| deed.note.clone()).collect()
    }

    /// Has the provider take new keys.
    pub(crate) async fn rotate(&mut self) {
        let orders = self.provider.stdin.as_mut().expect("its input");
        orders.write_all(b"rotate\n").await.expect("an order");
        told(&mut self.said, "rotated").await;
    }

    pub(crate) async fn end_provider(&mut self) {
        self.provider.kill().await.expect("an end");
    }

    pub(crate) async fn stop(mut self) {
        self.end_provider().await;
        self.stop.request();
        self.served.await.expect("served to the end");
    }
}

fn provider(base: &str, claims: Claims) -> (Child, Lines<BufReader<ChildStdout>>) {
    let folder = std::env::var_os("MESH_RELAY_TEST_NODE")
        .expect("MESH_RELAY_TEST_NODE must name what `tests/node.sh` prints: the folder with node_modules");
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/node/openid-provider.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(folder).arg(format!("{base}/sign-in/callback"));
    if claims == Claims::InToken {
        command.arg("claims-in-token");
    }
    // What it warns of is that it is no provider for more than tests.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut provider = command.spawn().expect("node runs; `tests/node.sh` sets it up");
    let said = BufReader::new(provider.stdout.take().expect("its output")).lines();
    (provider, said)
}

/// The rest of the line that begins so.
async fn told(said: &mut Lines<BufReader<ChildStdout>>, begin: &str) -> String {
    while let Some(line) = said.next_line().await.expect("its output") {
        if let Some(rest) = line.strip_prefix(begin) {
            return rest.to_owned();
        }
    }
    panic!(
        "the provider ended before it said {begin}; run tests/node/openid-provider.mjs by hand to see why"
    );
}
