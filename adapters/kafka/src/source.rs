//! A topic to MESH: a member of a consumer group, whose partitions are worked on side by side.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use relay_core::progress::{MESH_WITHIN, UNBOUNDED};
use relay_core::{Clock, RelayHandle, Shutdown, ShutdownTrigger, Source, SourceError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Shared;
use crate::client::{BrokerError, SAID_FOR};
use crate::config::Outbound;
use crate::desk::Desk;
use crate::gate::Gate;
use crate::group::{self, Told};
use crate::hold::Command;
use crate::partition::{self, Stint};
use crate::publisher::Publisher;
use crate::record::Record;
use crate::topics;

/// Pause after Kafka could not be used; doubles from there.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause after Kafka could not be used.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How long what is in work may take to end when the relay stops.
const END_WITHIN: Duration = Duration::from_secs(45);
/// How long the consumer may take to move the group's offsets and to close then. Both are known to hang without a
/// coordinator; its thread is left behind then (`queue-bridging.md` 3.8).
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// One topic.
pub struct TopicSource {
    shared: Shared,
    outbound: Option<Arc<Outbound>>,
    clock: Arc<dyn Clock>,
    /// The work on each partition. A later stint of the same begins behind the earlier one.
    places: Mutex<HashMap<i32, Arc<AsyncMutex<()>>>>,
}

/// A partition's work, as seen from the one who hands it records.
struct Worker {
    epoch: u64,
    records: UnboundedSender<Record>,
    stop: ShutdownTrigger,
}

impl TopicSource {
    /// A source for what `outbound` says. Without it, there only are topics to be looked at.
    pub fn new(shared: Shared, outbound: Option<Outbound>, clock: Arc<dyn Clock>) -> Self {
        Self { shared, outbound: outbound.map(Arc::new), clock, places: Mutex::default() }
    }

    /// Consumes until something ends it. `Ok(None)`: it was asked to, or is to begin anew; else with what ended it.
    /// `replaced`: how often the certificate had been.
    async fn consume(
        &self,
        relay: &RelayHandle,
        shutdown: &Shutdown,
        replaced: u64,
    ) -> Result<Option<String>, BrokerError> {
        let mut shutdown = shutdown.clone();
        let settings = &self.shared.settings;
        let Some(outbound) = &self.outbound else {
            tokio::select! {
                () = shutdown.requested() => {}
                () = settings.replaced_since(replaced) => {}
            }
            return Ok(None);
        };
        let (commands, heard) = channel();
        let (tell, mut told) = unbounded_channel();
        let pump = relay.pump(Duration::ZERO);
        group::join(self.shared.clone(), Arc::clone(outbound), (commands.clone(), heard), tell, pump)
            .map_err(|error| BrokerError::Client(error.to_string()))?;
        tracing::info!(adapter = %self.shared.name, topic = %outbound.topic, "consuming");
        let (trigger, stop) = Shutdown::channel();
        let desk = Desk {
            shared: self.shared.clone(),
            outbound: Arc::clone(outbound),
            clock: Arc::clone(&self.clock),
            gate: Arc::new(Gate::open()),
            relay: relay.clone(),
            readers: Arc::new(Semaphore::new(outbound.in_work as usize)),
            stop: stop.clone(),
        };
        let gate = Arc::clone(&desk.gate);
        let mailbox = &self.shared.config.mailbox;
        let keeping = gate.keep(&self.shared.name, relay, mailbox, &commands, stop);
        let hearing = async {
            let ended = self.hear(&desk, &commands, &mut told, &mut shutdown, replaced).await;
            trigger.request();
            ended
        };
        let (ended, ()) = tokio::join!(hearing, keeping);
        Ok(ended)
    }

    /// Does what the consumer's thread tells, until it is closed and all work has ended.
    async fn hear(
        &self,
        desk: &Desk,
        commands: &Sender<Command>,
        told: &mut UnboundedReceiver<Told>,
        shutdown: &mut Shutdown,
        replaced: u64,
    ) -> Option<String> {
        let (adapter, settings) = (&self.shared.name, &self.shared.settings);
        let mut workers: HashMap<i32, Worker> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut said: Option<(String, Instant)> = None;
        let mut closing: Option<Instant> = None;
        let mut why = None;
        let ended = loop {
            let told = tokio::select! {
                told = told.recv() => told,
                _ = tasks.join_next(), if !tasks.is_empty() => {
                    if tasks.is_empty() && closing.is_some() {
                        closing = Some(Instant::now() + CLOSE_WITHIN);
                    }
                    continue;
                }
                () = settings.replaced_since(replaced), if closing.is_none() => {
                    tracing::info!(%adapter, "the certificate was replaced; all connections are made anew");
                    let _ = commands.send(Command::Stop);
                    closing = Some(Instant::now() + END_WITHIN);
                    continue;
                }
                () = shutdown.requested(), if closing.is_none() => {
                    let _ = commands.send(Command::Stop);
                    let within = if tasks.is_empty() { CLOSE_WITHIN } else { END_WITHIN };
                    closing = Some(Instant::now() + within);
                    continue;
                }
                () = async {
                    match closing {
                        Some(until) => tokio::time::sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                } => {
                    tracing::warn!(%adapter, "the consumer did not close in time; its thread is left behind");
                    break why;
                }
            };
            match told {
                Some(Told::Assigned(stint)) => {
                    let (records, taken) = unbounded_channel();
                    let (stop, asked) = Shutdown::channel();
                    workers.insert(stint.partition, Worker { epoch: stint.epoch, records, stop });
                    tasks.spawn(self.partition(stint, desk.clone(), taken, commands.clone(), asked));
                }
                Some(Told::Record(stint, record)) => {
                    said.take_if(|(_, at)| at.elapsed() > SAID_FOR);
                    desk.shared.context.well();
                    let worker = workers.get(&stint.partition).filter(|worker| worker.epoch == stint.epoch);
                    if let Some(worker) = worker {
                        // One whose work broke off is read again.
                        let _ = worker.records.send(record);
                    }
                }
                Some(Told::Revoked(stint)) => {
                    if workers.get(&stint.partition).is_some_and(|worker| worker.epoch == stint.epoch)
                        && let Some(worker) = workers.remove(&stint.partition)
                    {
                        worker.stop.request();
                    }
                }
                Some(Told::Failed(what)) => {
                    if said.as_ref().is_none_or(|(known, _)| *known != what) {
                        tracing::error!(%adapter, "consuming: {what}; records stay in the topic");
                        said = Some((what, Instant::now()));
                    }
                }
                Some(Told::Closing(what)) => {
                    why = what;
                    closing = Some(Instant::now() + CLOSE_WITHIN);
                }
                Some(Told::Closed) => break why,
                None => break Some("the consumer's thread broke off".to_owned()),
            }
        };
        // Dropped, they ask their partitions to end.
        workers.clear();
        while tasks.join_next().await.is_some() {}
        if shutdown.is_requested() { None } else { ended }
    }

    /// The work on a partition, in this stint of it.
    fn partition(
        &self,
        stint: Stint,
        desk: Desk,
        records: UnboundedReceiver<Record>,
        commands: Sender<Command>,
        stop: Shutdown,
    ) -> impl Future<Output = ()> + Send + 'static {
        let place = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(stint.partition).or_default())
        };
        async move {
            let _place = place.lock().await;
            let part = format!("{}/{}", desk.outbound.topic, stint.partition);
            let records = Arc::new(Mutex::new(Some(records)));
            let working = |relay: RelayHandle, mut stop: Shutdown| {
                let records = records.lock().unwrap_or_else(PoisonError::into_inner).take();
                let desk = Desk { relay, stop: stop.clone(), ..desk.clone() };
                let (commands, adapter) = (commands.clone(), Arc::clone(&desk.shared.name));
                let _ = commands.send(Command::Began(stint));
                async move {
                    match records {
                        Some(records) => partition::work(stint, desk, records, commands, stop).await,
                        // The lease was lost, and with it what was in work.
                        None => {
                            tracing::info!(%adapter, partition = stint.partition, "a partition whose lease was lost is \
                                held again, and read again from where its work broke off");
                            let _ = commands.send(Command::Again(stint));
                            stop.requested().await;
                        }
                    }
                    Ok::<(), Infallible>(())
                }
            };
            let relay = desk.relay.clone();
            let Ok(()) = relay.work_on_part(&part, stop, working).await;
            let _ = commands.send(Command::Left(stint));
        }
    }

    fn back_off(&self, failures: &mut u32) -> Duration {
        let wait = RETRY_FIRST.saturating_mul(1 << (*failures).min(16)).min(RETRY_MAX);
        *failures += 1;
        wait
    }
}

