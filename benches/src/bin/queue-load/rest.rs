//! Waiting until processes have done what they had to.

use std::time::{Duration, Instant};

use mesh_relay_benches::usage::CpuTime;
use tokio::time::sleep;

/// How long they are watched at a time.
const WATCH: Duration = Duration::from_millis(100);
/// What all of them may use in that time: what an idle broker's timers need. Those of Kafka need some 1 ms, and twice a
/// second up to 3 ms, or 10 ms as long as its program is new; the pauses between those are long enough.
const IDLE: Duration = Duration::from_millis(4);
/// How often in a row they must have been idle: on a busy machine one that waits for the disk looks so for a while.
const IDLE_TIMES: u32 = 3;
/// Longest wait.
const REST_WAIT: Duration = Duration::from_secs(120);

/// Waits until the processes use next to no processor time. There is no event for it: a broker, for one, goes on with
/// its files after the last answer.
pub(crate) async fn until(processes: &[u32]) {
    let began = Instant::now();
    let counts = || -> Vec<CpuTime> { processes.iter().map(|id| CpuTime::now(*id)).collect() };
    let mut before = counts();
    let mut idle = 0;
    while idle < IDLE_TIMES {
        sleep(WATCH).await;
        let now = counts();
        let used: Duration = now.iter().zip(&before).map(|(now, before)| now.whole_since(*before)).sum();
        idle = if used <= IDLE { idle + 1 } else { 0 };
        assert!(began.elapsed() < REST_WAIT, "broker, server or relay still busy after {REST_WAIT:?}");
        before = now;
    }
}
