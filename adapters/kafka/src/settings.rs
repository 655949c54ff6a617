//! Settings of the client library (`queue-bridging.md` 3.7).

use std::sync::Arc;

use claim_check::ClaimCheck;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::FutureProducer;
use relay_config::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use crate::aside::drop_aside;
use crate::client::{BrokerError, Context, made};
use crate::config::{Config, Outbound, Protocol};

/// Largest request that the library lets through: the broker's own limit is the one that counts.
const MESSAGE_BYTES_MAX: &str = "100000000";
/// KiB of records that have not left yet, at most. Room for the longest, and for those beside it.
const QUEUED_KIB_MAX: &str = "131072";

/// What a configuration refers to, once it was read. Shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// The password of `login`.
    pub password: Option<SecretString>,
    /// What opens the key of `tls`, and where it is found: both may be replaced.
    pub key_password: Option<(SecretRef, relay_config::Secrets)>,
    /// Payloads by reference, opened.
    pub claims: Option<ClaimCheck>,
    /// Changes whenever the files of the certificate do.
    pub replaced: Option<watch::Receiver<u64>>,
}

/// What a client is for.
pub(crate) enum Purpose<'a> {
    /// Looking at topics, or reading one outside of any group.
    Look,
    /// A member of a group.
    Consume(&'a Outbound),
    /// Publishing.
    Produce,
    /// Publishing in transactions under this id.
    Transact(&'a str),
}

/// Where the settings of an adapter's clients come from.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) adapter: Arc<str>,
    pub(crate) config: Arc<Config>,
    pub(crate) secrets: Arc<Secrets>,
}

impl Settings {
    /// How often the certificate was replaced. The library reads it once for each client.
    pub(crate) fn replaced(&self) -> u64 {
        self.secrets.replaced.as_ref().map_or(0, |replaced| *replaced.borrow())
    }

    /// Waits until the certificate is replaced once more than it was `then`.
    pub(crate) async fn replaced_since(&self, then: u64) {
        if let Some(mut replaced) = self.secrets.replaced.clone()
            && replaced.wait_for(|now| *now != then).await.is_ok()
        {
            return;
        }
        // Nobody looks, or nobody looks any more.
        std::future::pending().await
    }

    /// The settings of a client.
    pub(crate) fn of(&self, purpose: &Purpose<'_>) -> ClientConfig {
        let config = &self.config;
        let mut settings = ClientConfig::new();
        // Info is too much, and what is worse is passed on by the context.
        settings.set_log_level(RDKafkaLogLevel::Warning);
        settings.set("bootstrap.servers", &config.brokers);
        settings.set("client.id", format!("mesh-relay-{}", self.adapter));
        settings.set("socket.keepalive.enable", "true");
        settings.set("reconnect.backoff.max.ms", "10000");
        match purpose {
            Purpose::Look => {
                settings.set("enable.auto.commit", "false");
                settings.set("check.crcs", "true");
            }
            Purpose::Consume(outbound) => consume(&mut settings, outbound),
            Purpose::Produce | Purpose::Transact(_) => {
                // Java's way to choose a partition, so that a key is in one partition whoever writes it.
                settings.set("partitioner", "murmur2_random");
                settings.set("queue.buffering.max.kbytes", QUEUED_KIB_MAX);
                settings.set("linger.ms", "0");
                // Brokers judge the size of batches: one of several small records may be refused as too large.
                settings.set("batch.num.messages", "1");
            }
        }
        settings.set("message.max.bytes", MESSAGE_BYTES_MAX);
        for (key, value) in &config.client {
            settings.set(key, value);
        }
        // Behind the others: what promises rest on. A topic that a typing error names must not come about by being used.
        settings.set("allow.auto.create.topics", "false");
        match purpose {
            Purpose::Produce => {
                settings.set("enable.idempotence", "true");
                settings.set("message.timeout.ms", "300000");
            }
            Purpose::Transact(id) => {
                settings.set("enable.idempotence", "true").set("transactional.id", *id);
                settings.set("transaction.timeout.ms", "60000");
                // No longer than the transaction that it belongs to.
                settings.set("message.timeout.ms", "60000");
            }
            Purpose::Look | Purpose::Consume(_) => {
                settings.set("isolation.level", "read_committed");
            }
        }
        self.secure(&mut settings);
        settings
    }

    fn secure(&self, settings: &mut ClientConfig) {
        let Config { tls, login, .. } = &*self.config;
        let protocol = match (tls, login) {
            (Some(_), Some(_)) => "sasl_ssl",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (None, None) => "plaintext",
        };
        settings.set("security.protocol", protocol);
        if let Some(tls) = tls {
            for (key, path) in [
                ("ssl.ca.location", &tls.roots),
                ("ssl.certificate.location", &tls.cert),
                ("ssl.key.location", &tls.key),
            ] {
                if let Some(path) = path {
                    settings.set(key, path.to_string_lossy());
                }
            }
            let password = self.secrets.key_password.as_ref();
            // Without it the library says that the key cannot be opened.
            if let Some(password) = password.and_then(|(reference, secrets)| reference.resolve(secrets).ok())
            {
                settings.set("ssl.key.password", password.expose_secret());
            }
        }
        if let Some(login) = login {
            settings.set("sasl.mechanism", login.mechanism.as_str());
            if let Some(user) = &login.user {
                settings.set("sasl.username", user);
            }
            if let Some(password) = &self.secrets.password {
                settings.set("sasl.password", password.expose_secret());
            }
        }
    }
}

fn consume(settings: &mut ClientConfig, outbound: &Outbound) {
    settings.set("group.id", &outbound.group);
    match outbound.protocol {
        Protocol::Classic => settings.set("partition.assignment.strategy", "cooperative-sticky"),
        Protocol::Consumer => settings.set("group.protocol", "consumer"),
    };
    settings.set("enable.auto.commit", "false");
    settings.set("enable.auto.offset.store", "false");
    settings.set("auto.offset.reset", "earliest");
    settings.set("check.crcs", "true");
    settings.set("queued.max.messages.kbytes", "16384");
}

/// Makes every kind of client that a configuration needs, which reads its certificates, and ends them again, without
/// connecting anywhere.
///
/// # Errors
/// The first setting that the library does not know or take, or the first file that it cannot use.
pub fn check(name: &str, config: &Config, secrets: &Secrets) -> Result<(), BrokerError> {
    let settings = Settings {
        adapter: name.into(),
        config: Arc::new(config.clone()),
        secrets: Arc::new(secrets.clone()),
    };
    let transacts = config.inbound.as_ref().is_some_and(|inbound| inbound.transaction.is_some());
    settings.try_out::<FutureProducer<Context>>(&Purpose::Produce)?;
    if transacts {
        settings.try_out::<FutureProducer<Context>>(&Purpose::Transact("check"))?;
    }
    if let Some(outbound) = &config.outbound {
        settings.try_out::<BaseConsumer<Context>>(&Purpose::Consume(outbound))?;
    }
    Ok(())
}

impl Settings {
    fn try_out<C>(&self, purpose: &Purpose<'_>) -> Result<(), BrokerError>
    where
        C: FromClientConfigAndContext<Context> + Send + 'static,
    {
        let mut settings = self.of(purpose);
        settings.remove("bootstrap.servers");
        let context = Context::new(&self.adapter, &self.config);
        drop_aside(C::from_config_and_context(&settings, context).map_err(|error| made(&error))?);
        Ok(())
    }
}
