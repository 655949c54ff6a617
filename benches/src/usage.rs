//! What a process has used so far, as the kernel counts it (`proc(5)`).

use std::fs;
use std::time::{Duration, Instant};

/// What one tick of `/proc/PID/stat` stands for. Linux tells user space 100 a second on every machine.
const TICK: Duration = Duration::from_millis(10);

/// How far the two counts of processor time may lie apart over one interval: each of the four counts of ticks read
/// (user and system, before and after) is rounded.
const TOLERANCE: Duration = Duration::from_millis(40);

/// Longest wait for a process that has nothing to do to fall asleep.
const ASLEEP_WAIT: Duration = Duration::from_secs(5);

/// Processor time of a process at one moment, counted twice.
#[derive(Clone, Copy)]
pub struct CpuTime {
    /// Nanoseconds, summed over the threads that live now.
    threads: Duration,
    /// Whole ticks, including threads that have ended.
    process: Duration,
}

impl CpuTime {
    /// Reads both counts of process `id`, which has nothing to do, once all its threads sleep: the kernel adds to
    /// the count of a running thread only now and then, milliseconds late.
    pub async fn of(id: u32) -> Self {
        let started = Instant::now();
        while !sleeps(id) {
            assert!(started.elapsed() < ASLEEP_WAIT, "the server is still busy after {ASLEEP_WAIT:?}");
            // There is no event to wait for; this asks again.
            tokio::task::yield_now().await;
        }
        Self { threads: of_threads(id), process: of_process(id) }
    }

    /// Reads both counts of process `id` now, whatever it does: what runs at this moment is counted milliseconds late.
    pub fn now(id: u32) -> Self {
        Self { threads: of_threads(id), process: of_process(id) }
    }

    /// Nothing used: what a process begins with.
    pub const NONE: Self = Self { threads: Duration::ZERO, process: Duration::ZERO };

    /// What was used since `earlier`, by the count in nanoseconds where it agrees with the one in ticks. Where it does
    /// not, a thread has ended on the way, and the ticks, which are whole, are told.
    pub fn whole_since(self, earlier: Self) -> Duration {
        let used = self.threads.saturating_sub(earlier.threads);
        let check = self.process.saturating_sub(earlier.process);
        if used.abs_diff(check) <= TOLERANCE { used } else { check }
    }

    /// What was used since `earlier`. It comes from the count in nanoseconds, because a fast server uses few
    /// ticks; the count in ticks shows that no thread took its share of it to the grave.
    pub fn since(self, earlier: Self) -> Duration {
        let used = self.threads.saturating_sub(earlier.threads);
        let check = self.process.saturating_sub(earlier.process);
        assert!(
            used.abs_diff(check) <= TOLERANCE,
            "processor time is {used:?} by threads and {check:?} by process: a thread of the server ended on \
             the way, so the figure would be wrong"
        );
        used
    }
}

/// What a file of each thread says. A thread may end between listing and reading; the count in ticks still has it.
fn threads(id: u32, file: &str) -> impl Iterator<Item = String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("the server's threads in /proc");
    tasks.filter_map(move |task| fs::read_to_string(task.ok()?.path().join(file)).ok())
}

fn sleeps(id: u32) -> bool {
    threads(id, "stat").all(|line| fields(&line).starts_with('S'))
}

fn of_threads(id: u32) -> Duration {
    let used = threads(id, "schedstat").map(|line| {
        let nanoseconds = line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
        nanoseconds.expect("a count of nanoseconds")
    });
    Duration::from_nanos(used.sum())
}

/// The fields of a `stat` file from the third on: the second is the program's name and may hold spaces.
fn fields(stat: &str) -> &str {
    stat.rsplit_once(") ").expect("a name in parentheses").1
}

fn of_process(id: u32) -> Duration {
    let line = fs::read_to_string(format!("/proc/{id}/stat")).expect("the server in /proc");
    let fields = fields(&line);
    let ticks = |field: usize| -> u32 {
        // Fields count from 1, and the first after the name is the third.
        fields.split_whitespace().nth(field - 3).and_then(|text| text.parse().ok()).expect("a count of ticks")
    };
    (ticks(14) + ticks(15)) * TICK
}

/// The most memory that process `id` ever had, in KiB.
pub fn peak_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the server in /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}

/// Processor time of everything that runs on this machine, since it was started.
pub fn of_machine() -> Duration {
    let text = fs::read_to_string("/proc/stat").expect("the machine's counts");
    let line = text.lines().next().expect("a line for all cores");
    let counts: Vec<u32> = line.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
    // user, nice, system, (idle, waiting for input or output,) interrupts of both kinds, and what a hypervisor took.
    counts
        .iter()
        .enumerate()
        .filter(|(place, _)| matches!(place, 0..=2 | 5..=7))
        .map(|(_, ticks)| *ticks * TICK)
        .sum()
}

/// The processor's name and how many of it there are.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {}", name.map_or("unknown processor", |(_, name)| name))
}
