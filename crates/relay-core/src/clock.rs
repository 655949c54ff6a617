//! Time and chance, which come in from outside.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// Wall-clock time. Waiting is done with tokio's timers, which a test can pause.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Randomness.
pub trait Chance: Send + Sync {
    /// A new id for a message first seen at `now`.
    fn relay_id(&self, now: Timestamp) -> RelayId;

    /// A duration from zero to `up_to`, evenly spread.
    fn jitter(&self, up_to: Duration) -> Duration;
}

/// The relay's own id of a message: a UUIDv7, one per message seen, on every log line about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(pub Uuid);

impl fmt::Display for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayId({})", self.0)
    }
}
