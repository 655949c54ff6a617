//! A relay with every kind of adapter, each with a mailbox of its own, and everything secret and private marked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use mesh_api::SharedKey;
use mesh_sandbox::{ClientCertificates, Directory, Sandbox, SandboxConfig, Tls};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use relay_testkit::certificates::Authority;
use relay_testkit::connect_proxy::{ConnectProxy, Manner};
use relay_testkit::private::write_private;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::caller::Caller;
use crate::environment::Receiver;
use crate::kafka::Kafka;
use crate::marks::{Kind, Mark};
use crate::process::{Relay, binary};
use crate::rabbit::{Broker, OwnBroker};

pub const FOLDER: &str = "X26ABC1";
pub const QUEUE: &str = "X26ABC2";
pub const TOPIC: &str = "X26ABC3";
pub const HOOK: &str = "X26ABC4";
/// Used by hand alone.
pub const DESK: &str = "X26ABC5";

/// Everything secret that the relay of a scene is given.
pub struct Secrets {
    pub mailbox: Mark,
    pub shared_key: Mark,
    pub keystore: Mark,
    pub proxy: Mark,
    pub broker: Mark,
    pub webhook: Mark,
    pub authorization: Mark,
    pub operator: Mark,
    pub openid: Mark,
    /// 32 bytes of the private key, as its file has them.
    pub private_key: Vec<u8>,
}

impl Secrets {
    fn new() -> Self {
        let mark = |place| Mark::new(Kind::Secret, place);
        Self {
            mailbox: mark("mailbox password"),
            shared_key: mark("shared key"),
            keystore: mark("keystore password"),
            proxy: mark("proxy password"),
            broker: mark("broker password"),
            webhook: mark("webhook secret"),
            authorization: mark("webhook authorization"),
            operator: mark("console token"),
            openid: mark("OpenID client secret"),
            private_key: Vec::new(),
        }
    }

    pub fn all(&self) -> Vec<Mark> {
        [
            &self.mailbox,
            &self.shared_key,
            &self.keystore,
            &self.proxy,
            &self.broker,
            &self.webhook,
            &self.authorization,
            &self.operator,
            &self.openid,
        ]
        .map(Clone::clone)
        .to_vec()
    }
}

/// The relay's surroundings.
pub struct Scene {
    pub folder: tempfile::TempDir,
    pub sandbox: Sandbox,
    pub rabbit: Broker,
    pub own: OwnBroker,
    pub kafka: Kafka,
    pub topics: String,
    pub inbox: Receiver,
    pub events: Receiver,
    pub secrets: Secrets,
    _proxy: ConnectProxy,
}

/// Files that the scene itself writes and the relay only reads, and folders that are the organisation's own.
pub const THE_ORGANISATIONS: [&str; 14] = [
    "relay.toml",
    "mailbox.pass",
    "shared.key",
    "keystore.pass",
    "mesh.keystore",
    "proxy.pass",
    "broker.url",
    "webhook.secret",
    "webhook.authorization",
    "operator.token",
    "openid.secret",
    FOLDER,
    "claims",
    "desk",
];

