//! Settings of the client library, and what it says (`queue-bridging.md` 3.7).

use std::sync::{Arc, Mutex, PoisonError};

use claim_check::ClaimCheck;
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use relay_core::metric::KAFKA_RECORDS;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::config::{Config, Outbound, Protocol};
use crate::token;

/// Largest request that the library lets through: the broker's own limit is the one that counts.
const MESSAGE_BYTES_MAX: &str = "100000000";

/// Why Kafka cannot be used. Names brokers and topics, never a login.
#[derive(Debug, Clone, Error)]
pub enum BrokerError {
    /// The library refuses a setting, or to start.
    #[error("the Kafka client cannot be made: {0}")]
    Client(String),
    /// No broker answers.
    #[error("brokers {brokers}: {what}")]
    Unreachable {
        /// As configured.
        brokers: String,
        /// What happened and what to do.
        what: String,
    },
    /// Topics are not there, or may not be used.
    #[error("{}", missing.join("; "))]
    Topology {
        /// Each of them, with what to do.
        missing: Vec<String>,
    },
}

/// What a configuration refers to, once it was read. Shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// The password of `login`.
    pub password: Option<SecretString>,
    /// What opens the key of `tls`.
    pub key_password: Option<SecretString>,
    /// Payloads by reference, opened.
    pub claims: Option<ClaimCheck>,
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

/// The settings of a client.
pub(crate) fn settings(
    adapter: &str,
    config: &Config,
    secrets: &Secrets,
    purpose: &Purpose<'_>,
) -> ClientConfig {
    let mut settings = ClientConfig::new();
    // Info is too much, and what is worse is passed on by the context.
    settings.set_log_level(RDKafkaLogLevel::Warning);
    settings.set("bootstrap.servers", &config.brokers);
    settings.set("client.id", format!("mesh-relay-{adapter}"));
    settings.set("socket.keepalive.enable", "true");
    settings.set("reconnect.backoff.max.ms", "10000");
    match purpose {
        Purpose::Look => {
            settings.set("allow.auto.create.topics", "false");
            settings.set("enable.auto.commit", "false");
            settings.set("check.crcs", "true");
        }
        Purpose::Consume(outbound) => consume(&mut settings, outbound),
        Purpose::Produce | Purpose::Transact(_) => {
            // Java's way to choose a partition, so that a key is in one partition whoever writes it.
            settings.set("partitioner", "murmur2_random");
            settings.set("message.timeout.ms", "300000");
            settings.set("queue.buffering.max.kbytes", "65536");
            settings.set("linger.ms", "0");
        }
    }
    if let Purpose::Transact(_) = purpose {
        settings.set("transaction.timeout.ms", "60000");
        // No longer than the transaction that it belongs to.
        settings.set("message.timeout.ms", "60000");
    }
    settings.set("message.max.bytes", MESSAGE_BYTES_MAX);
    for (key, value) in &config.client {
        settings.set(key, value);
    }
    // Behind the others: what promises rest on.
    match purpose {
        Purpose::Produce => {
            settings.set("enable.idempotence", "true");
        }
        Purpose::Transact(id) => {
            settings.set("enable.idempotence", "true").set("transactional.id", *id);
        }
        Purpose::Look | Purpose::Consume(_) => {
            settings.set("isolation.level", "read_committed");
        }
    }
    secure(&mut settings, config, secrets);
    settings
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
    settings.set("allow.auto.create.topics", "false");
    settings.set("check.crcs", "true");
    settings.set("queued.max.messages.kbytes", "16384");
}

fn secure(settings: &mut ClientConfig, config: &Config, secrets: &Secrets) {
    let protocol = match (&config.tls, &config.login) {
        (Some(_), Some(_)) => "sasl_ssl",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (None, None) => "plaintext",
    };
    settings.set("security.protocol", protocol);
    if let Some(tls) = &config.tls {
        for (key, path) in [
            ("ssl.ca.location", &tls.roots),
            ("ssl.certificate.location", &tls.cert),
            ("ssl.key.location", &tls.key),
        ] {
            if let Some(path) = path {
                settings.set(key, path.to_string_lossy());
            }
        }
        if let Some(password) = &secrets.key_password {
            settings.set("ssl.key.password", password.expose_secret());
        }
    }
    if let Some(login) = &config.login {
        settings.set("sasl.mechanism", login.mechanism.as_str());
        if let Some(user) = &login.user {
            settings.set("sasl.username", user);
        }
        if let Some(password) = &secrets.password {
            settings.set("sasl.password", password.expose_secret());
        }
    }
}

