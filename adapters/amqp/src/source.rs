//! Queues to MESH: consumes while MESH takes messages, a bounded number at a time. While it does not, the queues keep them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use relay_carrier::Turns;
use relay_core::policy::backoff;
use relay_core::progress::MESH_WITHIN;
use relay_core::{Clock, Deferral, RelayHandle, Shutdown, Source, SourceError, Step};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::Shared;
use crate::broker::{ANSWER_WITHIN, BrokerError, Line, advice};
use crate::delivery::{Desk, Done};
use crate::offer::order_key;
use crate::topology;

/// Pause after a broker could not be used; doubles from there.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause after a broker could not be used.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How long messages in work may take to end once no more are taken: what a call to MESH may take, since one that is broken
/// off is a doubt.
const FINISH_WITHIN: Duration = Duration::from_secs(200);
/// Pause between two looks at a connection: whether it stands, and whether its certificate is still the one to show. They
/// ask nobody.
const LINE_LOOK: Duration = Duration::from_secs(1);

/// One adapter's queues.
pub struct QueueSource {
    shared: Shared,
    clock: Arc<dyn Clock>,
}

/// Why consuming ended.
enum Ended {
    /// It was asked to.
    Stopped,
    /// The certificate was replaced, and the connection is to show the new one.
    Renewed,
    /// MESH or the journal takes nothing for a while.
    Outage(Deferral),
    /// The broker took the consumer or the connection away.
    Broken(String),
}

impl QueueSource {
    /// A source for the queues of `shared`'s configuration. If there are none, it only looks at the topology.
    pub fn new(shared: Shared, clock: Arc<dyn Clock>) -> Self {
        Self { shared, clock }
    }

    /// Keeps at one queue until shutdown. Each has a connection of its own, so that none stands for another.
    async fn keep_at(&self, queue: Option<&str>, relay: &RelayHandle, shutdown: &Shutdown) {
        let (adapter, mailbox) = (&self.shared.name, &self.shared.config.mailbox);
        let mut stop = shutdown.clone();
        let mut failures: u32 = 0;
        let mut told = String::new();
        let mut wake = relay.wake();
        let pump = relay.pump(LINE_LOOK);
        let step = pump.step("about to connect");
        while !shutdown.is_requested() {
            let mut well = false;
            step.turn_within("asking whether MESH takes messages", MESH_WITHIN);
            // Nothing is taken that MESH would not take: each return counts where the queue has a delivery limit.
            let reachable = if queue.is_some() { relay.reachable(mailbox).await } else { Ok(()) };
            let ended = match reachable {
                Ok(()) => {
                    step.turn("connecting to the broker");
                    self.consume(queue, relay, shutdown, &step, &mut well).await
                }
                Err(deferral) => Ok(Ended::Outage(deferral)),
            };
            if well {
                // The same as before is news then, and a first failure.
                failures = 0;
                told.clear();
            }
            let mut back_off = || {
                failures = failures.saturating_add(1);
                backoff(failures, RETRY_FIRST, RETRY_MAX, &*self.shared.chance)
            };
            let (what, wait) = match ended {
                Ok(Ended::Stopped) => break,
                Ok(Ended::Renewed) => {
                    tracing::info!(%adapter, "the certificate was replaced; connecting to the broker with the new one");
                    continue;
                }
                Ok(Ended::Outage(deferral)) => (deferral.to_string(), deferral.after),
                Ok(Ended::Broken(what)) => (what, back_off()),
                Err(error) => (error.to_string(), back_off()),
            };
            if told != what {
                let stay = if queue.is_some() { "in the queue" } else { "at MESH" };
                tracing::error!(%adapter, queue, "{what}; messages stay {stay}");
                told = what;
            }
            step.waits("waiting to connect to the broker again", wait);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.requested() => {}
                () = wake.woken_for_all() => {}
            }
        }
    }

    /// Consumes until something ends it. `well`: whether it did so for a while, or let anything go.
    async fn consume(
        &self,
        queue: Option<&str>,
        relay: &RelayHandle,
        shutdown: &Shutdown,
        step: &Step,
        well: &mut bool,
    ) -> Result<Ended, BrokerError> {
        let (adapter, config) = (&self.shared.name, &self.shared.config);
        // What cannot be sent must have a place before anything is taken.
        let publishing = self.shared.publisher.line().await?;
        let (Some(queue), Some(outbound)) = (queue, &config.outbound) else {
            tracing::info!(%adapter, "the broker has what the adapter publishes to");
            *well = true;
            return Ok(self.watch(&publishing, shutdown, step).await);
        };
        drop(publishing);
        let line = self.shared.broker.connect("consuming").await?;
        topology::queue(&line.connection, config, queue).await?;
        let (trigger, stop) = Shutdown::channel();
        let desk = Desk {
            shared: self.shared.clone(),
            outbound: outbound.clone(),
            queue: queue.into(),
            clock: Arc::clone(&self.clock),
            relay: relay.clone(),
            stop,
        };
        let (channel, consumer) = match open(&line.connection, queue, outbound.prefetch).await {
            Ok(open) => open,
            Err(what) => return Ok(Ended::Broken(what)),
        };
        tracing::info!(%adapter, queue, "consuming");
        let begun = Instant::now();
        let mut work = Work { desk, tasks: JoinSet::new(), turns: Turns::default(), settled: false };
        let ended = work.run(consumer, &line, shutdown, step).await;
        // Not by having begun alone: what breaks each time at once is not well.
        *well = work.settled || begun.elapsed() > RETRY_MAX;
        trigger.request();
        step.turn_within("letting messages in work end", FINISH_WITHIN);
        work.finish().await;
        step.turn("closing the connection to the broker");
        // What was not acknowledged goes back to the queue, in its old place.
        let _ = timeout(ANSWER_WITHIN, channel.close(200, "stopping".into())).await;
        line.close().await;
        Ok(ended)
    }
}