impl Scene {
    pub async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().expect("a folder");
        let mut secrets = Secrets::new();
        let authority = Authority::new("Authority of the test");
        let boxes = [FOLDER, QUEUE, TOPIC, HOOK, DESK].map(|mailbox| {
            serde_json::json!({ "mailbox_id": mailbox, "mailbox_name": mailbox,
                                "password": secrets.mailbox.plain() })
            .to_string()
        });
        let sandbox = Sandbox::start(SandboxConfig {
            shared_key: SharedKey::new(secrets.shared_key.plain()),
            directory: Directory::from_jsonl(&boxes.join("\n"), None).expect("mailboxes"),
            tls: Tls::SelfMade {
                client: Some(ClientCertificates { authorities: authority.pem().to_owned(), required: true }),
            },
            ..SandboxConfig::loopback()
        })
        .await
        .expect("a sandbox");
        let (store, private_key) = keystore(&authority, secrets.keystore.plain());
        secrets.private_key = private_key;
        let login = format!("relay:{}", secrets.proxy.plain());
        let login =
            format!("Basic {}", <base64ct::Base64 as base64ct::Encoding>::encode_string(login.as_bytes()));
        // As long as the program: the proxy of the test kit wants it so.
        let proxy = ConnectProxy::start(Manner::Login(login.leak())).await;
        let own = OwnBroker::new();
        let url = own.start();
        own.ctl(&["add_user", "relay", secrets.broker.plain()]);
        own.ctl(&["set_permissions", "relay", ".*", ".*", ".*"]);
        let rabbit = Broker::connect(&url).await;
        let scene = Self {
            sandbox,
            rabbit,
            own,
            kafka: Kafka::shared(),
            topics: format!("canary.{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)),
            inbox: Receiver::start(1).await,
            events: Receiver::start(1).await,
            secrets,
            _proxy: proxy,
            folder,
        };
        for topic in ["out", "in", "status", "parked"] {
            scene.kafka.topic(&scene.topic(topic), 1, &[]).await;
        }
        for (name, bytes) in [
            ("mesh.keystore", store.as_slice()),
            ("roots.pem", scene.sandbox.root_certificate().expect("TLS").as_bytes()),
            ("mailbox.pass", scene.secrets.mailbox.plain().as_bytes()),
            ("shared.key", scene.secrets.shared_key.plain().as_bytes()),
            ("keystore.pass", scene.secrets.keystore.plain().as_bytes()),
            ("proxy.pass", scene.secrets.proxy.plain().as_bytes()),
            ("webhook.secret", scene.secrets.webhook.long().as_bytes()),
            ("webhook.authorization", format!("Bearer {}", scene.secrets.authorization.plain()).as_bytes()),
            ("operator.token", scene.secrets.operator.long().as_bytes()),
            ("openid.secret", scene.secrets.openid.plain().as_bytes()),
            ("broker.url", scene.broker_url().as_bytes()),
        ] {
            scene.write(name, bytes);
        }
        std::fs::create_dir_all(scene.path("claims/out")).expect("a folder");
        std::fs::create_dir_all(scene.path("claims/in")).expect("a folder");
        std::fs::create_dir_all(scene.path("desk")).expect("a folder");
        std::fs::create_dir_all(scene.path("tmp")).expect("a folder");
        let text = scene.configuration();
        scene.write("relay.toml", text.as_bytes());
        scene
    }

    fn broker_url(&self) -> String {
        self.rabbit.url.replace("guest:guest@", &format!("relay:{}@", self.secrets.broker.plain()))
    }

    pub fn topic(&self, what: &str) -> String {
        format!("{}.{what}", self.topics)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        write_private(&self.path(name), content);
    }

