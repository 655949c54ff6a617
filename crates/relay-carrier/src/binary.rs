//! Headers of bytes, as records of a topic have them, with CloudEvents attributes among them (binary mode,
//! `queue-bridging.md` 3.2).

use jiff::Timestamp;

use crate::header::{self, Meaning};
use crate::submission::Given;
use crate::unfit::{Reason, Unfit};

/// Id of the event: by it a record is known when it comes again.
pub const ID: &str = "ce_id";
/// Which relay, or which application, made the record.
pub const SOURCE: &str = "ce_source";
/// Version of CloudEvents.
pub const SPEC_VERSION: &str = "ce_specversion";
/// Kind of record.
pub const TYPE: &str = "ce_type";
/// When it was made.
pub const TIME: &str = "ce_time";
/// Type of the payload.
pub const CONTENT_TYPE: &str = "content-type";
/// Copied to every event about the record.
pub const CORRELATION_ID: &str = "correlation_id";

/// What extensions of the relay's own begin with. Names of attributes have neither `_` nor `-`.
const EXTENSION: &str = "ce_mesh";
/// Longest id of a record in bytes, as long as a queue's.
const ID_BYTES_MAX: usize = 255;

/// What a record's headers say of it: `mesh_*` and MESH's own names, `ce_mesh*` where the same does not stand there under
/// such a name, and the attributes of CloudEvents.
///
/// # Errors
/// When one of those is no text, or the id is too long. What else there may be is nobody's business here.
pub fn given<'a>(headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Result<Given, Unfit> {
    let mut given = Given::default();
    let mut extensions: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let extension = extension(&lower);
        let meaning = header::meaning(name);
        let attribute =
            matches!(lower.as_str(), ID | SOURCE | CONTENT_TYPE | "content_type" | CORRELATION_ID);
        if !attribute && extension.is_none() && meaning == Meaning::Foreign {
            continue;
        }
        let value = std::str::from_utf8(value.unwrap_or_default()).map_err(|_| {
            Unfit::new(
                Reason::NotText,
                "one of the relay's headers, or one of ce_id and ce_source, is no text in UTF-8",
            )
        })?;
        match (lower.as_str(), extension) {
            (ID, _) => given.message_id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            (SOURCE, _) => given.source = Some(value.to_owned()).filter(|source| !source.is_empty()),
            (CONTENT_TYPE | "content_type", _) => given.content_type = Some(value.to_owned()),
            (CORRELATION_ID, _) => given.correlation_id = Some(value.to_owned()),
            (_, Some(Meaning::Given(known))) => extensions.push((known, value.to_owned())),
            (_, Some(Meaning::Unknown)) => {
                let sentence = format!("a header begins with {EXTENSION} and is none that is known");
                return Err(Unfit::new(Reason::UnknownHeader, sentence));
            }
            (_, Some(_)) => {}
            (_, None) => given.headers.push((name.to_owned(), value.to_owned())),
        }
    }
    if given.message_id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
        let sentence = format!("{ID} is longer than {ID_BYTES_MAX} bytes");
        return Err(Unfit::new(Reason::BadHeader, sentence));
    }
    for (known, value) in extensions {
        let is_given = given.headers.iter().any(|(name, _)| header::meaning(name) == Meaning::Given(known));
        if !is_given {
            given.headers.push((known.to_owned(), value));
        }
    }
    Ok(given)
}

/// What an attribute of CloudEvents means as one of the relay's headers, if it is such a one.
fn extension(lower: &str) -> Option<Meaning> {
    if let "ce_traceparent" | "ce_tracestate" = lower {
        return Some(header::meaning(&lower["ce_".len()..]));
    }
    let rest = lower.strip_prefix(EXTENSION)?;
    let rest = if rest == "workflow" { "workflowid" } else { rest };
    Some(header::meaning(&format!("{}{rest}", header::PREFIX)))
}

/// The attributes of a record with the payload of `content_type`.
pub fn attributes(
    id: &str,
    kind: &str,
    source: &str,
    at: Timestamp,
    content_type: &str,
) -> Vec<(&'static str, String)> {
    vec![
        (SPEC_VERSION, "1.0".to_owned()),
        (ID, id.to_owned()),
        (TYPE, kind.to_owned()),
        (SOURCE, source.to_owned()),
        (TIME, at.to_string()),
        (CONTENT_TYPE, content_type.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &[u8])]) -> Result<Given, Unfit> {
        given(headers.iter().map(|(name, value)| (*name, Some(*value))))
    }

    #[test]
    fn attributes_and_extensions_are_read_and_plain_names_go_first() {
        let given = read(&[
            ("ce_id", b"7"),
            ("Content-Type", b"text/plain"),
            ("ce_meshto", b"X26ABC2"),
            ("ce_meshworkflow", b"W"),
            ("ce_meshlocalid", b"from ce"),
            ("Mex-LocalID", b"from mesh"),
            ("ce_traceparent", b"00-a-b-01"),
            ("ce_source", b"/lab"),
            ("ce_subject", b"\xFF"),
            ("JMSType", b"\xFF"),
        ])
        .expect("it");
        assert_eq!((given.message_id.as_deref(), given.source.as_deref()), (Some("7"), Some("/lab")));
        assert_eq!(given.content_type.as_deref(), Some("text/plain"));
        let value = |name: &str| {
            let found: Vec<_> = given.headers.iter().filter(|(known, _)| known == name).collect();
            assert!(found.len() <= 1, "{name}");
            found.first().map(|(_, value)| value.as_str())
        };
        assert_eq!(value("mesh_to"), Some("X26ABC2"));
        assert_eq!(value("mesh_workflow_id"), Some("W"));
        assert_eq!(value("Mex-LocalID"), Some("from mesh"));
        assert_eq!(value("mesh_local_id"), None);
        assert_eq!(value("traceparent"), Some("00-a-b-01"));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let reason = |headers: &[(&str, &[u8])]| read(headers).err().map(|unfit| unfit.reason);
        assert_eq!(reason(&[("mesh_to", b"\xFF")]), Some(Reason::NotText));
        assert_eq!(reason(&[("ce_id", b"\xFF")]), Some(Reason::NotText));
        // It is part of what a record is known by.
        assert_eq!(reason(&[("ce_source", b"\xFF")]), Some(Reason::NotText));
        assert_eq!(reason(&[("ce_meshrecipient", b"X")]), Some(Reason::UnknownHeader));
        assert_eq!(reason(&[("ce_id", &[b'7'; 256])]), Some(Reason::BadHeader));
        assert_eq!(reason(&[]), None);
    }

    #[test]
    fn what_is_written_can_be_passed_on() {
        let at = "2026-11-22T10:15:00Z".parse().expect("a time");
        let written = attributes("7", "mesh.data", "/mesh-relay/a", at, "text/plain");
        let given = given(written.iter().map(|(name, value)| (*name, Some(value.as_bytes())))).expect("it");
        assert_eq!(given.message_id.as_deref(), Some("7"));
        assert!(given.headers.is_empty());
    }
}
