//! Exchanges and queues: looked at before anything is taken or published, made where the configuration asks for it
//! (`queue-bridging.md` 2.1).

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};
use tokio::time::timeout;

use crate::broker::{ANSWER_WITHIN, BrokerError, advice};
use crate::config::Config;
use crate::properties::put;

/// Looks whether all exchanges are there that the adapter publishes to, and the queues that are named with them; makes what is
/// missing where that is wanted.
///
/// # Errors
/// What is missing, all of it.
pub(crate) async fn exchanges(connection: &Connection, config: &Config) -> Result<(), BrokerError> {
    let mut needed = Vec::new();
    // First, since others refer to it.
    if config.declare {
        needed.push(Needed::exchange(&config.unrouted, Some(&config.unrouted), None));
    }
    if config.outbound.is_some() {
        let queue = config.declare.then_some(config.parked.as_str());
        needed.push(Needed::exchange(&config.parked, queue, None));
    }
    let unrouted = Some(config.unrouted.as_str());
    if let Some(inbound) = &config.inbound {
        needed.push(Needed::exchange(&inbound.exchange, inbound.queue.as_deref(), unrouted));
    }
    if let Some(status) = &config.status {
        needed.push(Needed::exchange(&status.exchange, status.queue.as_deref(), unrouted));
    }
    all(connection, config, &needed).await
}

/// Looks whether a queue is there that the adapter consumes from, or makes it.
///
/// # Errors
/// As [`exchanges`].
pub(crate) async fn queue(connection: &Connection, config: &Config, queue: &str) -> Result<(), BrokerError> {
    all(connection, config, &[Needed::Queue(queue)]).await
}

async fn all(connection: &Connection, config: &Config, needed: &[Needed<'_>]) -> Result<(), BrokerError> {
    let mut missing = Vec::new();
    for needed in needed {
        if let Err(what) = needed.look(connection, config.declare).await {
            missing.push(what);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !config.declare {
        missing.push("make what is missing, or set declare = true to have it made".to_owned());
    }
    Err(BrokerError::Topology { missing })
}

/// Something that must be there.
enum Needed<'a> {
    Exchange {
        name: &'a str,
        /// The queue that gets all of it, where one must be there.
        queue: Option<&'a str>,
        /// Where a new one sends what no queue takes.
        unrouted: Option<&'a str>,
    },
    Queue(&'a str),
}

impl<'a> Needed<'a> {
    fn exchange(name: &'a str, queue: Option<&'a str>, unrouted: Option<&'a str>) -> Self {
        Self::Exchange { name, queue, unrouted }
    }

    /// What is there is taken as it is: how it was made is its administrator's. What is missing is made if that is wanted.
    async fn look(&self, connection: &Connection, declare: bool) -> Result<(), String> {
        match self {
            Self::Queue(name) => made_queue(connection, name, declare).await,
            Self::Exchange { name, queue, unrouted } => {
                let told = |what| format!("exchange {name}: {what}");
                // The queue first, so that the exchange is without one for no longer than it has to be.
                if let Some(queue) = queue {
                    made_queue(connection, queue, declare).await?;
                }
                match exchange(connection, name, true, None).await {
                    Ok(()) => {}
                    Err(_) if declare => exchange(connection, name, false, *unrouted).await.map_err(told)?,
                    Err(what) => return Err(told(what)),
                }
                // Each time: whoever made the two may have been stopped before it came to this.
                match queue {
                    Some(queue) if declare => bind(connection, queue, name).await.map_err(told),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Runs `work` on a channel of its own: a broker ends the channel on which it says no.
async fn on_channel<T>(
    connection: &Connection,
    work: impl AsyncFnOnce(&lapin::Channel) -> Result<T, lapin::Error>,
) -> Result<T, String> {
    let working = async {
        let channel = connection.create_channel().await?;
        let done = work(&channel).await?;
        channel.close(200, "done".into()).await?;
        Ok(done)
    };
    match timeout(ANSWER_WITHIN, working).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            let error: lapin::Error = error;
            Err(advice(&error))
        }
        Err(_) => Err("the broker does not answer".to_owned()),
    }
}

async fn exchange(
    connection: &Connection,
    name: &str,
    passive: bool,
    unrouted: Option<&str>,
) -> Result<(), String> {
    let options = ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    if let Some(unrouted) = unrouted {
        put(&mut arguments, "alternate-exchange", unrouted);
    }
    on_channel(connection, async |channel| {
        channel.exchange_declare(name.into(), ExchangeKind::Topic, options, arguments).await
    })
    .await
}

async fn bind(connection: &Connection, queue: &str, exchange: &str) -> Result<(), String> {
    on_channel(connection, async |channel| {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.into(), exchange.into(), "#".into(), options, arguments).await
    })
    .await
}

/// Looks for a queue, or makes it.
async fn made_queue(connection: &Connection, name: &str, declare: bool) -> Result<(), String> {
    let declared = async |passive: bool| {
        let options = QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        // All else is for policies, which can be changed without deleting the queue.
        put(&mut arguments, "x-queue-type", "quorum");
        on_channel(connection, async |channel| channel.queue_declare(name.into(), options, arguments).await)
            .await
    };
    let looked = match declared(true).await {
        Err(_) if declare => declared(false).await,
        looked => looked,
    };
    looked.map(|_| ()).map_err(|what| format!("queue {name}: {what}"))
}
