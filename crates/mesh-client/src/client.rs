//! The client of an environment and its mailboxes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use hyper::header::{DATE, HeaderValue};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use mesh_api::{Authorization, Effect, MailboxId, SharedKey};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::breaker::{Breaker, Rest};
use crate::config::{BaseUrl, BreakerConfig, ClientConfig, ClientConfigError, Timeouts};
use crate::connect::Connector;
use crate::error::{Call, CallError, ErrorKind, Resting};
use crate::gzip::Compressors;
use crate::pool::Pool;
use crate::proxy::Tunnel;
use crate::tls;

/// Difference between this machine's clock and MESH's that is told in the log.
pub const CLOCK_SKEW_TOLD: SignedDuration = SignedDuration::from_mins(10);

/// One MESH environment: a pool of connections and what every call needs. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) http: Pool,
    pub(crate) base: BaseUrl,
    pub(crate) timeouts: Timeouts,
    pub(crate) application: HeaderValue,
    pub(crate) os_version: HeaderValue,
    pub(crate) now: fn() -> Timestamp,
    pub(crate) compressors: Compressors,
    pub(crate) expanded_bytes_max: u64,
    key: SharedKey,
    environment: Breaker,
    breaker: BreakerConfig,
    skew: Mutex<Option<SignedDuration>>,
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
        let tunnel = config.proxy.as_ref().map(Tunnel::new).transpose()?;
        let connector = Connector::new(tls, config.tls.identity, tunnel, timeouts.connect);
        let http = Pool::new(connector, timeouts.idle);
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                base,
                timeouts,
                application,
                os_version: os_version(),
                now: config.now,
                compressors: Compressors::new(),
                expanded_bytes_max: config.expanded_bytes_max,
                key: config.shared_key,
                environment: Breaker::new(config.breaker),
                breaker: config.breaker,
                skew: Mutex::default(),
            }),
        })
    }

    /// A mailbox of the environment. Makes no call.
    pub fn mailbox(&self, id: MailboxId, password: SecretString) -> Mailbox {
        let breaker = Arc::new(Breaker::new(self.shared.breaker));
        Mailbox { client: self.clone(), id, password: Arc::new(password), breaker }
    }

    /// How far MESH's clock was ahead of this machine's at the last answer that told the time; negative when it was
    /// behind. MESH tells it to the second, and refuses tokens that are more than two hours off (`mesh-api.md` 2.2).
    /// `None` before the first such answer.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        *self.shared.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the time that an answer tells.
    pub(crate) fn note_date(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()) else {
            return;
        };
        let skew = date.duration_since((self.shared.now)());
        let before = self.shared.skew.lock().unwrap_or_else(PoisonError::into_inner).replace(skew);
        let large = |skew: SignedDuration| skew.abs() >= CLOCK_SKEW_TOLD;
        if large(skew) && !before.is_some_and(large) {
            tracing::warn!(
                host = %self.shared.base.host,
                seconds = skew.as_secs(),
                "this machine's clock and MESH's are far apart; MESH refuses all calls beyond two hours: set the clock"
            );
        }
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
    breaker: Arc<Breaker>,
}

/// The breakers that let one call through, to be told how it ended.
pub(crate) struct Admitted<'a> {
    mailbox: &'a Breaker,
    environment: &'a Breaker,
    told: bool,
}

impl Admitted<'_> {
    /// Tells how the call ended.
    pub(crate) fn tell(mut self, error: Option<&CallError>) {
        self.told = true;
        let succeed = |this: &Self| {
            this.mailbox.succeed();
            this.environment.succeed();
        };
        let Some(error) = error else { return succeed(&self) };
        match error.kind() {
            ErrorKind::CredentialsRefused => {
                self.environment.succeed();
                self.mailbox.fail(&error.reason());
            }
            ErrorKind::Connect(_)
            | ErrorKind::Broken
            | ErrorKind::TimedOut
            | ErrorKind::ServerTrouble { .. }
            | ErrorKind::NotMesh(_) => {
                self.mailbox.forget();
                self.environment.fail(&error.reason());
            }
            // What goes wrong on our own side says nothing of MESH.
            ErrorKind::PayloadUnreadable(_) | ErrorKind::NotCompressed | ErrorKind::Unsendable(_) => {
                self.mailbox.forget();
                self.environment.forget();
            }
            _ => succeed(&self),
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.mailbox.forget();
            self.environment.forget();
        }
    }
}

impl Mailbox {
    /// The environment that it belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Which mailbox.
    pub fn id(&self) -> &MailboxId {
        &self.id
    }

    /// Whether a call may be made now.
    pub(crate) fn admit(&self, call: Call) -> Result<Admitted<'_>, CallError> {
        let resting = |Rest { left: rest, why }, what| {
            self.fail(call, ErrorKind::Resting { rest, what, why }, Effect::NotApplied)
        };
        let environment = &self.client.shared.environment;
        environment.admit().map_err(|rest| resting(rest, Resting::Environment))?;
        if let Err(rest) = self.breaker.admit() {
            environment.forget();
            return Err(resting(rest, Resting::Mailbox));
        }
        Ok(Admitted { mailbox: &self.breaker, environment, told: false })
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
