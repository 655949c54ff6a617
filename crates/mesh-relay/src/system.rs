//! The system's clock and randomness.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;
use relay_core::{Chance, Clock, RelayId};
use uuid::{NoContext, Uuid};

/// The one place where the relay reads the system's clock.
#[expect(clippy::disallowed_methods, reason = "everything else takes its time from here")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

/// The system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn relay_id(&self, now: Timestamp) -> RelayId {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        RelayId(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds)))
    }

    fn jitter(&self, up_to: Duration) -> Duration {
        if up_to.is_zero() { Duration::ZERO } else { rand::rng().random_range(Duration::ZERO..=up_to) }
    }
}

/// What people call this machine.
pub fn host_name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    if name.is_empty() { "this machine".to_owned() } else { name }
}

/// Under which name deeds of this process's account are recorded.
pub fn account() -> String {
    #[cfg(unix)]
    let account = format!("account {}", rustix::process::getuid().as_raw());
    #[cfg(not(unix))]
    let account = std::env::var("USERNAME").unwrap_or_default();
    format!("(command line, {account})")
}
