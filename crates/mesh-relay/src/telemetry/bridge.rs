//! Metrics to OpenTelemetry: each call of the `metrics` facade becomes one of an instrument of the same name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};
use relay_core::metric::Declared;

/// The recorder. What it holds is bounded, as values of labels are.
pub(super) struct Bridge {
    meter: Meter,
    counters: Made<Counted>,
    gauges: Made<Gauged>,
    histograms: Made<Spread>,
}

/// What was made for each name with its labels.
type Made<T> = Mutex<HashMap<Key, Arc<T>>>;

struct Counted {
    instrument: Counter<u64>,
    labels: Vec<KeyValue>,
    /// The sum that was last told as a whole.
    whole: AtomicU64,
}

struct Gauged {
    instrument: Gauge<f64>,
    labels: Vec<KeyValue>,
    /// The value, as bits.
    value: AtomicU64,
}

struct Spread {
    instrument: Histogram<f64>,
    labels: Vec<KeyValue>,
}

impl Bridge {
    pub(super) fn new(meter: Meter) -> Self {
        Self { meter, counters: Made::default(), gauges: Made::default(), histograms: Made::default() }
    }
}

/// What was made for a key, or what `make` makes of its labels.
fn made<T>(made: &Made<T>, key: &Key, make: impl FnOnce(Vec<KeyValue>) -> T) -> Arc<T> {
    let mut all = made.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(key) {
        return Arc::clone(known);
    }
    let labels = key.labels().map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned()));
    let new = Arc::new(make(labels.collect()));
    all.insert(key.clone(), Arc::clone(&new));
    new
}

/// The unit at the end of a name, as OpenTelemetry writes it.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "1",
    }
}

fn description(name: &str) -> &'static str {
    Declared::find(name).map_or("", |declared| declared.description.trim())
}

impl Recorder for Bridge {
    // The catalogue says what metrics mean.
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(made(&self.counters, key, |labels| {
            let name = key.name().to_owned();
            let instrument = self.meter.u64_counter(name).with_unit(unit(key.name()));
            let instrument = instrument.with_description(description(key.name())).build();
            Counted { instrument, labels, whole: AtomicU64::new(0) }
        }))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(made(&self.gauges, key, |labels| {
            let instrument = self.meter.f64_gauge(key.name().to_owned()).with_unit(unit(key.name()));
            let instrument = instrument.with_description(description(key.name())).build();
            Gauged { instrument, labels, value: AtomicU64::new(0) }
        }))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::from_arc(made(&self.histograms, key, |labels| {
            let instrument = self.meter.f64_histogram(key.name().to_owned()).with_unit(unit(key.name()));
            let bounds = Declared::find(key.name()).map_or(&[][..], |declared| declared.buckets);
            let instrument = instrument.with_description(description(key.name()));
            Spread { instrument: instrument.with_boundaries(bounds.to_vec()).build(), labels }
        }))
    }
}

impl CounterFn for Counted {
    fn increment(&self, value: u64) {
        self.instrument.add(value, &self.labels);
    }

    fn absolute(&self, value: u64) {
        let before = self.whole.fetch_max(value, Ordering::Relaxed);
        self.instrument.add(value.saturating_sub(before), &self.labels);
    }
}

impl Gauged {
    fn change(&self, by: f64) {
        let changed = |bits| Some((f64::from_bits(bits) + by).to_bits());
        let before = self.value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
        let (Ok(before) | Err(before)) = before;
        self.instrument.record(f64::from_bits(before) + by, &self.labels);
    }
}

impl GaugeFn for Gauged {
    fn increment(&self, value: f64) {
        self.change(value);
    }

    fn decrement(&self, value: f64) {
        self.change(-value);
    }

    fn set(&self, value: f64) {
        self.value.store(value.to_bits(), Ordering::Relaxed);
        self.instrument.record(value, &self.labels);
    }
}

impl HistogramFn for Spread {
    fn record(&self, value: f64) {
        self.instrument.record(value, &self.labels);
    }
}
