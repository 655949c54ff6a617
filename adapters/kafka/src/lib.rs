//! The Kafka adapter (`queue-bridging.md` section 3): a topic's records go to MESH, messages from MESH and what became of
//! the topic's own go to topics. Written for Apache Kafka, by librdkafka.
//!
//! The group's offset moves over a record only once its end is in the journal (INV-1), and a message from MESH is
//! acknowledged there only once the broker has reported it (INV-3). A partition belongs to one instance of the relay at a
//! time, by a lease of the partition's own: the group alone does not tell a member in time that it was cut off.
//!
//! | subject | where |
//! |---|---|
//! | what an `[[adapter]]` of kind `kafka` may say | [`config`], `faults` |
//! | settings of the client library, what it says, and its end | `settings`, `token`, `client`, `aside` |
//! | topics: checked, or made on request | `topics` |
//! | publishing, reported | `publisher` |
//! | a topic to MESH | [`source`] |
//! | the consumer, on a thread of its own | `group`, `hold` |
//! | how far a partition is done | `watermark` |
//! | a partition's records in their order | `partition` |
//! | one record | `record`, `offer`, `desk`, `parked` |
//! | whether MESH takes messages | `gate` |
//! | MESH to a topic | [`sink`], `transaction`, `marks` |
//! | events | [`events`] |
//! | a look at all of it, for whoever sets it up | `diagnose` |

mod aside;
mod client;
pub mod config;
mod desk;
mod diagnose;
pub mod events;
mod faults;
mod gate;
mod group;
mod happening;
mod hold;
mod marks;
mod offer;
mod parked;
mod partition;
mod publisher;
mod record;
mod settings;
pub mod sink;
pub mod source;
mod token;
mod topics;
mod transaction;
mod watermark;

pub use client::BrokerError;
pub use config::Config;
pub use diagnose::diagnose;
pub use events::StatusTopic;
pub use settings::{Secrets, check};
pub use sink::TopicSink;
pub use source::TopicSource;

use std::sync::Arc;

use claim_check::ClaimCheck;
use rdkafka::consumer::BaseConsumer;

/// What the parts of one adapter share: how its brokers are reached, and a producer.
#[derive(Clone)]
pub struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<Config>,
    pub(crate) settings: settings::Settings,
    pub(crate) context: client::Context,
    pub(crate) publisher: Arc<publisher::Publisher>,
    pub(crate) claims: Option<ClaimCheck>,
}

impl Shared {
    /// For the adapter `name` of the configuration. Nothing is waited for: the library connects when it needs to.
    ///
    /// # Errors
    /// When the library does not take the settings, or cannot read a certificate.
    pub fn new(name: &str, config: Config, secrets: Secrets) -> Result<Self, BrokerError> {
        let name: Arc<str> = name.into();
        let context = client::Context::new(&name, &config);
        let (config, claims) = (Arc::new(config), secrets.claims.clone());
        let settings = settings::Settings {
            adapter: Arc::clone(&name),
            config: Arc::clone(&config),
            secrets: Arc::new(secrets),
        };
        let publisher = Arc::new(publisher::Publisher::new(settings.clone(), context.clone())?);
        Ok(Self { name, config, settings, context, publisher, claims })
    }

    /// A consumer outside of any group, for questions and for reading a topic, by these settings.
    ///
    /// # Errors
    /// As the library has them.
    pub(crate) fn looker(
        &self,
        settings: &rdkafka::ClientConfig,
    ) -> rdkafka::error::KafkaResult<BaseConsumer<client::Context>> {
        let client: BaseConsumer<_> = settings.create_with_context(self.context.clone())?;
        // The library asks for a token in a poll, and questions wait for that without polling.
        let _ = client.poll(std::time::Duration::ZERO);
        Ok(client)
    }
}
