//! Calls to the provider.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

use crate::access::config::{AccessError, is_loopback};

/// Longest call to the provider, from connecting to the last byte of its answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long a connection to the provider is kept for the next call.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call to the provider has no answer.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The provider names an address where anybody on the way could read along.
    #[error("the provider names an address that is neither https nor on loopback")]
    Plain,
    /// No answer in time.
    #[error("the provider did not answer within {} s", CALL_TIMEOUT.as_secs())]
    Late,
    /// No connection, or it broke.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(#[source] legacy::Error),
    /// The answer broke off or is too long.
    #[error("the provider's answer broke off or is longer than 1 MiB")]
    Answer,
}

/// The way to the provider. Follows no redirect, so nothing that the provider did not name is asked.
#[derive(Clone)]
pub(crate) struct Client(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Client {
    pub(crate) fn new(roots: Option<&[u8]>) -> Result<Self, AccessError> {
        let mut store = RootCertStore::empty();
        for certificate in roots.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let certificate = certificate.map_err(|error| AccessError::Roots(error.to_string()))?;
            // What a system trusts holds one or another that rustls does not take, which is no reason to trust none.
            if let Err(error) = store.add(certificate) {
                tracing::debug!(%error, "a root certificate for OpenID Connect is not taken");
            }
        }
        if roots.is_some() && store.is_empty() {
            return Err(AccessError::Roots("there is none in it that can be trusted".to_owned()));
        }
        let tls =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| AccessError::Roots(error.to_string()))?
                .with_root_certificates(store)
                .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self(client))
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        if !is_safe(request.uri()) {
            return Err(CallError::Plain);
        }
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let response = self.0.request(request).await.map_err(CallError::Unreachable)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| CallError::Answer)?;
        Ok(HttpResponse::from_parts(parts, body.to_bytes().into()))
    }
}

/// Whether nobody on the way can read along. The addresses come from the provider, over a connection that was.
pub(crate) fn is_safe(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => Url::parse(&uri.to_string()).is_ok_and(|url| is_loopback(url.host())),
        _ => false,
    }
}

impl<'c> AsyncHttpClient<'c> for Client {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(
            async move { timeout(CALL_TIMEOUT, self.answer(request)).await.unwrap_or(Err(CallError::Late)) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_must_hold_something_to_trust() {
        let made = rcgen::generate_simple_self_signed(["id.example".to_owned()]).expect("a certificate");
        let good = made.cert.pem();
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        assert!(Client::new(Some(format!("{odd}{good}").as_bytes())).is_ok());
        for roots in ["", "rubbish", odd, broken] {
            let refused = Client::new(Some(roots.as_bytes())).map(|_| ()).expect_err("an error");
            assert!(matches!(refused, AccessError::Roots(_)), "{refused}");
        }
    }

    #[tokio::test]
    async fn nothing_is_asked_where_others_could_read_along() {
        let client = Client::new(None).expect("a client");
        for address in ["http://id.example/token", "http://10.0.0.1/", "ftp://localhost/", "/token"] {
            let request = HttpRequest::new(Vec::new());
            let (mut parts, body) = request.into_parts();
            parts.uri = address.parse().expect("an address");
            let refused = client.call(HttpRequest::from_parts(parts, body)).await.expect_err("an error");
            assert!(matches!(refused, CallError::Plain), "{address}: {refused}");
        }
    }
}
