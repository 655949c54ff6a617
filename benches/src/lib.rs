//! What measurements share. Each measurement is a program of its own under `src/bin`.
//!
//! A measurement that cannot be made ends the program with a panic that says why; the servers it started end
//! with it.

pub mod load;
pub mod report;
pub mod servers;
pub mod usage;

use jiff::Timestamp;

/// Now, by the system's clock.
#[expect(clippy::disallowed_methods, reason = "a measurement is made in real time; this is its only clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
