//! What an `[[adapter]]` of kind `amqp` may say.

use relay_config::{SecretRef, Size};
use relay_core::MailboxId;
use serde::Deserialize;

/// One mailbox's queues.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The mailbox that sends what is in the queue and whose messages go to the exchange.
    pub mailbox: MailboxId,
    /// Where the broker is: one URL or several, separated by white space; the next one is tried where one does not
    /// answer.
    pub url: SecretRef,
    /// Messages for MESH. Absent: none are taken.
    pub outbound: Option<Outbound>,
    /// Messages from MESH. Absent: they are left to others.
    pub inbound: Option<Inbound>,
    /// What becomes of the messages for MESH. Absent: nobody is told.
    pub status: Option<Status>,
    /// The exchange for messages that can never be sent. It must lead to a queue.
    #[serde(default = "parked_default")]
    pub parked: String,
    /// Payloads by reference. Absent: none are taken, and all are carried.
    pub claim_check: Option<claim_check::Config>,
    /// Whether missing exchanges and queues are made, for development and small sites; otherwise they are named.
    #[serde(default)]
    pub declare: bool,
}

/// Messages for MESH.
#[derive(Debug, Clone, Deserialize)]
pub struct Outbound {
    /// The queue.
    pub queue: String,
    /// Messages of it in work at a time. Each is in memory, whole.
    #[serde(default = "prefetch_default")]
    pub prefetch: u16,
    /// Longest body in bytes. A longer one is parked.
    #[serde(default = "body_max_default")]
    pub body_max: Size,
}

/// Messages from MESH.
#[derive(Debug, Clone, Deserialize)]
pub struct Inbound {
    /// The exchange.
    pub exchange: String,
    /// Longest body in bytes; the broker has a limit of its own. A longer message stays at MESH.
    #[serde(default = "body_max_default")]
    pub body_max: Size,
}

/// What becomes of messages for MESH.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The exchange.
    pub exchange: String,
    /// Queues that a message may name in `reply_to`, to be told as well. Others are not.
    #[serde(default)]
    pub reply_to: Vec<String>,
    /// What the types of events begin with.
    #[serde(default = "types_default")]
    pub types: String,
}

fn parked_default() -> String {
    "mesh.parked".to_owned()
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

impl Config {
    /// What is wrong with the values, with the key it concerns.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let names = [
            ("outbound.queue", self.outbound.as_ref().map(|outbound| &outbound.queue)),
            ("inbound.exchange", self.inbound.as_ref().map(|inbound| &inbound.exchange)),
            ("status.exchange", self.status.as_ref().map(|status| &status.exchange)),
            ("parked", Some(&self.parked)),
        ];
        let mut faults: Vec<(&'static str, String)> = names
            .into_iter()
            .filter(|(_, name)| name.is_some_and(|name| name.is_empty() || name.len() > NAME_MAX))
            .map(|(key, _)| (key, format!("{key} must be a name of 1 to {NAME_MAX} bytes")))
            .collect();
        if self.outbound.as_ref().is_some_and(|outbound| outbound.prefetch == 0) {
            faults.push(("outbound.prefetch", "outbound.prefetch must be 1 at least".to_owned()));
        }
        if self.outbound.is_none() && self.inbound.is_none() {
            faults.push((
                "mailbox",
                "neither `outbound` nor `inbound` is there: nothing would be done".to_owned(),
            ));
        }
        faults.extend(self.claim_check.iter().flat_map(claim_check::Config::faults));
        faults
    }
}
