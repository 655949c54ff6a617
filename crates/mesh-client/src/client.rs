//! The client of an environment and its mailboxes.

use std::fmt;
use std::sync::Arc;

use hyper::header::HeaderValue;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use mesh_api::{Authorization, MailboxId, SharedKey};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::body::RequestBody;
use crate::config::{BaseUrl, ClientConfig, ClientConfigError, Timeouts};
use crate::connect::Connector;
use crate::tls;

/// One MESH environment: a pool of connections and what every call needs. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) http: legacy::Client<Connector, RequestBody>,
    pub(crate) base: BaseUrl,
    pub(crate) timeouts: Timeouts,
    pub(crate) application: HeaderValue,
    pub(crate) os_version: HeaderValue,
    pub(crate) now: fn() -> Timestamp,
    key: SharedKey,
}

impl Client {
    /// Builds a client. Opens no connection.
    ///
    /// # Errors
    /// When the configuration cannot work; the error says what to change.
    pub fn new(config: ClientConfig) -> Result<Self, ClientConfigError> {
        let base = BaseUrl::read(&config.base_url)?;
        let tls = tls::configure(&config.tls, base.secure)?;
        let timeouts = config.timeouts;
        if timeouts.connect.is_zero() || timeouts.answer.is_zero() {
            return Err(ClientConfigError::Timeout);
        }
        let printable =
            |text: &str| !text.trim().is_empty() && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !printable(&config.application) {
            return Err(ClientConfigError::Application);
        }
        let application =
            HeaderValue::from_str(config.application.trim()).map_err(|_| ClientConfigError::Application)?;
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(timeouts.idle)
            // A repeat down there would carry a used token, and a send must never be repeated at all.
            .retry_canceled_requests(false)
            .build(Connector::new(tls, timeouts.connect));
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                base,
                timeouts,
                application,
                os_version: os_version(),
                now: config.now,
                key: config.shared_key,
            }),
        })
    }

    /// A mailbox of the environment. Makes no call.
    pub fn mailbox(&self, id: MailboxId, password: SecretString) -> Mailbox {
        Mailbox { client: self.clone(), id, password: Arc::new(password) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.shared.base.host)
    }
}

/// A mailbox and the calls that its owner may make. Cheap to clone.
#[derive(Clone)]
pub struct Mailbox {
    pub(crate) client: Client,
    pub(crate) id: MailboxId,
    password: Arc<SecretString>,
}

impl Mailbox {
    /// Which mailbox.
    pub fn id(&self) -> &MailboxId {
        &self.id
    }

    /// A new token, good for one attempt (`mesh-api.md` 2.2). `None` when it cannot be a header.
    pub(crate) fn token(&self) -> Option<HeaderValue> {
        let nonce = Uuid::new_v4().to_string();
        let Shared { key, now, .. } = &*self.client.shared;
        let token = Authorization::new(&self.id, self.password.expose_secret(), key, &nonce, now());
        let mut value = HeaderValue::from_str(&token.to_string()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({} at {})", self.id, self.client.shared.base.host)
    }
}

/// The kernel's release, where it can be read without a call into the system; MESH only wants something there
/// (`mesh-api.md` 4.1).
fn os_version() -> HeaderValue {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .ok()
        .and_then(|text| HeaderValue::from_str(text.trim()).ok())
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| HeaderValue::from_static("unknown"))
}
