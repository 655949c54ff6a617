//! Alice's queue to Bob's exchange, by one relay.

use std::sync::atomic::{AtomicU32, Ordering};

use mesh_sandbox::{Sandbox, SandboxConfig, StoredMessage};

use super::broker::Broker;
use crate::process::{ALICE, BOB, Relay, Site};

/// The relay's surroundings. Every name is this scene's own, since all share a broker.
pub struct Scene {
    pub sandbox: Sandbox,
    pub site: Site,
    pub broker: Broker,
    /// Messages for MESH.
    pub outbound: String,
    /// Messages from MESH: exchange and queue.
    pub inbound: String,
    /// Events: exchange and queue.
    pub status: String,
    /// What can never be sent: exchange and queue.
    pub parked: String,
}

/// What a message for Bob says.
pub const TO_BOB: [(&str, &str); 2] = [("mesh_to", BOB), ("mesh_workflow_id", "TEST_WORKFLOW")];

impl Scene {
    pub async fn new() -> Self {
        Self::on(Broker::shared().await).await
    }

    pub async fn on(broker: Broker) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
        let name = |what: &str| format!("test.{number}.{what}");
        let scene = Self {
            site: Site::new(&sandbox.base_url(), ""),
            sandbox,
            broker,
            outbound: name("outbound"),
            inbound: name("inbound"),
            status: name("status"),
            parked: name("parked"),
        };
        scene.configure(&scene.sandbox.base_url(), true);
        scene
    }

    /// Writes the configuration; with `declare` the relay makes what is missing.
    pub fn configure(&self, mesh_url: &str, declare: bool) {
        self.configure_with(mesh_url, declare, "", "");
    }

    /// The same, with more lines for Alice's adapter and for Bob's.
    pub fn configure_with(&self, mesh_url: &str, declare: bool, alice: &str, bob: &str) {
        let Self { outbound, inbound, status, parked, broker, .. } = self;
        self.site.write("broker.url", &broker.url);
        let text = format!(
            "[mesh]\nenvironment = {{ url = \"{mesh_url}\" }}\nshared_key = {{ file = \"shared.key\" }}\n\
             [journal]\npath = \"journal.db\"\n\
             [send]\nretry_first = \"200ms\"\nretry_max = \"1s\"\ndoubt_wait = \"300ms\"\n\
             [[mailbox]]\nid = \"{ALICE}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
             [[mailbox]]\nid = \"{BOB}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
             [[adapter]]\nname = \"alice\"\nkind = \"amqp\"\nmailbox = \"{ALICE}\"\nurl = {{ file = \"broker.url\" }}\n\
             outbound = {{ queue = \"{outbound}\", body_max = \"1MB\" }}\n\
             status = {{ exchange = \"{status}\", queue = \"{status}\", reply_to = [\"{status}.reply\"], types = \"org.example\" }}\n\
             unrouted = \"{inbound}.unrouted\"\nparked = \"{parked}\"\ndeclare = {declare}\n{alice}\n\
             [[adapter]]\nname = \"bob\"\nkind = \"amqp\"\nmailbox = \"{BOB}\"\nurl = {{ file = \"broker.url\" }}\n\
             inbound = {{ exchange = \"{inbound}\", queue = \"{inbound}\" }}\nunrouted = \"{inbound}.unrouted\"\nparked = \"{parked}\"\ndeclare = {declare}\n{bob}\n"
        );
        self.site.write("relay.toml", text);
    }

    /// Makes what the relay would make, so that there is something in it before it starts.
    pub async fn make(&self) {
        self.broker.queue(&self.outbound).await;
        for exchange in [&self.inbound, &self.status, &self.parked] {
            self.broker.exchange(exchange).await;
            self.broker.queue(exchange).await;
            self.broker.bind(exchange, exchange).await;
        }
    }

    /// Changes words of the configuration.
    pub fn reword(&self, words: &[(&str, &str)]) {
        let path = self.site.path("relay.toml");
        let mut text = std::fs::read_to_string(path).expect("the configuration");
        for (old, new) in words {
            assert!(text.contains(old), "{old} is not in the configuration");
            text = text.replace(old, new);
        }
        self.site.write("relay.toml", text);
    }

    /// What is waited for only by the clock is waited for shortly.
    pub fn hasten(&self) {
        self.reword(&[
            ("poll = \"200ms\"", "poll = \"50ms\""),
            ("retry_first = \"200ms\"", "retry_first = \"50ms\""),
            ("doubt_wait = \"300ms\"", "doubt_wait = \"50ms\""),
        ]);
    }

    pub async fn running() -> (Self, Relay) {
        let scene = Self::new().await;
        let relay = scene.site.run().await;
        (scene, relay)
    }

    /// Puts a message for Bob into Alice's queue.
    pub async fn put(&self, id: &str, body: &[u8]) {
        self.broker.put(&self.outbound, id, &TO_BOB, body).await;
    }

    /// What MESH has for Bob, taken or not.
    pub fn for_bob(&self) -> Vec<StoredMessage> {
        self.sandbox.messages(&BOB.parse().expect("a mailbox"))
    }
}
