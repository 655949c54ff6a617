//! Takes everything out of an inbox: stores each message, then acknowledges it.
//!
//! ```text
//! cargo run -p mesh-client --example drain_inbox -- some-folder
//! ```

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use mesh_api::{MessageId, MessageKind, SharedKey};
use mesh_client::{BreakerConfig, Client, ClientConfig, Mailbox, Timeouts, TlsConfig};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: drain_inbox FOLDER")?);
    let client = Client::new(ClientConfig {
        base_url: "http://127.0.0.1:8700".to_owned(),
        shared_key: SharedKey::new("TestKey"),
        tls: TlsConfig::default(),
        proxy: None,
        timeouts: Timeouts::default(),
        breaker: BreakerConfig::default(),
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: "drain-inbox==1.0".to_owned(),
        #[expect(clippy::disallowed_methods, reason = "a program's own clock")]
        now: jiff::Timestamp::now,
    })?;
    let mailbox = client.mailbox("X26ABC2".parse()?, "password".into());
    for id in mailbox.list().await? {
        store(&mailbox, &id, &folder).await?;
        // Only now: MESH forgets what is acknowledged.
        mailbox.acknowledge(&id).await?;
    }
    Ok(())
}

async fn store(mailbox: &Mailbox, id: &MessageId, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut message = mailbox.open(id).await?;
    if message.download.kind == MessageKind::Report {
        println!("{id} reports: {} {}", message.download.status.code, message.download.status.description);
        return Ok(());
    }
    // A message id is safe as a file name; the sender's own name for the file may not be.
    let part = folder.join(format!("{id}.part"));
    let mut file = File::create(&part).await?;
    while let Some(piece) = message.body.try_next().await? {
        file.write_all(&piece).await?;
    }
    file.sync_all().await?;
    #[expect(clippy::disallowed_methods, reason = "an example; a service also syncs the folder")]
    tokio::fs::rename(part, folder.join(format!("{id}.dat"))).await?;
    println!("{id} from {}", message.download.from);
    Ok(())
}
