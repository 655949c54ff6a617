//! What an `[[adapter]]` of kind `kafka` may say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use relay_config::{SecretRef, Size};
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
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Tls {
    /// PEM file of the authorities to trust. Absent: those of the system.
    pub roots: Option<PathBuf>,
    /// PEM file of the relay's own certificate, with those above it.
    pub cert: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// What opens the key.
    pub key_password: Option<SecretRef>,
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
/// Settings of the client that promises rest on, or that have a key of their own.
const KEPT: [&str; 21] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.key.password",
    "transactional.id",
];

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

    /// What is wrong with the values, with the key it concerns.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        for (key, name) in self.topics() {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || name.len() > TOPIC_MAX || !name.chars().all(allowed) {
                let what =
                    format!("{key} must be 1 to {TOPIC_MAX} letters, digits, dots, underscores and hyphens");
                faults.push((key, what));
            }
        }
        if self.brokers.trim().is_empty() {
            faults.push(("brokers", "brokers must name one at least, as host:port".to_owned()));
        }
        if let Some(outbound) = &self.outbound {
            for (key, value) in [("outbound.in_work", outbound.in_work), ("outbound.gap", outbound.gap)] {
                if value == 0 {
                    faults.push((key, format!("{key} must be 1 at least")));
                }
            }
            if outbound.group.trim().is_empty() {
                faults.push(("outbound.group", "outbound.group must not be empty".to_owned()));
            }
        }
        if self.outbound.is_none() && self.inbound.is_none() {
            let what = "neither `outbound` nor `inbound` is there: nothing would be done";
            faults.push(("mailbox", what.to_owned()));
        }
        if let Some(login) = &self.login {
            let is_token = login.mechanism == Mechanism::OauthBearer;
            let needs = if is_token { "`token`, a file" } else { "`user` and `password`" };
            let is_whole = if is_token {
                login.token.is_some()
            } else {
                login.user.is_some() && login.password.is_some()
            };
            if !is_whole {
                faults.push(("login", format!("{} needs {needs}", login.mechanism.as_str())));
            }
            // The library's administrator cannot be given a token.
            if is_token && self.declare {
                let what = "declare = true does not go with OAUTHBEARER; make the topics by other means";
                faults.push(("declare", what.to_owned()));
            }
        }
        if let Some(tls) = &self.tls
            && tls.cert.is_some() != tls.key.is_some()
        {
            faults.push(("tls", "`cert` and `key` go together: give both or neither".to_owned()));
        }
        faults.extend(self.claim_check.iter().flat_map(claim_check::Config::faults));
        for key in self.client.keys().filter(|key| KEPT.contains(&key.as_str())) {
            let what = format!(
                "client: {key} is not to be set here: the relay's promises rest on it, or it has a key of its own"
            );
            faults.push(("client", what));
        }
        faults
    }
}
