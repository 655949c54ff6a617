//! What a webhook gets, and what the relay makes of its answers. The receivers are real servers, which verify the signatures by
//! themselves.
#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_adapter::config::{Events, Inbound as InboundConfig};
use http_adapter::{HookSecrets, Secrets, WebhookSink};
use relay_core::{DeliveryError, Download, Held, Inbound, MailboxId, PayloadStream, Receipt, RelayId, Sink};
use relay_testkit::world::TestClock;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

mod answers;
mod receiver;
mod secured;
mod streamed;
mod telling;
mod whole;

use receiver::{Got, Receiver};

/// In base64, and what that is.
const SECRET: &str = "whsec_c2lnbmVkIGJ5IHRoaXMgdmVyeSByZWxheQ==";
const KEY: &[u8] = b"signed by this very relay";

fn secrets() -> Secrets {
    let hook = || HookSecrets {
        secret: SecretString::from(SECRET),
        authorization: Some(SecretString::from("Bearer t0ken")),
    };
    Secrets { inbound: hook(), events: hook(), ..Secrets::default() }
}

fn inbound_config(url: &str, timeout: &str) -> InboundConfig {
    let config = json!({ "url": url, "secret": { "env": "UNUSED" }, "timeout": timeout });
    serde_json::from_value(config).expect("a configuration")
}

fn events_config(url: &str) -> Events {
    serde_json::from_value(json!({ "url": url, "secret": { "env": "UNUSED" } })).expect("a configuration")
}

fn sink(url: &str) -> WebhookSink {
    sink_that_waits(url, "30s")
}

fn sink_that_waits(url: &str, timeout: &str) -> WebhookSink {
    let clock = Arc::new(TestClock::default());
    WebhookSink::new("lab", &inbound_config(url, timeout), &secrets(), clock).expect("a sink")
}

const ID: &str = "20260329234512345678.0A1B2C";

/// An item of the inbox with these headers beside the usual ones.
fn download(more: &[(&str, &str)]) -> Download {
    let usual =
        [("mex-from", "X26ABC1"), ("mex-to", "X26ABC2"), ("mex-workflowid", "W"), ("mex-localid", "L1")];
    let get = |name: &str| {
        let found = more.iter().chain(&usual).find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Download::read(&ID.parse().expect("an id"), get).expect("metadata")
}

fn body_of(pieces: Vec<io::Result<Bytes>>) -> PayloadStream {
    Box::pin(stream::iter(pieces))
}

fn body(bytes: &'static [u8]) -> PayloadStream {
    body_of(vec![Ok(Bytes::from_static(bytes))])
}

async fn deliver(
    sink: &WebhookSink,
    download: &Download,
    body: PayloadStream,
    attempt: u32,
) -> Result<Receipt, DeliveryError> {
    let mailbox: MailboxId = "X26ABC2".parse().expect("a mailbox");
    let message = Inbound {
        relay_id: RelayId(Uuid::from_u128(7)),
        mailbox: &mailbox,
        download,
        reported_recipient: None,
        reported_adapter: None,
        body,
        held: Held::default(),
        progress: Box::new(Held::default),
        trace: None,
        attempt,
    };
    sink.deliver(message).await
}

/// The id of every request about that item.
const WEBHOOK_ID: &str = "X26ABC2:20260329234512345678%2E0A1B2C";
