//! How often, how many, how long: every bound of the engine, by name.

use std::fmt;
use std::time::Duration;

use mesh_api::Envelope;
use mesh_api::chunk::CHUNK_BYTES_DEFAULT;
use mesh_api::path::WorkflowFilter;
use serde::{Deserialize, Serialize};

use crate::clock::Chance;
use crate::pace::Rate;

/// What is done about a message of which nobody knows whether MESH has it (`queue-bridging.md` 4.3 and 4.4). Whatever
/// it is, a message that MESH is found to have is never sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoubtStrategy {
    /// MESH is asked by local id. What it does not have is sent again, marked; where it cannot be asked, a person
    /// decides.
    #[default]
    Probe,
    /// A message that may be chunked is cut in two at least, so that a lost answer leaves no doubt; any other is probed.
    TwoStep,
    /// As `Probe`, but where MESH cannot be asked, the message is sent again once, marked.
    Resend,
    /// MESH is asked, and a person decides unless it has the message.
    Park,
}

/// A text that a route asks for: the whole of it, or its beginning when it ends in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern as it is configured.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it stands for `text`. Case counts, as it does at MESH.
    pub fn matches(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => text.starts_with(beginning),
            None => self.0 == text,
        }
    }

    /// Whether it stands for everything that `other` stands for.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.0.strip_suffix('*'), other.0.strip_suffix('*')) {
            (Some(beginning), other_beginning) => other_beginning.unwrap_or(&other.0).starts_with(beginning),
            (None, None) => self.0 == other.0,
            (None, Some(_)) => false,
        }
    }
}

/// The pattern as it is configured.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How some messages are sent. A pattern that is absent stands for any value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendRoute {
    /// The sending mailbox.
    pub from: Option<Pattern>,
    /// The recipient: a mailbox id, or what is shown of an automatic address.
    pub to: Option<Pattern>,
    /// The workflow id.
    pub workflow: Option<Pattern>,
    /// What is done in doubt.
    pub in_doubt: DoubtStrategy,
}

impl SendRoute {
    /// What of a message does not fit, if anything: `from`, `to` or `workflow`.
    pub fn misfit(&self, envelope: &Envelope) -> Option<&'static str> {
        let fits = |pattern: &Option<Pattern>, text: &str| pattern.as_ref().is_none_or(|p| p.matches(text));
        if !fits(&self.from, envelope.from.as_str()) {
            Some("from")
        } else if !fits(&self.to, &envelope.to.to_string()) {
            Some("to")
        } else if !fits(&self.workflow, &envelope.workflow.to_string()) {
            Some("workflow")
        } else {
            None
        }
    }
}

/// Bounds of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendPolicy {
    /// Messages of one mailbox on their way to MESH at a time.
    pub in_flight_max: u32,
    /// Bytes of one mailbox on their way at a time. A single larger message passes alone.
    pub in_flight_bytes_max: u64,
    /// How fast messages of one mailbox may go; absent: as fast as they can.
    pub rate: Option<Rate>,
    /// How fast messages of one mailbox may go to one recipient; absent: as fast as they can.
    pub recipient_rate: Option<Rate>,
    /// Chunk size in bytes, before compression.
    pub chunk_bytes: u64,
    /// What is done in doubt where no route says otherwise.
    pub in_doubt: DoubtStrategy,
    /// Ways for some messages; the first that takes a message holds for it.
    pub routes: Vec<SendRoute>,
    /// Wait after the first attempt that certainly failed; doubles from there.
    pub retry_first: Duration,
    /// Longest wait between attempts.
    pub retry_max: Duration,
    /// A message not accepted this long after it was first seen expires.
    pub give_up_after: Duration,
    /// Times one chunk is posted before the upload is set aside until later.
    pub chunk_attempts_max: u32,
    /// Wait before MESH is asked about a doubtful attempt, so that a slow server can finish.
    pub doubt_wait: Duration,
    /// Times MESH must say that it knows nothing before that is believed.
    pub doubt_probes: u32,
    /// A doubt that is not resolved by then is parked.
    pub doubt_max: Duration,
}

