//! What an `[[adapter]]` of kind `kafka` may say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use relay_config::{Interval, SecretRef, Size};
use relay_core::MailboxId;
use serde::Deserialize;

/// One mailbox's topics.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The mailbox that sends what is in the outbound topic and whose messages go to the inbound one.
    pub mailbox: MailboxId,
    /// Where the brokers are: `host:port`, several separated by commas. One that answers tells of the others.
    pub brokers: String,
    /// Present: connections are encrypted.
    pub tls: Option<Tls>,
    /// How the relay says who it is. Absent: it does not, or by its certificate.
    pub login: Option<Login>,
    /// Messages for MESH. Absent: none are taken.
    pub outbound: Option<Outbound>,
    /// Messages from MESH. Absent: they are left to others.
    pub inbound: Option<Inbound>,
    /// What becomes of the messages for MESH. Absent: nobody is told.
    pub status: Option<Status>,
    /// Payloads by reference. Absent: none are taken, and messages carry what they have.
    pub claim_check: Option<claim_check::Config>,
    /// The topic for records that can never be sent: the dead letters.
    #[serde(default = "parked_default")]
    pub parked: String,
    /// Whether missing topics are made, for development and small sites; otherwise they are named.
    #[serde(default)]
    pub declare: bool,
    /// Settings of the client library (librdkafka), as it names them.
    #[serde(default)]
    pub client: BTreeMap<String, String>,
}

/// Encryption.
#[derive(Debug, Clone, Deserialize)]
pub struct Tls {
    /// PEM file of the authorities to trust. Absent: those of the system.
    pub roots: Option<PathBuf>,
    /// PEM file of the relay's own certificate, with those above it. Once it changes, and its key with it, every connection is
    /// made anew.
    pub cert: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// What opens the key.
    pub key_password: Option<SecretRef>,
    /// Pause between two looks whether the certificate changed.
    #[serde(default = "look_default")]
    pub look: Interval,
}

/// Short beside the days that a change of certificates has time for.
fn look_default() -> Interval {
    Interval::of(Duration::from_secs(60))
}

/// Ways to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    /// User and password as they are; only over TLS, or within one machine.
    #[serde(rename = "PLAIN")]
    Plain,
    /// User and password, neither of which is sent.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// User and password, neither of which is sent.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// A token, read from a file whenever one is needed.
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

impl Mechanism {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}

/// How the relay says who it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Login {
    /// In which way.
    pub mechanism: Mechanism,
    /// The user.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretRef>,
    /// With `OAUTHBEARER`: the file in which someone else keeps a token that is good.
    pub token: Option<PathBuf>,
}

/// How the members of a group share partitions out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// By themselves, and only what moves is taken away (cooperative-sticky).
    #[default]
    Classic,
    /// The broker does (KIP-848); brokers have it from 4.0.
    Consumer,
}

/// Which records go one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Those with the same `mesh_order_key`.
    #[default]
    None,
    /// Those with the same key, too.
    Key,
}

/// Messages for MESH.
#[derive(Debug, Clone, Deserialize)]
pub struct Outbound {
    /// The topic.
    pub topic: String,
    /// The consumer group. All that share its partitions out among themselves need one journal and one adapter name.
    #[serde(default = "group_default")]
    pub group: String,
    /// How they share them out.
    #[serde(default)]
    pub protocol: Protocol,
    /// Which records go one after the other.
    #[serde(default)]
    pub order: Order,
    /// Records in work at a time. Each is in memory, whole.
    #[serde(default = "in_work_default")]
    pub in_work: u32,
    /// Bytes of records in work at a time; one more is taken that goes beyond.
    #[serde(default = "in_work_bytes_default")]
    pub in_work_bytes: Size,
    /// Records of a partition that may have been taken since the first that has not ended. Beyond, the partition waits.
    #[serde(default = "gap_default")]
    pub gap: u32,
    /// Longest value in bytes. A longer one is parked.
    #[serde(default = "outbound_body_default")]
    pub body_max: Size,
}

/// Messages from MESH.
#[derive(Debug, Clone, Deserialize)]
pub struct Inbound {
    /// The topic.
    pub topic: String,
    /// Longest value in bytes; the broker has a limit of its own. A longer message goes to `claim_check.write`, and where
    /// there is none it stays at MESH.
    #[serde(default = "inbound_body_default")]
    pub body_max: Size,
    /// Present: each message and the mark that it was delivered are one transaction.
    pub transaction: Option<Transaction>,
}

