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

/// Every gauge.
pub const GAUGES: [&Gauge; 2] = [&CERTIFICATE_EXPIRY, &BROKER_BLOCKED];

/// Tells the recorder what the metrics mean. To be called once, when it is installed.
pub fn describe() {
    for gauge in GAUGES {
        metrics::describe_gauge!(gauge.name, gauge.description);
    }
}
