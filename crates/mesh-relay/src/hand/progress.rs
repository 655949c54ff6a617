//! A progress bar on stderr, for payloads that take a while and people who watch.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// Payloads up to this size, in bytes, are through before a bar could be read.
pub(super) const QUIET_BYTES_MAX: u64 = 1_000_000;

const KNOWN: &str = "{bar:30} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}";

/// How far a payload is. Clones show the same bar; it goes when the last one does.
#[derive(Clone)]
pub(super) struct Meter(ProgressBar);

impl Meter {
    /// For `length` bytes, or for as many as come. `quiet` shows nothing in any case.
    pub(super) fn new(length: Option<u64>, quiet: bool) -> Self {
        let small = length.is_some_and(|length| length <= QUIET_BYTES_MAX);
        if quiet || small || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr())
            .with_finish(ProgressFinish::AndClear);
        // A template of our own can be read; were it not, the usual one would do.
        if let Ok(style) = ProgressStyle::with_template(if length.is_some() { KNOWN } else { UNKNOWN }) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So many bytes are through.
    pub(super) fn at(&self, bytes: u64) {
        // Of a payload whose length nobody tells, the size shows only on the way.
        if bytes > QUIET_BYTES_MAX || self.0.length().is_some() {
            self.0.set_position(bytes);
        }
    }

    /// Takes the bar away, so that what follows stands alone.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
