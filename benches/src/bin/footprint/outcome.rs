//! What is said at the end, and kept.

use mesh_relay_benches::report::{self, Spread};
use mesh_relay_benches::usage;
use serde::Serialize;
use serde_json::json;

use crate::idle::Idle;

/// How long it took until the relay ran.
#[derive(Serialize)]
pub(crate) struct Started {
    pub(crate) mailboxes: usize,
    pub(crate) milliseconds: Spread,
}

/// Prints a table and keeps the figures.
pub(crate) fn tell(size: u64, started: &[Started], idle: &[Idle]) {
    let mebibytes = |bytes: f64| format!("{:.1} MiB", bytes / 1_048_576.0);
    let mut rows = vec![["the program", &*mebibytes(size as f64)].map(str::to_owned).to_vec()];
    for one in started {
        let what = format!("start with {} mailboxes", one.mailboxes);
        rows.push(vec![what, format!("{:.0} ms", one.milliseconds)]);
    }
    for one in idle {
        let kibibytes = |figure: u64| mebibytes(figure as f64 * 1024.0);
        let figures = [
            ("resident", kibibytes(one.rss_kib)),
            ("its share (PSS)", kibibytes(one.pss_kib)),
            ("heap and stacks", kibibytes(one.anonymous_kib)),
            ("threads", one.threads.to_string()),
            ("of one core", format!("{:.2} %", one.cpu)),
        ];
        let row = |(what, figure)| vec![format!("idle, looking each {} s: {what}", one.poll), figure];
        rows.extend(figures.map(row));
    }
    print!("{}", report::table(&rows));
    let figures =
        json!({ "machine": usage::machine(), "program_bytes": size, "started": started, "idle": idle });
    println!("kept in {}", report::keep("footprint", &figures).display());
}
