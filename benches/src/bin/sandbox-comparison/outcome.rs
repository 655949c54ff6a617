//! What is said at the end, and kept.

use jiff::Timestamp;
use mesh_relay_benches::load::MESSAGE_BYTES;
use mesh_relay_benches::report::{self, Measured, Spread};
use mesh_relay_benches::servers::Maker;
use mesh_relay_benches::{now, usage};
use serde::Serialize;

use crate::scenario::{CONNECTIONS, INBOX, Scenario};
use crate::{OUR_ROUNDS, REPETITIONS};

/// How many times the official emulator's requests per second of processor time ours should serve.
const AIM: f64 = 50.0;

/// The scenario that the aim is about.
const QUOTED: Scenario = Scenario::Cycle;

/// A scenario's repetitions, in the order in which they were measured.
pub(crate) struct Row {
    scenario: &'static str,
    ours: Vec<Measured>,
    official: Vec<Measured>,
}

impl Row {
    /// Nothing measured yet.
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self { scenario, ours: Vec::new(), official: Vec::new() }
    }

    /// Adds a repetition.
    pub(crate) fn add(&mut self, maker: Maker, measured: Measured) {
        match maker {
            Maker::Ours => self.ours.push(measured),
            Maker::Official => self.official.push(measured),
        }
    }

    /// Each repetition is compared with its own neighbour.
    fn ratio(&self) -> Spread {
        let pairs = self.ours.iter().zip(&self.official);
        Spread::of(pairs.map(|(ours, official)| official.cpu_micros() / ours.cpu_micros()))
    }
}

/// One server's figures in one scenario.
#[derive(Serialize)]
struct Side {
    requests_a_repetition: u64,
    requests_a_second: Spread,
    cpu_microseconds_a_request: Spread,
    peak_memory_kib: u64,
}

impl Side {
    fn of(repetitions: &[Measured]) -> Self {
        Self {
            requests_a_repetition: repetitions[0].requests,
            requests_a_second: Spread::of(repetitions.iter().map(Measured::rate)),
            cpu_microseconds_a_request: Spread::of(repetitions.iter().map(Measured::cpu_micros)),
            peak_memory_kib: repetitions.iter().map(|measured| measured.peak_kib).max().unwrap_or(0),
        }
    }
}

#[derive(Serialize)]
struct Figures {
    scenario: &'static str,
    ours: Side,
    official: Side,
    ratio_of_requests_a_cpu_second: Spread,
}

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Outcome {
    at: Timestamp,
    machine: String,
    connections: usize,
    repetitions: usize,
    our_rounds_for_one_official: usize,
    message_bytes: usize,
    aim: f64,
    met: bool,
    scenarios: Vec<Figures>,
}

impl Outcome {
    /// From all rows, among them the one that is quoted.
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let quoted = rows.iter().find(|row| row.scenario == QUOTED.name()).expect("the quoted scenario");
        let met = quoted.ratio().median >= AIM;
        let figures = |row: &Row| Figures {
            scenario: row.scenario,
            ours: Side::of(&row.ours),
            official: Side::of(&row.official),
            ratio_of_requests_a_cpu_second: row.ratio(),
        };
        Self {
            at: now(),
            machine: usage::machine(),
            connections: CONNECTIONS,
            repetitions: REPETITIONS,
            our_rounds_for_one_official: OUR_ROUNDS,
            message_bytes: MESSAGE_BYTES,
            aim: AIM,
            met,
            scenarios: rows.iter().map(figures).collect(),
        }
    }

    /// Prints the table and keeps the figures.
    pub(crate) fn tell(&self) {
        println!("{}", self.machine);
        println!(
            "Messages of {MESSAGE_BYTES} bytes, {CONNECTIONS} connections, an inbox of {INBOX} for list and \
             download; median (least..most) of {REPETITIONS} repetitions.\n\
             Every round has a fresh server and as many messages as any other; the emulator's logs are off.\n\
             Client and server share the cores, so requests a second depend on the client too. Processor time \
             is the server's alone.\n\
             The ratio is ours to the official emulator's, in requests for each second of processor time.\n"
        );
        println!("{}", report::table(&self.rows()));
        let quoted = self.scenarios.iter().find(|figures| figures.scenario == QUOTED.name());
        let ratio = quoted.expect("the quoted scenario").ratio_of_requests_a_cpu_second;
        let word = if self.met { "met" } else { "short" };
        println!("{}: {ratio} times; aim {AIM:.0}: {word}", QUOTED.name());
        println!("kept in {}", report::keep("sandbox-comparison", self).display());
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let heads = [
            "scenario",
            "ours req/s",
            "official req/s",
            "ours CPU us/req",
            "official CPU us/req",
            "ratio",
            "ours peak MiB",
            "official peak MiB",
        ];
        let mebibytes = |side: &Side| format!("{:.1}", side.peak_memory_kib as f64 / 1024.0);
        let row = |figures: &Figures| {
            vec![
                figures.scenario.to_owned(),
                figures.ours.requests_a_second.to_string(),
                figures.official.requests_a_second.to_string(),
                figures.ours.cpu_microseconds_a_request.to_string(),
                figures.official.cpu_microseconds_a_request.to_string(),
                figures.ratio_of_requests_a_cpu_second.to_string(),
                mebibytes(&figures.ours),
                mebibytes(&figures.official),
            ]
        };
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(self.scenarios.iter().map(row));
        rows
    }
}