impl QueueSource {
    /// Stays until the connection is gone, or shows another certificate than it should. What was there may be gone when the
    /// broker is back, and is made or named again.
    async fn watch(&self, line: &Line, shutdown: &Shutdown, step: &Step) -> Ended {
        let mut shutdown = shutdown.clone();
        let mut look = tokio::time::interval(LINE_LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => step.turn("looking after the connection to the broker"),
                () = shutdown.requested() => return Ended::Stopped,
            }
            if !line.connection.status().connected() {
                return Ended::Broken("the connection to the broker ended".to_owned());
            }
            if !self.shared.broker.is_current(line) {
                return Ended::Renewed;
            }
        }
    }
}

/// The messages of a queue that are with us.
struct Work {
    desk: Desk,
    tasks: JoinSet<(Option<String>, Done)>,
    turns: Turns<(Delivery, Instant)>,
    /// Whether any was let go.
    settled: bool,
}

impl Work {
    /// Works on what comes until something ends it.
    async fn run(&mut self, mut consumer: Consumer, line: &Line, shutdown: &Shutdown, step: &Step) -> Ended {
        let mut shutdown = shutdown.clone();
        let mut renewal = tokio::time::interval(LINE_LOOK);
        loop {
            tokio::select! {
                delivery = consumer.next() => match delivery {
                    Some(Ok(delivery)) => self.take(delivery),
                    Some(Err(error)) => return Ended::Broken(advice(&error)),
                    None => return Ended::Broken("the broker cancelled the consumer; the queue may be gone".to_owned()),
                },
                Some(done) = self.tasks.join_next() => match done {
                    Ok((key, Done::Settled)) => {
                        self.settled = true;
                        self.next(key);
                    }
                    Ok((_, Done::Outage(deferral))) => return Ended::Outage(deferral),
                    Ok((_, Done::Back)) => {
                        return Ended::Broken("an acknowledgement did not reach the broker".to_owned());
                    }
                    Ok((_, Done::Held)) => {
                        return Ended::Broken("a message was held for long and goes back to the queue".to_owned());
                    }
                    Err(_) => return Ended::Broken("work on a message broke off; it goes back to the queue".to_owned()),
                },
                _ = renewal.tick() => {
                    step.turn("consuming");
                    if !self.desk.shared.broker.is_current(line) {
                        return Ended::Renewed;
                    }
                },
                () = shutdown.requested() => return Ended::Stopped,
            }
        }
    }

    /// Begins a delivery, or lets it wait for its turn.
    fn take(&mut self, delivery: Delivery) {
        let taken = Instant::now();
        match order_key(&delivery) {
            None => self.begin(None, (delivery, taken)),
            Some(key) => {
                if let Some(taken) = self.turns.admit(&key, (delivery, taken)) {
                    self.begin(Some(key), taken);
                }
            }
        }
    }

    /// One of `key` was let go.
    fn next(&mut self, key: Option<String>) {
        if let Some(key) = key
            && let Some(taken) = self.turns.ended(&key)
        {
            self.begin(Some(key), taken);
        }
    }

    fn begin(&mut self, key: Option<String>, (delivery, taken): (Delivery, Instant)) {
        let desk = self.desk.clone();
        self.tasks.spawn(async move { (key, desk.carry(delivery, taken).await) });
    }

    /// Waits a while for what was begun. What only waited for its turn goes back.
    async fn finish(&mut self) {
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(FINISH_WITHIN, ending).await.is_err() {
            let (adapter, left) = (&self.desk.shared.name, self.tasks.len());
            tracing::warn!(%adapter, left, "messages in work did not end in time; they come again");
        }
    }
}

#[async_trait]
impl Source for QueueSource {
    async fn run(&self, relay: RelayHandle, shutdown: Shutdown) -> Result<(), SourceError> {
        match &self.shared.config.outbound {
            Some(outbound) => {
                let queues = outbound.queue.0.iter();
                join_all(queues.map(|queue| self.keep_at(Some(queue), &relay, &shutdown))).await;
            }
            None => self.keep_at(None, &relay, &shutdown).await,
        }
        Ok(())
    }
}

async fn open(connection: &Connection, queue: &str, prefetch: u16) -> Result<(Channel, Consumer), String> {
    let opening = async {
        let channel = connection.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
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
