//! A message's metadata: what a sender gives ([`Envelope`]) and what a recipient gets ([`Download`])
//! (`mesh-api.md` 4.8 and 6.1).

use std::fmt;

use thiserror::Error;

use crate::chunk::ChunkRange;
use crate::header;
use crate::id::{
    IdError, LocalId, MailboxId, MessageId, Recipient, WorkflowId, check_not_web_address, check_text,
};

/// A header value of at most `CHARS_MAX` characters without control characters, trimmed, never empty. It may
/// hold patient data, so it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderText<const CHARS_MAX: usize>(String);

impl<const CHARS_MAX: usize> HeaderText<CHARS_MAX> {
    /// Reads an optional value: blank is absent. `kind` names the field in an error.
    ///
    /// # Errors
    /// When the text is too long or holds a control character.
    pub fn optional(kind: &'static str, text: &str) -> Result<Option<Self>, IdError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        check_text(kind, text, CHARS_MAX)?;
        Ok(Some(Self(text.to_owned())))
    }

    /// The text itself: private, do not log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const CHARS_MAX: usize> fmt::Debug for HeaderText<CHARS_MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderText(…)")
    }
}

/// `Mex-Subject`.
pub type Subject = HeaderText<500>;
/// `Mex-FileName`.
pub type FileName = HeaderText<300>;
/// `Mex-Content-Type`.
pub type ContentType = HeaderText<100>;
/// `Mex-Content-Checksum`: see [`checksum`].
pub type Checksum = HeaderText<100>;
/// `Mex-PartnerID`.
pub type PartnerId = HeaderText<500>;
/// `Mex-ProcessID`. No limit is published for the header; this is the relay's own.
pub type ProcessId = HeaderText<300>;

/// Why metadata cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// A text breaks its limit or holds a character that MESH refuses.
    #[error(transparent)]
    Text(#[from] IdError),
    /// The checksum holds something else than letters, digits, white space, `:`, `-` and `/`.
    #[error("data checksum holds a character other than letters, digits, blanks, ':', '-' and '/'")]
    Checksum,
}

/// Reads a checksum (`mesh-api.md` 5.5): opaque to MESH, but of few characters.
///
/// # Errors
/// When MESH would refuse it.
pub fn checksum(text: &str) -> Result<Option<Checksum>, EnvelopeError> {
    let value = Checksum::optional("data checksum", text)?;
    if let Some(value) = &value {
        check_not_web_address("data checksum", value.as_str())?;
        let passes = |c: char| c.is_ascii_alphanumeric() || c == ' ' || matches!(c, ':' | '-' | '/');
        if !value.as_str().chars().all(passes) {
            return Err(EnvelopeError::Checksum);
        }
    }
    Ok(value)
}

/// What travels with a message from its sender. Every field is fit to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The sending mailbox, which also makes the call.
    pub from: MailboxId,
    /// Whom it is for.
    pub to: Recipient,
    /// Agreed kind of traffic.
    pub workflow: WorkflowId,
    /// The sender's own reference.
    pub local_id: Option<LocalId>,
    /// Free text.
    pub subject: Option<Subject>,
    /// Name of the data file; MESH makes `<message id>.dat` when absent.
    pub file_name: Option<FileName>,
    /// Type of the payload.
    pub content_type: Option<ContentType>,
    /// The payload is compressed at application level, which MESH passes on and nobody undoes.
    pub compressed: bool,
    /// The payload is encrypted by the sender.
    pub encrypted: bool,
    /// The sender's checksum, passed on unverified.
    pub checksum: Option<Checksum>,
    /// Obsolete, passed on.
    pub partner_id: Option<PartnerId>,
    /// Reserved, passed on.
    pub process_id: Option<ProcessId>,
}

impl Envelope {
    /// An envelope with the three things every message needs.
    pub fn new(from: MailboxId, to: Recipient, workflow: WorkflowId) -> Self {
        Self {
            from,
            to,
            workflow,
            local_id: None,
            subject: None,
            file_name: None,
            content_type: None,
            compressed: false,
            encrypted: false,
            checksum: None,
            partner_id: None,
            process_id: None,
        }
    }

