//! A relay with a console between two mailboxes' folders and the sandbox, and the people who call it.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_sandbox::{Call, Effect, Fault, Sandbox, SandboxConfig, StoredMessage};
use relay_testkit::pairs::Control;
use relay_testkit::wait::{DEADLINE, eventually};
use serde_json::Value;

use crate::caller::{Answer, Caller};
use crate::process::{ALICE, BOB, Relay, Site};

pub const OPERATOR: &str = "Olive Operator";
pub const VIEWER: &str = "Vic Viewer";
pub const SENDER: &str = "lab-system";
/// A mailbox of the sandbox that no adapter takes messages of, so that they wait to be fetched by hand.
pub const CAROL: &str = "X26ABC3";

/// Pause between two looks at the API.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The folders, MESH, and what is configured.
pub struct Scene {
    pub sandbox: Sandbox,
    pub site: Site,
}

/// A relay that runs, and where its console answers.
pub struct Running {
    pub relay: Relay,
    pub address: SocketAddr,
}

/// The token of somebody.
pub fn token(name: &str) -> String {
    format!("the-token-of-{}-which-nobody-else-knows", name.replace(' ', "-").to_lowercase())
}

impl Scene {
    pub async fn new() -> Self {
        Self::with("", "").await
    }

    /// With `console` in `[console]` and `more` behind all the rest.
    pub async fn with(console: &str, more: &str) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
        let site = Site::new(&sandbox.base_url(), "");
        let mut text = site.configuration(&sandbox.base_url(), "");
        text += &format!(
            "[[mailbox]]\nid = \"{CAROL}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n{more}\n"
        );
        text += &console_section(&site, console);
        site.write("relay.toml", text);
        Self { sandbox, site }
    }

    pub async fn run(&self) -> Running {
        let relay = self.site.run().await;
        let log = relay.log();
        let address = log.lines().find_map(|line| line.split_once("the console is open address="));
        let address = address.expect("the console's address").1.trim().parse().expect("an address");
        Running { relay, address }
    }

    /// A scene whose relay runs.
    pub async fn running() -> (Self, Running) {
        let scene = Self::new().await;
        let running = scene.run().await;
        (scene, running)
    }

    /// Drops a pair from Alice to Bob.
    pub fn drop_pair(&self, local_id: &str, data: &[u8]) {
        let control = Control { allow_chunking: true, ..letter(local_id) };
        self.site.alice.drop_pair(local_id, &control, data);
    }

    /// What MESH ever had for a mailbox.
    pub fn at_mesh(&self, mailbox: &str) -> Vec<StoredMessage> {
        self.sandbox.messages(&mailbox.parse().expect("a mailbox"))
    }

    /// Makes some calls of MESH fail. `times`: how often; for ever without.
    pub fn fail(&self, name: &str, calls: Vec<Call>, effect: Effect, times: Option<u64>) {
        let mailbox = Some(ALICE.parse().expect("a mailbox"));
        let fault = Fault { mailbox, calls, times, ..Fault::new(name, effect) };
        self.sandbox.faults().add(fault).expect("a fault");
    }

    /// Ends a fault.
    pub fn mend(&self, name: &str) {
        assert!(self.sandbox.faults().remove(name), "there is a fault {name}");
    }

    /// Carries a pair, which shows that all is well.
    pub async fn carries(&self, local_id: &str) {
        let payload = format!("payload of {local_id}").into_bytes();
        self.drop_pair(local_id, &payload);
        eventually("a pair is carried", || self.site.bob.received().contains(&payload)).await;
    }
}

/// `[console]` with somebody of each role.
pub fn console_section(site: &Site, console: &str) -> String {
    let listen = if console.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    let mut text = format!("[console]\n{listen}{console}\n");
    for (name, role) in [(OPERATOR, "operator"), (VIEWER, "viewer"), (SENDER, "sender")] {
        site.write(&format!("{role}.token"), token(name));
        text += &format!(
            "[[console.caller]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken = {{ file = \"{role}.token\" }}\n"
        );
    }
    text
}

/// From Alice to Bob, with a local id.
pub fn letter(local_id: &str) -> Control {
    Control::new(ALICE, BOB).local_id(local_id)
}

impl Running {
    pub fn nobody(&self) -> Caller {
        Caller::nobody(self.address)
    }

    /// Somebody with a token.
    pub fn as_(&self, name: &str) -> Caller {
        self.nobody().with_token(&token(name))
    }

    pub fn operator(&self) -> Caller {
        self.as_(OPERATOR)
    }

    /// Waits until the message of a local id is as it must be, and returns what a search shows of it.
    pub async fn message(&self, local_id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/messages?q={local_id}&direction=outbound");
        let until = tokio::time::Instant::now() + DEADLINE;
        loop {
            let found = self.nobody().ask(&path).await;
            let messages = found["messages"].as_array().expect("messages");
            if let Some(message) = messages.iter().find(|one| one["local_id"] == local_id && fits(one)) {
                return message.clone();
            }
            assert!(tokio::time::Instant::now() < until, "{local_id} is not {what}: {found}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the message of a local id is in a state.
    pub async fn in_state(&self, local_id: &str, state: &str) -> Value {
        self.message(local_id, state, |message| message["state"] == state).await
    }

    /// Waits until so many messages have come from MESH, delivered and acknowledged.
    pub async fn received(&self, messages: usize) {
        until("messages are received", async || {
            let found =
                self.nobody().ask("/v1/messages?direction=inbound&state=acknowledged&limit=500").await;
            found["messages"].as_array().map(Vec::len) == Some(messages)
        })
        .await;
    }

    /// The deeds of a kind, newest first.
    pub async fn deeds(&self, kind: &str) -> Vec<Value> {
        let deeds = self.operator().ask("/v1/deeds").await;
        let deeds = deeds["deeds"].as_array().expect("deeds").iter();
        deeds.filter(|deed| deed["kind"] == kind).cloned().collect()
    }

    /// Ends well, having failed nowhere.
    pub async fn ends_well(self) {
        let (status, log) = self.relay.stop().await;
        assert!(status.success(), "{log}");
        assert!(!log.contains("panicked") && !log.contains("a part of the console failed"), "{log}");
    }
}

/// Hands a message in, and again for as long as the relay says that it takes none yet: its console answers before all
/// else has begun.
pub async fn hand_in(caller: &Caller, headers: &[(&str, &str)], payload: &[u8]) -> Answer {
    let mut taken = None;
    until("the relay takes messages", async || {
        let answer = caller.call("POST", "/v1/messages", headers, payload.to_vec()).await;
        let later = answer.status == 503;
        assert!(!later || !answer.header("retry-after").is_empty(), "{}", answer.text());
        taken = Some(answer);
        !later
    })
    .await;
    taken.expect("an answer")
}

/// The id in a message's answer.
pub fn relay_id(message: &Value) -> &str {
    message["relay_id"].as_str().expect("an id")
}

/// Returns once the condition is true.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
