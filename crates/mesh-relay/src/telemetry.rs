//! What the process tells of itself: lines of the log, metrics, traces. The one place where any of them is set up.
//!
//! The rooms write to `tracing` and to `metrics`, and know nothing of where that goes:
//!
//! - lines to standard error, for people or as JSON ([`log`]);
//! - metrics to a recorder that `/metrics` shows ([`metrics`]), and to OpenTelemetry;
//! - spans, with the lines within them as their events, to OpenTelemetry ([`otlp`]).
//!
//! Without `[console]` and `[telemetry]` nobody reads metrics, and none are kept.

#[cfg(feature = "otlp")]
mod bridge;
#[cfg(feature = "otlp")]
mod client;
mod log;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;

use relay_core::Traces;
use thiserror::Error;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use settings::{Collector, Reporting};

/// The rooms of the house, as `tracing` names them. What libraries log of connections, and perhaps of what goes over them, is
/// no part of traces, nor of the log where a configuration asks for more lines.
const ROOMS: [&str; 11] = [
    "amqp",
    "claim_check",
    "dts_folder",
    "http_adapter",
    "kafka",
    "keystore",
    "mesh_client",
    "mesh_relay",
    "relay_console",
    "relay_core",
    "relay_journal",
];

/// What `/metrics` answers with.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// Why what the process tells of itself cannot be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The collector.
    #[error("[telemetry]: {0}")]
    Collector(String),
    /// Something else in the process has set it up.
    #[error("the log is set up already: {0}")]
    Log(#[from] TryInitError),
    /// Something else in the process has set it up.
    #[error("the metrics are set up already")]
    Metrics,
}

/// Logs lines for people to standard error: for every command that is not the relay itself.
pub fn for_people(usual: &str) {
    // It fails where something else in the process logs already; then that is where lines go.
    let _ = Registry::default().with(log::text(usual)).try_init();
}

/// What is set up for a relay.
pub struct Telemetry {
    exposition: Option<Exposition>,
    #[cfg(feature = "otlp")]
    pipeline: Option<otlp::Pipeline>,
}

impl Telemetry {
    /// Sets up what `reporting` says. With `is_asked` somebody may ask for metrics at the console; `volume` is a folder of
    /// which it is told how much room is left. To be called once, within the runtime.
    ///
    /// # Errors
    /// [`TelemetryError`]. Lines are logged for people then.
    pub fn start(
        reporting: &Reporting,
        is_asked: bool,
        volume: Option<PathBuf>,
    ) -> Result<Self, TelemetryError> {
        #[cfg(feature = "otlp")]
        let pipeline = match reporting.collector.as_ref().map(otlp::Pipeline::new).transpose() {
            Ok(pipeline) => pipeline,
            Err(error) => {
                for_people(&log::directives(reporting.level));
                return Err(error);
            }
        };
        let registry = Registry::default().with(log::layer(reporting.format, reporting.level));
        #[cfg(feature = "otlp")]
        registry.with(pipeline.as_ref().and_then(otlp::Pipeline::spans)).try_init()?;
        #[cfg(not(feature = "otlp"))]
        registry.try_init()?;
        #[cfg(feature = "otlp")]
        let bridge = pipeline.as_ref().and_then(otlp::Pipeline::recorder);
        #[cfg(not(feature = "otlp"))]
        let bridge = None::<::metrics::NoopRecorder>;
        let exposition = match is_asked || bridge.is_some() {
            true => Some(metrics::install(bridge, volume)?),
            false => None,
        };
        Ok(Self {
            exposition,
            #[cfg(feature = "otlp")]
            pipeline,
        })
    }

    /// What `/metrics` answers with, if metrics are kept.
    pub fn exposition(&self) -> Option<Exposition> {
        self.exposition.clone()
    }

    /// Sends what was not sent yet, within a bound.
    pub async fn stop(self) {
        #[cfg(feature = "otlp")]
        if let Some(pipeline) = self.pipeline {
            pipeline.stop().await;
        }
    }
}

/// What ties spans to the traces of other systems. It does nothing where nobody records spans.
pub fn traces() -> Arc<dyn Traces> {
    #[cfg(feature = "otlp")]
    return Arc::new(otlp::Tied);
    #[cfg(not(feature = "otlp"))]
    return Arc::new(relay_core::NoTraces);
}
