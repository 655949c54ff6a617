//! `[telemetry]`: where traces and metrics go by OpenTelemetry's protocol.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};

use crate::environment::{Environment, UrlError, host, is_loopback};
use crate::fault::Faults;
use crate::secret::SecretRef;
use crate::section::Section;

/// Most headers that may be sent along.
const HEADERS_MAX: usize = 16;

/// The section `[telemetry]`. Without it nothing is sent anywhere.
#[derive(Debug, Clone)]
pub struct TelemetrySection {
    /// `endpoint`: the collector, for OTLP over HTTP: `http://host:4318` or `https://host:4318`. Required.
    pub endpoint: String,
    /// `headers`: sent with each request, each value a secret, such as `{ authorization = { file = "otlp.token" } }`.
    pub headers: BTreeMap<String, SecretRef>,
    /// `roots`: whom to trust at `https` (PEM). Relative to the folder of the configuration file.
    pub roots: Option<PathBuf>,
    /// `traces`: whether spans are sent. Default: they are.
    pub traces: bool,
    /// `metrics`: whether metrics are. Default: they are.
    pub metrics: bool,
    /// `sample`: which part of the traces that begin here is recorded, from 0 to 1. One that a message brings along is
    /// recorded if whoever began it records it. Default: all.
    pub sample: f64,
    /// The section, for faults that are found later.
    pub section: Section,
}

#[derive(serde::Deserialize, JsonSchema)]
pub(crate) struct Entries {
    /// The collector, for OTLP over HTTP. Required.
    endpoint: Option<Endpoint>,
    /// Sent with each request, each value a secret, such as `{ authorization = { file = "otlp.token" } }`.
    #[serde(default)]
    headers: BTreeMap<String, SecretRef>,
    /// Whom to trust at `https` (PEM). Relative to the folder of the configuration file.
    roots: Option<PathBuf>,
    /// Whether spans are sent. Default: they are.
    traces: Option<bool>,
    /// Whether metrics are sent. Default: they are.
    metrics: Option<bool>,
    /// Which part of the traces that begin here is recorded. One that a message brings along is recorded if whoever began it
    /// records it. Default: all.
    sample: Option<Share>,
}

/// Values that were looked at. Types of their own, so that a fault stands at the value.
pub(crate) struct Endpoint(String);

pub(crate) struct Share(f64);

impl TelemetrySection {
    pub(crate) fn read(section: Section, faults: &mut Faults) -> Option<Self> {
        let entries: Entries = section.read(&[], faults).0?;
        let hint = "such as endpoint = \"http://127.0.0.1:4318\"";
        let endpoint = section.require("endpoint", entries.endpoint, hint, faults)?.0;
        let is_secure = endpoint.starts_with("https://");
        let mut fault = |key: &str, message: String, hint: &str| {
            faults.push(section.fault(Some(key), message, hint));
        };
        if is_secure && entries.roots.is_none() {
            let message = "at an https endpoint somebody must be trusted".to_owned();
            fault("endpoint", message, "name the certificates to trust: roots = \"collector.pem\"");
        }
        if !is_secure && !entries.headers.is_empty() && !is_loopback(host(&endpoint)) {
            let message = "headers are secrets, and would go over the network in clear text".to_owned();
            fault("headers", message, "use an https endpoint, or a collector on this machine");
        }
        if entries.headers.len() > HEADERS_MAX {
            let message = format!("there are more than {HEADERS_MAX} headers");
            fault("headers", message, "send those alone that the collector asks for");
        }
        for name in entries.headers.keys() {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name.is_empty() || !name.chars().all(is_plain) {
                let message = "a name in `headers` is none of a header".to_owned();
                fault("headers", message, "use letters, digits, - and _, such as authorization");
            }
        }
        let (traces, metrics) = (entries.traces.unwrap_or(true), entries.metrics.unwrap_or(true));
        if !traces && !metrics {
            let message = "nothing is to be sent: `traces` and `metrics` are both false".to_owned();
            fault("traces", message, "leave one of them out, or the whole section");
        }
        Some(Self {
            endpoint,
            headers: entries.headers,
            roots: entries.roots.map(|roots| section.file(roots)),
            traces,
            metrics,
            sample: entries.sample.map_or(1.0, |share| share.0),
            section,
        })
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match Environment::from_url(&text) {
            Ok(Environment::Url(url)) => Ok(Self(url)),
            // A collector next door is usually asked in clear text; spans and metrics hold nothing private.
            Err(UrlError::Plain) => Ok(Self(text.trim_end_matches('/').to_ascii_lowercase())),
            // The text may hold a password.
            _ => Err(D::Error::custom(
                "not an address of the form http://host:port\nsuch as \"http://127.0.0.1:4318\", without a path",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        match (0.0..=1.0).contains(&share) {
            true => Ok(Self(share)),
            false => Err(D::Error::custom("not a share from 0 to 1\nsuch as 0.1 for every tenth trace")),
        }
    }
}
