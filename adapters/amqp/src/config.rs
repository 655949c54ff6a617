//! What an `[[adapter]]` of kind `amqp` may say.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use relay_config::{ClearText, IdentityEntries, Interval, SecretRef, Size};
use relay_core::MailboxId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// One mailbox's queues.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// The mailbox that sends what is in the queues and whose messages go to the exchange.
    #[schemars(with = "String")]
    pub mailbox: MailboxId,
    /// Where the broker is: one URL or several, separated by white space; another one is tried where one does not
    /// answer.
    pub url: SecretRef,
    /// Whose certificates to trust at an `amqps` broker: PEM, PKCS#12 or a Java keystore without a password. Nobody else is
    /// trusted; for a public authority that is the system's own list, such as `/etc/ssl/certs/ca-certificates.crt`.
    pub roots: Option<PathBuf>,
    /// The certificate to show at an `amqps` broker, in the forms that `[mesh]` takes. It is read again when its files
    /// change. With `?auth_mechanism=external` in the URL it is the login as well.
    pub identity: Option<IdentityEntries>,
    /// Whether a broker on another machine may be reached by `amqp`, without TLS.
    pub clear_text: Option<ClearText>,
    /// Pause between two looks whether the files of the certificate changed.
    #[serde(default = "identity_look_default")]
    pub identity_look: Interval,
    /// Messages for MESH. Absent: none are taken.
    pub outbound: Option<Outbound>,
    /// Messages from MESH. Absent: they are left to others.
    pub inbound: Option<Inbound>,
    /// What becomes of the messages for MESH. Absent: nobody is told.
    pub status: Option<Status>,
    /// The exchange for messages that can never be sent. It must lead to a queue.
    #[serde(default = "parked_default")]
    pub parked: String,
    /// The exchange that takes what no queue of another one takes, with a queue of its name: an alternate exchange. Used
    /// where exchanges are made; on those that are there it is the broker's administrator's to set.
    #[serde(default = "unrouted_default")]
    pub unrouted: String,
    /// Payloads by reference. Absent: none are taken, and all are carried.
    pub claim_check: Option<claim_check::Config>,
    /// Whether missing exchanges and queues are made, for development and small sites; otherwise they are named.
    #[serde(default)]
    pub declare: bool,
}

/// Messages for MESH.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Outbound {
    /// The queue, or several.
    pub queue: Queues,
    /// Messages of each queue in work at a time. Each is in memory, whole, however long the broker lets it be.
    #[serde(default = "prefetch_default")]
    pub prefetch: u16,
    /// Longest body in bytes. A longer one is parked.
    #[serde(default = "body_max_default")]
    pub body_max: Size,
}

/// The name of a queue, or several in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues(pub Vec<String>);

impl JsonSchema for Queues {
    fn schema_name() -> Cow<'static, str> {
        "queues".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": QUEUES_MAX }
            ],
            "examples": ["mesh.outbound"]
        })
    }
}

impl<'de> Deserialize<'de> for Queues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrSeveral)
    }
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Queues;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a queue, or a list of names")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Queues, E> {
        Ok(Queues(vec![name.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Queues, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(names)).map(Queues)
    }
}

/// Messages from MESH.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Inbound {
    /// The exchange.
    pub exchange: String,
    /// A queue that gets all of them. Looked for with the exchange; with `declare`, made and bound to all of it. Absent: which queues are
    /// bound is nobody's business here.
    pub queue: Option<String>,
    /// Longest body in bytes; the broker has a limit of its own. A longer message stays at MESH.
    #[serde(default = "body_max_default")]
    pub body_max: Size,
}

/// What becomes of messages for MESH.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Status {
    /// The exchange.
    pub exchange: String,
    /// As `inbound.queue`.
    pub queue: Option<String>,
    /// Queues that a message may name in `reply_to`, to be told as well. Others are not.
    #[serde(default)]
    pub reply_to: Vec<String>,
    /// What the types of events begin with.
    #[serde(default = "types_default")]
    pub types: String,
}

/// Short beside the days that a change of certificates has time for.
fn identity_look_default() -> Interval {
    Interval::of(Duration::from_secs(60))
}

fn parked_default() -> String {
    "mesh.parked".to_owned()
}

fn unrouted_default() -> String {
    "mesh.unrouted".to_owned()
}

