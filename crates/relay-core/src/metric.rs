//! What the relay tells of itself in numbers. Every metric is declared here once, with its name, what it means and its
//! labels; nothing else in the house gives a metric a name. Values go to whichever recorder the process installed, and
//! nowhere without one.

use jiff::Timestamp;

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
    pub fn set(&self, label: &'static str, value: f64) {
        metrics::gauge!(self.name, self.label => label).set(value);
    }

    /// Sets a point in time, in seconds since 1970, UTC.
    pub fn set_time(&self, label: &'static str, at: Timestamp) {
        self.set(label, at.as_duration().as_secs_f64());
    }
}

/// When the certificate of the relay's own identity ends. Label `name`: [`CLIENT_IDENTITY`].
pub const CERTIFICATE_EXPIRY: Gauge = Gauge {
    name: "mesh_relay_certificate_expiry_seconds",
    description: "When a certificate ends, in seconds since 1970 (UTC).",
    label: "name",
};

/// The certificate that the relay shows to MESH.
pub const CLIENT_IDENTITY: &str = "client";

/// Every gauge.
pub const GAUGES: [&Gauge; 1] = [&CERTIFICATE_EXPIRY];

/// Tells the recorder what the metrics mean. To be called once, when it is installed.
pub fn describe() {
    for gauge in GAUGES {
        metrics::describe_gauge!(gauge.name, gauge.description);
    }
}
