//! RabbitMQ's part of a run that is counted in the end (`queues`).

use mesh_sandbox::Sandbox;

use super::broker::Taken;
use super::scene::Scene;
use crate::process::Site;
use crate::queues::account::{Account, Piece};
use crate::queues::load::Message;
use crate::queues::side::Side;

impl Side for Scene {
    const KEEPS: bool = false;

    fn site(&self) -> &Site {
        &self.site
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    async fn put(&self, message: &Message) -> String {
        let headers: Vec<_> = message.pairs().collect();
        self.broker.put(&self.outbound, &message.id, &headers, &message.body).await;
        message.id.clone()
    }

    /// A key is the queue's name and the message's id, and more where the message can never be sent.
    fn known_by(&self, key: &str) -> String {
        let (_, id) = key.split_once('/').unwrap_or_default();
        id.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Takes all that is there now, as the organisation's systems do.
    async fn take(&self, account: &mut Account) {
        while let Some(message) = self.broker.take(&self.inbound).await {
            account.came.entry(message.message_id()).or_default().push(message.into());
        }
        while let Some(message) = self.broker.take(&self.parked).await {
            account.parked.entry(message.message_id()).or_default().push(message.into());
        }
        while let Some(event) = self.broker.take(&self.status).await {
            account.file(event.into());
        }
    }

    async fn left(&self) -> usize {
        self.broker.ready(&self.outbound).await as usize
    }
}

impl From<Taken> for Piece {
    fn from(taken: Taken) -> Self {
        let names = taken.properties.headers().iter().flat_map(|table| table.inner().keys());
        let headers = names.map(|name| (name.to_string(), taken.header(name.as_str()))).collect();
        Self { id: taken.message_id(), headers, redelivered: taken.redelivered, body: taken.body }
    }
}