impl Default for SendPolicy {
    fn default() -> Self {
        Self {
            in_flight_max: 16,
            in_flight_bytes_max: 256_000_000,
            rate: None,
            recipient_rate: None,
            chunk_bytes: CHUNK_BYTES_DEFAULT,
            in_doubt: DoubtStrategy::default(),
            routes: Vec::new(),
            retry_first: Duration::from_secs(30),
            retry_max: Duration::from_secs(30 * 60),
            give_up_after: Duration::from_secs(72 * 60 * 60),
            chunk_attempts_max: 3,
            doubt_wait: Duration::from_secs(120),
            doubt_probes: 2,
            doubt_max: Duration::from_secs(600),
        }
    }
}

impl SendPolicy {
    /// What is done in doubt about such a message.
    pub fn in_doubt(&self, envelope: &Envelope) -> DoubtStrategy {
        self.route(envelope).map_or(self.in_doubt, |index| self.routes[index].in_doubt)
    }

    /// Which route holds for such a message, from 0, if one does.
    pub fn route(&self, envelope: &Envelope) -> Option<usize> {
        self.routes.iter().position(|route| route.misfit(envelope).is_none())
    }
}

/// What happens to a message of a workflow that is not among the known ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownWorkflow {
    /// It is delivered like any other, after those that are known.
    #[default]
    Deliver,
    /// It stays at MESH, and is recorded as listed. MESH reports it to its sender when it expires.
    Leave,
}

/// Bounds of receiving.
#[derive(Debug, Clone)]
pub struct ReceivePolicy {
    /// Pause between two looks at the inbox, whichever instance makes them.
    pub poll_every: Duration,
    /// Pause between two handshakes; MESH wants one each 24 hours.
    pub handshake_every: Duration,
    /// Messages of one mailbox downloaded at a time.
    pub downloads_max: usize,
    /// Wait after the first failed delivery of a message; doubles from there.
    pub retry_first: Duration,
    /// Longest wait between deliveries of a message.
    pub retry_max: Duration,
    /// The workflows that are expected. When much waits, each has its turn, and all others come after them. Empty:
    /// there is no difference.
    pub workflows: Vec<WorkflowFilter>,
    /// What happens to messages of any other workflow. Reports are always taken.
    pub unknown: UnknownWorkflow,
    /// From how many waiting messages on each workflow is listed by itself.
    pub fair_above: usize,
    /// Messages of other workflows tried before the inbox is listed again.
    pub strangers_max: usize,
    /// Whether MESH is asked if sent messages were collected.
    pub track: bool,
}

impl ReceivePolicy {
    /// Whether messages of a workflow are expected here.
    pub fn knows(&self, workflow: &str) -> bool {
        self.workflows.is_empty() || self.workflows.iter().any(|filter| filter.keeps(workflow))
    }
}

impl Default for ReceivePolicy {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_secs(300),
            handshake_every: Duration::from_secs(24 * 60 * 60),
            downloads_max: 4,
            retry_first: Duration::from_secs(10),
            retry_max: Duration::from_secs(30 * 60),
            workflows: Vec::new(),
            unknown: UnknownWorkflow::default(),
            fair_above: 100,
            strangers_max: 500,
            track: true,
        }
    }
}

/// The wait after `attempt` failures (from 1): `first` doubled each time up to `max`, of which the second half
/// is left to chance so that many messages do not come back at once.
pub fn backoff(attempt: u32, first: Duration, max: Duration, chance: &dyn Chance) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let full = first.saturating_mul(1_u32 << doublings).min(max);
    full / 2 + chance.jitter(full / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RelayId;
    use jiff::Timestamp;
    use uuid::Uuid;

    struct Most;
    impl Chance for Most {
        fn relay_id(&self, _: Timestamp) -> RelayId {
            RelayId(Uuid::nil())
        }
        fn jitter(&self, up_to: Duration) -> Duration {
            up_to
        }
    }

    #[test]
    fn waits_double_up_to_the_bound() {
        let waits: Vec<u64> = [1, 2, 3, 4, 40]
            .map(|n| backoff(n, Duration::from_secs(30), Duration::from_secs(200), &Most).as_secs())
            .to_vec();
        assert_eq!(waits, [30, 60, 120, 200, 200]);
    }
}
