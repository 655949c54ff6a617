//! Send and send chunk (`mesh-api.md` 4.8, 4.9).

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{HeaderMap, StatusCode};
use mesh_api::body::{SentV1, SentV2};
use mesh_api::{ApiVersion, ChunkRange, code, header};

use crate::answer::{self, Answer, Place, Refusal};
use crate::api::body::Upload;
use crate::api::fields::Fields;
use crate::api::{Api, REQUEST_BODY_BYTES_MAX, Visit, version};
use crate::bodies::Intake;
use crate::directory::Mailbox;
use crate::rules::Rule;
use crate::store::{ChangeError, ChunkError, ChunkNotice, Kind, Sent};
use crate::text::Text;

const TO_CHARS_MAX: usize = 100;
const WORKFLOW_CHARS_MAX: usize = 300;
const CHUNK_RANGE_CHARS_MAX: usize = 20;
const SUBJECT_CHARS_MAX: usize = 500;
const LOCAL_ID_CHARS_MAX: usize = 300;
const PARTNER_ID_CHARS_MAX: usize = 500;
const FILE_NAME_CHARS_MAX: usize = 300;
const FLAG_CHARS_MAX: usize = 20;
const CHECKSUM_CHARS_MAX: usize = 100;
const CONTENT_TYPE_CHARS_MAX: usize = 100;

/// The `Mex-*` headers of a send that are looked at; the rest is ignored.
struct MexHeaders {
    to: Text,
    workflow: Text,
    chunk_range: Text,
    subject: Text,
    local_id: Text,
    partner_id: Text,
    file_name: Text,
    encrypted: bool,
    compressed: bool,
    checksum: Text,
    content_type: Text,
}

impl MexHeaders {
    /// Check 1 of 4.8: what must be there, and lengths.
    fn read(headers: &HeaderMap, fields: &mut Fields) -> Self {
        Self {
            to: fields.required_header(headers, header::TO, TO_CHARS_MAX).trimmed(),
            workflow: fields.required_header(headers, header::WORKFLOW_ID, WORKFLOW_CHARS_MAX).trimmed(),
            chunk_range: fields.header(headers, header::CHUNK_RANGE, CHUNK_RANGE_CHARS_MAX).trimmed(),
            subject: fields.header(headers, header::SUBJECT, SUBJECT_CHARS_MAX),
            local_id: fields.header(headers, header::LOCAL_ID, LOCAL_ID_CHARS_MAX),
            partner_id: fields.header(headers, header::PARTNER_ID, PARTNER_ID_CHARS_MAX),
            file_name: fields.header(headers, header::FILE_NAME, FILE_NAME_CHARS_MAX),
            encrypted: flag(&fields.header(headers, header::CONTENT_ENCRYPTED, FLAG_CHARS_MAX)),
            compressed: flag(&fields.header(headers, header::CONTENT_COMPRESSED, FLAG_CHARS_MAX)),
            checksum: fields.header(headers, header::CONTENT_CHECKSUM, CHECKSUM_CHARS_MAX),
            content_type: fields.header(headers, header::CONTENT_TYPE, CONTENT_TYPE_CHARS_MAX),
        }
    }

    /// Every text, in no order that matters.
    fn texts(&self) -> [&Text; 9] {
        [
            &self.to,
            &self.workflow,
            &self.chunk_range,
            &self.subject,
            &self.local_id,
            &self.partner_id,
            &self.file_name,
            &self.checksum,
            &self.content_type,
        ]
    }

    /// Checks 2 and 3 of 4.8: characters.
    fn check(&self) -> Result<(), Refusal> {
        let controls = self.texts().iter().any(|text| text.read().chars().any(|c| c < ' '));
        let addresses = [&self.to, &self.workflow, &self.checksum].iter().any(|text| {
            let text = text.read().to_lowercase();
            text.starts_with("http://") || text.starts_with("https://")
        });
        if controls || addresses {
            return Err(malformed());
        }
        let passes = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | ':' | '-' | '/');
        if !self.checksum.read().chars().all(passes) {
            let text = "Invalid checksum";
            return Err(Refusal::coded(StatusCode::BAD_REQUEST, "SEND", code::INVALID_CHECKSUM, text));
        }
        Ok(())
    }

    /// What live lets through less of than the official emulator; its rule says what it rests on.
    fn check_strictly(&self) -> Result<(), Refusal> {
        let printable = |text: &&Text| text.read().chars().all(|c| matches!(c, ' '..='~'));
        match self.texts().iter().all(printable) && !self.workflow.is_empty() {
            true => Ok(()),
            false => Err(malformed()),
        }
    }
}

