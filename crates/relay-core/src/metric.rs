//! What the relay tells of itself in numbers. Every metric is declared here once, with its name, what it means and its
//! labels; nothing else in the house gives a metric a name. Values go to whichever recorder the process installed, and
//! nowhere without one.

use jiff::Timestamp;
use metrics::SharedString;

/// A value that goes up and down, one for each value of its label.
#[derive(Debug)]
pub struct Gauge {
    /// Its name, with the unit at the end.
    pub name: &'static str,
    /// What it means, for people.
    pub description: &'static str,
    /// The name of its label. Its values come from a closed set or from the configuration, never from a message.
    pub label: &'static str,
}

impl Gauge {
    /// Sets the value for one value of the label.
    pub fn set(&self, label: impl Into<SharedString>, value: f64) {
        metrics::gauge!(self.name, self.label => label.into()).set(value);
    }

    /// Sets a point in time, in seconds since 1970, UTC.
    pub fn set_time(&self, label: impl Into<SharedString>, at: Timestamp) {
        self.set(label, at.as_duration().as_secs_f64());
    }
}

/// A number of happenings, one for each value of its label.
#[derive(Debug)]
pub struct Counter {
    /// Its name, which ends in `_total`.
    pub name: &'static str,
    /// What it means, for people.
    pub description: &'static str,
    /// The name of its label. Its values come from a closed set.
    pub label: &'static str,
}

impl Counter {
    /// Counts one for one value of the label.
    pub fn count(&self, label: &'static str) {
        metrics::counter!(self.name, self.label => label).increment(1);
    }
}

/// What became of records of outbound topics. Label `outcome`: `accepted`, a reason for parking, or `offset-reset`,
/// `handed-back`, `rewound` for what happened to a partition.
pub const KAFKA_RECORDS: Counter = Counter {
    name: "mesh_relay_kafka_records_total",
    description: "Records of outbound topics that ended, and happenings to their partitions.",
    label: "outcome",
};

/// What became of messages from MESH at their topic. Label `outcome`: `delivered`, `repeated` (marked so: an earlier try may
/// have arrived), `seen` (an earlier transaction had it), `failed`.
pub const KAFKA_DELIVERIES: Counter = Counter {
    name: "mesh_relay_kafka_deliveries_total",
    description: "Messages from MESH given to a topic.",
    label: "outcome",
};

/// Every counter.
pub const COUNTERS: [&Counter; 2] = [&KAFKA_RECORDS, &KAFKA_DELIVERIES];

/// When a certificate that the relay shows ends. Label `name`: [`CLIENT_IDENTITY`], or the adapter's name.
pub const CERTIFICATE_EXPIRY: Gauge = Gauge {
    name: "mesh_relay_certificate_expiry_seconds",
    description: "When a certificate ends, in seconds since 1970 (UTC).",
    label: "name",
};

/// The certificate that the relay shows to MESH.
pub const CLIENT_IDENTITY: &str = "client";

/// Whether an adapter's broker takes no messages for want of room. Label `adapter`: its name.
pub const BROKER_BLOCKED: Gauge = Gauge {
    name: "mesh_relay_broker_blocked",
    description: "1 while the broker of an adapter is out of room and takes no messages, else 0.",
    label: "adapter",
};

/// How many incidents are open. Label `kind`: [`IncidentKind`](crate::IncidentKind)'s names.
pub const INCIDENTS_OPEN: Gauge = Gauge {
    name: "mesh_relay_incidents_open",
    description: "Incidents that are open, by their kind.",
    label: "kind",
};

/// Every gauge.
pub const GAUGES: [&Gauge; 3] = [&CERTIFICATE_EXPIRY, &BROKER_BLOCKED, &INCIDENTS_OPEN];

/// Tells the recorder what the metrics mean. To be called once, when it is installed.
pub fn describe() {
    for gauge in GAUGES {
        metrics::describe_gauge!(gauge.name, gauge.description);
    }
    for counter in COUNTERS {
        metrics::describe_counter!(counter.name, counter.description);
    }
}
