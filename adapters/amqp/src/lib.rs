//! The AMQP 0.9.1 adapter (`queue-bridging.md` section 2): a queue's messages go to MESH, messages from MESH and what became
//! of the queue's own go to exchanges. Written for RabbitMQ.
//!
//! A message stays un-acknowledged in its queue until MESH has it or it is parked (INV-1); a message from MESH is
//! acknowledged there only once the broker has confirmed it and has not sent it back (INV-3). Consuming and publishing have
//! connections of their own, since a broker that runs out of room blocks those that publish (2.7, 4).
//!
//! | subject | where |
//! |---|---|
//! | what an `[[adapter]]` of kind `amqp` may say | [`config`] |
//! | exchanges and queues: checked, or made on request | `topology` |
//! | a connection, and what a broker's refusal means | `broker` |
//! | publishing, confirmed | `publisher` |
//! | a queue to MESH | [`source`] |
//! | one delivery of it | `delivery` |
//! | order of deliveries until the engine keeps it | `turns` |
//! | MESH to an exchange | [`sink`] |
//! | events | [`events`] |

mod broker;
pub mod config;
mod delivery;
pub mod events;
mod properties;
mod publisher;
pub mod sink;
pub mod source;
mod topology;
mod turns;

pub use broker::BrokerError;
pub use config::Config;
pub use events::StatusExchange;
pub use sink::ExchangeSink;
pub use source::QueueSource;

use std::sync::Arc;

use claim_check::ClaimCheck;

/// What the parts of one adapter share: where its broker is, and a connection to publish on.
#[derive(Clone)]
pub struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<Config>,
    pub(crate) broker: Arc<broker::Broker>,
    pub(crate) publisher: Arc<publisher::Publisher>,
    pub(crate) claims: Option<ClaimCheck>,
    pub(crate) turns: Arc<turns::Turns>,
}

impl Shared {
    /// For the adapter `name` of the configuration, at the brokers that `urls` names, separated by white space. Nothing is
    /// connected yet.
    ///
    /// # Errors
    /// When one of them is no AMQP URL.
    pub fn new(name: &str, config: Config, urls: &secrecy::SecretString) -> Result<Self, BrokerError> {
        let broker = Arc::new(broker::Broker::new(name, urls)?);
        let publisher = Arc::new(publisher::Publisher::new(Arc::clone(&broker)));
        Ok(Self {
            name: name.into(),
            config: Arc::new(config),
            broker,
            publisher,
            claims: None,
            turns: Arc::default(),
        })
    }

    /// The same, with payloads by reference.
    #[must_use]
    pub fn with_claims(self, claims: Option<ClaimCheck>) -> Self {
        Self { claims, ..self }
    }
}
