//! Figures: from repetitions to a table and a file.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

/// What one repetition measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// Requests answered.
    pub requests: u64,
    /// From the first request to the last answer.
    pub wall: Duration,
    /// Processor time of the server alone.
    pub cpu: Duration,
    /// The most memory the server ever had.
    pub peak_kib: u64,
}

impl Measured {
    /// Adds what was measured on a further server of the same kind.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.wall += other.wall;
        self.cpu += other.cpu;
        self.peak_kib = self.peak_kib.max(other.peak_kib);
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.wall.as_secs_f64()
    }

    /// Microseconds of the server's processor time for each request.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

/// A figure over all repetitions.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one figure. Of an even number, the upper of the middle two is the median.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let last = figures.len().checked_sub(1).expect("a figure");
        Self { median: figures[figures.len() / 2], min: figures[0], max: figures[last] }
    }
}

/// `12.3 (11.9..12.8)`, without decimals when large, or with as many as are asked for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(usize::from(self.median < 1_000.0));
        let Self { median, min, max } = self;
        write!(f, "{median:.decimals$} ({min:.decimals$}..{max:.decimals$})")
    }
}

/// Rows of equal length as lines, the first column to the left and the others to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (text, width) in row.iter().zip(&widths).skip(1) {
            line += &format!("  {text:>width$}");
        }
        line + "\n"
    };
    rows.iter().map(line).collect()
}

/// The build folder.
pub fn build_folder() -> PathBuf {
    let program = std::env::current_exe().expect("this program");
    program.ancestors().nth(2).expect("the build folder").to_owned()
}

/// The folder for figures, in the build folder. It is made when it is not there.
pub fn folder() -> PathBuf {
    let folder = build_folder().join("bench");
    fs::create_dir_all(&folder).expect("a folder for figures");
    folder
}

/// Writes figures to `bench/NAME.json` in the build folder and gives the path.
#[expect(clippy::disallowed_methods, reason = "figures can be measured again; no crash loses anything")]
pub fn keep(name: &str, figures: &impl Serialize) -> PathBuf {
    let path = folder().join(name).with_extension("json");
    let text = serde_json::to_string_pretty(figures).expect("figures as JSON");
    fs::write(&path, text + "\n").expect("figures written");
    path
}