fn malformed() -> Refusal {
    Refusal::coded(StatusCode::BAD_REQUEST, "TRANSFER", code::MALFORMED, "MalformedControlFile")
}

fn flag(text: &Text) -> bool {
    header::flag(&text.read())
}

/// `Content-Encoding`, trimmed and in lower case; empty when absent.
fn content_encoding(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_ENCODING)
        .map(|value| Text::from(value).read().trim().to_lowercase())
        .unwrap_or_default()
}

/// A chunk range whose numbers are in order. Absent is `1:1`.
fn chunk_range(text: &Text) -> Result<ChunkRange, Refusal> {
    if text.is_empty() {
        return Ok(ChunkRange { index: 1, of: 1 });
    }
    match text.read().parse::<ChunkRange>() {
        Ok(range) if range.index <= range.of => Ok(range),
        _ => Err(Refusal::invalid_chunks()),
    }
}

/// Headers that older clients send and the official emulator ignores: who sends, and what.
fn check_legacy(api: &Api, headers: &HeaderMap, sender: &Mailbox, visit: &mut Visit) -> Result<(), Refusal> {
    let given = |name| {
        let value = headers.get(name).map(|value| Text::from(value).read().trim().to_uppercase());
        value.filter(|value| !value.is_empty())
    };
    let from = given(header::FROM).filter(|from| from != sender.id.as_str());
    if from.is_some() && api.rules.hold(Rule::FromAddress) {
        visit.broke(Rule::FromAddress);
        let text = "Invalid From Address in the control file";
        return Err(Refusal::coded(StatusCode::EXPECTATION_FAILED, "SEND", code::OTHER_SENDER, text));
    }
    let kind = given(header::MESSAGE_TYPE).filter(|kind| kind != "DATA");
    if kind.is_some() && api.rules.hold(Rule::MessageType) {
        visit.broke(Rule::MessageType);
        let text = "Invalid Message Type for the transfer";
        return Err(Refusal::coded(StatusCode::EXPECTATION_FAILED, "SEND", code::MESSAGE_TYPE, text));
    }
    Ok(())
}

/// 4.8, its nine checks in order, each followed by what the rules add to it. The body is read last: a caller whose
/// headers are refused is not made to wait for it to be kept.
pub(super) async fn send<B>(
    api: &Api,
    headers: &HeaderMap,
    sender: &Mailbox,
    body: &mut Upload<B>,
    visit: &mut Visit,
) -> Result<Answer, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut fields = Fields::default();
    let mex = MexHeaders::read(headers, &mut fields);
    // The characters are looked at only when the lengths passed; a malformed Accept comes between the two.
    if fields.passed() {
        mex.check()?;
    }
    let version = version(headers)?;
    fields.finish()?;
    if api.rules.hold(Rule::HeaderLimits) {
        mex.check_strictly().inspect_err(|_| visit.broke(Rule::HeaderLimits))?;
    }

    if mex.to.is_empty() {
        return Err(Refusal::coded(StatusCode::BAD_REQUEST, "SEND", code::TO_MISSING, "TO_DTS missing"));
    }
    let encoding = content_encoding(headers);
    if !matches!(encoding.as_str(), "" | "gzip") {
        let text = "Unsupported content encoding";
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Refusal::coded(status, "SEND", code::UNSUPPORTED_ENCODING, text));
    }
    let range = chunk_range(&mex.chunk_range)?;
    if range.index != 1 {
        return Err(Refusal::invalid_chunks());
    }
    check_legacy(api, headers, sender, visit)?;
    let id = api.store.new_id(visit.now);
    let mut sent = Sent {
        local_id: mex.local_id,
        subject: mex.subject,
        file_name: mex.file_name,
        // The official emulator keeps the one as it is and the other in lower case.
        content_type: mex.content_type.or_else(|| {
            let given = headers.get(CONTENT_TYPE).map(Text::from).unwrap_or_default();
            Text::new(given.read().trim().to_lowercase())
        }),
        partner_id: mex.partner_id,
        checksum: mex.checksum,
        encrypted: mex.encrypted,
        compressed: mex.compressed,
        gzip: encoding == "gzip",
        chunks: range.of,
        ..Sent::new(Kind::Data, Arc::clone(&sender.party), Arc::default(), mex.workflow)
    };
    api.address(sender, &mex.to.read(), &mut sent, &id, visit)?;

    let mut intake = api.store.intake(sent.recipient.id.as_ref(), id.as_str(), 1);
    receive(api, body, &mut intake, visit).await?;
    if intake.bytes() == 0 {
        let text = "Data file is missing or inaccessible.";
        return Err(Refusal::coded(StatusCode::EXPECTATION_FAILED, "COLLECT", code::DATA_MISSING, text));
    }
    let chunk = intake.end().await.map_err(|error| Refusal::unwritten(&error))?;
    // A large body may have taken its time: the message is as old as its end.
    let now = api.clock.now();
    let message = api.store.send(id.clone(), sent, chunk, now).map_err(|error| Refusal::unwritten(&error))?;
    if range.of == 1 {
        api.report_unroutable(&message, now);
    }
    visit.message = Some(id.to_string());
    Ok(sent_answer(version, id.as_str(), None))
}

