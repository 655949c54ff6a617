//! Names of headers (`queue-bridging.md` 2.4). Scalars only and no `x-` in front, so that they pass through AMQP 1.0.

/// What the names of ours begin with.
pub const PREFIX: &str = "mesh_";

/// Sending mailbox.
pub const FROM: &str = "mesh_from";
/// Recipient: a mailbox, or a string for routing by patient. Private.
pub const TO: &str = "mesh_to";
/// Workflow id.
pub const WORKFLOW_ID: &str = "mesh_workflow_id";
/// The sender's reference. Private.
pub const LOCAL_ID: &str = "mesh_local_id";
/// Subject. Private.
pub const SUBJECT: &str = "mesh_subject";
/// File name. Private.
pub const FILE_NAME: &str = "mesh_file_name";
/// Legacy, passed on.
pub const PARTNER_ID: &str = "mesh_partner_id";
/// Legacy, passed on.
pub const PROCESS_ID: &str = "mesh_process_id";
/// The sender's checksum.
pub const CHECKSUM: &str = "mesh_checksum";
/// The sender says that the payload is compressed.
pub const COMPRESSED: &str = "mesh_compressed";
/// The sender says that the payload is encrypted.
pub const ENCRYPTED: &str = "mesh_encrypted";
/// The relay is asked to gzip on the way.
pub const COMPRESS: &str = "mesh_compress";
/// RFC 3339: not to be sent after this.
pub const NOT_AFTER: &str = "mesh_not_after";
/// Messages of one key go one after the other.
pub const ORDER_KEY: &str = "mesh_order_key";
/// Where the payload is, when the message has none itself: a URL. Private.
pub const DATA_REF: &str = "mesh_data_ref";
/// SHA-256 of that payload, in hexadecimal.
pub const DATA_SHA256: &str = "mesh_data_sha256";
/// Length of that payload in bytes.
pub const DATA_SIZE: &str = "mesh_data_size";
/// MESH's id of the message.
pub const MESSAGE_ID: &str = "mesh_message_id";
/// `DATA` or `REPORT`.
pub const MESSAGE_TYPE: &str = "mesh_message_type";
/// In how many chunks it came.
pub const CHUNKS: &str = "mesh_chunks";
/// Its length in bytes.
pub const SIZE: &str = "mesh_size";
/// On a report: the id of the message that failed.
pub const LINKED_MESSAGE_ID: &str = "mesh_linked_message_id";
/// Status code.
pub const STATUS_CODE: &str = "mesh_status_code";
/// Status event.
pub const STATUS_EVENT: &str = "mesh_status_event";
/// Status in words.
pub const STATUS_DESCRIPTION: &str = "mesh_status_description";
/// `SUCCESS` or `ERROR`.
pub const STATUS_SUCCESS: &str = "mesh_status_success";
/// When MESH took it, `yyyyMMddHHmmss`, UTC.
pub const STATUS_TIMESTAMP: &str = "mesh_status_timestamp";
/// `true` where this may repeat an earlier delivery.
pub const REDELIVERY: &str = "mesh_redelivery";
/// The relay's own id of the message.
pub const RELAY_ID: &str = "mesh_relay_id";
/// On a parked message: why, for programs.
pub const PARKED_REASON: &str = "mesh_parked_reason";
/// On a parked message: why and what to do, for people.
pub const PARKED_DESCRIPTION: &str = "mesh_parked_description";
/// On a parked message: the queue or topic it was taken from.
pub const PARKED_SOURCE: &str = "mesh_parked_source";
/// On a message parked from a topic: the partition it was taken from.
pub const PARKED_PARTITION: &str = "mesh_parked_partition";
/// On a message parked from a topic: its offset there.
pub const PARKED_OFFSET: &str = "mesh_parked_offset";
/// On a message parked without its payload, which nothing takes that is so large: how long that is, in bytes. It can be
/// had where it was taken from.
pub const PARKED_WITHOUT: &str = "mesh_parked_without";
/// On a parked message: when, RFC 3339.
pub const PARKED_AT: &str = "mesh_parked_at";
/// On a parked message: how many headers of the producer's were left out, since the broker would not have taken all.
pub const PARKED_LEFT_OUT: &str = "mesh_parked_left_out";

