//! What is said at the end, and kept.

use jiff::Timestamp;
use mesh_relay_benches::report::{self, Spread};
use mesh_relay_benches::{now, usage};
use serde::Serialize;

use crate::Bounds;
use crate::broker::{Facts, Kind, PUBLISHERS, Way};
use crate::floor::Floor;
use crate::message::MESSAGE_BYTES;
use crate::run::{DOWNLOADS, Measured, Row};

/// From which share of the machine's processor time on others falsify what is measured.
const DISTURBED: f64 = 0.12;

/// How much of the pace of receiving the way from MESH should have.
const AIM_IN: f64 = 0.5;

/// What is compared, and how much of the pace beside it the first should have: shares of the work without a journal out,
/// and of receiving in.
fn compared(kind: Kind) -> [(Row, Row, Option<f64>); 7] {
    let Facts { aim_out, .. } = *kind.facts();
    [
        (Row::Relay(Way::Out), Row::Floor(Floor::Pump), Some(aim_out)),
        (Row::Relay(Way::OutTold), Row::Floor(Floor::Pump), None),
        (Row::Relay(Way::In), Row::Floor(Floor::Receive), Some(AIM_IN)),
        (Row::Relay(Way::In), Row::Floor(Floor::Drain), Some(AIM_IN)),
        (Row::Relay(Way::InTransactions), Row::Floor(Floor::Receive), None),
        (Row::Relay(Way::InTransactions), Row::Floor(Floor::Drain), None),
        (Row::Relay(Way::InTransactions), Row::Relay(Way::In), None),
    ]
}

/// A row's figures.
#[derive(Serialize)]
struct Figures {
    row: String,
    messages_a_second: Spread,
    /// Of the relay, or of the bare program.
    cpu_microseconds_a_message: Spread,
    broker_cpu_microseconds_a_message: Spread,
    server_cpu_microseconds_a_message: Spread,
    peak_memory_mib: Spread,
    /// Share of the machine's processor time.
    foreign_cpu: Spread,
}

impl Figures {
    fn of(row: String, measured: &[Measured]) -> Self {
        let spread = |figure: &dyn Fn(&Measured) -> f64| Spread::of(measured.iter().map(figure));
        Self {
            row,
            messages_a_second: spread(&|measured| measured.messages_a_second),
            cpu_microseconds_a_message: spread(&|measured| measured.cpu_micros[0]),
            broker_cpu_microseconds_a_message: spread(&|measured| measured.cpu_micros[1]),
            server_cpu_microseconds_a_message: spread(&|measured| measured.cpu_micros[2]),
            peak_memory_mib: spread(&|measured| measured.peak_mib),
            foreign_cpu: spread(&|measured| measured.foreign),
        }
    }
}

/// A ratio and what it should be at least. Without an aim it is only told.
#[derive(Serialize)]
struct Ratio {
    ratio: Spread,
    aim: Option<f64>,
    met: Option<bool>,
}

impl Ratio {
    fn of(ratio: Spread, aim: Option<f64>) -> Self {
        Self { ratio, aim, met: aim.map(|aim| ratio.median >= aim) }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2}", self.ratio)?;
        match (self.aim, self.met) {
            (Some(aim), Some(met)) => write!(f, ", aim {aim}: {}", if met { "met" } else { "short" }),
            _ => Ok(()),
        }
    }
}

/// The relay beside a bare program.
#[derive(Serialize)]
struct Comparison {
    row: String,
    beside: String,
    /// Messages a second, as a share of those beside it.
    rate: Ratio,
    /// Messages for each second of processor time of their own, as a share of those beside it.
    cpu: Ratio,
}