/// Delivery exactly once, for readers with `isolation.level=read_committed`.
#[derive(Debug, Clone, Deserialize)]
pub struct Transaction {
    /// The topic of marks: compacted, and kept for 35 days at least.
    #[serde(default = "seen_default")]
    pub seen: String,
    /// By this name a successor stops its predecessor. Absent: `mesh-relay-` and the mailbox. Two installations on one
    /// cluster that receive for mailboxes of the same name need two.
    pub id: Option<String>,
}

/// What becomes of messages for MESH.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The topic.
    pub topic: String,
    /// A compacted topic with the last state of each message, too.
    pub latest: Option<String>,
    /// What the types of events begin with.
    #[serde(default = "types_default")]
    pub types: String,
}

fn parked_default() -> String {
    "mesh.outbound.dlq".to_owned()
}

fn group_default() -> String {
    "mesh-relay".to_owned()
}

fn in_work_default() -> u32 {
    64
}

fn in_work_bytes_default() -> Size {
    Size::of_bytes(64 * 1024 * 1024)
}

fn gap_default() -> u32 {
    1000
}

fn outbound_body_default() -> Size {
    Size::of_bytes(16 * 1024 * 1024)
}

/// What brokers take unless told otherwise, with room for headers (3.6).
fn inbound_body_default() -> Size {
    Size::of_bytes(900_000)
}

fn seen_default() -> String {
    "mesh.inbound.seen".to_owned()
}

fn types_default() -> String {
    "mesh-relay".to_owned()
}

/// Longest name of a topic in bytes, as brokers have it.
const TOPIC_MAX: usize = 249;
/// Longest value in bytes that can be configured, which is as long as one that is published may be: the library queues no
/// more than it has room for.
pub(crate) const BODY_MAX: u64 = 50_000_000;
/// Settings of the client that promises rest on, or that have a key of their own; with the other names that the library has
/// for them.
const KEPT: [&str; 27] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "enable.ssl.certificate.verification",
    "group.id",
    "group.protocol",
    "isolation.level",
    "max.poll.interval.ms",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "queue.buffering.max.ms",
    "request.required.acks",
    "security.protocol",
    "transaction.timeout.ms",
    "transactional.id",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.random.seed",
    "enable.gapless.guarantee",
    "ssl.endpoint.identification.algorithm",
];
/// What settings begin with that are kept, too: a topic's go round the others, plug-ins are programs, brokers for tests keep
/// nothing, and secrets have no place in a configuration.
const KEPT_BEGINNINGS: [&str; 5] = ["topic.", "plugin.", "test.", "sasl.", "ssl."];
/// Of those, what is free.
const FREE: [&str; 4] = ["ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list", "ssl.crl.location"];

impl Transaction {
    /// The transactional id for a mailbox.
    pub fn id(&self, mailbox: &MailboxId) -> String {
        self.id.clone().unwrap_or_else(|| format!("mesh-relay-{mailbox}"))
    }
}

impl Config {
    /// Makes relative paths begin at `folder`, which is the configuration's.
    pub fn found_from(&mut self, folder: &Path) {
        let tls = self.tls.iter_mut().flat_map(|tls| [&mut tls.roots, &mut tls.cert, &mut tls.key]);
        let token = self.login.iter_mut().map(|login| &mut login.token);
        for path in tls.chain(token).flatten() {
            *path = folder.join(&*path);
        }
        if let Some(claims) = &mut self.claim_check {
            claims.start_at(folder);
        }
    }

