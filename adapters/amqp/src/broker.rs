//! Where the broker is, and how it is connected to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use lapin::{Connection, ConnectionProperties, Event};
use relay_core::Chance;
use relay_core::metric::{BROKER_BLOCKED, Value};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::tls::{Shown, Tls};

/// How long a broker may take to let us in.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// How long an answer of the broker to anything but a publish may take.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Seconds between heartbeats unless the URL says otherwise (`queue-bridging.md` 2.10).
const HEARTBEAT: u16 = 30;

/// Why a broker cannot be used. Names host and port, never a login.
#[derive(Debug, Clone, Error)]
pub enum BrokerError {
    /// The URL is none.
    #[error(
        "the URL of the broker is none; write amqps://user:password@host:5671/vhost, or amqp:// within one machine"
    )]
    Url,
    /// It has a part that is not known, and would be passed over.
    #[error("the URL of the broker says {0:?} after the `?`, which is not known; known are {known}", known = QUERY.join(", "))]
    Query(String),
    /// The login is to be a certificate, and there is none.
    #[error(
        "auth_mechanism=external in the URL of the broker needs an amqps:// URL and `identity`, the certificate to show"
    )]
    NoIdentity,
    /// There is something for TLS and no URL that uses it.
    #[error(
        "`roots` and `identity` are for an amqps:// broker, and there is none; write amqps:// in its URL"
    )]
    NoTls,
    /// It is to be reached over TLS and nobody is trusted there.
    #[error(
        "an amqps broker needs `roots`, the certificates to trust; for a public authority those of the system, such as \
         /etc/ssl/certs/ca-certificates.crt"
    )]
    NoRoots,
    /// What is configured for TLS cannot be used.
    #[error("what is configured for TLS cannot be used: {0}")]
    Tls(String),
    /// No connection.
    #[error("broker {broker}: {what}")]
    Unreachable {
        /// Its host and port.
        broker: String,
        /// What happened and what to do.
        what: String,
    },
    /// It took too long to look for everything there.
    #[error(
        "the broker did not show within {seconds} s what is there; see that it is well, and the network to it"
    )]
    Slow {
        /// How long was waited.
        seconds: u64,
    },
    /// Exchanges or queues are not there, or not as they must be.
    #[error("{}", missing.join("; "))]
    Topology {
        /// Each of them, with what to do.
        missing: Vec<String>,
    },
}

/// One broker or several of a cluster.
pub(crate) struct Broker {
    adapter: Arc<str>,
    uris: Vec<AMQPUri>,
    tls: Tls,
    /// The one that is tried first: another one for each relay at first, then the one that let us in last.
    first: AtomicUsize,
}

/// A connection, and what it was made with.
pub(crate) struct Line {
    pub(crate) connection: Connection,
    /// The certificate that it shows.
    shown: Shown,
    /// Watches whether the broker blocks it.
    watch: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Line {
    /// Ends it, and waits a while for the broker to say that it knows.
    pub(crate) async fn close(&self) {
        // A broker that does not answer sees the connection end with the process.
        let _ = timeout(ANSWER_WITHIN, self.connection.close(200, "stopping".into())).await;
    }
}

impl Broker {
    pub(crate) fn new(
        adapter: &Arc<str>,
        urls: &SecretString,
        tls: Tls,
        chance: &dyn Chance,
    ) -> Result<Self, BrokerError> {
        let urls = urls.expose_secret().split_whitespace();
        let uris = urls.map(|url| uri(url, &tls)).collect::<Result<Vec<AMQPUri>, BrokerError>>()?;
        if uris.is_empty() {
            return Err(BrokerError::Url);
        }
        let secure = uris.iter().any(|uri| uri.scheme == AMQPScheme::AMQPS);
        if secure && !tls.has_roots() {
            return Err(BrokerError::NoRoots);
        }
        if !secure && (tls.has_roots() || tls.has_identity()) {
            return Err(BrokerError::NoTls);
        }
        let nanoseconds = chance.jitter(Duration::from_secs(1)).subsec_nanos();
        let first = AtomicUsize::new(usize::try_from(nanoseconds).unwrap_or_default() % uris.len());
        Ok(Self { adapter: Arc::clone(adapter), uris, tls, first })
    }

