//! The journal on a real PostgreSQL server, whose URL `MESH_RELAY_TEST_POSTGRES` names (`tests/postgres.sh`).

mod asking;
mod audit;
mod deeds;
mod instances;
mod opening;
mod outages;
mod server;
mod tls;
mod upgrading;

use std::sync::Arc;

use relay_core::Journal;
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

use super::promises::keeps_every_promise;
use crate::PostgresJournal;

keeps_every_promise!(fresh, several);

/// A database of its own for one test. It goes with the server.
struct Database {
    url: String,
}

impl Database {
    async fn new() -> Self {
        let server = std::env::var("MESH_RELAY_TEST_POSTGRES")
            .expect("set MESH_RELAY_TEST_POSTGRES to what tests/postgres.sh prints");
        Self::on(&server).await
    }

    /// One on another server.
    async fn on(server: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        connect(server).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let (before, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{before}/{name}") }
    }

    async fn open(&self, instance: &str) -> PostgresJournal {
        PostgresJournal::open(&self.url, instance).await.unwrap()
    }

    /// A connection past the journal.
    async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

async fn connect(url: &str) -> Client {
    let config: Config = url.parse().unwrap();
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn fresh() -> (Arc<dyn Journal>, Database) {
    let database = Database::new().await;
    let journal = database.open("one").await;
    (Arc::new(journal), database)
}
