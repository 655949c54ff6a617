//! Says where messages are.
//!
//! ```text
//! cargo run -p mesh-client --example track -- 20260329234512345678_000001
//! ```

use mesh_api::SharedKey;
use mesh_client::{BreakerConfig, Client, ClientConfig, ErrorKind, Timeouts, TlsConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new(ClientConfig {
        base_url: "http://127.0.0.1:8700".to_owned(),
        shared_key: SharedKey::new("TestKey"),
        tls: TlsConfig::default(),
        proxy: None,
        timeouts: Timeouts::default(),
        breaker: BreakerConfig::default(),
        expanded_bytes_max: mesh_client::EXPANDED_BYTES_MAX,
        application: "track==1.0".to_owned(),
        #[expect(clippy::disallowed_methods, reason = "a program's own clock")]
        now: jiff::Timestamp::now,
    })?;
    let mailbox = client.mailbox("X26ABC1".parse()?, "password".into());
    for id in std::env::args().skip(1) {
        match mailbox.track(&id.parse()?).await {
            Ok(tracking) => println!("{id} is {:?}", tracking.status),
            Err(error) if *error.kind() == ErrorKind::NoSuchMessage => {
                println!("{id} was not sent from here")
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