    /// The first connection that comes about. `purpose` tells it from others in the broker's own lists.
    pub(crate) async fn connect(&self, purpose: &'static str) -> Result<Line, BrokerError> {
        let first = self.first.load(Ordering::Relaxed);
        let mut last = BrokerError::Url;
        for place in (0..self.uris.len()).map(|offset| (first + offset) % self.uris.len()) {
            match self.connect_to(&self.uris[place], purpose).await {
                Ok(line) => {
                    self.first.store(place, Ordering::Relaxed);
                    return Ok(line);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A try at each of them, by its host and port.
    pub(crate) async fn try_each(&self, purpose: &'static str) -> Vec<(String, Result<Line, BrokerError>)> {
        let mut tried = Vec::with_capacity(self.uris.len());
        for uri in &self.uris {
            tried.push((name(uri), self.connect_to(uri, purpose).await));
        }
        tried
    }

    /// Whether a connection shows what would be shown now. One that does not is to be replaced.
    pub(crate) fn is_current(&self, line: &Line) -> bool {
        self.tls.shown() == line.shown
    }

    async fn connect_to(&self, uri: &AMQPUri, purpose: &'static str) -> Result<Line, BrokerError> {
        let broker = name(uri);
        let failed = |what: String| BrokerError::Unreachable { broker: broker.clone(), what };
        let runtime = lapin::runtime::default_runtime().map_err(|error| failed(advice(&error)))?;
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("mesh-relay {} {purpose}", self.adapter).into());
        // Before the handshake: what changes meanwhile is found by the next look.
        let shown = self.tls.shown();
        let connector = self.tls.connector();
        let dial = async move |uri: AMQPUri, runtime| {
            let host = uri.authority.host.as_str();
            let addresses: Vec<SocketAddr> = lookup_host((host, uri.authority.port)).await?.collect();
            let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
            match uri.scheme {
                AMQPScheme::AMQP => Ok(stream),
                AMQPScheme::AMQPS => Ok(stream.into_rustls(&connector, host).await?),
            }
        };
        let connecting = Connection::connector(uri.clone(), runtime, dial, properties);
        let connection = match timeout(CONNECT_WITHIN, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(failed(advice(&error))),
            Err(_) => {
                return Err(failed(format!(
                    "no connection within {} s; check the address, the network and firewalls",
                    CONNECT_WITHIN.as_secs()
                )));
            }
        };
        let events = connection.events_listener();
        let watch = tokio::spawn(watch(Arc::clone(&self.adapter), broker, purpose, events));
        Ok(Line { connection, shown, watch })
    }
}

/// Shows that the broker blocks a connection, which it does to those that publish while it is out of room.
async fn watch(
    adapter: Arc<str>,
    broker: String,
    purpose: &'static str,
    mut events: impl Stream<Item = Event> + Unpin,
) {
    /// Sets the metric back when the connection ends in whatever way.
    struct Blocked(Arc<str>);
    impl Drop for Blocked {
        fn drop(&mut self) {
            BROKER_BLOCKED.set_whether([Value::configured(&self.0)], false);
        }
    }
    // There from the start, so that whoever looks can tell no from nothing.
    BROKER_BLOCKED.set_whether([Value::configured(&adapter)], false);
    let mut blocked = None;
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(%adapter, %broker, purpose, %reason, "the broker is out of room and takes no messages; \
                               those from MESH stay there, those for MESH go on");
                BROKER_BLOCKED.set_whether([Value::configured(&adapter)], true);
                blocked = Some(Blocked(Arc::clone(&adapter)));
            }
            Event::ConnectionUnblocked if blocked.take().is_some() => {
                tracing::info!(%adapter, %broker, purpose, "the broker takes messages again");
            }
            _ => {}
        }
    }
}

/// What a URL may say after the `?`.
const QUERY: [&str; 5] = ["heartbeat", "frame_max", "channel_max", "connection_timeout", "auth_mechanism"];

/// Reads a URL, and refuses what the library would pass over or take for something else.
fn uri(text: &str, tls: &Tls) -> Result<AMQPUri, BrokerError> {
    let mut uri = address(text)?;
    let url: url::Url = text.parse().map_err(|_| BrokerError::Url)?;
    if let Some((unknown, _)) = url.query_pairs().find(|(key, _)| !QUERY.contains(&&**key)) {
        return Err(BrokerError::Query(unknown.into_owned()));
    }
    let external = uri.query.auth_mechanism == Some(SASLMechanism::External);
    if external && (uri.scheme != AMQPScheme::AMQPS || !tls.has_identity()) {
        return Err(BrokerError::NoIdentity);
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}

/// The brokers of these URLs, as host and port, to which everything would go in clear text over a network.
pub(crate) fn in_clear_text(urls: &SecretString) -> Vec<String> {
    let uris = urls.expose_secret().split_whitespace().filter_map(|url| address(url).ok());
    uris.filter(|uri| uri.scheme == AMQPScheme::AMQP && !is_loopback(uri)).map(|uri| name(&uri)).collect()
}

/// Reads a URL as far as it says where the broker is.
fn address(text: &str) -> Result<AMQPUri, BrokerError> {
    let url: url::Url = text.parse().map_err(|_| BrokerError::Url)?;
    let mut uri: AMQPUri = text.parse().map_err(|_| BrokerError::Url)?;
    // It takes an address of version 6, and no host at all, for `localhost`.
    uri.authority.host = match url.host() {
        Some(url::Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err(BrokerError::Url),
    };
    Ok(uri)
}

fn name(uri: &AMQPUri) -> String {
    format!("{}:{}", uri.authority.host, uri.authority.port)
}

fn is_loopback(uri: &AMQPUri) -> bool {
    let host = uri.authority.host.as_str();
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What an error of the broker's means, in words.
pub(crate) fn advice(error: &lapin::Error) -> String {
    use lapin::ErrorKind;
    match error.kind() {
        ErrorKind::IOError(error) => match crate::tls::advice(error) {
            Some(advice) => advice,
            None => format!("the connection failed ({}); see that the broker runs and can be reached", error.kind()),
        },
        ErrorKind::ProtocolError(error) => match error.get_id() {
            403 => "it refuses the login, or a right is missing; see user, password and virtual host in the URL, and that the \
                    user may read the queues, and write to the exchanges (and configure, where declare = true)"
                .to_owned(),
            404 => "an exchange or a queue is not there".to_owned(),
            406 => "an exchange or a queue is there in another form, a message is larger than the broker takes, or one was \
                    held longer than the broker's consumer_timeout"
                .to_owned(),
            530 => "it does not let us into the virtual host; see the end of the URL".to_owned(),
            320 => "whoever runs it closed the connection, or shuts it down".to_owned(),
            405 => "somebody else has the queue to himself".to_owned(),
            501 => "a message's headers are longer than it takes at once".to_owned(),
            541 => "it failed within itself; see its own log".to_owned(),
            code => format!("it answers with {code}; see its own log"),
        },
        ErrorKind::MissingHeartbeatError => "it went silent".to_owned(),
        _ => "the connection or the channel broke".to_owned(),
    }
}
