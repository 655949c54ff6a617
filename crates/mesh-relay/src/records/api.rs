//! The API of a running relay, as its own command line asks it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use keystore::read_authorities;
use relay_config::{SecretRef, Secrets};
use rustls::{ClientConfig, RootCertStore};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use url::{Host, Url};

/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why a relay did not answer as asked.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    /// What was typed cannot be used.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers there.
    #[error("no relay answers at {url}: {what}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system, or TLS, said.
        what: String,
    },
    /// It said no.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Why, in its own words.
        detail: String,
    },
    /// What answered is no relay, or another release.
    #[error("what answers at {url} is no relay of this release (status {status})")]
    Odd {
        /// Where.
        url: String,
        /// The HTTP status.
        status: StatusCode,
    },
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// A running relay's API.
pub(super) struct Api {
    base: Url,
    token: Option<SecretString>,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Api {
    /// The relay at a URL that was typed, with the token in a file.
    pub(super) fn at(url: &str, token: Option<&Path>, roots: Option<&Path>) -> Result<Self, ApiError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| ApiError::Usage(format!("{}: {error}", path.display())))
        };
        // Relative to where the command is given, unlike those of a configuration.
        let token = token.map(|path| SecretRef::File(path.to_owned()).resolve(&Secrets::in_files("")));
        let token = token.transpose().map_err(|error| ApiError::Usage(error.to_string()))?;
        Self::new(url, token, roots.map(read).transpose()?.as_deref())
    }

    /// The relay at a URL, trusted by these authorities.
    pub(super) fn new(
        url: &str,
        token: Option<SecretString>,
        roots: Option<&[u8]>,
    ) -> Result<Self, ApiError> {
        let base = Url::parse(url).map_err(|error| ApiError::Usage(format!("--relay {url}: {error}")))?;
        let loopback = match base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        match base.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => {
                let what =
                    format!("--relay {url}: only https, or http to this machine, keeps the token secret");
                return Err(ApiError::Usage(what));
            }
        }
        let tls = tls(roots)?;
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base, token, http })
    }

    /// Asks.
    pub(super) async fn get<T: DeserializeOwned>(&self, place: &str) -> Result<T, ApiError> {
        self.call(Method::GET, place, None).await
    }

    /// Has something done.
    pub(super) async fn post<T: DeserializeOwned>(&self, place: &str, body: &Value) -> Result<T, ApiError> {
        self.call(Method::POST, place, Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        place: &str,
        body: Option<&Value>,
    ) -> Result<T, ApiError> {
        let unreachable = |what: String| ApiError::Unreachable { url: self.base.to_string(), what };
        let uri = self.base.join(place).map_err(|error| unreachable(error.to_string()))?;
        let mut request = Request::builder().method(method).uri(uri.as_str());
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(&Zeroizing::new(
                ["Bearer ", token.expose_secret()].concat(),
            ))
            .map_err(|_| ApiError::Usage("the token holds a character that no token has".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(bytes)).map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|error| unreachable(chain(&error)))?;
            let status = answer.status();
            let read = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, read.map_err(|error| unreachable(error.to_string()))?.to_bytes()))
        };
        let (status, bytes) = tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .unwrap_or_else(|_| Err(unreachable("it does not answer within a minute".to_owned())))?;
        if status.is_success() {
            let read = serde_json::from_slice(&bytes);
            return read.map_err(|_| ApiError::Odd { url: self.base.to_string(), status });
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(ApiError::Refused { status, detail: problem.detail }),
            Err(_) => Err(ApiError::Odd { url: self.base.to_string(), status }),
        }
    }
}

/// An error with its causes: what a person needs to know stands at the end.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// How TLS is spoken to a relay whose certificate these authorities vouch for. Without any, nobody is trusted.
pub(crate) fn tls(roots: Option<&[u8]>) -> Result<ClientConfig, ApiError> {
    let failed = |what: String| ApiError::Usage(format!("TLS cannot be set up: {what}"));
    let mut store = RootCertStore::empty();
    if let Some(bytes) = roots {
        for authority in read_authorities(bytes, None).map_err(|error| failed(error.to_string()))? {
            store.add(authority).map_err(|error| failed(error.to_string()))?;
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}
