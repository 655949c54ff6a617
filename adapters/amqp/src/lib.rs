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
//! | TLS towards it | `tls` |
//! | publishing, confirmed | `publisher` |
//! | a queue to MESH | [`source`] |
//! | one delivery of it | `delivery`, and what it is to the engine: `offer` |
//! | what can never be sent, with its reason | `parked` |
//! | MESH to an exchange | [`sink`] |
//! | events | [`events`] |
//! | a look at all of it, for whoever sets it up | `diagnose` |

mod broker;
pub mod config;
mod delivery;
mod diagnose;
pub mod events;
mod happening;
mod offer;
mod parked;
mod properties;
mod publisher;
pub mod sink;
pub mod source;
mod tls;
mod topology;

pub use broker::BrokerError;
pub use config::Config;
pub use diagnose::diagnose;
pub use events::StatusExchange;
pub use sink::ExchangeSink;
pub use source::QueueSource;

use std::sync::Arc;

use claim_check::ClaimCheck;
use keystore::SwappableIdentity;
use relay_core::Chance;
use rustls::pki_types::CertificateDer;
use secrecy::SecretString;

/// What a configuration only refers to.
#[derive(Default)]
pub struct Secrets {
    /// The brokers' URLs, separated by white space.
    pub urls: SecretString,
    /// Whose certificates to trust. None: a broker is reached without TLS.
    pub roots: Vec<CertificateDer<'static>>,
    /// The certificate to show. A connection that shows another one is replaced.
    pub identity: Option<Arc<SwappableIdentity>>,
    /// Where payloads by reference are.
    pub claims: Option<ClaimCheck>,
}

impl Secrets {
    /// The brokers, as host and port, to which the login and every message would go in clear text over a network.
    pub fn in_clear_text(&self) -> Vec<String> {
        broker::in_clear_text(&self.urls)
    }
}

/// What the parts of one adapter share: where its broker is, and a connection to publish on.
#[derive(Clone)]
pub struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<Config>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) broker: Arc<broker::Broker>,
    pub(crate) publisher: Arc<publisher::Publisher>,
    pub(crate) claims: Option<ClaimCheck>,
}

impl Shared {
    /// For the adapter `name` of the configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// When a URL is none, or what TLS needs is not there.
    pub fn new(
        name: &str,
        config: Config,
        secrets: &Secrets,
        chance: Arc<dyn Chance>,
    ) -> Result<Self, BrokerError> {
        let name: Arc<str> = name.into();
        let tls = tls::Tls::new(&secrets.roots, secrets.identity.clone())?;
        let broker = Arc::new(broker::Broker::new(&name, &secrets.urls, tls, &*chance)?);
        let (config, claims) = (Arc::new(config), secrets.claims.clone());
        let publisher =
            publisher::Publisher::new(Arc::clone(&broker), Arc::clone(&config), Arc::clone(&chance));
        let publisher = Arc::new(publisher);
        Ok(Self { name, config, chance, broker, publisher, claims })
    }
}
