//! Topics: looked at before anything is taken, made where the configuration asks for it.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::Shared;
use crate::aside::{Aside, drop_aside};
use crate::client::{BrokerError, advice, made};
use crate::settings::Purpose;

/// How long a broker may take to say what topics there are.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the marks of a transactional inbound topic are kept that is made here: longer than MESH keeps messages.
const SEEN_KEPT_MS: &str = "3024000000";
/// How long last states are kept in a topic that is made here: as long as the journal keeps what has ended, unless told
/// otherwise.
const LATEST_KEPT_MS: &str = "7776000000";

/// Looks whether all topics are there, and makes what is missing where that is wanted.
///
/// # Errors
/// What is missing, all of it.
pub(crate) async fn prepare(shared: &Shared) -> Result<(), BrokerError> {
    let absent = look(shared).await?;
    let can_be_made = absent.iter().all(|(_, error)| is_unknown(error));
    if absent.is_empty() || (shared.config.declare && can_be_made) {
        for (name, _) in &absent {
            make(shared, name).await?;
        }
        shared.publisher.set_ready();
        return Ok(());
    }
    let mut missing: Vec<String> =
        absent.iter().map(|(name, error)| format!("topic {name}: {}", advice(error))).collect();
    if can_be_made {
        missing.push("make what is missing, or set declare = true to have it made".to_owned());
    }
    Err(BrokerError::Topology { missing })
}

fn is_unknown(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    )
}

/// The topics that cannot be used, with why.
async fn look(shared: &Shared) -> Result<Vec<(String, KafkaError)>, BrokerError> {
    let shared = shared.clone();
    let looking = tokio::task::spawn_blocking(move || {
        // A consumer, since the question of a producer has brokers make the topic.
        let client =
            Aside::new(shared.looker(&shared.settings.of(&Purpose::Look)).map_err(|error| made(&error))?);
        let unreachable = |error: &KafkaError| BrokerError::Unreachable {
            brokers: shared.config.brokers.clone(),
            what: advice(error),
        };
        let mut absent = Vec::new();
        for (_, name) in shared.config.topics() {
            let metadata =
                client.fetch_metadata(Some(name), ANSWER_WITHIN).map_err(|error| unreachable(&error))?;
            for topic in metadata.topics() {
                if let Some(error) = topic.error() {
                    absent.push((name.to_owned(), KafkaError::MetadataFetch(error.into())));
                }
            }
        }
        Ok(absent)
    });
    looking.await.unwrap_or_else(|_| Err(BrokerError::Client("looking at topics broke off".to_owned())))
}

async fn make(shared: &Shared, name: &str) -> Result<(), BrokerError> {
    let client: AdminClient<_> = shared
        .settings
        .of(&Purpose::Look)
        .create_with_context(shared.context.clone())
        .map_err(|error| made(&error))?;
    let config = &shared.config;
    let latest = config.status.as_ref().and_then(|status| status.latest.as_deref());
    let transaction = config.inbound.as_ref().and_then(|inbound| inbound.transaction.as_ref());
    // The broker's own numbers of partitions and replicas.
    let mut topic = NewTopic::new(name, -1, TopicReplication::Fixed(-1));
    if latest == Some(name) {
        topic = topic.set("cleanup.policy", "compact,delete").set("retention.ms", LATEST_KEPT_MS);
    }
    if transaction.is_some_and(|transaction| transaction.seen == name) {
        topic = topic.set("cleanup.policy", "compact,delete").set("retention.ms", SEEN_KEPT_MS);
    }
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
    let made = client.create_topics([&topic], &options).await;
    drop_aside(client);
    let failed = |what: String| BrokerError::Topology { missing: vec![format!("topic {name}: {what}")] };
    match made.map_err(|error| failed(advice(&error)))?.into_iter().next() {
        // Another adapter may have been quicker.
        None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(failed(advice(&KafkaError::AdminOp(code)))),
    }
}