impl Comparison {
    /// Each repetition is compared with its own neighbour. `None`: not both were measured.
    fn of(
        kind: Kind,
        rows: &[(Row, Vec<Measured>)],
        (row, beside, aim): (Row, Row, Option<f64>),
    ) -> Option<Self> {
        let find = |wanted: Row| rows.iter().find(|(row, _)| *row == wanted).map(|(_, measured)| measured);
        let (relay, bare) = (find(row)?, find(beside)?);
        let spread = |ratio: &dyn Fn(&Measured, &Measured) -> f64| {
            Spread::of(relay.iter().zip(bare).map(|(relay, bare)| ratio(relay, bare)))
        };
        let rate = spread(&|relay, bare| relay.messages_a_second / bare.messages_a_second);
        let cpu = spread(&|relay, bare| bare.cpu_micros[0] / relay.cpu_micros[0]);
        let (rate, cpu) = (Ratio::of(rate, aim), Ratio::of(cpu, aim));
        Some(Self { row: row.name(kind), beside: beside.name(kind), rate, cpu })
    }
}

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Outcome {
    at: Timestamp,
    machine: String,
    broker: &'static str,
    #[serde(skip)]
    kind: Kind,
    repetitions: usize,
    messages_a_repetition: usize,
    message_bytes: usize,
    in_flight_out: usize,
    in_flight_in: usize,
    /// Whether others used so much of the machine that the figures are lower bounds.
    disturbed: bool,
    rows: Vec<Figures>,
    comparisons: Vec<Comparison>,
}

impl Outcome {
    /// Of all rows that were measured, just now.
    pub(crate) fn new(kind: Kind, bounds: Bounds, rows: &[(Row, Vec<Measured>)]) -> Self {
        let compared = compared(kind).into_iter();
        let figures: Vec<Figures> =
            rows.iter().map(|(row, measured)| Figures::of(row.name(kind), measured)).collect();
        Self {
            at: now(),
            machine: usage::machine(),
            broker: kind.facts().name,
            kind,
            repetitions: bounds.repetitions,
            messages_a_repetition: bounds.count,
            message_bytes: MESSAGE_BYTES,
            in_flight_out: bounds.in_flight,
            in_flight_in: DOWNLOADS,
            disturbed: figures.iter().any(|figures| figures.foreign_cpu.max > DISTURBED),
            rows: figures,
            comparisons: compared.filter_map(|compared| Comparison::of(kind, rows, compared)).collect(),
        }
    }

    /// Prints the table and keeps the figures.
    pub(crate) fn tell(&self) {
        let Self { machine, kind, repetitions, messages_a_repetition, in_flight_out, in_flight_in, .. } =
            self;
        let Facts { keeping, file, .. } = kind.facts();
        println!("{machine}");
        println!(
            "{messages_a_repetition} messages of {MESSAGE_BYTES} bytes, {keeping}; median (least..most) of \
             {repetitions} repetitions.\n\
             At a time: {in_flight_out} to MESH, {in_flight_in} from MESH, {PUBLISHERS} unconfirmed publishes. The \
             relay's journal is on disk, with every commit synced.\n\
             Relay, broker, server and bare program share the cores. CPU is microseconds a message, of the relay or \
             bare program (own) and of the others; foreign is what\n\
             all else used, in percent of the machine.\n"
        );
        println!("{}", report::table(&self.table()));
        for Comparison { row, beside, rate, cpu } in &self.comparisons {
            println!("{row} beside {beside}: rate {rate}; messages a CPU second {cpu}");
        }
        if self.disturbed {
            println!(
                "Others used more than {:.0} % of the machine in some repetitions: the rates are lower bounds; measure \
                 again when it is quiet.",
                DISTURBED * 100.0
            );
        }
        println!("kept in {}", report::keep(file, self).display());
    }

    fn table(&self) -> Vec<Vec<String>> {
        let heads =
            ["what", "messages/s", "own CPU us", "broker CPU us", "server CPU us", "peak MiB", "foreign %"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(self.rows.iter().map(|figures| {
            let Spread { median, min, max } = figures.foreign_cpu;
            let percent = Spread { median: median * 100.0, min: min * 100.0, max: max * 100.0 };
            vec![
                figures.row.clone(),
                figures.messages_a_second.to_string(),
                figures.cpu_microseconds_a_message.to_string(),
                figures.broker_cpu_microseconds_a_message.to_string(),
                figures.server_cpu_microseconds_a_message.to_string(),
                figures.peak_memory_mib.to_string(),
                format!("{percent:.0}"),
            ]
        }));
        rows
    }
}
