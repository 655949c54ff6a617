//! Download of a message or a chunk, and its metadata alone (`mesh-api.md` 4.4, 4.5, 4.6, 5.4, section 6).

use std::io;

use async_compression::Level;
use async_compression::tokio::bufread::{GzipDecoder, GzipEncoder};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Either, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
};
use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;
use mesh_api::{ApiVersion, header, stamp};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader};
use tokio_util::io::ReaderStream;

use crate::answer::{self, Answer, Body, Place, Refusal};
use crate::api::fields::Fields;
use crate::api::{Api, Visit, version};
use crate::bodies::{Opened, Payload};
use crate::directory::Mailbox;
use crate::gzip::{self, NotInflated};
use crate::rules::Rule;
use crate::store::{Message, Status};
use crate::text::Text;

/// Form of a date in HTTP. The official emulator writes its zone as `UTC`; HTTP wants `GMT` (section 10, row 30).
pub(super) const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// A body larger than [`HELD_BODY_BYTES_MAX`](crate::HELD_BODY_BYTES_MAX) goes out in parts of this many bytes.
const PART_BYTES: usize = 64 * 1024;
/// Chunks up to this size are compressed and decompressed where they are; larger ones apart from other calls.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// 4.6: open to the recipient, and to the sender in every state.
pub(super) fn head(api: &Api, mailbox: &Mailbox, id: &str, visit: &mut Visit) -> Result<Answer, Refusal> {
    let message = api.store.find(id).ok_or_else(Refusal::no_such_message)?;
    if message.recipient() == Some(&mailbox.id) {
        check_available(api, &message, visit)?;
    } else if message.sender() != Some(&mailbox.id) {
        return Err(Refusal::no_such_message());
    } else if matches!(message.status(), Status::Other(_)) {
        return Err(Refusal::no_longer_available());
    }
    let mut answer = answer::empty(StatusCode::OK);
    *answer.headers_mut() = metadata(&message, 1, visit.now);
    if message.sent.gzip {
        answer.headers_mut().insert(CONTENT_ENCODING, GZIP);
    }
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(answer)
}

/// 4.4 and 4.5. Downloading changes nothing. An acknowledged message can be had again, as from the official
/// emulator, unless the rule `read-once` holds (section 10, row 6).
pub(super) async fn get(
    api: &Api,
    headers: &HeaderMap,
    mailbox: &Mailbox,
    id: &str,
    chunk: Option<&str>,
    visit: &mut Visit,
) -> Result<Answer, Refusal> {
    let version = version(headers)?;
    let mut fields = Fields::default();
    let number = match chunk {
        Some(text) => fields.integer(Place::Path, "chunk_number", text, (1, i64::MAX)),
        None => 1,
    };
    fields.finish()?;

    let message = api.store.find(id).ok_or_else(Refusal::no_such_message)?;
    if message.recipient() != Some(&mailbox.id) {
        return Err(Refusal::forbidden("Forbidden"));
    }
    check_available(api, &message, visit)?;
    if message.is_report() {
        let mut answer = answer::empty(StatusCode::OK);
        *answer.headers_mut() = metadata(&message, number, visit.now);
        return Ok(answer);
    }
    let index = u32::try_from(number).map_err(|_| Refusal::no_such_message())?;
    let stored = message.chunk(index).ok_or_else(Refusal::no_such_message)?;

    let accepts_gzip = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .next()
        .is_some_and(|value| Text::from(value).read().contains("gzip"));
    let (change, gzipped) = match (message.sent.gzip, accepts_gzip) {
        (true, true) => (Change::None, true),
        (true, false) => (Change::Inflate, false),
        (false, true) if version == ApiVersion::V2 => (Change::Deflate, true),
        (false, _) => (Change::None, false),
    };
    let (body, length) = chunk_body(stored, change).await?;

    let mut answer = Answer::new(body);
    *answer.status_mut() = match index < message.sent.chunks {
        true => StatusCode::PARTIAL_CONTENT,
        false => StatusCode::OK,
    };
    *answer.headers_mut() = metadata(&message, number, visit.now);
    answer.headers_mut().insert(CONTENT_TYPE, media_type(&message, version));
    if let Some(length) = length {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
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

/// What happens to a chunk on its way out.
#[derive(Clone, Copy)]
enum Change {
    None,
    Inflate,
    Deflate,
}

/// A chunk's body, and its length if that is not known by the body itself. A large one is streamed: one that turns
/// out to be no gzip then ends the connection, because its answer has begun.
async fn chunk_body(stored: &Payload, change: Change) -> Result<(Body, Option<u64>), Refusal> {
    let internal = |_| Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR);
    let opened = match stored.open().await {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::no_such_message()),
        Err(error) => {
            tracing::error!(%error, "a chunk cannot be read from the sandbox's folder");
            return Err(Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR));
        }
    };
    let body = match (opened, change) {
        (Opened::Whole(bytes), Change::None) => answer::whole(bytes),
        (Opened::Whole(bytes), Change::Deflate) => {
            answer::whole(apart(bytes, |bytes| gzip::deflate(bytes)).await?.map_err(internal)?)
        }
        (Opened::Whole(bytes), Change::Inflate) => {
            match apart(bytes.clone(), |bytes| gzip::inflate_small(bytes)).await? {
                Ok(plain) => answer::whole(plain),
                Err(NotInflated::TooLarge) => streamed(inflating(io::Cursor::new(bytes))),
                Err(NotInflated::NotGzip) => return Err(Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR)),
            }
        }
        (Opened::Stream(file), Change::None) => return Ok((streamed(file), Some(stored.bytes()))),
        (Opened::Stream(file), Change::Inflate) => streamed(inflating(BufReader::new(file))),
        (Opened::Stream(file), Change::Deflate) => {
            streamed(GzipEncoder::with_quality(BufReader::new(file), Level::Fastest))
        }
    };
    Ok((body, None))
}

