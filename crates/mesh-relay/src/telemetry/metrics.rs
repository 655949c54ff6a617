//! Metrics, as `/metrics` shows them, and those of the process itself.
//!
//! The two exporters are fed by the same calls: a fan-out hands each to the recorder of Prometheus' exporter and to that of
//! OpenTelemetry ([`super::bridge`]). Reading one exporter's text to feed the other would lose which part of a sum is new,
//! and a bridge in the collector would be a part more for people to run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use metrics_util::layers::FanoutBuilder;
use relay_core::metric::{self, Kind};

use super::{Exposition, TelemetryError};

/// Pause between two looks at the process itself. What was recorded of histograms is summed up as often, so that it does not
/// pile up where nobody asks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Installs the recorders for the whole process, and says what they know at the moment.
pub(super) fn install<R>(bridge: Option<R>, volume: Option<PathBuf>) -> Result<Exposition, TelemetryError>
where
    R: ::metrics::Recorder + Send + Sync + 'static,
{
    let mut histograms = metric::ALL.iter().filter(|declared| declared.kind == Kind::Histogram);
    let builder = histograms.try_fold(PrometheusBuilder::new(), |builder, declared| {
        builder.set_buckets_for_metric(Matcher::Full(declared.name.to_owned()), declared.buckets)
    });
    // Only without buckets, which a test of the catalogue looks for.
    let recorder = builder.map_err(|_| TelemetryError::Metrics)?.build_recorder();
    let handle = recorder.handle();
    let installed = match bridge {
        Some(bridge) => {
            let both = FanoutBuilder::default().add_recorder(recorder).add_recorder(bridge).build();
            ::metrics::set_global_recorder(both).map_err(drop)
        }
        None => ::metrics::set_global_recorder(recorder).map_err(drop),
    };
    installed.map_err(|()| TelemetryError::Metrics)?;
    metric::describe();
    metric::BUILD_INFO.set([env!("CARGO_PKG_VERSION").into()], 1.0);
    let process = Collector::default();
    process.describe();
    tokio::spawn(look(process, handle.clone()));
    if let Some(volume) = volume {
        tokio::spawn(measure(volume));
    }
    Ok(Arc::new(move || handle.render()))
}

/// Looks at the process, as long as the runtime lasts.
async fn look(process: Collector, handle: PrometheusHandle) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        every.tick().await;
        process.collect();
        handle.run_upkeep();
    }
}

/// Looks at a volume, as long as the runtime lasts. One that hangs is not asked again meanwhile.
async fn measure(volume: PathBuf) {
    let volume: Arc<Path> = volume.into();
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        every.tick().await;
        let volume = Arc::clone(&volume);
        if let Ok(Some(free)) = tokio::task::spawn_blocking(move || free_bytes(&volume)).await {
            metric::JOURNAL_DISK_FREE.set_number([], free);
        }
    }
}

/// Room that is left for the relay's account on the volume of a folder.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(folder).ok()?;
    Some(volume.f_bavail * volume.f_frsize)
}

/// It is not known here.
#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}
