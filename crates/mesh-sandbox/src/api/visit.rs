//! One request on its way through the server: when it came, whose it is, what is to happen to its answer.

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;
use mesh_api::{ApiVersion, MailboxId};
use tokio::time::sleep;

use crate::answer::{self, Answer, Refusal};
use crate::api::body::Upload;
use crate::api::{Api, version};
use crate::faults::{Call, Effect, Page};
use crate::mischief::Mischief;
use crate::rules::Rule;

/// What is known of a request, and what a fault does to its answer.
pub(crate) struct Visit {
    pub(crate) now: Timestamp,
    /// The mailbox in the path, if there is one.
    pub(crate) mailbox: Option<MailboxId>,
    pub(crate) message: Option<String>,
    /// Rules that spoke up and faults that struck, by name.
    pub(crate) notes: Vec<String>,
    pub(crate) lose_answer: bool,
    pub(crate) mischief: Mischief,
    /// How often each id of a listing stands in it.
    pub(crate) copies: u32,
}

impl Visit {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            mailbox: None,
            message: None,
            notes: Vec::new(),
            lose_answer: false,
            mischief: Mischief::default(),
            copies: 1,
        }
    }

    /// Notes that a rule was broken.
    pub(crate) fn broke(&mut self, rule: Rule) {
        self.notes.push(format!("rule {rule}"));
    }
}

impl Api {
    /// Lets the faults strike that are in force for a call, if any can. One that decides the call refuses it here, once the
    /// others are carried out.
    pub(super) async fn strike<B>(
        &self,
        call: Option<Call>,
        headers: &HeaderMap,
        body: &mut Upload<B>,
        visit: &mut Visit,
    ) -> Result<(), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Some(call) = call else { return Ok(()) };
        let mut decided = None;
        for struck in self.faults.strike(visit.mailbox.as_ref(), call, visit.now) {
            visit.notes.push(format!("fault {}", struck.name));
            match struck.effect {
                Effect::CutRequest { .. } | Effect::Status { .. } => decided = Some(struck.effect),
                Effect::LoseAnswer => visit.lose_answer = true,
                Effect::CutAnswer { after_bytes } => visit.mischief.cut = Some(after_bytes),
                Effect::TruncateBody { bytes } => least(&mut visit.mischief.truncate, bytes),
                Effect::SlowBody { bytes_per_second } => {
                    least(&mut visit.mischief.bytes_per_second, bytes_per_second);
                }
                Effect::Delay { millis } => sleep(Duration::from_millis(millis)).await,
                Effect::DuplicateEntries { copies } => visit.copies = copies,
                Effect::ClogInbox { messages, workflow_id } => {
                    self.clog(visit, messages, &workflow_id).await?;
                }
                // They strike where a report is delivered.
                Effect::LateReport { .. } | Effect::ReportOutOfOrder => {}
            }
        }
        match decided {
            Some(Effect::CutRequest { after_bytes }) => {
                body.read_past(after_bytes).await;
                Err(Refusal::Cut)
            }
            Some(Effect::Status { status, retry_after_seconds, body }) => {
                let version = version(headers).unwrap_or(ApiVersion::V1);
                Err(Refusal::Ready(Box::new(gateway(status, retry_after_seconds, body, version))))
            }
            _ => Ok(()),
        }
    }
}

/// Of several faults of one kind, the harshest holds.
fn least(figure: &mut Option<u64>, other: u64) {
    *figure = Some(figure.map_or(other, |figure| figure.min(other)));
}

/// An answer as from a gateway in front of MESH, or in MESH's own form of the caller's version.
fn gateway(status: u16, retry_after_seconds: Option<u64>, page: Page, version: ApiVersion) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let reason = status.canonical_reason().unwrap_or("Error");
    let bodiless =
        matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
    let mut answer = match page {
        Page::Empty => answer::empty(status),
        _ if bodiless => answer::empty(status),
        Page::Mesh => answer::mesh_error(status, version, reason),
        Page::Html => text(
            status,
            "text/html",
            format!("<html><head><title>{reason}</title></head><body><h1>{reason}</h1></body></html>"),
        ),
        Page::Soap => text(
            status,
            "text/xml",
            format!(
                "<?xml version=\"1.0\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
                 <soap:Body><soap:Fault><faultcode>soap:Server</faultcode><faultstring>{reason}</faultstring>\
                 </soap:Fault></soap:Body></soap:Envelope>"
            ),
        ),
    };
    if let Some(seconds) = retry_after_seconds {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn text(status: StatusCode, media_type: &'static str, text: String) -> Answer {
    let mut answer = answer::empty(status);
    *answer.body_mut() = answer::whole(text);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
