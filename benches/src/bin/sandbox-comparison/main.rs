//! `mesh-relay sandbox` beside the official emulator: the same client, the same messages, the same machine.
//!
//! Every round has a fresh server and the same number of messages, whoever's it is, because what a server has to
//! do for a call may grow with what it holds. Our server gets more such rounds, so that there is enough to
//! measure. The repetitions take turns, so that a change of the machine's pace meets both.

mod official_client;
mod outcome;
mod scenario;

use mesh_relay_benches::report::Measured;
use mesh_relay_benches::servers::Maker;
use outcome::{Outcome, Row};
use scenario::Scenario;

/// How often each scenario is measured for each server.
const REPETITIONS: usize = 3;

/// Rounds of our server for one of the official emulator.
const OUR_ROUNDS: usize = 20;

fn main() {
    // One thread, so that the client leaves a core to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(compare());
}

async fn compare() {
    let mut rows = Vec::new();
    for scenario in Scenario::ALL {
        let mut row = Row::new(scenario.name());
        for repetition in 1..=REPETITIONS {
            eprintln!("==> {} ({repetition} of {REPETITIONS})", scenario.name());
            for (maker, rounds) in [(Maker::Ours, OUR_ROUNDS), (Maker::Official, 1)] {
                let mut measured = Measured::default();
                for _ in 0..rounds {
                    measured.add(scenario.round(maker).await);
                }
                row.add(maker, measured);
            }
        }
        rows.push(row);
    }
    let mut row = Row::new(official_client::NAME);
    for repetition in 1..=REPETITIONS {
        eprintln!("==> {} ({repetition} of {REPETITIONS})", official_client::NAME);
        for maker in [Maker::Ours, Maker::Official] {
            row.add(maker, official_client::round(maker).await);
        }
    }
    rows.push(row);
    Outcome::new(rows).tell();
}
