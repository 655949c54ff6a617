//! The relay between a broker's queues and MESH under load, beside bare programs that do the same outside work: queue to
//! MESH and MESH to queue, small persistent messages.
//!
//! Relay, broker, server and bare program are processes of their own, whose processor time is told apart. The rows take
//! turns in each repetition, and every other one goes backwards, so that a change of the machine's pace meets all of
//! them. A row's rate is over the time from its first message to its last, without what a start costs; its processor
//! time is all of it, and where events are told, that of the telling as well. A repetition ends the program unless every
//! message arrived, and arrived once.
//!
//! RabbitMQ keeps them in quorum queues. Kafka keeps them in topics of four partitions; the bare consumer is the only
//! member of its group, as the relay is, and moves the group's offsets as far as everything before them is done, after 500
//! records and at its end. Its bare publisher is idempotent, waits for the broker's report, and has the relay's key, by
//! which all goes to one partition. A repetition of the relay's transactions counts what is committed. The broker's
//! processor time has in it what it needs when it idles, which for Kafka is some 2 % of a core.
//!
//! `MESH_RELAY_BENCH_RABBITMQ` and `MESH_RELAY_BENCH_KAFKA` name the brokers, one or both, which `tests/rabbitmq.sh` and
//! `tests/kafka.sh` must have started; one after the other, each with a table of its own. `MESH_RELAY_BENCH_MESSAGES`
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

use broker::{Kind, Spot};
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
    let brokers: Vec<(Kind, String)> =
        Kind::ALL.into_iter().filter_map(|kind| Some((kind, kind.address()?))).collect();
    let variables = Kind::ALL.map(|kind| kind.facts().variable).join(" nor ");
    assert!(!brokers.is_empty(), "neither {variables} names a broker; run `make bench`");
    let mut measured = 0;
    for (kind, address) in brokers {
        let rows: Vec<Row> = Row::of(kind).filter(|row| row.name(kind).contains(words)).collect();
        if !rows.is_empty() {
            measured += rows.len();
            measure(kind, &address, &rows, bounds).await;
        }
    }
    assert!(measured > 0, "no row has the words '{words}' in its name");
}

/// Measures rows of a broker's in turns, and tells.
async fn measure(kind: Kind, address: &str, rows: &[Row], bounds: Bounds) {
    let mut rows: Vec<(Row, Vec<Measured>)> = rows.iter().map(|row| (*row, Vec::new())).collect();
    let last = rows.len() - 1;
    for repetition in 1..=bounds.repetitions {
        for turn in 0..=last {
            let place = if repetition % 2 == 1 { turn } else { last - turn };
            let (row, measured) = &mut rows[place];
            eprintln!("==> {} ({repetition} of {})", row.name(kind), bounds.repetitions);
            let queue = format!("bench.{}.{repetition}.{place}", std::process::id());
            let spot = Spot { kind, address: address.to_owned(), queue };
            measured.push(row.measure(&bounds, &spot).await);
        }
    }
    Outcome::new(kind, bounds, &rows).tell();
}
