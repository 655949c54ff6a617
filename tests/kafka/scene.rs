//! Alice's topic to Bob's topic, by one relay.

use std::sync::atomic::{AtomicU32, Ordering};

use mesh_sandbox::{Sandbox, SandboxConfig, StoredMessage};
use relay_testkit::wait::eventually;

use super::broker::Kafka;
use crate::process::{ALICE, BOB, Relay, Site};

/// The relay's surroundings. Every name is this scene's own, since all share a broker.
pub struct Scene {
    pub sandbox: Sandbox,
    pub site: Site,
    pub kafka: Kafka,
    /// Names of topics and of the group begin with it.
    pub number: String,
}

/// What a configuration says beside the usual.
pub struct Says<'a> {
    pub mesh_url: &'a str,
    /// The journal's section, without its header.
    pub journal: &'a str,
    /// Under both adapters.
    pub kafka: &'a str,
    /// In the table `outbound`, after a comma.
    pub outbound: &'a str,
    /// In the table `inbound`, after a comma.
    pub inbound: &'a str,
    pub declare: bool,
    /// Where brokers are.
    pub brokers: &'a str,
}

/// What a message for Bob says.
pub const TO_BOB: [(&str, &[u8]); 2] = [("mesh_to", BOB.as_bytes()), ("mesh_workflow_id", b"TEST_WORKFLOW")];

impl Scene {
    /// With topics of three partitions.
    pub async fn new() -> Self {
        Self::on(Kafka::shared(), 3).await
    }

    pub async fn on(kafka: Kafka, partitions: i32) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let sandbox = Sandbox::start(SandboxConfig::loopback()).await.expect("a sandbox");
        let scene = Self {
            site: Site::new(&sandbox.base_url(), ""),
            sandbox,
            kafka,
            number: format!("test.{number}"),
        };
        for what in ["outbound", "inbound", "status", "parked", "seen"] {
            scene.kafka.topic(&scene.name(what), partitions, &[]).await;
        }
        scene.kafka.topic(&scene.name("latest"), 1, &[("cleanup.policy", "compact")]).await;
        scene.configure(&Says::usual(&scene.sandbox.base_url(), &scene.kafka.address));
        scene
    }

    /// The name of a topic of this scene, or of its group.
    pub fn name(&self, what: &str) -> String {
        format!("{}.{what}", self.number)
    }

    pub fn text(&self, says: &Says<'_>) -> String {
        let name = |what: &str| self.name(what);
        let (outbound, inbound, status) = (name("outbound"), name("inbound"), name("status"));
        let (latest, parked, group) = (name("latest"), name("parked"), name("group"));
        let Says { mesh_url, journal, kafka, brokers, declare, .. } = says;
        let both = format!("brokers = \"{brokers}\"\nparked = \"{parked}\"\ndeclare = {declare}\n{kafka}\n");
        format!(
            "[mesh]\nenvironment = {{ url = \"{mesh_url}\" }}\nshared_key = {{ file = \"shared.key\" }}\n\
             [journal]\n{journal}\n\
             [send]\nretry_first = \"200ms\"\nretry_max = \"1s\"\ndoubt_wait = \"300ms\"\n\
             [[mailbox]]\nid = \"{ALICE}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
             [[mailbox]]\nid = \"{BOB}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n\
             [[adapter]]\nname = \"alice\"\nkind = \"kafka\"\nmailbox = \"{ALICE}\"\n{both}\
             outbound = {{ topic = \"{outbound}\", group = \"{group}\", body_max = \"1MB\"{} }}\n\
             status = {{ topic = \"{status}\", latest = \"{latest}\", types = \"org.example\" }}\n\
             [[adapter]]\nname = \"bob\"\nkind = \"kafka\"\nmailbox = \"{BOB}\"\n{both}\
             inbound = {{ topic = \"{inbound}\"{} }}\n",
            says.outbound, says.inbound
        )
    }

    pub fn configure(&self, says: &Says<'_>) {
        self.site.write("relay.toml", self.text(says));
    }

    pub fn says(&self) -> Says<'_> {
        Says::usual("", &self.kafka.address)
    }

    /// As [`Self::configure`], at this scene's sandbox.
    pub fn configure_with(&self, says: &Says<'_>) {
        self.configure(&Says { mesh_url: &self.sandbox.base_url(), ..*says });
    }

    /// What is waited for only by the clock is waited for shortly.
    pub fn hasten(&self) {
        let mut text = std::fs::read_to_string(self.site.path("relay.toml")).expect("the configuration");
        for (slow, quick) in [
            ("poll = \"200ms\"", "poll = \"50ms\""),
            ("retry_first = \"200ms\"", "retry_first = \"50ms\""),
            ("doubt_wait = \"300ms\"", "doubt_wait = \"50ms\""),
        ] {
            assert!(text.contains(slow), "{slow} is not in the configuration");
            text = text.replace(slow, quick);
        }
        self.site.write("relay.toml", text);
    }

    pub async fn running() -> (Self, Relay) {
        let scene = Self::new().await;
        let relay = scene.site.run().await;
        (scene, relay)
    }

    /// Puts a record for Bob into Alice's topic.
    pub async fn put(&self, id: &str, value: &[u8]) -> (i32, i64) {
        let headers = [TO_BOB[0], TO_BOB[1], ("ce_id", id.as_bytes())];
        self.kafka.put(&self.name("outbound"), Some(id), &headers, Some(value)).await
    }

    /// What MESH has for Bob, taken or not.
    pub fn for_bob(&self) -> Vec<StoredMessage> {
        self.sandbox.messages(&BOB.parse().expect("a mailbox"))
    }

    /// Waits until so many records of Alice's topic are behind the group's offsets.
    pub async fn done(&self, count: i64) {
        let (group, topic) = (self.name("group"), self.name("outbound"));
        eventually("the group's offsets are moved", || self.kafka.done(&group, &topic) == count).await;
    }
}

impl<'a> Says<'a> {
    pub fn usual(mesh_url: &'a str, brokers: &'a str) -> Self {
        Self {
            mesh_url,
            journal: "path = \"journal.db\"",
            // A member that was killed is known again when it is back, and need not be waited for.
            kafka: "client = { \"group.instance.id\" = \"one\", \"session.timeout.ms\" = \"6000\" }",
            outbound: "",
            inbound: "",
            declare: false,
            brokers,
        }
    }
}
