//! The relay between a broker's queues and MESH under load, beside bare programs that do the same outside work: queue to
//! MESH and MESH to queue, small persistent messages.
//!
//! Relay, broker, server and bare program are processes of their own, whose processor time is told apart. The rows take
//! turns in each repetition, and every other one goes backwards, so that a change of the machine's pace meets all of
//! them. A row's rate is over the time from its first message to its last, without what a start costs; its processor
//! time is all of it, and where events are told, that of the telling as well. A repetition ends the program unless every
//! message arrived, and arrived once.
//!
//! `MESH_RELAY_BENCH_RABBITMQ` names the broker, which `tests/rabbitmq.sh` must have started; `MESH_RELAY_BENCH_MESSAGES`
//! (default 5,000), `MESH_RELAY_BENCH_REPETITIONS` (default 5) and `MESH_RELAY_BENCH_IN_FLIGHT` (default 16) say how much.
//! Words of a row's name as an argument measure the rows that have them, alone.

mod asked;
mod broker;
mod floor;
mod message;
mod outcome;
mod rest;
mod run;
mod site;

use floor::Order;
use outcome::Outcome;
use run::{Measured, Row};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Messages of a repetition.
    pub(crate) count: usize,
    pub(crate) repetitions: usize,
    /// Messages for MESH under way at a time, in the relay and beside it.
    pub(crate) in_flight: usize,
}

impl Bounds {
    fn from_environment() -> Self {
        let number = |name: &str, default: usize| match std::env::var(name) {
            Ok(text) => text
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .unwrap_or_else(|| panic!("{name} is no number")),
            Err(_) => default,
        };
        Self {
            count: number("MESH_RELAY_BENCH_MESSAGES", 5_000),
            repetitions: number("MESH_RELAY_BENCH_REPETITIONS", 5),
            in_flight: number("MESH_RELAY_BENCH_IN_FLIGHT", 16),
        }
    }
}

fn main() {
    // All cores, as the relay has them.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let words = std::env::args().nth(1);
    match words.as_deref() {
        Some(order) if order.starts_with('{') => {
            let order: Order = serde_json::from_str(order).expect("an order");
            runtime.block_on(order.obey());
        }
        words => runtime.block_on(compare(words.unwrap_or_default())),
    }
}

async fn compare(words: &str) {
    let bounds = Bounds::from_environment();
    let rows = Row::ALL.into_iter().filter(|row| row.name().contains(words));
    let mut rows: Vec<(Row, Vec<Measured>)> = rows.map(|row| (row, Vec::new())).collect();
    assert!(!rows.is_empty(), "no row has the words '{words}' in its name");
    let last = rows.len() - 1;
    for repetition in 1..=bounds.repetitions {
        for turn in 0..=last {
            let place = if repetition % 2 == 1 { turn } else { last - turn };
            let (row, measured) = &mut rows[place];
            eprintln!("==> {} ({repetition} of {})", row.name(), bounds.repetitions);
            let queue = format!("bench.{}.{repetition}.{place}", std::process::id());
            measured.push(row.measure(&bounds, &queue).await);
        }
    }
    Outcome::new(bounds, &rows).tell();
}