/// Tells, when it is dropped, that nobody is to wait any more.
struct Closing<'a>(&'a Publisher);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.set_closed();
    }
}

#[async_trait]
impl Source for TopicSource {
    async fn run(&self, relay: RelayHandle, mut shutdown: Shutdown) -> Result<(), SourceError> {
        let (adapter, mailbox) = (&self.shared.name, &self.shared.config.mailbox);
        self.shared.publisher.open();
        // Also where this work is dropped: what waits for brokers elsewhere must hear of the end.
        let _closing = Closing(&self.shared.publisher);
        let mut failures: u32 = 0;
        let mut told = String::new();
        let mut wake = relay.wake();
        let pump = relay.pump(Duration::ZERO);
        let step = pump.step("about to look at the topics");
        while !shutdown.is_requested() {
            step.turn_within("looking at the topics, and whether MESH takes messages", MESH_WITHIN);
            let began = Instant::now();
            let replaced = self.shared.settings.replaced();
            let done = match topics::prepare(&self.shared).await {
                Ok(()) => match relay.reachable(mailbox).await {
                    // Joining a group to take nothing would keep its partitions from members that could.
                    Err(deferral) => Err((deferral.to_string(), Some(deferral.after))),
                    Ok(()) => {
                        // The consumer's thread says where it is, and what it took are steps of their own.
                        step.turn_within("consuming", UNBOUNDED);
                        let consumed = self.consume(&relay, &shutdown, replaced).await;
                        consumed.map_err(|error| (error.to_string(), None))
                    }
                },
                Err(error) => Err((error.to_string(), None)),
            };
            if began.elapsed() > RETRY_MAX {
                failures = 0;
                told.clear();
            }
            let (what, wait) = match done {
                // A stop was asked for, or the certificate is another one.
                Ok(None) => continue,
                Ok(Some(what)) => (what, self.back_off(&mut failures)),
                Err((what, wait)) => (what, wait.unwrap_or_else(|| self.back_off(&mut failures))),
            };
            if told != what {
                tracing::error!(%adapter, "{what}; records stay in the topic");
                told = what;
            }
            step.waits("waiting to consume again", wait);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shared.settings.replaced_since(replaced) => {}
                () = shutdown.requested() => {}
                () = wake.woken_for_all() => {}
            }
        }
        step.turn("handing over what is left to be published");
        self.shared.publisher.flush().await;
        Ok(())
    }
}
