//! Brokers: what this measurement asks of one, and which there are. Each has a file of its own, with all that is known of
//! it and of the relay's adapter for it; a further one is that file, its [`Facts`] and an arm in each `match` here.

mod kafka;
mod rabbitmq;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mesh_relay_benches::report;
use serde::{Deserialize, Serialize};

/// Messages that a bare publisher has unconfirmed at a time: as many as channels of the relay's for RabbitMQ.
pub(crate) const PUBLISHERS: usize = 8;

/// Messages under way while a queue is filled.
const FILLING: usize = 256;

/// What the relay is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Queue to MESH, and nobody is told.
    Out,
    /// Queue to MESH, with each change told to the broker.
    OutTold,
    /// MESH to the queue.
    In,
    /// MESH to the queue, each message in a transaction with the mark that it was delivered.
    InTransactions,
}

/// Whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    RabbitMq,
    Kafka,
}

/// What is to be known of a kind of broker before one is connected to.
pub(crate) struct Facts {
    /// As it is called in what is said.
    pub(crate) name: &'static str,
    /// Name of the file with its figures.
    pub(crate) file: &'static str,
    /// As it calls what keeps messages.
    pub(crate) queue: &'static str,
    /// As it calls letting go of a message.
    pub(crate) ack: &'static str,
    /// How it keeps messages.
    pub(crate) keeping: &'static str,
    /// Whether the relay can deliver to it in transactions.
    pub(crate) has_transactions: bool,
    /// Which share of the pump beside it the relay should have from the queue to MESH.
    pub(crate) aim_out: f64,
    /// Environment variable that names the broker.
    pub(crate) variable: &'static str,
    /// Environment variable that names the folder in which its script keeps it.
    place: &'static str,
    /// Without that variable, the folder's name in the build folder.
    folder: &'static str,
    /// What the name of its process begins with.
    process: &'static str,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::RabbitMq, Self::Kafka];

    pub(crate) fn facts(self) -> &'static Facts {
        match self {
            Self::RabbitMq => &rabbitmq::FACTS,
            Self::Kafka => &kafka::FACTS,
        }
    }

    /// Where the environment says that it is, if it does.
    pub(crate) fn address(self) -> Option<String> {
        std::env::var(self.facts().variable).ok()
    }

    /// Whether the relay can do this with it.
    pub(crate) fn goes(self, way: Way) -> bool {
        way != Way::InTransactions || self.facts().has_transactions
    }

    /// The broker's process.
    pub(crate) fn process(self) -> u32 {
        let Facts { place: variable, folder, process, .. } = *self.facts();
        let place =
            std::env::var_os(variable).map_or_else(|| report::build_folder().join(folder), PathBuf::from);
        let path = place.join("pid");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; start the broker with tests/{folder}.sh, or name its folder in {variable}",
                path.display()
            )
        });
        let id = text.trim().parse().expect("a process id");
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        assert!(name.starts_with(process), "process {id} is '{}', and no broker", name.trim());
        id
    }
}

/// A queue of a repetition's own, on a broker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spot {
    pub(crate) kind: Kind,
    /// Where the broker is.
    pub(crate) address: String,
    pub(crate) queue: String,
}

impl Spot {
    /// Connects, for what is done around a repetition.
    pub(crate) async fn connect(&self) -> Box<dyn Broker> {
        match self.kind {
            Kind::RabbitMq => Box::new(rabbitmq::Rabbit::connect(self).await),
            Kind::Kafka => Box::new(kafka::Kafka::connect(self)),
        }
    }

    /// A bare consumer, with so many messages unacknowledged at most where the broker has such a bound.
    pub(crate) async fn intake(&self, most: usize) -> Arc<dyn Intake> {
        match self.kind {
            Kind::RabbitMq => Arc::new(rabbitmq::Intake::open(self, most).await),
            Kind::Kafka => Arc::new(kafka::Intake::open(self)),
        }
    }

    /// A bare publisher.
    pub(crate) async fn outlet(&self) -> Arc<dyn Outlet> {
        match self.kind {
            Kind::RabbitMq => Arc::new(rabbitmq::Outlet::open(self).await),
            Kind::Kafka => Arc::new(kafka::Outlet::open(self)),
        }
    }

    /// What the queue for events is called.
    fn told(&self) -> String {
        format!("{}.told", self.queue)
    }

    /// What the queue for what can never be sent is called.
    fn parked(&self) -> String {
        format!("{}.parked", self.queue)
    }
}

/// The relay's configuration of its adapter, as TOML, and the files that it names with what they hold.
pub(crate) struct Adapter {
    pub(crate) text: String,
    pub(crate) files: Vec<(&'static str, String)>,
}

/// What is done on a broker around a repetition, and asked of it.
#[async_trait]
pub(crate) trait Broker: Send + Sync {
    /// Makes what a repetition needs: its queue, one for events, one for what is parked, and what else the relay wants.
    async fn make_all(&self);

    /// Removes what was made.
    async fn remove_all(&self);

    /// Puts so many messages for MESH into the queue, numbered from 0 on, each confirmed.
    async fn fill(&self, count: usize);

    /// How many events were told.
    async fn told(&self) -> usize;

    /// How many messages were parked.
    async fn parked(&self) -> usize;

    /// Whether the broker has heard that so many messages of the queue are let go of, where it hears of that at leisure.
    async fn has_heard(&self, count: usize) -> bool;

    /// The numbers of the messages that are left in the queue, once it has no consumer: those that nobody let go of.
    async fn take_all(&self) -> Vec<usize>;

    /// How the relay's adapter is configured.
    fn adapter(&self, way: Way, in_flight: usize) -> Adapter;
}

/// Which message, as a broker tells those of a consumer apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// 0 where there is only one.
    partition: i32,
    number: u64,
}

/// A message that a bare consumer took.
pub(crate) struct Taken {
    pub(crate) body: Bytes,
    pub(crate) place: Place,
}

/// A bare consumer.
#[async_trait]
pub(crate) trait Intake: Send + Sync {
    /// The next message.
    async fn next(&self) -> Taken;

    /// Lets go of a message.
    async fn ack(&self, place: Place);

    /// Ends once the broker has heard all that was said to it.
    async fn close(&self);
}

/// A bare publisher.
#[async_trait]
pub(crate) trait Outlet: Send + Sync {
    /// Publishes a message, and returns once the broker has it for good.
    async fn publish(&self, number: usize);
}
