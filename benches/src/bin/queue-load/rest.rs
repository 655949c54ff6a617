//! Waiting until processes have done what they had to.

use std::time::{Duration, Instant};

use mesh_relay_benches::usage::CpuTime;
use tokio::time::sleep;

/// How long they are watched at a time.
const WATCH: Duration = Duration::from_millis(100);
/// What all of them may use in that time: what an idle broker's timers need.
const IDLE: Duration = Duration::from_millis(4);
/// Longest wait.
const REST_WAIT: Duration = Duration::from_secs(120);

/// Waits until the processes use next to no processor time. There is no event for it: a broker, for one, goes on with
/// its files after the last answer.
pub(crate) async fn until(processes: &[u32]) {
    let began = Instant::now();
    let counts = || -> Vec<CpuTime> { processes.iter().map(|id| CpuTime::now(*id)).collect() };
    let mut before = counts();
    loop {
        sleep(WATCH).await;
        let now = counts();
        let used: Duration = now.iter().zip(&before).map(|(now, before)| now.whole_since(*before)).sum();
        if used <= IDLE {
            return;
        }
        assert!(began.elapsed() < REST_WAIT, "broker, server or relay still busy after {REST_WAIT:?}");
        before = now;
    }
}