fn prefetch_default() -> u16 {
    16
}

/// What RabbitMQ 4 takes unless told otherwise (2.9).
fn body_max_default() -> Size {
    Size::of_bytes(16 * 1024 * 1024)
}

fn types_default() -> String {
    "mesh-relay".to_owned()
}

/// Longest name of an exchange or a queue in bytes.
const NAME_MAX: usize = 255;
/// Most queues of one adapter. Each has a connection of its own.
const QUEUES_MAX: usize = 64;

impl Config {
    /// What is wrong with the values: the key it concerns, what is wrong, and what to do.
    pub fn faults(&self) -> Vec<(&'static str, String, String)> {
        let (inbound, status) = (self.inbound.as_ref(), self.status.as_ref());
        let mut names = vec![("parked", &self.parked), ("unrouted", &self.unrouted)];
        let queues = self.outbound.as_ref().map_or(&[][..], |outbound| &outbound.queue.0);
        names.extend(queues.iter().map(|queue| ("outbound.queue", queue)));
        names.extend(inbound.map(|inbound| ("inbound.exchange", &inbound.exchange)));
        names.extend(inbound.and_then(|inbound| Some(("inbound.queue", inbound.queue.as_ref()?))));
        names.extend(status.map(|status| ("status.exchange", &status.exchange)));
        names.extend(status.and_then(|status| Some(("status.queue", status.queue.as_ref()?))));
        let replies = status.map_or(&[][..], |status| &status.reply_to);
        names.extend(replies.iter().map(|queue| ("status.reply_to", queue)));
        let mut faults: Vec<(&'static str, String, String)> = names
            .into_iter()
            .filter(|(_, name)| name.is_empty() || name.len() > NAME_MAX)
            .map(|(key, _)| {
                let what = format!("{key} must be a name of 1 to {NAME_MAX} bytes");
                (key, what, "give the name as the broker has it, such as \"mesh.outbound\"".to_owned())
            })
            .collect();
        let mut fault = |key, what: String, hint: &str| faults.push((key, what, hint.to_owned()));
        if let Some(outbound) = &self.outbound {
            if outbound.prefetch == 0 {
                let what = "outbound.prefetch must be 1 at least".to_owned();
                fault("outbound.prefetch", what, "leave it out for the default of 16");
            }
            if queues.is_empty() || queues.len() > QUEUES_MAX {
                let what = format!("outbound.queue must name 1 to {QUEUES_MAX} queues");
                fault(
                    "outbound.queue",
                    what,
                    "such as queue = \"mesh.outbound\"; further queues need another adapter",
                );
            }
            if let Some((_, twice)) =
                queues.iter().enumerate().find(|(index, queue)| queues[..*index].contains(queue))
            {
                let what = format!("outbound.queue names {twice} twice");
                fault("outbound.queue", what, "name each queue once");
            }
        }
        // What is published there would come back, for ever.
        let ours = [
            ("parked", Some(&self.parked)),
            ("unrouted", Some(&self.unrouted)),
            ("inbound.queue", inbound.and_then(|inbound| inbound.queue.as_ref())),
            ("status.queue", status.and_then(|status| status.queue.as_ref())),
        ];
        for (key, name) in ours {
            if let Some(name) = name.filter(|name| queues.contains(name)) {
                let what = format!("{key} names {name}, which is a queue of messages for MESH");
                fault(
                    key,
                    what,
                    "name another one: what is published there would be sent to MESH again, for ever",
                );
            }
        }
        if self.outbound.is_none() && status.is_some() {
            let what = "`status` tells of messages for MESH, and there is no `outbound`".to_owned();
            fault("status", what, "add outbound = { queue = \"mesh.outbound\" }, or leave `status` out");
        }
        if self.identity_look.get().is_zero() {
            let what = "identity_look must be longer than nothing".to_owned();
            fault("identity_look", what, "leave it out for the default of 60 s");
        }
        if self.outbound.is_none() && self.inbound.is_none() {
            let what = "neither `outbound` nor `inbound` is there: nothing would be done".to_owned();
            fault(
                "mailbox",
                what,
                "add outbound = { queue = \"mesh.outbound\" } or inbound = { exchange = \"mesh.inbound\" }",
            );
        }
        faults.extend(self.claim_check.iter().flat_map(claim_check::Config::faults));
        faults
    }
}