    /// The headers of the first request, chunk range and encoding aside. `Mex-From` is sent because it is true;
    /// flags are sent only when set.
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = vec![
            (header::FROM, self.from.as_str()),
            (header::TO, self.to.as_str()),
            (header::WORKFLOW_ID, self.workflow.as_str()),
        ];
        let optional = [
            (header::LOCAL_ID, self.local_id.as_ref().map(LocalId::as_str)),
            (header::SUBJECT, self.subject.as_ref().map(HeaderText::as_str)),
            (header::FILE_NAME, self.file_name.as_ref().map(HeaderText::as_str)),
            (header::CONTENT_TYPE, self.content_type.as_ref().map(HeaderText::as_str)),
            (header::CONTENT_CHECKSUM, self.checksum.as_ref().map(HeaderText::as_str)),
            (header::PARTNER_ID, self.partner_id.as_ref().map(HeaderText::as_str)),
            (header::PROCESS_ID, self.process_id.as_ref().map(HeaderText::as_str)),
            (header::CONTENT_COMPRESSED, self.compressed.then_some("Y")),
            (header::CONTENT_ENCRYPTED, self.encrypted.then_some("Y")),
        ];
        headers.extend(optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
        headers
    }
}

/// What an inbox item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A message with a payload.
    Data,
    /// MESH's word about a message that failed; no payload.
    Report,
}

/// The five status headers of an inbox item, as they came. Absent ones are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusHeaders {
    /// `TRANSFER` on a delivered message.
    pub event: String,
    /// `00` on a delivered message.
    pub code: String,
    /// `SUCCESS` or `ERROR`.
    pub success: String,
    /// For people.
    pub description: String,
    /// `yyyyMMddHHmmss`, UTC.
    pub timestamp: String,
}

/// The metadata of an inbox item, kept as it came: a recipient must be able to take whatever MESH let through.
/// Absent fields are empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Download {
    /// The item's own id.
    pub message_id: MessageId,
    /// Data or report.
    pub kind: MessageKind,
    /// Sending mailbox; absent on a report.
    pub from: String,
    /// The mailbox that holds the item.
    pub to: String,
    /// Sender in e-mail form, legacy.
    pub from_smtp: String,
    /// Recipient in e-mail form, legacy.
    pub to_smtp: String,
    /// Workflow; on a report, the failed message's.
    pub workflow: String,
    /// Sender's reference: private.
    pub local_id: String,
    /// Free text: private.
    pub subject: String,
    /// File name: private.
    pub file_name: String,
    /// Type of the payload.
    pub content_type: String,
    /// Passed through.
    pub checksum: String,
    /// Passed through.
    pub partner_id: String,
    /// Passed through.
    pub process_id: String,
    /// The sender says that the payload is encrypted.
    pub encrypted: bool,
    /// On a report: the id of the failed message.
    pub linked_message_id: String,
    /// Status headers.
    pub status: StatusHeaders,
    /// Which chunk this answer held, of how many. Live leaves the header out on single messages: `1:1`.
    pub chunk: ChunkRange,
}

impl Download {
    /// Reads the headers of an answer; `get` looks one up by its lower-case name. `asked` is the id in the path,
    /// used where the answer does not repeat it.
    ///
    /// # Errors
    /// When the id in the answer is unsafe or is another one than was asked for, or the chunk range is no range.
    pub fn read(asked: &MessageId, get: impl Fn(&str) -> Option<String>) -> Result<Self, DownloadError> {
        let text = |name: &str| get(name).map(|v| v.trim().to_owned()).unwrap_or_default();
        let message_id = match text(header::MESSAGE_ID) {
            id if id.is_empty() => asked.clone(),
            id if id.eq_ignore_ascii_case(asked.as_str()) => asked.clone(),
            _ => return Err(DownloadError::OtherMessage),
        };
        let chunk = match text(header::CHUNK_RANGE) {
            range if range.is_empty() => ChunkRange { index: 1, of: 1 },
            range => range.parse().map_err(|_| DownloadError::ChunkRange)?,
        };
        let kind = if text(header::MESSAGE_TYPE).eq_ignore_ascii_case("REPORT") {
            MessageKind::Report
        } else {
            MessageKind::Data
        };
        Ok(Self {
            message_id,
            kind,
            from: text(header::FROM),
            to: text(header::TO),
            from_smtp: text(header::FROM_SMTP),
            to_smtp: text(header::TO_SMTP),
            workflow: text(header::WORKFLOW_ID),
            local_id: text(header::LOCAL_ID),
            subject: text(header::SUBJECT),
            file_name: text(header::FILE_NAME),
            content_type: text(header::CONTENT_TYPE),
            checksum: text(header::CONTENT_CHECKSUM),
            partner_id: text(header::PARTNER_ID),
            process_id: text(header::PROCESS_ID),
            encrypted: header::flag(&text(header::CONTENT_ENCRYPTED)),
            linked_message_id: text(header::LINKED_MESSAGE_ID),
            status: StatusHeaders {
                event: text(header::STATUS_EVENT),
                code: text(header::STATUS_CODE),
                success: text(header::STATUS_SUCCESS),
                description: text(header::STATUS_DESCRIPTION),
                timestamp: text(header::STATUS_TIMESTAMP),
            },
            chunk,
        })
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("message_id", &self.message_id)
            .field("kind", &self.kind)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("workflow", &self.workflow)
            .field("chunk", &self.chunk)
            .finish_non_exhaustive()
    }
}

