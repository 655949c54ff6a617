//! Where the broker is, and how it is connected to.

use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::time::timeout;

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
    /// No connection.
    #[error("broker {broker}: {what}")]
    Unreachable {
        /// Its host and port.
        broker: String,
        /// What happened and what to do.
        what: String,
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
    adapter: String,
    uris: Vec<AMQPUri>,
}

impl Broker {
    pub(crate) fn new(adapter: &str, urls: &SecretString) -> Result<Self, BrokerError> {
        let uris: Result<Vec<AMQPUri>, BrokerError> = urls
            .expose_secret()
            .split_whitespace()
            .map(|url| {
                let mut uri: AMQPUri = url.parse().map_err(|_| BrokerError::Url)?;
                uri.query.heartbeat.get_or_insert(HEARTBEAT);
                Ok(uri)
            })
            .collect();
        let uris = uris?;
        if uris.is_empty() {
            return Err(BrokerError::Url);
        }
        Ok(Self { adapter: adapter.to_owned(), uris })
    }

    /// The first connection that comes about. `purpose` tells it from others in the broker's own lists.
    pub(crate) async fn connect(&self, purpose: &str) -> Result<Connection, BrokerError> {
        let mut last = BrokerError::Url;
        for uri in &self.uris {
            let name = format!("{}:{}", uri.authority.host, uri.authority.port);
            let properties = ConnectionProperties::default()
                .with_connection_name(format!("mesh-relay {} {purpose}", self.adapter).into());
            let runtime = lapin::runtime::default_runtime();
            let failed = |what: String| BrokerError::Unreachable { broker: name.clone(), what };
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return Err(failed(advice(&error))),
            };
            let connecting = Connection::connect_uri_with_config(
                uri.clone(),
                properties,
                OwnedTLSConfig::default(),
                runtime,
            );
            last = match timeout(CONNECT_WITHIN, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failed(advice(&error)),
                Err(_) => failed(format!(
                    "no connection within {} s; check the address, the network and firewalls",
                    CONNECT_WITHIN.as_secs()
                )),
            };
        }
        Err(last)
    }
}

/// What an error of the broker's means, in words.
pub(crate) fn advice(error: &lapin::Error) -> String {
    use lapin::ErrorKind;
    match error.kind() {
        ErrorKind::IOError(error) => {
            format!("the connection failed ({}); see that the broker runs and can be reached", error.kind())
        }
        ErrorKind::ProtocolError(error) => match error.get_id() {
            403 => "it refuses the login, or a right is missing; see user, password and virtual host in the URL, and the \
                    user's permissions"
                .to_owned(),
            404 => "an exchange or a queue is not there".to_owned(),
            406 => "an exchange or a queue is there in another form, or a message is larger than the broker takes"
                .to_owned(),
            530 => "it does not let us into the virtual host; see the end of the URL".to_owned(),
            code => format!("it answers with {code}"),
        },
        ErrorKind::MissingHeartbeatError => "it went silent".to_owned(),
        _ => "the connection or the channel broke".to_owned(),
    }
}