/// Reads a body into the store, within live's limit if it holds.
async fn receive<B>(
    api: &Api,
    body: &mut Upload<B>,
    intake: &mut Intake,
    visit: &mut Visit,
) -> Result<(), Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if !api.rules.hold(Rule::BodyLimit) {
        return body.pass_to(intake).await;
    }
    body.pass_up_to(REQUEST_BODY_BYTES_MAX, intake).await.inspect_err(|refusal| {
        if matches!(refusal, Refusal::Bare { status: StatusCode::PAYLOAD_TOO_LARGE, .. }) {
            visit.broke(Rule::BodyLimit);
        }
    })
}

/// 4.9, its seven checks in order; those on the message are made again when the body is there, because another
/// request may have completed the message meanwhile.
pub(super) async fn send_chunk<B>(
    api: &Api,
    headers: &HeaderMap,
    sender: &Mailbox,
    id: &str,
    chunk: &str,
    body: &mut Upload<B>,
    visit: &mut Visit,
) -> Result<Answer, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let version = version(headers)?;
    let mut fields = Fields::default();
    let number = fields.integer(Place::Path, "chunk_number", chunk, (i64::MIN, i64::MAX));
    let range = fields.header(headers, header::CHUNK_RANGE, CHUNK_RANGE_CHARS_MAX).trimmed();
    fields.finish()?;

    let (index, of) = match chunk_range(&range) {
        Ok(read) if !range.is_empty() && i64::from(read.index) == number => (read.index, read.of),
        _ => return Err(Refusal::invalid_chunks().about(id)),
    };
    let encoding = content_encoding(headers);
    let in_order = api.rules.hold(Rule::ChunkOrder);
    let gzip = encoding == "gzip";
    let notice = ChunkNotice { message: id, sender: &sender.id, index, of, gzip, in_order };
    let refused = |error: ChunkError, visit: &mut Visit| match error {
        ChunkError::Unknown => Refusal::not_found(),
        ChunkError::NotSender => Refusal::forbidden("Forbidden"),
        ChunkError::Complete => Refusal::bare(StatusCode::LOCKED),
        ChunkError::AboveTotal => Refusal::bare(StatusCode::NOT_ACCEPTABLE),
        ChunkError::EncodingChanged => encoding_changed(),
        ChunkError::Gap => Refusal::bare(StatusCode::INTERNAL_SERVER_ERROR),
        ChunkError::OutOfOrder => {
            visit.broke(Rule::ChunkOrder);
            Refusal::invalid_chunks().about(id)
        }
    };
    let recipient = api.store.check_chunk(&notice).map_err(|error| refused(error, visit))?;
    if !matches!(encoding.as_str(), "" | "gzip") {
        return Err(encoding_changed());
    }
    let mut intake = api.store.intake(recipient.as_ref(), id, index);
    receive(api, body, &mut intake, visit).await?;
    let chunk = intake.end().await.map_err(|error| Refusal::unwritten(&error))?;
    let now = api.clock.now();
    let complete = api.store.put_chunk(&notice, chunk, now).map_err(|error| match error {
        ChangeError::Refused(error) => refused(error, visit),
        ChangeError::Unwritten(error) => Refusal::unwritten(&error),
    })?;
    if let Some(message) = complete {
        api.report_unroutable(&message, now);
    }
    Ok(sent_answer(version, id, Some(index)))
}

fn encoding_changed() -> Refusal {
    Refusal::plain(StatusCode::EXPECTATION_FAILED, "cannot change content encoding")
}

/// 202 with the id. Version 2 answers a chunk as the specification does, with the id, where the official emulator
/// says `null` (section 10, row 4).
fn sent_answer(version: ApiVersion, message_id: &str, block_id: Option<u32>) -> Answer {
    match version {
        ApiVersion::V1 => answer::json(StatusCode::ACCEPTED, &SentV1 { message_id, block_id }),
        ApiVersion::V2 => answer::json(StatusCode::ACCEPTED, &SentV2 { message_id }),
    }
}
