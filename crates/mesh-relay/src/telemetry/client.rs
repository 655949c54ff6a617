//! How OpenTelemetry's exporters reach the collector: over the hyper and rustls that are here already.
//!
//! The exporters work on threads of their own, where no reactor runs, so each request is handed to the runtime. What fails is
//! dropped: neither the relay nor its memory waits for a collector.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use relay_core::Happening;
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use super::{Collector, TelemetryError};

/// Longest request, its answer included: less than the pause between two of them.
const REQUEST_WITHIN: Duration = Duration::from_secs(4);
/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client of one collector. Cheap to clone.
#[derive(Clone)]
pub(super) struct CollectorClient {
    http: Http,
    headers: Arc<[(HeaderName, HeaderValue)]>,
    runtime: Handle,
    /// Whether the last request failed, so that an outage is told once.
    failing: Arc<AtomicBool>,
}

impl CollectorClient {
    /// A client. Nothing is connected yet. To be made within the runtime.
    pub(super) fn new(collector: &Collector) -> Result<Self, TelemetryError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = tls.map_err(|error| TelemetryError::Collector(format!("TLS cannot be set up: {error}")))?;
        let tls = tls.with_root_certificates(collector.roots.clone()).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let header = |(name, secret): &(String, secrecy::SecretString)| {
            let mut value = HeaderValue::from_str(secret.expose_secret().trim()).map_err(drop)?;
            value.set_sensitive(true);
            Ok((name.parse::<HeaderName>().map_err(drop)?, value))
        };
        let headers: Result<_, ()> = collector.headers.iter().map(header).collect();
        let headers = headers.map_err(|()| {
            TelemetryError::Collector("a value in `headers` holds a character that no header can".to_owned())
        })?;
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector.build()),
            headers,
            runtime: Handle::current(),
            failing: Arc::default(),
        })
    }

    async fn ask(self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        for (name, value) in &*self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let (head, body) = request.into_parts();
        let asking = async {
            let answer = self.http.request(Request::from_parts(head, Full::new(body))).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let answer = match tokio::time::timeout(REQUEST_WITHIN, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("it did not answer within {} seconds", REQUEST_WITHIN.as_secs()).into()),
        };
        let fault = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(why) if !failed_before => Unsent { why }.tell(),
            None if failed_before => SentAgain.tell(),
            _ => {}
        }
        answer
    }
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CollectorClient(…)")
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let asking = self.runtime.spawn(self.clone().ask(request));
        asking.await?
    }
}

/// The collector did not take what it was sent.
struct Unsent {
    why: String,
}

impl Happening for Unsent {
    fn tell(&self) {
        let why = &self.why;
        tracing::warn!(
            why,
            "the OpenTelemetry collector takes nothing; spans and metrics for it are dropped meanwhile, messages go on"
        );
    }
}

/// It does again.
struct SentAgain;

impl Happening for SentAgain {
    fn tell(&self) {
        tracing::info!("the OpenTelemetry collector takes spans and metrics again");
    }
}