/// W3C trace context.
pub const TRACE_PARENT: &str = "traceparent";
/// W3C trace context.
pub const TRACE_STATE: &str = "tracestate";

/// Headers that a producer may give.
pub const GIVEN: [&str; 17] = [
    FROM,
    TO,
    WORKFLOW_ID,
    LOCAL_ID,
    SUBJECT,
    FILE_NAME,
    PARTNER_ID,
    PROCESS_ID,
    CHECKSUM,
    COMPRESSED,
    ENCRYPTED,
    COMPRESS,
    NOT_AFTER,
    ORDER_KEY,
    DATA_REF,
    DATA_SHA256,
    DATA_SIZE,
];

/// Headers that the relay writes. A producer that passes a received message on gives them; they say nothing then.
const WRITTEN: [&str; 20] = [
    MESSAGE_ID,
    MESSAGE_TYPE,
    CHUNKS,
    SIZE,
    LINKED_MESSAGE_ID,
    STATUS_CODE,
    STATUS_EVENT,
    STATUS_DESCRIPTION,
    STATUS_SUCCESS,
    STATUS_TIMESTAMP,
    REDELIVERY,
    RELAY_ID,
    PARKED_REASON,
    PARKED_DESCRIPTION,
    PARKED_SOURCE,
    PARKED_PARTITION,
    PARKED_OFFSET,
    PARKED_WITHOUT,
    PARKED_AT,
    PARKED_LEFT_OUT,
];

/// What a producer's name for a header means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// This one of [`GIVEN`], or of the trace context.
    Given(&'static str),
    /// One that the relay writes itself.
    Written,
    /// Not the relay's.
    Foreign,
    /// It begins as the relay's own names do, and is none of them.
    Unknown,
}

/// Finds what a name means: in any case, with `-` or `_`, and by MESH's own name as well (`Mex-To`, `mesh-to`).
pub fn meaning(name: &str) -> Meaning {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    for known in [TRACE_PARENT, TRACE_STATE] {
        if plain == known {
            return Meaning::Given(known);
        }
    }
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let Some(rest) = ["mesh_", "mex_"].iter().find_map(|prefix| lower.strip_prefix(prefix)) else {
        return Meaning::Foreign;
    };
    let rest = rest.replace('_', "");
    // What MESH calls it, where that is another word.
    let rest = match rest.as_str() {
        "contentchecksum" => "checksum",
        "contentcompressed" => "compressed",
        "contentencrypted" => "encrypted",
        other => other,
    };
    let is = |known: &&&str| known.strip_prefix(PREFIX).is_some_and(|known| known.replace('_', "") == rest);
    if let Some(known) = GIVEN.iter().find(is) {
        return Meaning::Given(known);
    }
    if WRITTEN.iter().any(|known| is(&known)) {
        return Meaning::Written;
    }
    Meaning::Unknown
}

/// A producer's name for a header as it may be shown: short, and of letters, digits, `_` and `-` alone.
pub fn shown(name: &str) -> &str {
    const LONGEST: usize = 40;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.len() <= LONGEST && name.chars().all(plain) { name } else { "a header" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_however_it_is_written() {
        for (name, known) in [
            ("mesh_to", TO),
            ("mesh-to", TO),
            ("Mex-To", TO),
            ("mex-workflowid", WORKFLOW_ID),
            ("Mesh_Workflow_Id", WORKFLOW_ID),
            ("Mex-LocalID", LOCAL_ID),
            ("Mex-FileName", FILE_NAME),
            ("Mex-Content-Checksum", CHECKSUM),
            ("mesh-data-ref", DATA_REF),
            ("Mesh_Data_SHA256", DATA_SHA256),
            ("traceparent", TRACE_PARENT),
            ("TraceParent", TRACE_PARENT),
        ] {
            assert_eq!(meaning(name), Meaning::Given(known), "{name}");
        }
        assert_eq!(meaning("Mex-MessageID"), Meaning::Written);
        assert_eq!(meaning("mesh_parked_at"), Meaning::Written);
        for name in ["mesh_recipient", "mesh_", "mex-foo"] {
            assert_eq!(meaning(name), Meaning::Unknown, "{name}");
        }
        for name in ["JMSType", "x-death", "meshed", "to", ""] {
            assert_eq!(meaning(name), Meaning::Foreign, "{name}");
        }
    }
}
