//! What is said at the end, and kept.

use jiff::Timestamp;
use mesh_relay_benches::load::MESSAGE_BYTES;
use mesh_relay_benches::{now, report, usage};
use serde::Serialize;
use serde_json::json;

use crate::asked::Asked;
use crate::site::{GRACE, POLL, Site};

/// Milliseconds that all but a few pairs stay under.
#[derive(Serialize)]
struct Way {
    name: &'static str,
    p50: f64,
    p99: f64,
    p99_9: f64,
    most: f64,
}

impl Way {
    fn new(name: &'static str, mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |share: f64| figures[((figures.len() - 1) as f64 * share).round() as usize];
        Self { name, p50: at(0.5), p99: at(0.99), p99_9: at(0.999), most: at(1.0) }
    }
}

/// What was measured at one rate.
#[derive(Serialize)]
pub(crate) struct Phase {
    name: &'static str,
    pairs: usize,
    pairs_a_second: f64,
    /// How many went all the way, from the first that might be taken to the last that arrived.
    pub(crate) carried_a_second: f64,
    ways: Vec<Way>,
}

impl Phase {
    /// `quiet`: when each pair might be taken.
    pub(crate) fn new(
        name: &'static str,
        rate: f64,
        site: &Site,
        quiet: &[Timestamp],
        asked: &Asked,
    ) -> Self {
        let ways = [
            "quiet in OUT -> accepted by MESH",
            "quiet in OUT -> visible in SENT",
            "arrived in MESH -> visible in IN",
            "  of it until a poll finds it",
            "  of it from the poll on",
        ];
        let mut figures = ways.map(|_| Vec::with_capacity(quiet.len()));
        let mut last = Timestamp::MIN;
        for (number, quiet) in quiet.iter().enumerate() {
            let id = site.message_id(number);
            let (sent, arrived) = (site.sent.at(&format!("P{number}")), site.inbox.at(&id));
            let (accepted, found) = (asked.answered("send", &id), asked.found(&id));
            last = last.max(arrived).max(sent);
            let spans = [
                (*quiet, accepted),
                (*quiet, sent),
                (accepted, arrived),
                (accepted, found),
                (found, arrived),
            ];
            for (figures, (from, to)) in figures.iter_mut().zip(spans) {
                figures.push(to.duration_since(from).as_secs_f64() * 1e3);
            }
        }
        let ways = ways.into_iter().zip(figures).map(|(name, figures)| Way::new(name, figures));
        Self {
            name,
            pairs: quiet.len(),
            pairs_a_second: rate,
            carried_a_second: quiet.len() as f64 / last.duration_since(quiet[0]).as_secs_f64(),
            ways: ways.collect(),
        }
    }
}

/// Prints the tables and keeps the figures.
pub(crate) fn tell(full_load: f64, phases: &[Phase]) {
    println!("{}", usage::machine());
    println!(
        "Messages of {MESSAGE_BYTES} bytes from one mailbox to another of the same relay, which shares the cores with \
         its sandbox and with what measures.\nA pair is quiet {GRACE:?} after its last byte (grace); the inbox is \
         looked into every {POLL:?} (poll).\nFull load is {full_load:.0} pairs a second, all the way, dropped at once.\n"
    );
    for phase in phases {
        let Phase { name, pairs, pairs_a_second, ways, .. } = phase;
        println!("{name}: {pairs_a_second:.0} pairs a second, {pairs} pairs");
        let mut rows = vec![["milliseconds", "p50", "p99", "p99.9", "most"].map(str::to_owned).to_vec()];
        for Way { name, p50, p99, p99_9, most } in ways {
            let figures = [p50, p99, p99_9, most].map(|figure| format!("{figure:.1}"));
            rows.push([&[(*name).to_owned()][..], &figures].concat());
        }
        println!("{}", report::table(&rows));
    }
    let figures = json!({
        "at": now(),
        "machine": usage::machine(),
        "message_bytes": MESSAGE_BYTES,
        "grace_seconds": GRACE.as_secs_f64(),
        "poll_seconds": POLL.as_secs_f64(),
        "full_load_a_second": full_load,
        "phases": phases,
    });
    println!("kept in {}", report::keep("folder-latency", &figures).display());
}