fn inflating<R: AsyncBufRead>(packed: R) -> GzipDecoder<R> {
    let mut decoder = GzipDecoder::new(packed);
    decoder.multiple_members(true);
    decoder
}

fn streamed(reader: impl AsyncRead + Send + 'static) -> Body {
    let parts = ReaderStream::with_capacity(reader, PART_BYTES).map_ok(Frame::data);
    Either::Right(StreamBody::new(parts).boxed_unsync())
}

/// Works on a chunk; a large one apart from other calls, which go on meanwhile.
async fn apart<T: Send + 'static>(
    bytes: Bytes,
    work: impl FnOnce(&Bytes) -> T + Send + 'static,
) -> Result<T, Refusal> {
    if bytes.len() <= INLINE_BYTES_MAX {
        return Ok(work(&bytes));
    }
    let done = tokio::task::spawn_blocking(move || work(&bytes)).await;
    done.map_err(|_| Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR))
}

fn check_available(api: &Api, message: &Message, visit: &mut Visit) -> Result<(), Refusal> {
    match message.status() {
        Status::Acknowledged if api.rules.hold(Rule::ReadOnce) => {
            visit.broke(Rule::ReadOnce);
            Err(Refusal::no_longer_available())
        }
        Status::Accepted | Status::Acknowledged => Ok(()),
        _ => Err(Refusal::no_longer_available()),
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
fn metadata(message: &Message, index: i64, now: Timestamp) -> HeaderMap {
    let sent = &message.sent;
    let mut headers = HeaderMap::with_capacity(32);
    let mut put = |name: &'static str, value: Option<HeaderValue>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    let constant = |text: &'static str| Some(HeaderValue::from_static(text));
    let made = |text: String| HeaderValue::try_from(text).ok();
    let flag = |set: bool| set.then_some(HeaderValue::from_static("Y"));
    put(header::MESSAGE_TYPE, constant(if message.is_report() { "REPORT" } else { "DATA" }));
    put(header::MESSAGE_ID, HeaderValue::from_str(message.id.as_str()).ok());
    put(header::FROM, made(sent.sender.id_text()));
    put(header::TO, made(sent.recipient.id_text()));
    put(header::WORKFLOW_ID, sent.workflow.header());
    put(header::LOCAL_ID, sent.local_id.header());
    put(header::SUBJECT, sent.subject.header());
    put(header::FILE_NAME, message.file_name().header());
    put(header::PARTNER_ID, sent.partner_id.header());
    put(header::ADDRESS_TYPE, constant("ALL"));
    put(header::VERSION, constant("1.0"));
    put(header::CHUNK_RANGE, made(format!("{index}:{}", sent.chunks)));
    put(header::TOTAL_CHUNKS, Some(HeaderValue::from(sent.chunks)));
    put(header::CONTENT_ENCRYPTED, flag(sent.encrypted));
    put(header::CONTENT_COMPRESSED, flag(sent.compressed));
    put(header::CONTENT_CHECKSUM, sent.checksum.header());
    put(header::CONTENT_TYPE, sent.content_type.header());
    let settled = message.settled().unwrap_or(now);
    put(header::STATUS_TIMESTAMP, made(stamp::compact(settled)));
    match message.error() {
        None if !message.is_report() => {
            put(header::STATUS_CODE, constant("00"));
            put(header::STATUS_EVENT, constant("TRANSFER"));
            put(header::STATUS_DESCRIPTION, constant("Transferred to recipient mailbox"));
            put(header::STATUS_SUCCESS, constant("SUCCESS"));
        }
        error => {
            let text = |text: Option<&String>| text.and_then(|text| Text::new(text).header());
            put(header::LINKED_MESSAGE_ID, text(error.and_then(|error| error.linked.as_ref())));
            put(header::STATUS_CODE, text(error.and_then(|error| error.code.as_ref())));
            put(header::STATUS_EVENT, text(error.and_then(|error| error.event.as_ref())));
            put(header::STATUS_DESCRIPTION, text(error.and_then(|error| error.description.as_ref())));
            put(header::STATUS_SUCCESS, constant("ERROR"));
        }
    }
    let modified = message.last_changed().strftime(HTTP_DATE).to_string();
    put("last-modified", made(modified));
    headers
}
