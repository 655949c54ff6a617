//! Messages from MESH to a webhook.
//!
//! # For whoever writes the receiver
//!
//! Each item of the inbox, message or report, is one `POST`. Answer 2xx once it is durable on your side, and not before:
//! the relay then acknowledges it to MESH, which forgets it. 413 and 422 say that you will never take this one; it
//! stays at MESH, and a person is told. After any other answer, and after none, the same item comes again, later.
//!
//! | header | |
//! |---|---|
//! | `webhook-id` | `<mailbox>:<MESH's message id>`, where `.` and what is no letter, digit, `_` or `-` is percent-encoded. The same however often the item comes: keep it to know an item that you have |
//! | `webhook-timestamp` | when this attempt was made, seconds of Unix time. Refuse what is older than some minutes |
//! | `webhook-signature` | below |
//! | `Mex-…` | what MESH says of the item, under MESH's names. What it does not say is left out |
//! | `Mesh-Relay-Id` | the relay's id of the item |
//! | `Mesh-Relay-Attempt` | which attempt this is, from 1 |
//! | `Mesh-Relay-Encoding` | `percent`: the values of all `Mex-` headers are percent-encoded UTF-8. Absent: they are as they stand |
//! | `Content-Type` | the payload's; `application/octet-stream` where MESH says none that a header can hold |
//!
//! **Up to 1 MiB** a body has a `Content-Length`, and the request is signed as [Standard Webhooks] says:
//! `webhook-signature: v1,<base64 of the HMAC-SHA256 of "<webhook-id>.<webhook-timestamp>.<body>">`. Any library for that
//! can verify it. The key is the configured secret: what follows `whsec_`, decoded from base64, or the text itself.
//!
//! **A longer body** is streamed (`Transfer-Encoding: chunked`) and cannot be signed before it is sent. Two signatures
//! stand for it, with the same key, id and timestamp:
//!
//! - `webhook-signature: v1m,<base64 of the HMAC-SHA256 of "<webhook-id>.<webhook-timestamp>.<headers>">`, where
//!   `<headers>` is one line `name:value` for `Content-Type` and each header that begins with `Mex-` or `Mesh-Relay-`,
//!   names in lower case, values as they were sent, sorted by their bytes, then the line `body:streamed`; each line ends
//!   in a line feed. It can be verified before the body is read.
//! - Two trailers behind the body: `Content-Digest: sha-256=:<base64>:` (RFC 9530), and `webhook-body-signature:
//!   v1d,<base64 of the HMAC-SHA256 of "<webhook-id>.<webhook-timestamp>.<value of Content-Digest>">`. Verify both once the body has
//!   ended. A receiver whose server does not show it trailers has the connection's TLS for the body, and no more.
//!
//! A body that ends without its last chunk is not whole: forget it. The relay takes no 2xx for an answer that comes before
//! the whole body was handed on.
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use relay_core::{
    Clock, DeliveryError, Download, FailureClass, Inbound, MessageKind, Owner, Receipt, Sink, SinkHealth,
    TraceContext,
};

use crate::config;
use crate::webhook::{Content, PostError, Secrets, Webhook, WebhookError};

/// Longest body that is in memory, and signed, whole, in bytes.
pub const WHOLE_BYTES_MAX: usize = 1024 * 1024;
/// Type of a payload of which MESH says none.
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What cannot stand in a header as it is, beside all that is no ASCII.
const IN_HEADERS: &AsciiSet = &CONTROLS.add(b'%');
/// What cannot stand in an id.
const IN_IDS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// Says how the values of `Mex-` headers are written.
pub(crate) const ENCODING: HeaderName = HeaderName::from_static("mesh-relay-encoding");
const RELAY_ID: HeaderName = HeaderName::from_static("mesh-relay-id");
const ATTEMPT: HeaderName = HeaderName::from_static("mesh-relay-attempt");

/// Posts one mailbox's messages.
pub struct WebhookSink {
    adapter: String,
    webhook: Webhook,
}

impl WebhookSink {
    /// A sink for the adapter `name` of the configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// When a secret cannot be used, or what TLS needs is not there.
    pub fn new(
        name: &str,
        inbound: &config::Inbound,
        secrets: &Secrets,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        let webhook = Webhook::new(&inbound.url, inbound.timeout.get(), &secrets.inbound, secrets, clock)?;
        Ok(Self { adapter: name.to_owned(), webhook })
    }

    fn failed(&self, what: &str, class: FailureClass, owner: Owner) -> DeliveryError {
        DeliveryError { what: format!("adapter {}: {what}", self.adapter), class, owner }
    }

    fn unread(&self, error: &io::Error) -> DeliveryError {
        match error.kind() {
            // As `PayloadStream` says: fetched again, it would fail in the same way.
            io::ErrorKind::InvalidData => {
                let what = format!("the message cannot be received: {error}");
                self.failed(&what, FailureClass::Permanent, Owner::Organisation)
            }
            _ => {
                let what = format!("the message did not come whole and is fetched again: {error}");
                self.failed(&what, FailureClass::Transient, Owner::Mesh)
            }
        }
    }

