//! What the relay tells of itself in numbers. Every metric is declared once, in [`catalogue`](self::ALL), with its name,
//! what it means and its labels; nothing else in the house gives a metric a name. Values go to whichever recorder the
//! process installed, and nowhere without one.
//!
//! A metric without a description does not compile: the description is the doc comment of the constant, and the macro that
//! declares it asks for one. The value of a label is a [`Value`], which no text of a message can become.

mod catalogue;

use std::fmt;

use jiff::Timestamp;
use mesh_api::MailboxId;
use metrics::{Label, SharedString};

pub use catalogue::*;

/// The value of a label: a word that stands in the code, or a name that stands in the configuration. Nothing of a message
/// becomes one, so there are never more than were configured, and none says who a patient is.
#[derive(Debug, Clone)]
pub struct Value(SharedString);

impl Value {
    /// The name of something that is configured, such as an adapter.
    pub fn configured(name: &str) -> Self {
        Self(name.to_owned().into())
    }
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self(word.into())
    }
}

impl From<&MailboxId> for Value {
    fn from(mailbox: &MailboxId) -> Self {
        Self::configured(mailbox.as_str())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number of happenings.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// How often a value lay below each of some bounds.
    Histogram,
}

impl Kind {
    /// Its name, as Prometheus has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as it was declared.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// What it is.
    pub kind: Kind,
    /// Its name, with the unit at the end; a counter's ends in `_total`.
    pub name: &'static str,
    /// What it means, for people.
    pub description: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets, in its unit; of others none.
    pub buckets: &'static [f64],
}

impl Declared {
    /// Finds a metric by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|declared| declared.name == name)
    }
}

/// A number of happenings, one for each combination of values of its labels.
#[derive(Debug)]
pub struct Counter<const LABELS: usize> {
    name: &'static str,
    description: &'static str,
    labels: [&'static str; LABELS],
}

impl<const LABELS: usize> Counter<LABELS> {
    /// Counts one.
    pub fn count(&self, values: [Value; LABELS]) {
        self.add(values, 1);
    }

    /// Counts several; with zero the value is there from then on, so that a rule can tell nothing from no answer.
    pub fn add(&self, values: [Value; LABELS], happenings: u64) {
        metrics::counter!(self.name, pairs(self.labels, values)).increment(happenings);
    }

    const fn declared(&'static self) -> Declared {
        Declared {
            kind: Kind::Counter,
            name: self.name,
            description: self.description,
            labels: &self.labels,
            buckets: &[],
        }
    }
}

/// A value that goes up and down, one for each combination of values of its labels.
#[derive(Debug)]
pub struct Gauge<const LABELS: usize> {
    name: &'static str,
    description: &'static str,
    labels: [&'static str; LABELS],
}

impl<const LABELS: usize> Gauge<LABELS> {
    /// Sets the value.
    pub fn set(&self, values: [Value; LABELS], value: f64) {
        metrics::gauge!(self.name, pairs(self.labels, values)).set(value);
    }

    /// Sets a number of things. A float holds numbers up to 2^53 exactly, and there are never as many.
    #[expect(clippy::cast_precision_loss, reason = "nothing here is counted to 2^53")]
    pub fn set_number(&self, values: [Value; LABELS], number: u64) {
        self.set(values, number as f64);
    }

    /// Sets a yes, as 1, or a no, as 0.
    pub fn set_whether(&self, values: [Value; LABELS], is: bool) {
        self.set(values, if is { 1.0 } else { 0.0 });
    }

    /// Sets a point in time, in seconds since 1970, UTC.
    pub fn set_time(&self, values: [Value; LABELS], at: Timestamp) {
        self.set(values, at.as_duration().as_secs_f64());
    }

    const fn declared(&'static self) -> Declared {
        Declared {
            kind: Kind::Gauge,
            name: self.name,
            description: self.description,
            labels: &self.labels,
            buckets: &[],
        }
    }
}

/// How values are spread, for each combination of values of its labels.
#[derive(Debug)]
pub struct Histogram<const LABELS: usize> {
    name: &'static str,
    description: &'static str,
    labels: [&'static str; LABELS],
    buckets: &'static [f64],
}

impl<const LABELS: usize> Histogram<LABELS> {
    /// Takes note of a value.
    pub fn record(&self, values: [Value; LABELS], value: f64) {
        metrics::histogram!(self.name, pairs(self.labels, values)).record(value);
    }

    const fn declared(&'static self) -> Declared {
        Declared {
            kind: Kind::Histogram,
            name: self.name,
            description: self.description,
            labels: &self.labels,
            buckets: self.buckets,
        }
    }
}

fn pairs<const LABELS: usize>(names: [&'static str; LABELS], values: [Value; LABELS]) -> Vec<Label> {
    names.into_iter().zip(values).map(|(name, value)| Label::new(name, value.0)).collect()
}

/// Tells the recorder what the metrics mean. To be called once, when it is installed.
pub fn describe() {
    for declared in ALL {
        let text = declared.description.trim();
        match declared.kind {
            Kind::Counter => metrics::describe_counter!(declared.name, text),
            Kind::Gauge => metrics::describe_gauge!(declared.name, text),
            Kind::Histogram => metrics::describe_histogram!(declared.name, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_as_prometheus_wants_them_and_none_stands_twice() {
        let mut seen = HashSet::new();
        for Declared { kind, name, description, labels, buckets } in ALL {
            assert!(seen.insert(name), "{name} stands twice");
            assert!(name.starts_with("mesh_relay_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(description.trim().ends_with('.'), "{name}: {description}");
            assert_eq!(buckets.is_empty(), *kind != Kind::Histogram, "{name}");
            assert!(buckets.is_sorted(), "{name}");
            for label in *labels {
                assert!(label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}: {label}");
            }
        }
    }
}
