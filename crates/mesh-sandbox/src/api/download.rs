//! Download of a message or a chunk, and its metadata alone (`mesh-api.md` 4.4, 4.5, 4.6, 5.4, section 6).

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LAST_MODIFIED,
};
use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;
use mesh_api::{ApiVersion, ChunkRange, header, stamp};

use crate::answer::{self, Answer, Place, Refusal};
use crate::api::fields::Fields;
use crate::api::{Api, version};
use crate::directory::Mailbox;
use crate::gzip;
use crate::store::{Message, Status};
use crate::text::Text;

/// Form of a date in HTTP. The official emulator writes its zone as `UTC`; HTTP wants `GMT` (section 10, row 30).
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// 4.6: open to the recipient, and to the sender in every state.
pub(super) fn head(api: &Api, mailbox: &Mailbox, id: &str) -> Result<Answer, Refusal> {
    let message = api.store.find(id).ok_or_else(Refusal::no_such_message)?;
    if message.sent.recipient == mailbox.id {
        check_available(&message)?;
    } else if message.sent.sender != mailbox.id {
        return Err(Refusal::no_such_message());
    }
    let mut answer = answer::empty(StatusCode::OK);
    *answer.headers_mut() = metadata(&message, 1, (api.now)());
    if message.sent.gzip {
        answer.headers_mut().insert(CONTENT_ENCODING, GZIP);
    }
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(answer)
}

/// 4.4 and 4.5. Downloading changes nothing, and an acknowledged message can be had again, as from the official
/// emulator (section 10, row 6).
pub(super) async fn get(
    api: &Api,
    headers: &HeaderMap,
    mailbox: &Mailbox,
    id: &str,
    chunk: Option<&str>,
) -> Result<Answer, Refusal> {
    let version = version(headers)?;
    let mut fields = Fields::default();
    let number = match chunk {
        Some(text) => fields.integer(Place::Path, "chunk_number", text, (1, i64::MAX)),
        None => 1,
    };
    fields.finish()?;

    let message = api.store.find(id).ok_or_else(Refusal::no_such_message)?;
    if message.sent.recipient != mailbox.id {
        return Err(Refusal::forbidden("Forbidden"));
    }
    check_available(&message)?;
    let index = u32::try_from(number).map_err(|_| Refusal::no_such_message())?;
    let stored = message.chunk(index).ok_or_else(Refusal::no_such_message)?.clone();

    let accepts_gzip = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .next()
        .is_some_and(|value| Text::from(value).read().contains("gzip"));
    let (body, gzipped) = match (message.sent.gzip, accepts_gzip) {
        (true, true) => (stored, true),
        (true, false) => (apart(move || gzip::inflate(&stored)).await?, false),
        (false, true) if version == ApiVersion::V2 => (apart(move || gzip::deflate(&stored)).await?, true),
        (false, _) => (stored, false),
    };

    let mut answer = Answer::new(Full::from(body));
    *answer.status_mut() = match index < message.sent.chunks {
        true => StatusCode::PARTIAL_CONTENT,
        false => StatusCode::OK,
    };
    *answer.headers_mut() = metadata(&message, index, (api.now)());
    answer.headers_mut().insert(CONTENT_TYPE, media_type(&message, version));
    if gzipped {
        answer.headers_mut().insert(CONTENT_ENCODING, GZIP);
        // The official emulator marks every answer that leaves gzipped, whoever compressed it (5.4).
        answer
            .headers_mut()
            .insert(HeaderName::from_static(header::CONTENT_COMPRESSED), HeaderValue::from_static("Y"));
    }
    Ok(answer)
}

const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Compression may take a second for a large chunk; other calls go on meanwhile.
async fn apart<E: Send + 'static>(
    work: impl FnOnce() -> Result<Bytes, E> + Send + 'static,
) -> Result<Bytes, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(bytes)) => Ok(bytes),
        _ => Err(Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

fn check_available(message: &Message) -> Result<(), Refusal> {
    match message.status() {
        Status::Accepted | Status::Acknowledged => Ok(()),
        Status::Uploading => Err(Refusal::no_longer_available()),
    }
}

/// The stored type in version 2 for a message of one chunk, else the type of bytes.
fn media_type(message: &Message, version: ApiVersion) -> HeaderValue {
    const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
    if version == ApiVersion::V1 || message.sent.chunks > 1 {
        return BYTES;
    }
    let stored = message.sent.content_type.read();
    if stored.starts_with("text/") && !stored.to_lowercase().contains("charset=") {
        return HeaderValue::try_from(format!("{stored}; charset=utf-8")).unwrap_or(BYTES);
    }
    match stored.is_empty() {
        true => BYTES,
        false => message.sent.content_type.header().unwrap_or(BYTES),
    }
}

/// The headers of 6.1 for one chunk; empty ones are left out.
fn metadata(message: &Message, index: u32, now: Timestamp) -> HeaderMap {
    let sent = &message.sent;
    let flag = |set: bool| Text::new(if set { "Y" } else { "" });
    let range = ChunkRange { index, of: sent.chunks };
    let accepted = message.since(Status::Accepted).unwrap_or(now);
    let modified = message.last_changed().strftime(HTTP_DATE).to_string();
    [
        (header::MESSAGE_TYPE, Text::new("DATA")),
        (header::MESSAGE_ID, Text::new(message.id.as_str())),
        (header::FROM, Text::new(sent.sender.as_str())),
        (header::TO, Text::new(sent.recipient.as_str())),
        (header::WORKFLOW_ID, sent.workflow.clone()),
        (header::LOCAL_ID, sent.local_id.clone()),
        (header::SUBJECT, sent.subject.clone()),
        (header::FILE_NAME, message.file_name()),
        (header::PARTNER_ID, sent.partner_id.clone()),
        (header::ADDRESS_TYPE, Text::new("ALL")),
        (header::VERSION, Text::new("1.0")),
        (header::CHUNK_RANGE, Text::new(range.to_string())),
        (header::TOTAL_CHUNKS, Text::new(sent.chunks.to_string())),
        (header::CONTENT_ENCRYPTED, flag(sent.encrypted)),
        (header::CONTENT_COMPRESSED, flag(sent.compressed)),
        (header::CONTENT_CHECKSUM, sent.checksum.clone()),
        (header::CONTENT_TYPE, sent.content_type.clone()),
        (header::STATUS_CODE, Text::new("00")),
        (header::STATUS_EVENT, Text::new("TRANSFER")),
        (header::STATUS_DESCRIPTION, Text::new("Transferred to recipient mailbox")),
        (header::STATUS_SUCCESS, Text::new("SUCCESS")),
        (header::STATUS_TIMESTAMP, Text::new(stamp::compact(accepted))),
        (LAST_MODIFIED.as_str(), Text::new(modified)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .filter_map(|(name, value)| Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value.header()?)))
    .collect()
}