    fn unposted(&self, error: &PostError) -> DeliveryError {
        match error {
            PostError::Body(error) => self.unread(error),
            PostError::Status { status, .. } => {
                let (class, end) = match *status {
                    StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                        (FailureClass::Permanent, "; it will not take this message, which waits at MESH")
                    }
                    status if status.is_redirection() => (
                        FailureClass::Transient,
                        ", and no redirection is followed; give the URL that it leads to",
                    ),
                    _ => (FailureClass::Transient, ""),
                };
                self.failed(&format!("{error}{end}"), class, Owner::Organisation)
            }
            _ => self.failed(&error.to_string(), FailureClass::Transient, Owner::Organisation),
        }
    }

    /// The body, whole where it is short.
    async fn content(&self, message: &mut Inbound<'_>) -> Result<Content, DeliveryError> {
        let mut begun = BytesMut::new();
        loop {
            let piece = message.body.try_next().await.map_err(|error| self.unread(&error))?;
            let Some(piece) = piece else { return Ok(Content::Whole(begun.freeze())) };
            if begun.len() + piece.len() <= WHOLE_BYTES_MAX {
                begun.extend_from_slice(&piece);
                continue;
            }
            let rest = std::mem::replace(&mut message.body, Box::pin(stream::empty()));
            let begun: [io::Result<Bytes>; 2] = [Ok(begun.freeze()), Ok(piece)];
            return Ok(Content::Streamed(Box::pin(stream::iter(begun).chain(rest))));
        }
    }
}

#[async_trait]
impl Sink for WebhookSink {
    async fn deliver(&self, mut message: Inbound<'_>) -> Result<Receipt, DeliveryError> {
        let content = self.content(&mut message).await?;
        let mut headers = metadata(message.download);
        for (name, value) in
            [(RELAY_ID, message.relay_id.to_string()), (ATTEMPT, message.attempt.to_string())]
        {
            // Digits, letters and hyphens.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        for (name, value) in message.trace.iter().flat_map(TraceContext::headers) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        let encoded = |text| utf8_percent_encode(text, IN_IDS);
        let mailbox = encoded(message.mailbox.as_str());
        let id = format!("{mailbox}:{}", encoded(message.download.message_id.as_str()));
        let status = self.webhook.post(&id, headers, content).await.map_err(|error| self.unposted(&error))?;
        Ok(Receipt(format!("webhook {} {id}", status.as_u16())))
    }

    async fn recorded(&self, _: &Receipt) {}

    async fn check(&self) -> SinkHealth {
        match self.webhook.trouble() {
            None => SinkHealth::Ready,
            Some(trouble) => SinkHealth::Failing(format!("{trouble}; messages stay at MESH")),
        }
    }
}

/// What MESH says of an item, as headers.
fn metadata(download: &Download) -> HeaderMap {
    let kind = match download.kind {
        MessageKind::Data => "DATA",
        MessageKind::Report => "REPORT",
    };
    let status = &download.status;
    let texts = [
        ("mex-messageid", download.message_id.as_str()),
        ("mex-messagetype", kind),
        ("mex-from", &download.from),
        ("mex-to", &download.to),
        ("mex-fromsmtp", &download.from_smtp),
        ("mex-tosmtp", &download.to_smtp),
        ("mex-workflowid", &download.workflow),
        ("mex-localid", &download.local_id),
        ("mex-subject", &download.subject),
        ("mex-filename", &download.file_name),
        ("mex-partnerid", &download.partner_id),
        ("mex-processid", &download.process_id),
        ("mex-content-checksum", &download.checksum),
        ("mex-content-encrypted", if download.encrypted { "Y" } else { "" }),
        ("mex-linkedmsgid", &download.linked_message_id),
        ("mex-statuscode", &status.code),
        ("mex-statusevent", &status.event),
        ("mex-statusdescription", &status.description),
        ("mex-statussuccess", &status.success),
        ("mex-statustimestamp", &status.timestamp),
    ];
    let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let percent = !texts.iter().all(|(_, text)| plain(text));
    let mut headers = HeaderMap::new();
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        let value = match percent {
            true => HeaderValue::from_str(&utf8_percent_encode(text, IN_HEADERS).to_string()),
            false => HeaderValue::from_str(text),
        };
        // What is left is printable ASCII.
        if let Ok(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if percent {
        headers.insert(ENCODING, HeaderValue::from_static("percent"));
    }
    let given = Some(&download.content_type).filter(|text| !text.is_empty() && plain(text));
    let content_type = given.and_then(|text| HeaderValue::from_str(text).ok()).unwrap_or(UNKNOWN_TYPE);
    headers.insert(header::CONTENT_TYPE, content_type);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(subject: &str) -> Download {
        let id = "20260329234512345678_0A1B2C".parse().expect("an id");
        let get = |name: &str| match name {
            "mex-subject" => Some(subject.to_owned()),
            "mex-filename" => Some("100%.dat".to_owned()),
            _ => None,
        };
        Download::read(&id, get).expect("metadata")
    }

    #[test]
    fn values_are_encoded_only_where_one_needs_it_and_all_of_them_then() {
        let plain = metadata(&download("a b"));
        assert_eq!(
            (&plain["mex-subject"], &plain["mex-filename"]),
            (&"a b".parse().expect("it"), &"100%.dat".parse().expect("it"))
        );
        assert!(!plain.contains_key(ENCODING) && !plain.contains_key("mex-from"));
        let encoded = metadata(&download("£ 5"));
        assert_eq!(encoded["mex-subject"], "%C2%A3 5");
        assert_eq!(encoded["mex-filename"], "100%25.dat");
        assert_eq!(encoded[ENCODING], "percent");
    }
}
