//! Publishing: persistent, mandatory and confirmed, one message at a time on each of a few channels
//! (`queue-bridging.md` 2.6, 2.7).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use relay_core::Chance;
use relay_core::policy::backoff;
use thiserror::Error;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use crate::broker::{ANSWER_WITHIN, Broker, BrokerError, Line, advice};
use crate::config::Config;
use crate::properties::short;
use crate::topology;

/// Channels, and so messages under way at a time. A returned message cannot be told from another one's on a channel that
/// has several (2.7, 2).
const CHANNELS: usize = 8;
/// How long a message may take to leave. A broker out of room blocks the connection.
const PUBLISH_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection and a look at all exchanges may take.
const PREPARED_WITHIN: Duration = Duration::from_secs(60);
/// Pause before a connection is tried again; doubles from there.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause before a connection is tried again.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How long the broker may take to say that it has a message.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);

/// A message to be published.
pub(crate) struct Publication<'a> {
    /// The exchange; empty for the one that leads to the queue named by the key.
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    pub(crate) properties: BasicProperties,
    pub(crate) body: &'a [u8],
}

/// Why nobody can say that the broker has a message. It may have it all the same.
#[derive(Debug, Error)]
pub(crate) enum PublishError {
    /// No broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No queue takes it.
    #[error(
        "exchange {exchange}: no queue takes this message; bind one, or give the exchange an alternate exchange"
    )]
    Unroutable {
        /// The exchange.
        exchange: String,
    },
    /// The broker does not want it now.
    #[error("exchange {exchange}: the broker refuses the message for now; a queue may be full")]
    Refused {
        /// The exchange.
        exchange: String,
    },
    /// It is longer than the broker takes.
    #[error(
        "exchange {exchange}: the message is longer than the broker takes; lower `body_max` below its max_message_size"
    )]
    TooLarge {
        /// The exchange.
        exchange: String,
    },
    /// The broker blocks the connection.
    #[error("the broker is out of room and takes no messages for now")]
    Blocked,
    /// The name of the exchange or the routing key is too long.
    #[error("the name of an exchange or a routing key is longer than 255 bytes")]
    Name,
    /// No channel.
    #[error("the broker opens no channel: {0}")]
    NoChannel(String),
    /// Nothing came back, or the channel broke.
    #[error("exchange {exchange}: {what}")]
    Unclear {
        /// The exchange.
        exchange: String,
        /// What happened.
        what: String,
    },
}

/// A connection to publish on, made when it is needed.
pub(crate) struct Publisher {
    broker: Arc<Broker>,
    config: Arc<Config>,
    chance: Arc<dyn Chance>,
    places: Semaphore,
    state: AsyncMutex<State>,
    /// Channels that wait for a message, each with its connection.
    idle: Mutex<Vec<(Arc<Line>, Channel)>>,
}

/// Where the connection stands.
enum State {
    /// None was needed yet, or the last one broke.
    None,
    /// It can be used.
    Open(Arc<Line>),
    /// None came about, and the next try is due at a time.
    Failed { error: BrokerError, failures: u32, until: Instant },
}

/// A channel for one message.
pub(crate) struct Place<'a> {
    publisher: &'a Publisher,
    line: Arc<Line>,
    channel: Channel,
    _place: Option<SemaphorePermit<'a>>,
}

impl Publisher {
    pub(crate) fn new(broker: Arc<Broker>, config: Arc<Config>, chance: Arc<dyn Chance>) -> Self {
        Self {
            broker,
            config,
            chance,
            places: Semaphore::new(CHANNELS),
            state: AsyncMutex::new(State::None),
            idle: Mutex::default(),
        }
    }

    /// Publishes, and returns once the broker has the message for good.
    pub(crate) async fn publish(&self, message: Publication<'_>) -> Result<(), PublishError> {
        self.place().await?.publish(message).await
    }

    /// A channel to publish one message on, as soon as one is free.
    pub(crate) async fn place(&self) -> Result<Place<'_>, PublishError> {
        // The semaphore is never closed.
        let place = self.places.acquire().await.ok();
        let line = self.line().await?;
        // What is published now would wait in the connection, and arrive however often it was given up.
        if line.connection.status().blocked() {
            return Err(PublishError::Blocked);
        }
        if let Some(channel) = self.idle(&line) {
            return Ok(Place { publisher: self, line, channel, _place: place });
        }
        let opening = async {
            let channel = line.connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        match timeout(ANSWER_WITHIN, opening).await {
            Ok(Ok(channel)) => Ok(Place { publisher: self, line, channel, _place: place }),
            Ok(Err(error)) => {
                let error: lapin::Error = error;
                Err(PublishError::NoChannel(advice(&error)))
            }
            // Blocked meanwhile, as it seems.
            Err(_) if line.connection.status().blocked() => Err(PublishError::Blocked),
            Err(_) => {
                self.forget(&line).await;
                Err(PublishError::NoChannel("it did not answer in time".to_owned()))
            }
        }
    }

