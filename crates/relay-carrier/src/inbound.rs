//! An inbox item as a broker's message (`queue-bridging.md` 2.3, 2.4).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use relay_core::{Download, MessageKind, RelayId, TraceContext};
use sha2::{Digest, Sha256};

use crate::header;

/// Bytes of the hash that stands for what was cut of a word.
const HASH_BYTES: usize = 8;

/// The type of a message with a payload.
pub const TYPE_DATA: &str = "mesh.data";
/// The type of a report.
pub const TYPE_REPORT: &str = "mesh.report";

/// The type of an inbox item.
pub fn type_of(download: &Download) -> &'static str {
    match download.kind {
        MessageKind::Data => TYPE_DATA,
        MessageKind::Report => TYPE_REPORT,
    }
}

/// Longest routing key in bytes (`queue-bridging.md` 2.1).
pub const ROUTING_KEY_BYTES_MAX: usize = 255;
/// What is left of a word that is too long to stand in one, in bytes. A hash of the whole word follows.
const LONG_WORD_BYTES: usize = 80;
/// Longest word that stands in a routing key as it is, in bytes: three of them and two dots fit.
const WORD_BYTES_MAX: usize = (ROUTING_KEY_BYTES_MAX - 2) / 3;

/// The routing key of an inbox item: `<mailbox>.<workflow>.<data|report>`. What would be read as more than one word
/// becomes `_`; a workflow too long for a key (MESH allows 300 characters) is cut and followed by `~` and a hash of all of it.
pub fn routing_key(mailbox: &str, download: &Download) -> String {
    let kind = match download.kind {
        MessageKind::Data => "data",
        MessageKind::Report => "report",
    };
    format!("{}.{}.{kind}", word(mailbox), word(&download.workflow))
}

/// The key of an inbox item as a record: `<mailbox>|<sender>|<workflow>`, so that those of one sender and one kind stay in
/// one partition, in order. A sender that MESH does not name, as on most reports, is empty.
pub fn record_key(mailbox: &str, download: &Download) -> String {
    format!("{mailbox}|{}|{}", download.from, download.workflow)
}

/// One word of a routing key.
pub(crate) fn word(text: &str) -> String {
    let plain = |c| if matches!(c, '.' | '*' | '#') || char::is_whitespace(c) { '_' } else { c };
    let word: String = text.chars().map(plain).collect();
    if word.len() <= WORD_BYTES_MAX {
        return word;
    }
    let hash = hex::encode(&Sha256::digest(text.as_bytes())[..HASH_BYTES]);
    let kept = &word[..word.floor_char_boundary(LONG_WORD_BYTES - 1 - hash.len())];
    format!("{kept}~{hash}")
}

/// When MESH took an inbox item, where it says so as `yyyyMMddHHmmss` (UTC).
pub fn taken_at(download: &Download) -> Option<Timestamp> {
    let at = DateTime::strptime("%Y%m%d%H%M%S", &download.status.timestamp).ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// The headers of an inbox item. Those without a value are left out.
pub fn headers(
    download: &Download,
    relay_id: RelayId,
    size: u64,
    repeats: bool,
) -> Vec<(&'static str, String)> {
    let kind = match download.kind {
        MessageKind::Data => "DATA",
        MessageKind::Report => "REPORT",
    };
    let status = &download.status;
    let texts = [
        (header::FROM, &download.from),
        (header::TO, &download.to),
        (header::WORKFLOW_ID, &download.workflow),
        (header::LOCAL_ID, &download.local_id),
        (header::SUBJECT, &download.subject),
        (header::FILE_NAME, &download.file_name),
        (header::PARTNER_ID, &download.partner_id),
        (header::PROCESS_ID, &download.process_id),
        (header::CHECKSUM, &download.checksum),
        (header::LINKED_MESSAGE_ID, &download.linked_message_id),
        (header::STATUS_CODE, &status.code),
        (header::STATUS_EVENT, &status.event),
        (header::STATUS_DESCRIPTION, &status.description),
        (header::STATUS_SUCCESS, &status.success),
        (header::STATUS_TIMESTAMP, &status.timestamp),
    ];
    let mut headers: Vec<(&'static str, String)> = texts
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name, text.clone()))
        .collect();
    headers.push((header::MESSAGE_ID, download.message_id.to_string()));
    headers.push((header::MESSAGE_TYPE, kind.to_owned()));
    headers.push((header::SIZE, size.to_string()));
    headers.push((header::RELAY_ID, relay_id.to_string()));
    if download.encrypted {
        headers.push((header::ENCRYPTED, "Y".to_owned()));
    }
    if repeats {
        headers.push((header::REDELIVERY, "true".to_owned()));
    }
    headers
}

/// The headers that an inbox item has beside those when somebody records the trace that its delivery belongs to.
pub fn trace_headers(trace: Option<&TraceContext>) -> impl Iterator<Item = (&'static str, String)> {
    trace.into_iter().flat_map(TraceContext::headers).map(|(name, value)| (name, value.to_owned()))
}

/// The headers that an inbox item has beside those when its payload was put elsewhere: where, its SHA-256 in hexadecimal
/// and its length in bytes.
pub fn claim_headers(reference: &str, sha256: &str, size: u64) -> [(&'static str, String); 3] {
    [
        (header::DATA_REF, reference.to_owned()),
        (header::DATA_SHA256, sha256.to_owned()),
        (header::DATA_SIZE, size.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{Meaning, meaning};

    fn download(workflow: &str) -> Download {
        let id = "20260329234512345678_0A1B2C".parse().expect("an id");
        let get = |name: &str| match name {
            "mex-workflowid" => Some(workflow.to_owned()),
            "mex-from" => Some("X26ABC1".to_owned()),
            "mex-to" => Some("X26ABC2".to_owned()),
            "mex-localid" => Some("L1".to_owned()),
            _ => None,
        };
        Download::read(&id, get).expect("metadata")
    }

    #[test]
    fn a_routing_key_has_three_words_whatever_the_workflow_is() {
        assert_eq!(routing_key("X26ABC2", &download("A.B*C #")), "X26ABC2.A_B_C__.data");
    }

    #[test]
    fn a_records_key_is_one_for_a_sender_and_a_kind() {
        assert_eq!(record_key("X26ABC2", &download("W")), "X26ABC2|X26ABC1|W");
    }

    #[test]
    fn a_routing_key_is_never_too_long_and_tells_long_workflows_apart() {
        let long = |end: &str| routing_key("X26ABC2", &download(&format!("{}{end}", "ü".repeat(298))));
        assert!(long("A").len() <= ROUTING_KEY_BYTES_MAX, "{}", long("A"));
        assert_ne!(long("A"), long("B"));
        assert_eq!(long("A").split('.').count(), 3);
    }

    #[test]
    fn every_header_that_is_written_is_known_when_it_is_passed_on() {
        let headers = headers(&download("W"), RelayId(uuid::Uuid::nil()), 7, true);
        for (name, _) in &headers {
            assert!(!matches!(meaning(name), Meaning::Unknown | Meaning::Foreign), "{name}");
        }
        assert!(headers.contains(&(header::REDELIVERY, "true".to_owned())));
        assert!(!headers.iter().any(|(name, _)| *name == header::SUBJECT), "what is empty is left out");
    }
}