/// Looks whether the library takes the settings of a configuration, without connecting anywhere.
///
/// # Errors
/// The first setting that it does not know, or whose value it does not take.
pub fn check(config: &Config) -> Result<(), BrokerError> {
    // Without secrets, files and logins: what it says of those is told where they are used.
    let bare = Config { tls: None, login: None, ..config.clone() };
    let purposes = [Some(Purpose::Produce), bare.outbound.as_ref().map(Purpose::Consume)];
    for purpose in purposes.into_iter().flatten() {
        let settings = settings("check", &bare, &Secrets::default(), &purpose);
        settings.create_native_config().map_err(|error| made(&error))?;
    }
    Ok(())
}

/// Why a client could not be made. The library names a setting and its value where one is at fault; secrets are checked by
/// nobody before they are used.
pub(crate) fn made(error: &KafkaError) -> BrokerError {
    BrokerError::Client(match error {
        KafkaError::ClientConfig(_, what, key, _) => format!("{key}: {what}"),
        KafkaError::ClientCreation(what) => what.clone(),
        other => advice(other),
    })
}

/// What an error of the library's means, in words.
pub(crate) fn advice(error: &KafkaError) -> String {
    use RDKafkaErrorCode as Code;
    let Some(code) = error.rdkafka_error_code() else {
        return "the client gave up".to_owned();
    };
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => "a topic is not there".to_owned(),
        Code::UnknownPartition => "a partition is not there".to_owned(),
        Code::TopicAuthorizationFailed => {
            "the login may not use a topic; give it the rights on it that it needs".to_owned()
        }
        Code::GroupAuthorizationFailed => {
            "the login may not use the consumer group; give it the right to read as that".to_owned()
        }
        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => {
            "the login may not write idempotently or under its transactional id; give it that right"
                .to_owned()
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "it refuses the login; see `login`".to_owned()
        }
        Code::SSL => "TLS failed; see `tls` and the certificates of the brokers".to_owned(),
        Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve => {
            "no broker can be reached; see the addresses, the network and that brokers run".to_owned()
        }
        Code::LeaderNotAvailable | Code::NotLeaderForPartition => {
            "a partition has no leader at the moment".to_owned()
        }
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => {
            "too few replicas of a partition are in sync".to_owned()
        }
        Code::MessageSizeTooLarge => "the broker or the topic takes no message of this size".to_owned(),
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut => {
            "no answer came in time".to_owned()
        }
        Code::ProducerFenced | Code::Fenced => "another relay has taken over".to_owned(),
        Code::PolicyViolation => "a policy of the broker forbids it".to_owned(),
        code => format!("{code}"),
    }
}

/// What the library says goes to the log, each thing once until it says another.
#[derive(Clone)]
pub(crate) struct Context {
    adapter: Arc<str>,
    token: Option<Arc<std::path::Path>>,
    told: Arc<Mutex<String>>,
}

impl Context {
    pub(crate) fn new(adapter: &Arc<str>, config: &Config) -> Self {
        let token = config.login.as_ref().and_then(|login| login.token.as_deref()).map(Arc::from);
        Self { adapter: Arc::clone(adapter), token, told: Arc::default() }
    }

    fn is_new(&self, what: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *told != what;
        what.clone_into(&mut told);
        is_new
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        let adapter = &self.adapter;
        if fac == "OFFSET" && message.contains("offset reset") {
            // INV-5: what a topic does not have any more is at least named.
            KAFKA_RECORDS.count("offset-reset");
            tracing::error!(%adapter, what = message, "an offset was out of range: records may have expired before they \
                were taken, or the topic was made anew; going on at the oldest");
            return;
        }
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(%adapter, fac, what = message, "Kafka client");
            }
            // The same stands in an error that is told below, or passes by itself.
            _ => tracing::debug!(%adapter, fac, what = message, "Kafka client warns"),
        }
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is none.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let (adapter, what) = (&self.adapter, advice(&error));
        if self.is_new(&what) {
            tracing::warn!(%adapter, reason, "Kafka: {what}");
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let path = self.token.as_deref().ok_or("login.token names no file")?;
        Ok(token::read(path)?)
    }
}

impl ConsumerContext for Context {}
