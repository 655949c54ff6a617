//! Publishing: persistent, mandatory and confirmed, one message at a time on each of a few channels
//! (`queue-bridging.md` 2.6, 2.7).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use thiserror::Error;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::timeout;

use crate::broker::{ANSWER_WITHIN, Broker, BrokerError, advice};
use crate::properties::short;

/// Channels, and so messages under way at a time. A returned message cannot be told from another one's on a channel that
/// has several (2.7, 2).
const CHANNELS: usize = 8;
/// How long a message may take to leave. A broker out of room blocks the connection.
const PUBLISH_WITHIN: Duration = Duration::from_secs(10);
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
    places: Semaphore,
    connection: AsyncMutex<Option<Arc<Connection>>>,
    idle: Mutex<Vec<(Arc<Connection>, Channel)>>,
}

impl Publisher {
    pub(crate) fn new(broker: Arc<Broker>) -> Self {
        Self {
            broker,
            places: Semaphore::new(CHANNELS),
            connection: AsyncMutex::default(),
            idle: Mutex::default(),
        }
    }

    /// Publishes, and returns once the broker has the message for good.
    pub(crate) async fn publish(&self, message: Publication<'_>) -> Result<(), PublishError> {
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let (connection, channel) = self.channel().await?;
        let exchange = message.exchange.to_owned();
        let unclear = |what: String| PublishError::Unclear { exchange: exchange.clone(), what };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sending = channel.basic_publish(
            message.exchange.into(),
            message.routing_key.into(),
            options,
            message.body,
            message.properties,
        );
        let confirming = match timeout(PUBLISH_WITHIN, sending).await {
            Ok(Ok(confirming)) => confirming,
            Ok(Err(error)) => return Err(unclear(advice(&error))),
            Err(_) => {
                self.forget(&connection).await;
                return Err(unclear("it did not leave in time; the broker may be out of room".to_owned()));
            }
        };
        // A channel that is not put back is closed when it is dropped.
        let confirmed = match timeout(CONFIRM_WITHIN, confirming).await {
            Ok(Ok(confirmed)) => confirmed,
            Ok(Err(error)) => return Err(unclear(advice(&error))),
            Err(_) => {
                self.forget(&connection).await;
                return Err(unclear("the broker did not confirm it in time".to_owned()));
            }
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((connection, channel));
        match confirmed {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(PublishError::Unroutable { exchange }),
            Confirmation::Nack(_) => Err(PublishError::Refused { exchange }),
            Confirmation::NotRequested => Err(unclear("it was not confirmed".to_owned())),
        }
    }

    async fn channel(&self) -> Result<(Arc<Connection>, Channel), PublishError> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((connection, channel)) = idle else { break };
            if connection.status().connected() && channel.status().connected() {
                return Ok((connection, channel));
            }
        }
        let connection = {
            let mut place = self.connection.lock().await;
            match place.as_ref().filter(|connection| connection.status().connected()) {
                Some(connection) => Arc::clone(connection),
                None => Arc::clone(place.insert(Arc::new(self.broker.connect("publishing").await?))),
            }
        };
        let opening = async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        match timeout(ANSWER_WITHIN, opening).await {
            Ok(Ok(channel)) => Ok((connection, channel)),
            Ok(Err(error)) => {
                let error: lapin::Error = error;
                Err(PublishError::Unclear { exchange: String::new(), what: advice(&error) })
            }
            Err(_) => {
                self.forget(&connection).await;
                Err(PublishError::Unclear {
                    exchange: String::new(),
                    what: "no channel was opened in time".to_owned(),
                })
            }
        }
    }

    /// Uses a connection no more: nobody knows what still waits on it.
    async fn forget(&self, connection: &Arc<Connection>) {
        let mut place = self.connection.lock().await;
        if place.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            *place = None;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Ends the connection. What is under way fails.
    pub(crate) async fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(connection) = self.connection.lock().await.take() {
            // A broker that does not answer sees the connection end with the process.
            let _ = timeout(ANSWER_WITHIN, connection.close(200, "stopping".into())).await;
        }
    }
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
