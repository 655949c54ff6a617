//! One webhook: signs a request, sends it, and says what came of it.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use keystore::SwappableIdentity;
use relay_core::{Clock, PayloadStream};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::time::timeout;

use crate::outgoing::{OutgoingBody, Seal, announce};
use crate::signature::{HEADERS, SecretFault, SigningSecret, WHOLE};
use crate::tls;
use crate::url::WebhookUrl;

/// For a TCP connection to stand.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// How long an unused connection is kept: shorter than servers and firewalls keep theirs.
const IDLE_KEPT: Duration = Duration::from_secs(10);
/// Unused connections that are kept.
const IDLE_MAX: usize = 4;
/// What is read of an answer's body, so that its connection can be used again. Nobody looks at it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long that may take.
const ANSWER_BODY_WITHIN: Duration = Duration::from_secs(2);

/// Id of a request: the same at each attempt.
const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When a request was made, in seconds of Unix time.
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// Signature of a request.
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a configuration only refers to.
#[derive(Default)]
pub struct Secrets {
    /// Whose certificates to trust at `https` URLs.
    pub roots: Vec<CertificateDer<'static>>,
    /// The certificate to show there. Connections that showed another one are not used again.
    pub identity: Option<Arc<SwappableIdentity>>,
    /// Of `inbound`.
    pub inbound: HookSecrets,
    /// Of `events`.
    pub events: HookSecrets,
}

/// The secrets of one webhook.
#[derive(Default)]
pub struct HookSecrets {
    /// What requests are signed with.
    pub secret: SecretString,
    /// Sent as `Authorization`.
    pub authorization: Option<SecretString>,
}

/// Why a webhook cannot be used.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// Its secret is none.
    #[error(transparent)]
    Secret(#[from] SecretFault),
    /// What is to be sent as `Authorization` is no value of a header.
    #[error(
        "`authorization` holds a character that no header can; write it as it is to be sent, such as Bearer …"
    )]
    Authorization,
    /// It is `https`, and nobody is trusted.
    #[error("the URL is https, and nobody is trusted: name the certificates to trust in `roots`")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// What is posted.
pub(crate) enum Content {
    /// A body in memory, signed whole.
    Whole(Bytes),
    /// A body that is streamed; its headers are signed, and its digest follows it.
    Streamed(PayloadStream),
}

/// A post that did not end well. Names the host, and nothing of what either side sent.
#[derive(Debug, Error)]
pub(crate) enum PostError {
    /// The receiver said no.
    #[error("{host} answered {status}")]
    Status { host: String, status: StatusCode },
    /// The receiver said that it has all before it had it.
    #[error("{host} answered {status} before it had the whole body; it must read it to its end first")]
    Early { host: String, status: StatusCode },
    /// Nothing moved for long.
    #[error("{host} took nothing and answered nothing for {} seconds", limit.as_secs())]
    Silent { host: String, limit: Duration },
    /// There is no connection.
    #[error("{host} cannot be reached: {what}")]
    Connect { host: String, what: String },
    /// A connection broke.
    #[error("the connection to {host} broke before it answered")]
    Broken { host: String },
    /// The bytes to send did not come.
    #[error("{0}")]
    Body(io::Error),
}

/// One webhook.
pub(crate) struct Webhook {
    url: WebhookUrl,
    silence_max: Duration,
    secret: SigningSecret,
    authorization: Option<HeaderValue>,
    clock: Arc<dyn Clock>,
    tls: ClientConfig,
    identity: Option<Arc<SwappableIdentity>>,
    line: Mutex<Line>,
    trouble: Mutex<Option<String>>,
}

type Http = Client<HttpsConnector<HttpConnector>, OutgoingBody>;

/// Connections, and the certificate that they show.
struct Line {
    http: Http,
    shown: Option<Arc<CertifiedKey>>,
}

impl Webhook {
    pub(crate) fn new(
        url: &WebhookUrl,
        silence_max: Duration,
        secrets: &HookSecrets,
        shared: &Secrets,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        if url.is_secure() && shared.roots.is_empty() {
            return Err(WebhookError::NoRoots);
        }
        let secret = SigningSecret::read(&secrets.secret)?;
        let authorization = secrets.authorization.as_ref().map(|text| {
            let mut value = HeaderValue::from_str(text.expose_secret().trim())?;
            value.set_sensitive(true);
            Ok::<_, axum::http::header::InvalidHeaderValue>(value)
        });
        let authorization = authorization.transpose().map_err(|_| WebhookError::Authorization)?;
        let identity = shared.identity.clone();
        let tls = tls::config(&shared.roots, identity.clone())?;
        let shown = identity.as_ref().and_then(|identity| identity.current());
        let line = Mutex::new(Line { http: client(&tls), shown });
        let trouble = Mutex::default();
        let url = url.clone();
        Ok(Self { url, silence_max, secret, authorization, clock, tls, identity, line, trouble })
    }

