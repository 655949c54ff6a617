//! What stands for a collector of OpenTelemetry: it takes OTLP over HTTP in protobuf and keeps what it was told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

/// What it was told.
#[derive(Default)]
struct Told {
    spans: Vec<Span>,
    metrics: BTreeSet<String>,
    /// Values of the header that was configured.
    headers: BTreeSet<String>,
    /// Attributes of what tells.
    resource: BTreeSet<String>,
}

type Shared = Arc<Mutex<Told>>;

/// The header that requests are to have.
pub const HEADER: &str = "x-collector-key";

pub struct Collector {
    pub url: String,
    told: Shared,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let told = Shared::default();
        let router = Router::new().route("/v1/traces", post(traces)).route("/v1/metrics", post(metrics));
        let router = router.with_state(Arc::clone(&told));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, told }
    }

    pub fn spans(&self) -> Vec<Span> {
        self.told.lock().expect("a lock").spans.clone()
    }

    pub fn metrics(&self) -> BTreeSet<String> {
        self.told.lock().expect("a lock").metrics.clone()
    }

    pub fn headers(&self) -> BTreeSet<String> {
        self.told.lock().expect("a lock").headers.clone()
    }

    pub fn resource(&self) -> BTreeSet<String> {
        self.told.lock().expect("a lock").resource.clone()
    }
}

async fn traces(State(told): State<Shared>, headers: HeaderMap, body: Bytes) -> Bytes {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let mut told = told.lock().expect("a lock");
    note(&mut told, &headers);
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        told.resource.extend(attributes.iter().map(|attribute| attribute.key.clone()));
        told.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    Bytes::new()
}

async fn metrics(State(told): State<Shared>, headers: HeaderMap, body: Bytes) -> Bytes {
    let request = ExportMetricsServiceRequest::decode(body).expect("OTLP");
    let mut told = told.lock().expect("a lock");
    note(&mut told, &headers);
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    told.metrics.extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
    Bytes::new()
}

fn note(told: &mut Told, headers: &HeaderMap) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    told.headers.insert(given.to_owned());
}

/// An attribute of a span as text; empty when it has none.
pub fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// An id in hexadecimal, as `traceparent` has it.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