    /// A channel of this connection that waits for a message. Those of connections before are closed.
    fn idle(&self, line: &Arc<Line>) -> Option<Channel> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(of, channel)| Arc::ptr_eq(of, line) && channel.status().connected());
        idle.pop().map(|(_, channel)| channel)
    }

    /// Why nothing can be published now, as far as is known.
    pub(crate) fn trouble(&self) -> Option<BrokerError> {
        // While it is being connected to, nothing new is known.
        match self.state.try_lock().as_deref() {
            Ok(State::Failed { error, .. }) => Some(error.clone()),
            Ok(State::None | State::Open(_)) | Err(_) => None,
        }
    }

    /// The connection, with all exchanges there that are published to.
    pub(crate) async fn line(&self) -> Result<Arc<Line>, BrokerError> {
        let mut state = self.state.lock().await;
        let failures = match &*state {
            State::Open(line) if line.connection.status().connected() && self.broker.is_current(line) => {
                return Ok(Arc::clone(line));
            }
            // Whoever waited for the connection shares its failure, so that many messages are one try.
            State::Failed { error, until, .. } if Instant::now() < *until => {
                return Err(error.clone());
            }
            State::Failed { failures, .. } => *failures,
            State::None | State::Open(_) => 0,
        };
        let prepared = async {
            let line = self.broker.connect("publishing").await?;
            // Before anything is published: while an exchange is made, there is no queue behind it yet.
            topology::exchanges(&line.connection, &self.config).await?;
            Ok::<Line, BrokerError>(line)
        };
        // Others wait for the same, and nobody for ever.
        let prepared = timeout(PREPARED_WITHIN, prepared).await;
        match prepared.unwrap_or_else(|_| Err(BrokerError::Slow { seconds: PREPARED_WITHIN.as_secs() })) {
            Ok(line) => {
                let line = Arc::new(line);
                *state = State::Open(Arc::clone(&line));
                Ok(line)
            }
            Err(error) => {
                let failures = failures.saturating_add(1);
                let until = Instant::now() + backoff(failures, RETRY_FIRST, RETRY_MAX, &*self.chance);
                *state = State::Failed { error: error.clone(), failures, until };
                Err(error)
            }
        }
    }

    /// Uses a connection no more: nobody knows what still waits on it.
    async fn forget(&self, line: &Arc<Line>) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Open(current) if Arc::ptr_eq(current, line)) {
            *state = State::None;
        }
    }
}

impl Place<'_> {
    /// Publishes, and returns once the broker has the message for good.
    pub(crate) async fn publish(self, message: Publication<'_>) -> Result<(), PublishError> {
        let exchange = message.exchange.to_owned();
        let unclear = |what: String| PublishError::Unclear { exchange: exchange.clone(), what };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (Some(to), Some(key)) = (short(message.exchange), short(message.routing_key)) else {
            return Err(PublishError::Name);
        };
        let sending = self.channel.basic_publish(to, key, options, message.body, message.properties);
        let confirming = match timeout(PUBLISH_WITHIN, sending).await {
            Ok(Ok(confirming)) => confirming,
            Ok(Err(error)) => return Err(unclear(advice(&error))),
            Err(_) => return Err(unclear(self.silence("it did not leave in time").await)),
        };
        // A channel that is not put back is closed when it is dropped.
        let confirmed = match timeout(CONFIRM_WITHIN, confirming).await {
            Ok(Ok(confirmed)) => confirmed,
            Ok(Err(error)) if is_refusal_of_size(&error) => return Err(PublishError::TooLarge { exchange }),
            Ok(Err(error)) => {
                // An exchange that is gone is looked for, or made, by a new connection.
                if is_code(&error, NOT_FOUND) {
                    self.publisher.forget(&self.line).await;
                }
                return Err(unclear(advice(&error)));
            }
            Err(_) => return Err(unclear(self.silence("the broker did not confirm it in time").await)),
        };
        let mut idle = self.publisher.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((self.line, self.channel));
        match confirmed {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable { exchange }),
            Confirmation::Nack(_) => Err(PublishError::Refused { exchange }),
            Confirmation::NotRequested => Err(unclear("it was not confirmed".to_owned())),
        }
    }
}

impl Place<'_> {
    /// What silence means. A connection that the broker blocks is kept, since what was written to it cannot be taken back
    /// and another one would only be blocked too; nobody knows what still waits on any other.
    async fn silence(&self, what: &str) -> String {
        if self.line.connection.status().blocked() {
            return format!("{what}: the broker is out of room");
        }
        self.publisher.forget(&self.line).await;
        what.to_owned()
    }
}

const NOT_FOUND: u16 = 404;

fn is_code(error: &lapin::Error, code: u16) -> bool {
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(error) if error.get_id() == code)
}

/// Whether the broker closed the channel because of the message's length (2.7, 6).
fn is_refusal_of_size(error: &lapin::Error) -> bool {
    const PRECONDITION_FAILED: u16 = 406;
    is_code(error, PRECONDITION_FAILED)
        && matches!(error.kind(), lapin::ErrorKind::ProtocolError(error) if error.get_message().as_str().contains("size"))
}

/// The properties that every message of ours has.
pub(crate) fn properties(id: &str, kind: &str, content_type: &str) -> BasicProperties {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(crate::properties::PERSISTENT)
        .with_app_id("mesh-relay".into());
    for (text, with) in [
        (id, BasicProperties::with_message_id as fn(BasicProperties, _) -> BasicProperties),
        (kind, BasicProperties::with_type),
        (content_type, BasicProperties::with_content_type),
    ] {
        if let Some(text) = short(text) {
            properties = with(properties, text);
        }
    }
    properties
}
