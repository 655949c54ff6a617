//! What the client library says, in words.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use relay_core::Happening;
use thiserror::Error;

use crate::config::Config;
use crate::happening::OffsetReset;
use crate::token;

/// After so long the same thing is said again.
const TELL_AGAIN: Duration = Duration::from_secs(600);

/// For so long a thing counts as just said, whatever goes well meanwhile.
pub(crate) const SAID_FOR: Duration = Duration::from_secs(60);
/// Different things that are remembered as said.
const TOLD_MAX: usize = 32;

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

/// Why a client could not be made. The library names a setting and its value where one is at fault; secrets are checked by
/// nobody before they are used.
pub(crate) fn made(error: &KafkaError) -> BrokerError {
    BrokerError::Client(advice(error))
}

/// What an error of the library's means, in words.
pub(crate) fn advice(error: &KafkaError) -> String {
    use RDKafkaErrorCode as Code;
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    };
    let Some(code) = code else {
        return match error {
            KafkaError::Seek(what) | KafkaError::Subscription(what) | KafkaError::PauseResume(what) => {
                format!("the client could not: {what}")
            }
            KafkaError::ClientConfig(_, what, key, _) => format!("{key}: {what}"),
            KafkaError::ClientCreation(what) => what.clone(),
            _ => "the client gave up".to_owned(),
        };
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
        Code::AllBrokersDown => {
            "no broker can be reached; see the addresses, the network and that brokers run".to_owned()
        }
        Code::BrokerTransportFailure | Code::Resolve => {
            "a broker cannot be reached; see its address, the network and that it runs".to_owned()
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
        Code::NotImplemented | Code::BadCompression => {
            "a batch of records is compressed in a way that the client cannot read".to_owned()
        }
        Code::BadMessage => "a batch of records is damaged".to_owned(),
        Code::ProducerFenced | Code::Fenced => "another relay has taken over".to_owned(),
        Code::PolicyViolation => "a policy of the broker forbids it".to_owned(),
        code => format!("{code}"),
    }
}

/// What the library says goes to the log, each thing once until all is well again, or much time passed.
#[derive(Clone)]
pub(crate) struct Context {
    adapter: Arc<str>,
    token: Option<Arc<std::path::Path>>,
    told: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Context {
    pub(crate) fn new(adapter: &Arc<str>, config: &Config) -> Self {
        let token = config.login.as_ref().and_then(|login| login.token.as_deref()).map(Arc::from);
        Self { adapter: Arc::clone(adapter), token, told: Arc::default() }
    }

    /// What the library reported lately, in words.
    pub(crate) fn said(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn is_new(&self, what: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = told.get(what).is_none_or(|at| at.elapsed() > TELL_AGAIN);
        if is_new {
            if told.len() >= TOLD_MAX {
                told.clear();
            }
            told.insert(what.to_owned(), Instant::now());
        }
        is_new
    }

    /// What is said next is new, if it was not said just now: one part may be well while another is not.
    pub(crate) fn well(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, at| at.elapsed() <= SAID_FOR);
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        let adapter = &self.adapter;
        if fac == "OFFSET" && message.contains("offset reset") && !message.contains("no previously committed")
        {
            // INV-5: what a topic does not have any more is at least named.
            let again = !self.is_new(message);
            return OffsetReset { adapter, what: message, again }.tell();
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
        let adapter = &self.adapter;
        // With TLS 1.3 a broker says so after the handshake, and the library takes that for a lost connection.
        let what = if reason.contains("SSL alert") {
            "TLS failed: the broker wants a client certificate and takes none or not ours; see `tls`"
                .to_owned()
        } else {
            advice(&error)
        };
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
