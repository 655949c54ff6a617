//! A look at an adapter's brokers for whoever sets them up. Makes no topic, joins no group, begins no transaction: that would
//! stop a relay at work.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use relay_core::diagnosis::Finding;

use crate::Shared;
use crate::aside::Aside;
use crate::client::{Context, advice};
use crate::settings::Purpose;

/// Whether brokers let us in: name, connection, TLS, login.
const BROKERS: &str = "kafka.brokers";
/// Whether a topic is there, with its partitions.
const TOPIC: &str = "kafka.topic";
/// Whether we may read as the consumer group.
const GROUP: &str = "kafka.group";
/// Whether we may write under the transactional id.
const TRANSACTION: &str = "kafka.transaction";

/// How long brokers may take to let us in and to say something.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Looks at the brokers, topics and the group of the adapter. Waits for the brokers, on the caller's thread.
pub fn diagnose(shared: &Shared) -> Vec<Finding> {
    let config = &shared.config;
    let of = |what: String| format!("adapter {}: {what}", shared.name);
    let brokers = of(format!("brokers {}", config.brokers));
    let mut settings = shared.settings.of(&Purpose::Look);
    // Named so that its offsets can be asked for, and never joined.
    settings
        .set("group.id", config.outbound.as_ref().map_or("mesh-relay-doctor", |outbound| &outbound.group));
    let client = match shared.looker(&settings) {
        Ok(client) => Aside::new(client),
        Err(error) => {
            return vec![Finding::fault(
                BROKERS,
                brokers,
                advice(&error),
                "mend `tls` or `client` of the adapter",
            )];
        }
    };
    let first = config.topics().first().map(|(_, name)| *name);
    if let Err(error) = client.fetch_metadata(first, ANSWER_WITHIN) {
        // What the library was told on the way says more than that no answer came.
        let said = shared.context.said();
        let found = if said.is_empty() { advice(&error) } else { said.join("; ") };
        let mut findings =
            vec![Finding::fault(BROKERS, brokers, found, "mend `brokers`, `tls` or `login` of the adapter")];
        let unknown = |(_, name): (&str, &str)| {
            Finding::not_checked(TOPIC, of(format!("topic {name}")), "no broker lets us in")
        };
        findings.extend(config.topics().into_iter().map(unknown));
        return findings;
    }
    let mut findings = vec![Finding::sound(BROKERS, brokers, "they let us in")];
    for (_, name) in config.topics() {
        findings.push(topic(&client, of(format!("topic {name}")), name, config.declare));
    }
    if let Some(outbound) = &config.outbound {
        let is_there = !findings.iter().any(|finding| finding.is_fault());
        findings.push(group(&client, of(format!("group {}", outbound.group)), &outbound.topic, is_there));
    }
    let transaction = config.inbound.as_ref().and_then(|inbound| inbound.transaction.as_ref());
    findings.extend(transaction.map(|transaction| {
        let item = of(format!("transactional id {}", transaction.id(&config.mailbox)));
        Finding::not_checked(TRANSACTION, item, "a try would stop a relay at work under it")
    }));
    findings
}

fn topic(client: &BaseConsumer<Context>, item: String, name: &str, declare: bool) -> Finding {
    let metadata = match client.fetch_metadata(Some(name), ANSWER_WITHIN) {
        Ok(metadata) => metadata,
        Err(error) => return Finding::fault(TOPIC, item, advice(&error), "see that the brokers are well"),
    };
    let Some(topic) = metadata.topics().first() else {
        return Finding::fault(TOPIC, item, "the brokers say nothing of it", "see that the brokers are well");
    };
    let error = topic.error().map(|error| KafkaError::MetadataFetch(error.into()));
    match error.as_ref().map(|error| (error, error.rdkafka_error_code())) {
        None => {
            let lost = topic.partitions().iter().filter(|partition| partition.error().is_some()).count();
            let count = topic.partitions().len();
            if lost == 0 {
                return Finding::sound(TOPIC, item, format!("it is there, with {count} partition(s)"));
            }
            let found = format!("{lost} of its {count} partitions have no leader, or too few replicas");
            Finding::warning(TOPIC, item, found, "see that all brokers run")
        }
        Some((_, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic))) if declare => {
            Finding::sound(TOPIC, item, "it is not there yet; the relay makes it (declare = true)")
        }
        Some((_, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic))) => {
            let advice = "make it, correct its name, or set declare = true to have it made";
            Finding::fault(TOPIC, item, "it is not there", advice)
        }
        Some((error, _)) => Finding::fault(
            TOPIC,
            item,
            advice(error),
            "give the login of the adapter the rights on it that it needs",
        ),
    }
}

/// Asks for the group's offsets, which needs the right to read as the group.
fn group(client: &BaseConsumer<Context>, item: String, topic: &str, has_topic: bool) -> Finding {
    if !has_topic {
        return Finding::not_checked(GROUP, item, "a topic is missing");
    }
    let mut places = TopicPartitionList::new();
    places.add_partition(topic, 0);
    match client.committed_offsets(places, ANSWER_WITHIN) {
        Ok(_) => Finding::sound(GROUP, item, "its offsets can be read"),
        Err(error) => Finding::fault(
            GROUP,
            item,
            advice(&error),
            "give the login of the adapter the right to read as the group",
        ),
    }
}
