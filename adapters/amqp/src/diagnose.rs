//! A look at an adapter's brokers for whoever sets them up. Declares nothing, takes nothing and publishes nothing.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ErrorKind, ExchangeKind};
use relay_core::diagnosis::Finding;
use tokio::time::timeout;

use crate::Shared;
use crate::broker::{ANSWER_WITHIN, BrokerError, advice};
use crate::config::Config;

/// Whether a broker lets us in: name, connection, TLS, login, virtual host.
const BROKER: &str = "amqp.broker";
/// Whether an exchange is there.
const EXCHANGE: &str = "amqp.exchange";
/// Whether a queue is there.
const QUEUE: &str = "amqp.queue";

/// Looks at every broker of the adapter, and at the exchanges and queues on the first that lets us in.
pub async fn diagnose(shared: &Shared) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut line = None;
    for (broker, outcome) in shared.broker.try_each("doctor").await {
        let item = format!("adapter {}: broker {broker}", shared.name);
        findings.push(match outcome {
            Ok(connected) => {
                line.get_or_insert(connected);
                Finding::sound(BROKER, item, "it lets us in")
            }
            Err(BrokerError::Unreachable { what, .. }) => {
                let (found, advice) = match what.split_once("; ") {
                    Some((found, advice)) => (found.to_owned(), advice.to_owned()),
                    None => (what, "see that the broker runs, and its `url`".to_owned()),
                };
                Finding::fault(BROKER, item, found, advice)
            }
            Err(other) => Finding::fault(BROKER, item, other.to_string(), "mend `url` of the adapter"),
        });
    }
    let needed = needed(&shared.config);
    let Some(line) = line else {
        findings.extend(needed.into_iter().map(|(check, name)| {
            Finding::not_checked(check, item(shared, check, name), "no broker lets us in")
        }));
        return findings;
    };
    for (check, name) in needed {
        findings.push(look(shared, &line.connection, check, name).await);
    }
    line.close().await;
    findings
}

/// Every exchange and queue that must be there.
fn needed(config: &Config) -> Vec<(&'static str, &str)> {
    let mut needed = Vec::new();
    if let Some(outbound) = &config.outbound {
        needed.extend(outbound.queue.0.iter().map(|queue| (QUEUE, queue.as_str())));
        needed.push((EXCHANGE, config.parked.as_str()));
    }
    let inbound = config.inbound.as_ref().map(|inbound| (&inbound.exchange, &inbound.queue));
    let status = config.status.as_ref().map(|status| (&status.exchange, &status.queue));
    for (exchange, queue) in [inbound, status].into_iter().flatten() {
        needed.push((EXCHANGE, exchange));
        needed.extend(queue.iter().map(|queue| (QUEUE, queue.as_str())));
    }
    needed
}

fn item(shared: &Shared, check: &str, name: &str) -> String {
    let what = if check == QUEUE { "queue" } else { "exchange" };
    format!("adapter {}: {what} {name}", shared.name)
}

/// On a channel of its own: a broker ends the channel on which it says no.
async fn look(shared: &Shared, connection: &Connection, check: &'static str, name: &str) -> Finding {
    let asking = async {
        let channel = connection.create_channel().await?;
        let messages = if check == QUEUE {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let queue = channel.queue_declare(name.into(), options, FieldTable::default()).await?;
            Some((queue.message_count(), queue.consumer_count()))
        } else {
            let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            let kind = ExchangeKind::Topic;
            channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await?;
            None
        };
        channel.close(200, "done".into()).await?;
        Ok::<_, lapin::Error>(messages)
    };
    let item = item(shared, check, name);
    match timeout(ANSWER_WITHIN, asking).await {
        Ok(Ok(Some((messages, consumers)))) => Finding::sound(
            check,
            item,
            format!("it is there, with {messages} message(s) and {consumers} consumer(s)"),
        ),
        Ok(Ok(None)) => Finding::sound(check, item, "it is there"),
        Ok(Err(error)) => match code(&error) {
            Some(404) if shared.config.declare => {
                Finding::sound(check, item, "it is not there yet; the relay makes it (declare = true)")
            }
            Some(404) => {
                let advice = "make it, correct its name, or set declare = true to have it made";
                Finding::fault(check, item, "it is not there", advice)
            }
            // Somebody consumes from it alone; that it is there is known by that.
            Some(405) => Finding::fault(check, item, advice(&error), "give it back to all who use it"),
            Some(403) => {
                let advice = "give the login of `url` the rights that it needs";
                Finding::fault(check, item, "the login may not use it", advice)
            }
            _ => Finding::fault(check, item, advice(&error), "look at the broker's own log"),
        },
        Err(_) => {
            let found =
                format!("the broker did not say within {} s whether it is there", ANSWER_WITHIN.as_secs());
            Finding::fault(check, item, found, "see that the broker is well")
        }
    }
}

fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}
