//! Spans and metrics to a collector, by OTLP over HTTP in protobuf.
//!
//! Exporters have threads and bounded queues of their own; a queue that is full drops spans. `OTEL_BSP_*` and
//! `OTEL_METRIC_EXPORT_INTERVAL` count as OpenTelemetry says.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue, metrics::MeterProvider};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{
    MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use relay_core::{TraceContext, Traces};
use tokio::sync::oneshot;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::bridge::Bridge;
use super::client::CollectorClient;
use super::{Collector, ROOMS, TelemetryError};
use crate::system;

/// What the relay's spans and metrics are said to be of.
const SCOPE: &str = "mesh-relay";

/// How long the relay waits at its stop for what was not sent yet.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What leads to the collector.
pub(super) struct Pipeline {
    tracer: Option<SdkTracerProvider>,
    meter: Option<SdkMeterProvider>,
}

impl Pipeline {
    pub(super) fn new(collector: &Collector) -> Result<Self, TelemetryError> {
        let client: Arc<dyn HttpClient> = Arc::new(CollectorClient::new(collector)?);
        let resource = Resource::builder()
            .with_service_name("mesh-relay")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", system::host_name()),
            ])
            .build();
        let failed = |error: &dyn std::fmt::Display| TelemetryError::Collector(error.to_string());
        let tracer = collector.traces.then(|| {
            let exporter = SpanExporter::builder()
                .with_http()
                .with_shared_http_client(Arc::clone(&client))
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{}/v1/traces", collector.endpoint))
                .with_retry_policy(RetryPolicy::disabled())
                .build()
                .map_err(|error| failed(&error))?;
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(collector.sample))))
                .with_resource(resource.clone());
            Ok::<_, TelemetryError>(provider.build())
        });
        let meter = collector.metrics.then(|| {
            let exporter = MetricExporter::builder()
                .with_http()
                .with_shared_http_client(Arc::clone(&client))
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{}/v1/metrics", collector.endpoint))
                .with_retry_policy(RetryPolicy::disabled())
                .build()
                .map_err(|error| failed(&error))?;
            let reader = PeriodicReader::builder(exporter).build();
            Ok::<_, TelemetryError>(
                SdkMeterProvider::builder().with_reader(reader).with_resource(resource.clone()).build(),
            )
        });
        Ok(Self { tracer: tracer.transpose()?, meter: meter.transpose()? })
    }

    /// What makes OpenTelemetry's spans of the rooms' spans, and events in them of the lines.
    pub(super) fn spans<S>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.tracer.as_ref()?.tracer(SCOPE);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            // Places in the code and threads say nothing about a message.
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(filter_fn(is_told)))
    }

    /// What makes OpenTelemetry's metrics of the rooms' metrics.
    pub(super) fn recorder(&self) -> Option<Bridge> {
        self.meter.as_ref().map(|provider| Bridge::new(provider.meter(SCOPE)))
    }

    /// Sends what was not sent yet, and waits for that within a bound.
    pub(super) async fn stop(self) {
        let (ending, ended) = oneshot::channel();
        // A thread of its own, which the end of the process need not wait for: it blocks while requests are on their way.
        let stopping = thread::Builder::new().name("telemetry-stop".to_owned()).spawn(move || {
            // What fails was told by the client.
            let _ = self.tracer.map(|tracer| tracer.shutdown_with_timeout(STOP_WITHIN));
            let _ = self.meter.map(|meter| meter.shutdown_with_timeout(STOP_WITHIN));
            let _ = ending.send(());
        });
        if stopping.is_ok() {
            let _ = tokio::time::timeout(STOP_WITHIN, ended).await;
        }
    }
}

fn is_told(metadata: &Metadata<'_>) -> bool {
    let room = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO && ROOMS.contains(&room)
}

/// Spans as OpenTelemetry has them, if a pipeline leads anywhere.
pub(super) struct Tied;

impl Traces for Tied {
    fn adopt(&self, span: &Span, parent: &TraceContext) {
        let (Ok(trace), Ok(id)) = (TraceId::from_hex(parent.trace_id()), SpanId::from_hex(parent.span_id()))
        else {
            return;
        };
        let flags = if parent.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let state = parent.state().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
        let context = SpanContext::new(trace, id, flags, true, state);
        // It fails where nobody records spans.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }

    fn context(&self, span: &Span) -> Option<TraceContext> {
        let context = span.context();
        let span = context.span();
        let known = span.span_context();
        if !known.is_valid() {
            return None;
        }
        let flags = known.trace_flags().to_u8() & 1;
        let parent = format!("00-{}-{}-{flags:02x}", known.trace_id(), known.span_id());
        TraceContext::read(&parent, Some(&known.trace_state().header()))
    }
}
