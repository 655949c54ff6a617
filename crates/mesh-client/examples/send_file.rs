//! Sends a file, however large, and says where it is.
//!
//! ```text
//! mesh-relay sandbox &
//! cargo run -p mesh-client --example send_file -- Cargo.toml
//! ```

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mesh_api::{Envelope, OpenPayload, Payload, PayloadStream, SharedKey};
use mesh_client::{BreakerConfig, Client, ClientConfig, SendOptions, Timeouts, TlsConfig};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// A payload in a file. It is opened anew for every part and every attempt, and never whole in memory.
struct InFile(PathBuf);

impl OpenPayload for InFile {
    fn open(&self, range: Range<u64>) -> BoxFuture<'_, io::Result<PayloadStream>> {
        Box::pin(async move {
            let mut file = File::open(&self.0).await?;
            file.seek(io::SeekFrom::Start(range.start)).await?;
            let stream: PayloadStream = Box::pin(ReaderStream::new(file.take(range.end - range.start)));
            Ok(stream)
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: send_file FILE")?);
    let client = Client::new(ClientConfig {
        base_url: "http://127.0.0.1:8700".to_owned(),
        shared_key: SharedKey::new("TestKey"),
        tls: TlsConfig::default(),
        proxy: None,
        timeouts: Timeouts::default(),
        breaker: BreakerConfig::default(),
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: "send-file==1.0".to_owned(),
        #[expect(clippy::disallowed_methods, reason = "a program's own clock")]
        now: jiff::Timestamp::now,
    })?;
    let mailbox = client.mailbox("X26ABC1".parse()?, "password".into());

    let envelope = Envelope::new(mailbox.id().clone(), "X26ABC2".parse()?, "TEST_WORKFLOW".parse()?);
    let payload = Payload::new(tokio::fs::metadata(&path).await?.len(), Arc::new(InFile(path)));
    let options = SendOptions { gzip: true, ..SendOptions::default() };
    let id = match mailbox.send_message(&envelope, &payload, &options).await {
        Ok(id) => id,
        Err(failure) => {
            // Kept on disk, this goes on after a restart too.
            let Some(upload) = failure.upload().cloned() else { return Err(failure.into()) };
            println!("{failure}; going on");
            mailbox.resume(upload, &payload, &options).await?
        }
    };
    println!("{id} is {:?}", mailbox.track(&id).await?.status);
    Ok(())
}
