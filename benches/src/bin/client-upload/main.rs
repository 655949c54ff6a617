//! The relay's client beside a bare one, and its gzip beside gzip on one core: the same bytes, the same machine.
//!
//! The repetitions take turns, and so does who goes first, so that a change of the machine's pace and what a run
//! leaves to the disk meet both sides of a comparison.

mod bare;
mod outcome;
mod text;
mod way;

use outcome::{Comparison, Outcome};
use way::{Run, Way};

/// How often each way is measured: often, because what the disk has still to do from earlier runs disturbs a run.
const REPETITIONS: usize = 5;

fn main() {
    // All cores, as the relay has them.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => runtime.block_on(compare()),
        [way, server] => {
            let way = Way::named(way).expect("the name of a way");
            let run = runtime.block_on(way.run(server.parse().expect("the server's address")));
            println!("{}", serde_json::to_string(&run).expect("figures as JSON"));
        }
        _ => panic!("takes no arguments"),
    }
}

async fn compare() {
    let plain = pairs("upload", Way::Client, Way::Bare).await;
    let gzip = pairs("gzip", Way::ClientGzip, Way::OneCoreGzip).await;
    Outcome::new([Comparison::plain(&plain), Comparison::gzip(&gzip)]).tell();
}

/// Measures two ways in turn.
async fn pairs(name: &str, one: Way, other: Way) -> Vec<(Run, Run)> {
    let mut pairs = Vec::new();
    for repetition in 1..=REPETITIONS {
        eprintln!("==> {name} ({repetition} of {REPETITIONS})");
        pairs.push(if repetition % 2 == 1 {
            (one.measure().await, other.measure().await)
        } else {
            let second = other.measure().await;
            (one.measure().await, second)
        });
    }
    pairs
}