    /// Posts, and returns the status once the receiver has said that it has it.
    ///
    /// # Errors
    /// When it has not, or nobody knows.
    pub(crate) async fn post(
        &self,
        id: &str,
        headers: HeaderMap,
        content: Content,
    ) -> Result<StatusCode, PostError> {
        let ended = self.exchange(id, headers, content).await;
        let trouble = match &ended {
            Ok(_) => None,
            // Not the webhook's.
            Err(PostError::Body(_)) => return ended,
            Err(error) => Some(error.to_string()),
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        ended
    }

    /// Why the last post did not end well, if it did not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn exchange(
        &self,
        id: &str,
        headers: HeaderMap,
        content: Content,
    ) -> Result<StatusCode, PostError> {
        let host = || self.url.host().to_owned();
        let request = self.request(id, headers, content);
        let progress = request.body().progress();
        let answer = self.http().request(request);
        let response = tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(response) => response,
                Err(error) => return Err(match progress.take_failure() {
                    Some(failure) => PostError::Body(failure),
                    None => self.broken(&error),
                }),
            },
            () = progress.moves.quiet_for(self.silence_max) => {
                return Err(PostError::Silent { host: host(), limit: self.silence_max });
            }
        };
        let status = response.status();
        // Asked before the answer's body is read: that goes on with the request's.
        let whole = progress.handed_out();
        leave(response).await;
        match (status.is_success(), whole) {
            (true, true) => Ok(status),
            (true, false) => Err(match progress.take_failure() {
                Some(failure) => PostError::Body(failure),
                None => PostError::Early { host: host(), status },
            }),
            (false, _) => Err(PostError::Status { host: host(), status }),
        }
    }

    fn request(&self, id: &str, mut headers: HeaderMap, content: Content) -> Request<OutgoingBody> {
        let timestamp = self.clock.now().as_second().to_string();
        let (signature, body) = match content {
            Content::Whole(body) => {
                (self.secret.sign(WHOLE, id, &timestamp, &body), OutgoingBody::whole(body))
            }
            Content::Streamed(source) => {
                let signature = self.secret.sign(HEADERS, id, &timestamp, canonical(&headers).as_bytes());
                announce(&mut headers);
                (signature, OutgoingBody::streamed(source, Seal::new(&self.secret, id, &timestamp)))
            }
        };
        for (name, value) in [(ID, id), (TIMESTAMP, &timestamp), (SIGNATURE, &signature)] {
            // All three are visible ASCII.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        let agent = HeaderValue::from_static(concat!("mesh-relay/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, agent);
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.uri().clone();
        *request.headers_mut() = headers;
        request
    }

    /// The connections; new ones once the certificate was replaced.
    fn http(&self) -> Http {
        let current = self.identity.as_ref().and_then(|identity| identity.current());
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let same = match (&line.shown, &current) {
            (Some(one), Some(another)) => Arc::ptr_eq(one, another),
            (one, another) => one.is_none() && another.is_none(),
        };
        if !same {
            *line = Line { http: client(&self.tls), shown: current };
        }
        line.http.clone()
    }

    fn broken(&self, error: &legacy::Error) -> PostError {
        let host = self.url.host().to_owned();
        if !error.is_connect() {
            return PostError::Broken { host };
        }
        let mut cause: &(dyn Error + 'static) = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        PostError::Connect { host, what: cause.to_string() }
    }
}

/// What is signed of a request whose body is streamed: a line for each header that is the message's, by name, and one for
/// the body.
fn canonical(headers: &HeaderMap) -> String {
    let is_signed = |name: &str| {
        name == header::CONTENT_TYPE.as_str() || name.starts_with("mex-") || name.starts_with("mesh-relay-")
    };
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| is_signed(name.as_str()))
        .map(|(name, value)| format!("{name}:{}\n", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines.push("body:streamed\n".to_owned());
    lines.concat()
}

/// Reads what an answer says, as far as its connection can be used again for it.
async fn leave(response: Response<Incoming>) {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
    let _ = timeout(ANSWER_BODY_WITHIN, body).await;
}

fn client(tls: &ClientConfig) -> Http {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        // A URL is http only where `WebhookUrl` lets it be.
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_KEPT)
        .pool_max_idle_per_host(IDLE_MAX)
        .build(https)
}