    /// Every topic, with the key that names it.
    pub(crate) fn topics(&self) -> Vec<(&'static str, &str)> {
        let outbound = self.outbound.as_ref().map(|outbound| ("outbound.topic", outbound.topic.as_str()));
        let inbound = self.inbound.as_ref().map(|inbound| ("inbound.topic", inbound.topic.as_str()));
        let transaction = self.inbound.as_ref().and_then(|inbound| inbound.transaction.as_ref());
        let status = self.status.as_ref().map(|status| ("status.topic", status.topic.as_str()));
        let latest = self.status.as_ref().and_then(|status| status.latest.as_deref());
        // Only what is taken from a topic can be parked.
        let parked = self.outbound.as_ref().map(|_| ("parked", self.parked.as_str()));
        [
            outbound,
            parked,
            inbound,
            transaction.map(|transaction| ("inbound.transaction.seen", transaction.seen.as_str())),
            status,
            latest.map(|latest| ("status.latest", latest)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether all brokers are on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let host = |broker: &str| {
            let broker = broker.trim();
            let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
            let host = host.rsplit_once("//").map_or(host, |(_, host)| host);
            host.trim_matches(['[', ']']).to_owned()
        };
        self.brokers.split(',').filter(|broker| !broker.trim().is_empty()).map(host).all(|host| {
            host.eq_ignore_ascii_case("localhost")
                || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        })
    }

    /// What is wrong with the values, with the key it concerns.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = self.topic_faults();
        if self.brokers.trim().is_empty() {
            faults.push(("brokers", "brokers must name one at least, as host:port".to_owned()));
        }
        if self.outbound.is_none() && self.inbound.is_none() {
            let what = "neither `outbound` nor `inbound` is there: nothing would be done";
            faults.push(("mailbox", what.to_owned()));
        }
        if self.status.is_some() && self.outbound.is_none() {
            let what = "`status` tells of what is taken from `outbound`, which is not there";
            faults.push(("status", what.to_owned()));
        }
        if let Some(outbound) = &self.outbound {
            for (key, value) in [("outbound.in_work", outbound.in_work), ("outbound.gap", outbound.gap)] {
                if value == 0 {
                    faults.push((key, format!("{key} must be 1 at least")));
                }
            }
            if outbound.in_work_bytes.bytes() == 0 {
                faults.push(("outbound.in_work_bytes", "outbound.in_work_bytes must not be 0".to_owned()));
            }
            if outbound.group.trim().is_empty() {
                faults.push(("outbound.group", "outbound.group must not be empty".to_owned()));
            }
        }
        let bodies = [
            self.outbound.as_ref().map(|outbound| ("outbound.body_max", outbound.body_max)),
            self.inbound.as_ref().map(|inbound| ("inbound.body_max", inbound.body_max)),
        ];
        for (key, size) in bodies.into_iter().flatten() {
            if !(1..=BODY_MAX).contains(&size.bytes()) {
                let what = format!(
                    "{key} must be 1 to {BODY_MAX} bytes; what is longer goes by reference (claim_check)"
                );
                faults.push((key, what));
            }
        }
        self.security_faults(&mut faults);
        faults.extend(self.claim_check.iter().flat_map(claim_check::Config::faults));
        let is_kept = |key: &str| {
            KEPT.contains(&key)
                || (KEPT_BEGINNINGS.iter().any(|beginning| key.starts_with(beginning))
                    && !FREE.contains(&key))
        };
        for key in self.client.keys().filter(|key| is_kept(key)) {
            let what = format!(
                "client: {key} is not to be set here: the relay's promises rest on it, or it has a key of its own"
            );
            faults.push(("client", what));
        }
        faults
    }

    fn topic_faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let topics = self.topics();
        for (at, (key, name)) in topics.iter().enumerate() {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || name.len() > TOPIC_MAX || !name.chars().all(allowed) {
                let what =
                    format!("{key} must be 1 to {TOPIC_MAX} letters, digits, dots, underscores and hyphens");
                faults.push((*key, what));
            }
            if let Some((other, _)) = topics[..at].iter().find(|(_, known)| known == name) {
                let what = format!(
                    "{key} is the same topic as {other}: what is written there would be read again, or mixed up; name \
                     another one"
                );
                faults.push((*key, what));
            }
        }
        faults
    }

