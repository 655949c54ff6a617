//! Exchanges and queues: looked at before anything is taken or published, made where the configuration asks for it
//! (`queue-bridging.md` 2.1).

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ExchangeKind};
use tokio::time::timeout;

use crate::broker::{ANSWER_WITHIN, BrokerError, advice};
use crate::config::Config;

/// The queue behind an exchange of the relay's, made together with it.
fn behind(exchange: &str) -> String {
    exchange.to_owned()
}

/// Looks whether everything is there, and makes what is missing where that is wanted.
///
/// # Errors
/// What is missing, all of it.
pub(crate) async fn prepare(connection: &Connection, config: &Config) -> Result<(), BrokerError> {
    let exchanges = [
        Some(config.parked.as_str()),
        config.inbound.as_ref().map(|inbound| inbound.exchange.as_str()),
        config.status.as_ref().map(|status| status.exchange.as_str()),
    ];
    let mut missing = Vec::new();
    for exchange in exchanges.into_iter().flatten() {
        if let Err(what) = self::exchange(connection, exchange, config.declare).await {
            missing.push(format!("exchange {exchange}: {what}"));
        }
    }
    if let Some(outbound) = &config.outbound
        && let Err(what) = queue(connection, &outbound.queue, config.declare).await
    {
        missing.push(format!("queue {}: {what}", outbound.queue));
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !config.declare {
        missing.push("make what is missing, or set declare = true to have it made".to_owned());
    }
    Err(BrokerError::Topology { missing })
}

/// Runs `work` on a channel of its own: a broker ends the channel on which it says no.
async fn on_channel<T>(
    connection: &Connection,
    work: impl AsyncFnOnce(&lapin::Channel) -> Result<T, lapin::Error>,
) -> Result<T, String> {
    let working = async {
        let channel = connection.create_channel().await?;
        let done = work(&channel).await?;
        channel.close(200, "done".into()).await?;
        Ok(done)
    };
    match timeout(ANSWER_WITHIN, working).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            let error: lapin::Error = error;
            Err(advice(&error))
        }
        Err(_) => Err("the broker does not answer".to_owned()),
    }
}

async fn exchange(connection: &Connection, name: &str, declare: bool) -> Result<(), String> {
    let options =
        ExchangeDeclareOptions { passive: !declare, durable: true, ..ExchangeDeclareOptions::default() };
    on_channel(connection, async |channel| {
        channel.exchange_declare(name.into(), ExchangeKind::Topic, options, FieldTable::default()).await
    })
    .await?;
    if declare {
        let queue = behind(name);
        self::queue(connection, &queue, true).await?;
        on_channel(connection, async |channel| {
            let options = QueueBindOptions::default();
            channel
                .queue_bind(queue.as_str().into(), name.into(), "#".into(), options, FieldTable::default())
                .await
        })
        .await?;
    }
    Ok(())
}

async fn queue(connection: &Connection, name: &str, declare: bool) -> Result<(), String> {
    let mut arguments = FieldTable::default();
    if declare {
        // All else is for policies, which can be changed without deleting the queue.
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    }
    let options = QueueDeclareOptions { passive: !declare, durable: true, ..QueueDeclareOptions::default() };
    on_channel(connection, async |channel| channel.queue_declare(name.into(), options, arguments).await)
        .await?;
    Ok(())
}
