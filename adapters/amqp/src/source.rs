//! A queue to MESH: consumes while MESH takes messages, a bounded number at a time. While it does not, the queue keeps them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer, Event};
use relay_core::{Clock, Deferral, RelayHandle, Shutdown, Source, SourceError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Shared;
use crate::broker::{ANSWER_WITHIN, BrokerError, advice};
use crate::config::Outbound;
use crate::delivery::{Desk, Done};
use crate::topology;

/// Pause after a broker could not be used; doubles from there.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause after a broker could not be used.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How long messages in work may take to end once no more are taken.
const FINISH_WITHIN: Duration = Duration::from_secs(60);

/// One queue.
pub struct QueueSource {
    shared: Shared,
    outbound: Option<Outbound>,
    clock: Arc<dyn Clock>,
}

/// Why consuming ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// MESH or the journal takes nothing for a while.
    Outage(Deferral),
    /// The broker took the consumer or the connection away.
    Broken(String),
    /// The broker gave no consumer.
    NotBegun(String),
}

impl QueueSource {
    /// A source for what `outbound` says. Without it, there only is the topology to be looked at.
    pub fn new(shared: Shared, outbound: Option<Outbound>, clock: Arc<dyn Clock>) -> Self {
        Self { shared, outbound, clock }
    }

    /// Consumes until something ends it.
    async fn consume(&self, relay: &RelayHandle, shutdown: &Shutdown) -> Result<Ended, BrokerError> {
        let connection = self.shared.broker.connect("consuming").await?;
        topology::prepare(&connection, &self.shared.config).await?;
        let Some(outbound) = &self.outbound else {
            let mut shutdown = shutdown.clone();
            // What was there may be gone when the broker is back, and is made or named again.
            return Ok(tokio::select! {
                what = lost(&connection) => Ended::Broken(what),
                () = shutdown.requested() => Ended::Stopped,
            });
        };
        let desk = Desk {
            shared: self.shared.clone(),
            outbound: outbound.clone(),
            clock: Arc::clone(&self.clock),
            relay: relay.clone(),
            stop: shutdown.clone(),
        };
        let (channel, consumer) = match open(&connection, outbound).await {
            Ok(open) => open,
            Err(what) => return Ok(Ended::NotBegun(what)),
        };
        tracing::info!(adapter = %self.shared.name, queue = %outbound.queue, "consuming");
        let ended = self.work(desk, consumer, shutdown).await;
        // What was not acknowledged goes back to the queue, in its old place.
        let closing = async {
            let _ = channel.close(200, "stopping".into()).await;
            let _ = connection.close(200, "stopping".into()).await;
        };
        let _ = timeout(ANSWER_WITHIN, closing).await;
        Ok(ended)
    }

    /// Works on what comes, until something ends it; then waits a while for what is in work.
    async fn work(&self, mut desk: Desk, mut consumer: Consumer, shutdown: &Shutdown) -> Ended {
        let mut shutdown = shutdown.clone();
        let (trigger, stop) = Shutdown::channel();
        desk.stop = stop;
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let ended = loop {
            tokio::select! {
                delivery = consumer.next() => match delivery {
                    Some(Ok(delivery)) => {
                        desk.line_up(&delivery);
                        let desk = desk.clone();
                        tasks.spawn(async move { desk.carry(&delivery).await });
                    }
                    Some(Err(error)) => break Ended::Broken(advice(&error)),
                    None => break Ended::Broken("the broker cancelled the consumer; the queue may be gone".to_owned()),
                },
                Some(done) = tasks.join_next() => match done {
                    Ok(Done::Settled) => {}
                    Ok(Done::Outage(deferral)) => break Ended::Outage(deferral),
                    Ok(Done::Back) => break Ended::Broken("an acknowledgement did not reach the broker".to_owned()),
                    Err(_) => break Ended::Broken("work on a message broke off; it goes back to the queue".to_owned()),
                },
                () = shutdown.requested() => break Ended::Stopped,
            }
        };
        trigger.request();
        let ending = async { while tasks.join_next().await.is_some() {} };
        if timeout(FINISH_WITHIN, ending).await.is_err() {
            let left = tasks.len();
            tracing::warn!(adapter = %self.shared.name, left, "messages in work did not end in time; they come again");
        }
        ended
    }
}

#[async_trait]
impl Source for QueueSource {
    async fn run(&self, relay: RelayHandle, mut shutdown: Shutdown) -> Result<(), SourceError> {
        let (adapter, mailbox) = (&self.shared.name, &self.shared.config.mailbox);
        let mut failures: u32 = 0;
        let mut told = String::new();
        while !shutdown.is_requested() {
            // Nothing is taken that MESH would not take: each return counts where the queue has a delivery limit.
            let ended = match relay.reachable(mailbox).await {
                Ok(()) => self.consume(&relay, &shutdown).await,
                Err(deferral) => Ok(Ended::Outage(deferral)),
            };
            let (what, wait) = match ended {
                Ok(Ended::Stopped) => break,
                Ok(Ended::Outage(deferral)) => (deferral.to_string(), deferral.after),
                Ok(Ended::Broken(what)) => {
                    // All had been well, so this is the first failure, and is told even if it is the same as the last one.
                    failures = 0;
                    told.clear();
                    (what, self.back_off(&mut failures))
                }
                Ok(Ended::NotBegun(what)) => (what, self.back_off(&mut failures)),
                Err(error) => (error.to_string(), self.back_off(&mut failures)),
            };
            if told != what {
                tracing::error!(%adapter, "{what}; messages stay in the queue");
                told = what;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => {}
            }
        }
        self.shared.publisher.close().await;
        Ok(())
    }
}

impl QueueSource {
    fn back_off(&self, failures: &mut u32) -> Duration {
        let wait = RETRY_FIRST.saturating_mul(1 << (*failures).min(16)).min(RETRY_MAX);
        *failures += 1;
        wait
    }
}

/// Returns once the connection is gone, and says why.
async fn lost(connection: &Connection) -> String {
    let mut events = pin!(connection.events_listener());
    while connection.status().connected() {
        match events.next().await {
            Some(Event::Error(error)) => return advice(&error),
            Some(_) => {}
            None => break,
        }
    }
    "the connection ended".to_owned()
}

async fn open(connection: &Connection, outbound: &Outbound) -> Result<(Channel, Consumer), String> {
    let opening = async {
        let channel = connection.create_channel().await?;
        channel.basic_qos(outbound.prefetch, BasicQosOptions::default()).await?;
        let (queue, tag) = (outbound.queue.as_str().into(), "".into());
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue, tag, options, FieldTable::default()).await?;
        Ok((channel, consumer))
    };
    match timeout(ANSWER_WITHIN, opening).await {
        Ok(Ok(open)) => Ok(open),
        Ok(Err(error)) => {
            let error: lapin::Error = error;
            Err(advice(&error))
        }
        Err(_) => Err("the broker does not answer".to_owned()),
    }
}