/// The headers of a downloaded item contradict the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DownloadError {
    /// The answer is about another message.
    #[error("the answer carries another message id than was asked for")]
    OtherMessage,
    /// `Mex-Chunk-Range` is not `n:total`.
    #[error("the answer's chunk range is not of the form n:total")]
    ChunkRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope::new(
            "X26EX001".parse().expect("a mailbox"),
            "X26EX002".parse().expect("a recipient"),
            "DEMO_FLOW".parse().expect("a workflow"),
        )
    }

    #[test]
    fn only_what_is_set_is_sent() {
        let mut envelope = envelope();
        assert_eq!(envelope.headers().len(), 3);
        envelope.subject = Subject::optional("subject", " Batch 417 ").expect("a subject");
        envelope.encrypted = true;
        assert!(envelope.headers().contains(&(header::SUBJECT, "Batch 417")));
        assert!(envelope.headers().contains(&(header::CONTENT_ENCRYPTED, "Y")));
    }

    #[test]
    fn nothing_private_prints() {
        let mut envelope = envelope();
        envelope.subject = Subject::optional("subject", "canary").expect("a subject");
        envelope.file_name = FileName::optional("file name", "canary.dat").expect("a name");
        envelope.local_id = Some("canary".parse().expect("a local id"));
        assert!(!format!("{envelope:?}").contains("canary"));
        let id: MessageId = "20260329234512345_0A1B2C".parse().expect("an id");
        let download = Download::read(&id, |name| {
            matches!(name, header::SUBJECT | header::LOCAL_ID | header::FILE_NAME)
                .then(|| "canary".to_owned())
        });
        assert!(!format!("{download:?}").contains("canary"));
    }

    #[test]
    fn checksums_are_checked_as_mesh_checks_them() {
        for good in ["", "0a1b", "md5 0a1b", "sha256:0a1b", "sha256 - 0a1b", "sha256/0a1b"] {
            assert!(checksum(good).is_ok(), "{good} was refused");
        }
        for bad in ["a+b=", "https://example.test", "#"] {
            assert!(checksum(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_download_is_read_leniently_but_not_guessed() {
        let id: MessageId = "20260329234512345_0A1B2C".parse().expect("an id");
        let bare = Download::read(&id, |_| None).expect("bare headers");
        assert_eq!((bare.kind, bare.chunk), (MessageKind::Data, ChunkRange { index: 1, of: 1 }));
        let report = Download::read(&id, |name| match name {
            header::MESSAGE_TYPE => Some("report".to_owned()),
            header::CHUNK_RANGE => Some("1:0".to_owned()),
            _ => None,
        })
        .expect("a report");
        assert_eq!((report.kind, report.chunk.of), (MessageKind::Report, 0));
        let other = Download::read(&id, |name| (name == header::MESSAGE_ID).then(|| "OTHER".to_owned()));
        assert_eq!(other, Err(DownloadError::OtherMessage));
        let range = Download::read(&id, |name| (name == header::CHUNK_RANGE).then(|| "first".to_owned()));
        assert_eq!(range, Err(DownloadError::ChunkRange));
    }
}