    pub fn configuration(&self) -> String {
        let mailboxes: String = [FOLDER, QUEUE, TOPIC, HOOK, DESK]
            .iter()
            .map(|id| {
                format!(
                    "[[mailbox]]\nid = \"{id}\"\npassword = {{ file = \"mailbox.pass\" }}\npoll = \"200ms\"\n"
                )
            })
            .collect();
        let (out, into) = (self.topic("out"), self.topic("in"));
        let (status, parked) = (self.topic("status"), self.topic("parked"));
        let hook =
            "secret = { file = \"webhook.secret\" }, authorization = { file = \"webhook.authorization\" }";
        format!(
            "[mesh]\nenvironment = {{ url = \"{}\" }}\nshared_key = {{ file = \"shared.key\" }}\nroots = \"roots.pem\"\n\
             chunk_size = \"64KB\"\n\
             identity = {{ keystore = \"mesh.keystore\", password = {{ file = \"keystore.pass\" }} }}\n\
             proxy = {{ url = \"{}\", user = \"relay\", password = {{ file = \"proxy.pass\" }} }}\n\
             [journal]\npath = \"journal.db\"\n\
             [log]\ntransfers = \"transfers.log\"\n\
             [send]\nretry_first = \"100ms\"\nretry_max = \"300ms\"\ndoubt_wait = \"100ms\"\n\
             [console]\nlisten = \"127.0.0.1:0\"\n\
             [[console.caller]]\nname = \"Olive\"\nrole = \"operator\"\ntoken = {{ file = \"operator.token\" }}\n\
             [console.openid]\nissuer = \"http://127.0.0.1:9/\"\nclient_id = \"relay\"\n\
             client_secret = {{ file = \"openid.secret\" }}\noperators = [\"operators\"]\n\
             {mailboxes}\
             [[adapter]]\nname = \"folder\"\nkind = \"dts-folder\"\nmailbox = \"{FOLDER}\"\nroot = \"{FOLDER}\"\n\
             grace = \"100ms\"\nscan = \"300ms\"\nreports = {{ collect = true, transfer = true, poll = true, delay = true }}\n\
             [[adapter]]\nname = \"queue\"\nkind = \"amqp\"\nmailbox = \"{QUEUE}\"\nurl = {{ file = \"broker.url\" }}\n\
             outbound = {{ queue = \"out\", body_max = \"1MB\" }}\ninbound = {{ exchange = \"in\", queue = \"in\" }}\n\
             status = {{ exchange = \"status\", queue = \"status\" }}\nparked = \"parked\"\ndeclare = true\n\
             claim_check = {{ read = [\"claims/out\"], write = \"claims/in\", inline_max = \"2KB\" }}\n\
             [[adapter]]\nname = \"topic\"\nkind = \"kafka\"\nmailbox = \"{TOPIC}\"\nbrokers = \"{}\"\n\
             parked = \"{parked}\"\noutbound = {{ topic = \"{out}\", group = \"{}\" }}\ninbound = {{ topic = \"{into}\" }}\n\
             status = {{ topic = \"{status}\" }}\n\
             [[adapter]]\nname = \"hook\"\nkind = \"http\"\nmailbox = \"{HOOK}\"\nsubmit = true\n\
             inbound = {{ url = \"{}\", {hook} }}\nevents = {{ url = \"{}\", {hook} }}\n",
            self.sandbox.base_url(),
            self._proxy.url(),
            self.kafka.address,
            self.topics,
            self.inbox.url,
            self.events.url,
        )
    }

    /// The relay, which says as much as it ever can, in surroundings where all that it writes is found.
    pub async fn run(&self) -> Relay {
        Relay::running_as(self.command(&["run", "--config", "relay.toml"]), &self.path("relay.toml")).await
    }

    /// A command of the relay's program in the scene's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("MESH_RELAY_LOG", LOUD)
            .env("RUST_BACKTRACE", "1")
            .env("TMPDIR", self.path("tmp"))
            .env("HOME", self.path("tmp"))
            .stdin(Stdio::null());
        command
    }
}

/// As much as every part and every library has to say, also those that are asked for by name.
pub const LOUD: &str = "trace,lapin::channel=trace,object_store=trace,amq_protocol=trace";

/// Where the console of a relay answers.
pub fn console(relay: &Relay) -> SocketAddr {
    let log = relay.log();
    let address = log.lines().find_map(|line| line.split_once("the console is open address="));
    address.expect("the console's address").1.trim().parse().expect("an address")
}

/// Somebody with the operator's token.
pub fn operator(scene: &Scene, relay: &Relay) -> Caller {
    Caller::nobody(console(relay)).with_token(&scene.secrets.operator.long())
}

/// A PKCS#12 file, and bytes of the private key in it.
fn keystore(authority: &Authority, password: &str) -> (Vec<u8>, Vec<u8>) {
    let client = authority.client("TEST.X26.api.mesh-client.nhs.uk");
    let key = PrivatePkcs8KeyDer::from_pem_slice(client.key.as_bytes()).expect("a key");
    let certificate = |pem: &str| {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        Certificate::from_der(&der).expect("a certificate")
    };
    let chain = [certificate(&client.certificate), certificate(authority.pem())];
    let key = key.secret_pkcs8_der();
    // P-256 in PKCS#8 as it is made here: 36 bytes of frame, then the number that is the secret.
    let secret = key[36..68].to_vec();
    let private = PrivateKey::from_der(key).expect("a key");
    let mut store = KeyStore::new();
    store.add_entry("mesh", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("id", private, chain)));
    (store.writer(password).write().expect("a keystore"), secret)
}