    fn security_faults(&self, faults: &mut Vec<(&'static str, String)>) {
        if let Some(login) = &self.login {
            let is_token = login.mechanism == Mechanism::OauthBearer;
            let (needs, is_whole, has_other) = match is_token {
                true => (
                    "`token`, a file, and nothing else",
                    login.token.is_some(),
                    login.user.is_some() || login.password.is_some(),
                ),
                false => (
                    "`user` and `password`, and nothing else",
                    login.user.is_some() && login.password.is_some(),
                    login.token.is_some(),
                ),
            };
            let name = login.mechanism.as_str();
            if !is_whole || has_other {
                faults.push(("login", format!("{name} needs {needs}")));
            }
            // The library's administrator cannot be given a token.
            if is_token && self.declare {
                let what = "declare = true does not go with OAUTHBEARER; make the topics by other means";
                faults.push(("declare", what.to_owned()));
            }
            let is_open = matches!(login.mechanism, Mechanism::OauthBearer | Mechanism::Plain);
            if is_open && self.tls.is_none() && !self.is_local() {
                let what = format!("{name} would send its secret to other machines in clear text; set `tls`");
                faults.push(("login", what));
            }
        }
        if let Some(tls) = &self.tls {
            if tls.look.get().is_zero() {
                faults.push(("tls.look", "tls.look must be longer than nothing".to_owned()));
            }
            if tls.cert.is_some() != tls.key.is_some() {
                faults.push(("tls", "`cert` and `key` go together: give both or neither".to_owned()));
            }
            if tls.key_password.is_some() && tls.key.is_none() {
                faults.push(("tls", "`key_password` opens `key`, which is not there".to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let usual = "mailbox = \"X26ABC1\"\nbrokers = \"localhost:9092\"\n";
        let text = if text.starts_with("brokers") {
            format!("mailbox = \"X26ABC1\"\n{text}")
        } else {
            format!("{usual}{text}")
        };
        let config: Config = toml::from_str(&text).expect("a section");
        config.faults().into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn what_would_loop_lose_or_betray_is_refused() {
        let cases = [
            ("outbound = { topic = \"a\" }\nparked = \"a\"", "parked is the same topic as outbound.topic"),
            ("outbound = { topic = \"a\" }\nstatus = { topic = \"a\" }", "status.topic is the same topic"),
            (
                "outbound = { topic = \"a\" }\nstatus = { topic = \"b\", latest = \"b\" }",
                "status.latest is the same",
            ),
            ("outbound = { topic = \"a\" }\ninbound = { topic = \"a\" }", "inbound.topic is the same topic"),
            (
                "inbound = { topic = \"a\", transaction = { seen = \"a\" } }",
                "inbound.transaction.seen is the same",
            ),
            ("inbound = { topic = \"a\" }\nstatus = { topic = \"b\" }", "`status` tells of what is taken"),
            ("inbound = { topic = \"a b\" }", "inbound.topic must be 1 to 249"),
            ("inbound = { topic = \"a\", body_max = \"80MB\" }", "inbound.body_max must be 1 to 50000000"),
            ("outbound = { topic = \"a\", body_max = \"0B\" }", "outbound.body_max must be 1"),
            ("outbound = { topic = \"a\", gap = 0 }", "outbound.gap must be 1"),
            ("outbound = { topic = \"a\", group = \" \" }", "outbound.group must not be empty"),
            ("", "nothing would be done"),
            (
                "inbound = { topic = \"a\" }\ntls = { key_password = { env = \"A\" } }",
                "`key_password` opens `key`",
            ),
            ("inbound = { topic = \"a\" }\ntls = { cert = \"a\" }", "give both or neither"),
            (
                "inbound = { topic = \"a\" }\nlogin = { mechanism = \"SCRAM-SHA-256\", token = \"a\" }",
                "nothing else",
            ),
            (
                "brokers = \"k.example:9092\"\ninbound = { topic = \"a\" }\n\
                 login = { mechanism = \"OAUTHBEARER\", token = \"a\" }",
                "in clear text",
            ),
        ];
        for (text, says) in cases {
            let faults = faults(text);
            assert!(faults.iter().any(|fault| fault.contains(says)), "{text}: {faults:?}");
        }
    }

    #[test]
    fn settings_that_promises_rest_on_are_refused_under_each_of_their_names() {
        for key in [
            "topic.auto.offset.reset",
            "delivery.timeout.ms",
            "delivery.report.only.error",
            "transaction.timeout.ms",
            "test.mock.num.brokers",
            "plugin.library.paths",
            "enable.ssl.certificate.verification",
            "ssl.key.pem",
            "sasl.oauthbearer.client.secret",
            "acks",
        ] {
            let faults = faults(&format!("inbound = {{ topic = \"a\" }}\nclient = {{ \"{key}\" = \"1\" }}"));
            assert!(faults.iter().any(|fault| fault.contains(key)), "{key}: {faults:?}");
        }
        for key in ["group.instance.id", "compression.type", "session.timeout.ms", "ssl.cipher.suites"] {
            let text = format!("inbound = {{ topic = \"a\" }}\nclient = {{ \"{key}\" = \"1\" }}");
            assert_eq!(faults(&text), [""; 0], "{key}");
        }
    }

    #[test]
    fn the_own_machine_is_known_by_its_names() {
        let local = |brokers: &str| {
            let config: Config =
                toml::from_str(&format!("mailbox = \"X26ABC1\"\nbrokers = \"{brokers}\"")).expect("it");
            config.is_local()
        };
        assert!(local("localhost:9092,127.0.0.1:9093, [::1]:9094,") && local("SASL_SSL://localhost:1"));
        assert!(!local("localhost:9092,kafka:9092") && !local("10.0.0.1:9092"));
    }
}
