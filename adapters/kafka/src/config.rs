//! What an `[[adapter]]` of kind `kafka` may say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use relay_config::{ClearText, Interval, SecretRef, Size};
use relay_core::MailboxId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One mailbox's topics.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// The mailbox that sends what is in the outbound topic and whose messages go to the inbound one.
    #[schemars(with = "String")]
    pub mailbox: MailboxId,
    /// Where the brokers are: `host:port`, several separated by commas. One that answers tells of the others.
    pub brokers: String,
    /// Present: connections are encrypted.
    pub tls: Option<Tls>,
    /// Whether brokers on other machines may be reached without `tls`.
    pub clear_text: Option<ClearText>,
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// By themselves, and only what moves is taken away (cooperative-sticky).
    #[default]
    Classic,
    /// The broker does (KIP-848); brokers have it from 4.0.
    Consumer,
}

/// Which records go one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Those with the same `mesh_order_key`.
    #[default]
    None,
    /// Those with the same key, too.
    Key,
}

/// Messages for MESH.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Transaction {
    /// The topic of marks: compacted, and kept for 35 days at least.
    #[serde(default = "seen_default")]
    pub seen: String,
    /// By this name a successor stops its predecessor. Absent: `mesh-relay-` and the mailbox. Two installations on one
    /// cluster that receive for mailboxes of the same name need two.
    pub id: Option<String>,
}

/// What becomes of messages for MESH.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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

/// Longest value in bytes that can be configured, which is as long as one that is published may be: the library queues no
/// more than it has room for.
pub(crate) const BODY_MAX: u64 = 50_000_000;
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

    /// Whether every message would go to brokers in clear text over a network.
    pub fn is_in_clear_text(&self) -> bool {
        self.tls.is_none() && !self.is_local()
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
}
