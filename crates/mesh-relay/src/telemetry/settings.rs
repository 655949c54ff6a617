//! What the process is to tell of itself, secrets resolved.

use std::fmt;

use keystore::read_authorities;
use relay_config::{Faults, LogFormat, LogLevel, LogSection, Secrets, TelemetrySection};
use rustls::RootCertStore;
use secrecy::SecretString;

/// What is told, and how.
#[derive(Debug, Clone, Default)]
pub struct Reporting {
    /// How lines of the log look.
    pub format: LogFormat,
    /// How much is logged.
    pub level: LogLevel,
    /// Where traces and metrics are sent, if anywhere.
    pub collector: Option<Collector>,
}

/// A collector of OpenTelemetry, for OTLP over HTTP.
#[derive(Clone)]
pub struct Collector {
    /// Scheme, host and port.
    pub endpoint: String,
    /// Sent with each request.
    pub headers: Vec<(String, SecretString)>,
    /// Whom to trust at `https`.
    pub roots: RootCertStore,
    /// Whether spans are sent.
    pub traces: bool,
    /// Whether metrics are.
    pub metrics: bool,
    /// Which part of the traces that begin here is recorded, from 0 to 1.
    pub sample: f64,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({})", self.endpoint)
    }
}

impl Reporting {
    /// Reads what the sections refer to. What is wrong goes to `faults`.
    pub(crate) fn read(
        log: &LogSection,
        telemetry: Option<&TelemetrySection>,
        secrets: &Secrets,
        faults: &mut Faults,
    ) -> Self {
        let collector = telemetry.and_then(|section| collector(section, secrets, faults));
        Self { format: log.format, level: log.level, collector }
    }
}

fn collector(section: &TelemetrySection, secrets: &Secrets, faults: &mut Faults) -> Option<Collector> {
    let before = faults.len();
    let mut fault = |key: &str, what: String, hint: &str| {
        faults.push(section.section.fault(Some(key), what, hint));
    };
    if !cfg!(feature = "otlp") {
        let hint = "leave [telemetry] out, or use a relay that was built with the feature `otlp`";
        fault("endpoint", "this relay was built without OpenTelemetry".to_owned(), hint);
    }
    let mut headers = Vec::with_capacity(section.headers.len());
    for (name, secret) in &section.headers {
        match secret.resolve(secrets) {
            Ok(secret) => headers.push((name.clone(), secret)),
            Err(error) => fault("headers", error.to_string(), "see to the secret that it names"),
        }
    }
    let mut roots = RootCertStore::empty();
    if let Some(path) = &section.roots {
        let read = secrets.read(path).map_err(|error| error.to_string());
        let read = read.and_then(|bytes| read_authorities(&bytes, None).map_err(|error| error.to_string()));
        let added = read.and_then(|authorities| {
            let mut added = authorities.into_iter().map(|authority| roots.add(authority));
            added.try_for_each(|added| added.map_err(|error| error.to_string()))
        });
        if let Err(what) = added {
            let hint = "name a PEM file that the relay's account may read";
            fault("roots", format!("{}: {what}", path.display()), hint);
        }
    }
    (faults.len() == before).then(|| Collector {
        endpoint: section.endpoint.clone(),
        headers,
        roots,
        traces: section.traces,
        metrics: section.metrics,
        sample: section.sample,
    })
}
