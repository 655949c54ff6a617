//! What is said at the end, and kept.

use jiff::Timestamp;
use mesh_relay_benches::report::{self, Spread};
use mesh_relay_benches::{now, usage};
use serde::Serialize;

use crate::REPETITIONS;
use crate::way::{CHUNK_BYTES, GZIP_BYTES, GZIP_LEVEL, PLAIN_BYTES, Run};

/// How much of the bare client's pace ours should have.
const UPLOAD_AIM: f64 = 0.9;

/// How many times the pace of gzip on one core an upload that gzips should have, where there are two cores.
const GZIP_AIM: f64 = 1.5;

/// Two ways beside each other.
#[derive(Serialize)]
pub(crate) struct Comparison {
    name: &'static str,
    beside: &'static str,
    mebibytes_a_second: Spread,
    mebibytes_a_second_beside: Spread,
    ratio: Spread,
    peak_memory_mib: Spread,
    peak_memory_mib_beside: Spread,
    aim: f64,
    met: bool,
}

impl Comparison {
    /// Of uploads by the client and past it.
    pub(crate) fn plain(pairs: &[(Run, Run)]) -> Self {
        Self::new("upload", "bare client", UPLOAD_AIM, pairs)
    }

    /// Of gzipping uploads and gzip on one core.
    pub(crate) fn gzip(pairs: &[(Run, Run)]) -> Self {
        Self::new("upload, gzipped", "gzip alone on one core", GZIP_AIM, pairs)
    }

    /// Each repetition is compared with its own neighbour.
    fn new(name: &'static str, beside: &'static str, aim: f64, pairs: &[(Run, Run)]) -> Self {
        let ratio = Spread::of(pairs.iter().map(|(run, other)| run.rate() / other.rate()));
        Self {
            name,
            beside,
            mebibytes_a_second: Spread::of(pairs.iter().map(|(run, _)| run.rate())),
            mebibytes_a_second_beside: Spread::of(pairs.iter().map(|(_, other)| other.rate())),
            ratio,
            peak_memory_mib: Spread::of(pairs.iter().map(|(run, _)| run.peak_mib())),
            peak_memory_mib_beside: Spread::of(pairs.iter().map(|(_, other)| other.peak_mib())),
            aim,
            met: ratio.median >= aim,
        }
    }
}

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Outcome {
    at: Timestamp,
    machine: String,
    repetitions: usize,
    plain_bytes: u64,
    gzip_bytes: u64,
    gzip_level: u32,
    chunk_bytes: u64,
    comparisons: [Comparison; 2],
}

impl Outcome {
    /// Measured just now.
    pub(crate) fn new(comparisons: [Comparison; 2]) -> Self {
        Self {
            at: now(),
            machine: usage::machine(),
            repetitions: REPETITIONS,
            plain_bytes: PLAIN_BYTES,
            gzip_bytes: GZIP_BYTES,
            gzip_level: GZIP_LEVEL,
            chunk_bytes: CHUNK_BYTES,
            comparisons,
        }
    }

    /// Prints the table and keeps the figures.
    pub(crate) fn tell(&self) {
        let mebibytes = |bytes: u64| bytes / 1024 / 1024;
        println!("{}", self.machine);
        println!(
            "Text of {} MiB, {} MiB where it is gzipped (level {GZIP_LEVEL}), in chunks of {CHUNK_BYTES} bytes; \
             median (least..most) of {REPETITIONS} repetitions.\n\
             Every upload has a process of its own and a fresh server, whose store is a folder. Client and server \
             share the cores.\n\
             MiB/s count bytes before compression. Peak memory is the uploading process's, 8 MiB of text \
             included.\n",
            mebibytes(PLAIN_BYTES),
            mebibytes(GZIP_BYTES),
        );
        println!("{}", report::table(&self.rows()));
        for Comparison { name, beside, ratio, aim, met, .. } in &self.comparisons {
            let word = if *met { "met" } else { "short" };
            println!("{name} beside {beside}: {ratio:.2} times; aim {aim}: {word}");
        }
        println!("kept in {}", report::keep("client-upload", self).display());
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let heads = ["what", "MiB/s", "ratio", "peak MiB"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for comparison in &self.comparisons {
            rows.push(vec![
                comparison.name.to_owned(),
                comparison.mebibytes_a_second.to_string(),
                format!("{:.2}", comparison.ratio),
                comparison.peak_memory_mib.to_string(),
            ]);
            rows.push(vec![
                comparison.beside.to_owned(),
                comparison.mebibytes_a_second_beside.to_string(),
                String::new(),
                comparison.peak_memory_mib_beside.to_string(),
            ]);
        }
        rows
    }
}
