//! What a process that has nothing to do holds and uses.

use std::fs;
use std::time::Duration;

use mesh_relay_benches::usage::CpuTime;
use serde::Serialize;
use tokio::process::Child;
use tokio::time::sleep;

/// From the start until what a start needs is over: the first looks, connections, the allocator's first tidying.
const SETTLED: Duration = Duration::from_secs(15);
/// How long it is looked at then.
const LOOK: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Serialize)]
pub(crate) struct Idle {
    /// Seconds between two looks at an inbox.
    pub(crate) poll: u64,
    /// Memory that it has, in KiB; what it shares with others counts whole.
    pub(crate) rss_kib: u64,
    /// The same; what it shares counts by its share.
    pub(crate) pss_kib: u64,
    /// What is no file's: heap and stacks.
    pub(crate) anonymous_kib: u64,
    pub(crate) threads: u64,
    /// Share of one core, in per cent.
    pub(crate) cpu: f64,
}

impl Idle {
    /// Looks at a relay that was just started.
    pub(crate) async fn of(relay: &Child, poll: Duration) -> Self {
        let id = relay.id().expect("the relay runs");
        // Time itself is what is measured against.
        sleep(SETTLED).await;
        let before = CpuTime::now(id);
        sleep(LOOK).await;
        let used = CpuTime::now(id).whole_since(before);
        let rollup = read(id, "smaps_rollup");
        Self {
            poll: poll.as_secs(),
            rss_kib: number(&rollup, "Rss:"),
            pss_kib: number(&rollup, "Pss:"),
            anonymous_kib: number(&rollup, "Anonymous:"),
            threads: number(&read(id, "status"), "Threads:"),
            cpu: used.as_secs_f64() / LOOK.as_secs_f64() * 100.0,
        }
    }
}

fn read(id: u32, name: &str) -> String {
    fs::read_to_string(format!("/proc/{id}/{name}")).expect("the relay in /proc")
}

fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a line of it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
