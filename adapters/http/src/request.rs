//! The head of a request as a message for MESH.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use base64ct::{Base64, Encoding};
use percent_encoding::percent_decode;
use relay_carrier::header::{Meaning, TRACE_PARENT, TRACE_STATE, meaning, shown};
use relay_carrier::{Given, Reply, digest};
use relay_core::{Envelope, HeaderText, MailboxId, Trace, TraceContext, checksum};

use crate::outgoing::CONTENT_DIGEST;
use crate::problem::SubmissionProblem;
use crate::sink::ENCODING;
use crate::upload::Sum;

/// Longest `Idempotency-Key` in characters.
pub(crate) const KEY_CHARS_MAX: usize = 255;
/// Longest text that stands for a caller's key in the journal; a longer one is hashed.
const KEY_BYTES_MAX: usize = 200;
/// By which a caller's request is known when it comes again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The mailbox to send from.
const FROM: &str = "Mex-From";
const TO: &str = "Mex-To";
const WORKFLOW_ID: &str = "Mex-WorkflowID";
const LOCAL_ID: &str = "Mex-LocalID";
const SUBJECT: &str = "Mex-Subject";
const FILE_NAME: &str = "Mex-FileName";
const PARTNER_ID: &str = "Mex-PartnerID";
const PROCESS_ID: &str = "Mex-ProcessID";
const CHECKSUM: &str = "Mex-Content-Checksum";
const COMPRESSED: &str = "Mex-Content-Compressed";
const ENCRYPTED: &str = "Mex-Content-Encrypted";
/// What a caller may give of a message.
const KNOWN: [&str; 11] = [
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
];

/// A message as its caller describes it.
pub(crate) struct Head {
    /// Its metadata.
    pub(crate) envelope: Envelope,
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Its SHA-256, if the caller gave it.
    pub(crate) sum: Option<Sum>,
    /// Where it stands in a trace, if its caller says so.
    pub(crate) trace: Option<TraceContext>,
}

impl Head {
    /// A hash of all that is known of the message before its body is read.
    pub(crate) fn fingerprint(&self) -> String {
        let (headers, length) = (self.envelope.headers(), self.length.to_be_bytes());
        let headers = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let sum = self.sum.as_ref().map_or(&[][..], |sum| &sum[..]);
        digest([&length[..], sum].into_iter().chain(headers))
    }
}

fn bad(detail: impl Into<Box<str>>) -> SubmissionProblem {
    SubmissionProblem::bad_request(detail)
}

/// The request's key.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<&str, SubmissionProblem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(key), None) = (given.next(), given.next()) else {
        return Err(bad(
            "there is no Idempotency-Key, or more than one; give the message a key of its own, such as a UUID, and the \
             same whenever the request is repeated",
        ));
    };
    let key = key.to_str().unwrap_or_default();
    if !(1..=KEY_CHARS_MAX).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad(format!(
            "Idempotency-Key must be 1 to {KEY_CHARS_MAX} characters of visible ASCII, without blanks"
        )));
    }
    Ok(key)
}

/// How the journal knows what a caller handed in under a key. A caller's name may hold a slash, which must not make two
/// keys one.
pub(crate) fn key_of(caller: &str, key: &str) -> String {
    let whole = format!("{}/{key}", caller.replace('%', "%25").replace('/', "%2F"));
    if whole.len() <= KEY_BYTES_MAX { whole } else { format!("sha256 {}", digest([whole.as_bytes()])) }
}

/// What a request's headers say under MESH's names.
pub(crate) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Reads them.
    ///
    /// # Errors
    /// When one is unknown, stands twice or cannot be read. Names the header, never what it holds.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, SubmissionProblem> {
        let mut encodings = headers.get_all(ENCODING).iter();
        let percent = match (encodings.next(), encodings.next()) {
            (None, _) => false,
            (Some(value), None) if value == "percent" => true,
            _ => return Err(bad("Mesh-Relay-Encoding is neither left out nor the word percent")),
        };
        let mut fields: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("mex-")) {
            let Some(known) = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name.as_str()))
            else {
                // Whoever passes a message on has what MESH said of it among its headers.
                if meaning(name.as_str()) == Meaning::Written {
                    continue;
                }
                let (name, known) = (shown(name.as_str()), KNOWN.join(", "));
                return Err(bad(format!(
                    "{name} is no header that a message is handed in with; those are Content-Type and {known}"
                )));
            };
            if fields.iter().any(|(other, _)| *other == known) {
                return Err(bad(format!("{known} is given twice")));
            }
            let text = if percent { decoded(value.as_bytes()) } else { text(value.as_bytes()) };
            let text = text.ok_or_else(|| {
                let form = if percent { "percent-encoded UTF-8" } else { "UTF-8" };
                bad(format!("{known} is no {form}; a header outside ASCII is best given with Mesh-Relay-Encoding: percent"))
            })?;
            fields.push((known, text));
        }
        Ok(Self(fields))
    }

    /// A value that is not blank.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The mailbox to send from, if the caller names one.
    pub(crate) fn from(&self) -> Result<Option<MailboxId>, SubmissionProblem> {
        self.get(FROM).map(|from| from.parse().map_err(|error| fault(FROM, &error))).transpose()
    }

    fn required(&self, name: &str, what: &str) -> Result<&str, SubmissionProblem> {
        self.get(name).ok_or_else(|| bad(format!("there is no {name}; give {what} there")))
    }

    fn text<const CHARS_MAX: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<HeaderText<CHARS_MAX>>, SubmissionProblem> {
        HeaderText::optional(name, self.get(name).unwrap_or_default()).map_err(|error| bad(error.to_string()))
    }

    fn flag(&self, name: &str) -> Result<bool, SubmissionProblem> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("n" | "no" | "false" | "0") => Ok(false),
            Some("y" | "yes" | "true" | "1") => Ok(true),
            Some(_) => Err(bad(format!("{name} is neither Y nor N"))),
        }
    }

    /// The message from `mailbox` that these and the other headers describe. `key` is its local id where it has none of its
    /// own, so that MESH can be asked about it in doubt.
    ///
    /// # Errors
    /// The first thing for which it can never be sent.
    pub(crate) fn head(
        &self,
        mailbox: &MailboxId,
        key: &str,
        headers: &HeaderMap,
    ) -> Result<Head, SubmissionProblem> {
        let to = self.required(TO, "the recipient's mailbox, or an address for routing by patient,")?;
        let to = to.parse().map_err(|error| fault(TO, &error))?;
        let workflow = self.required(WORKFLOW_ID, "the kind of traffic")?;
        let workflow = workflow.parse().map_err(|error| fault(WORKFLOW_ID, &error))?;
        let mut envelope = Envelope::new(mailbox.clone(), to, workflow);
        envelope.local_id = match self.get(LOCAL_ID) {
            Some(local_id) => Some(local_id.parse().map_err(|error| fault(LOCAL_ID, &error))?),
            None => key.parse().ok(),
        };
        envelope.subject = self.text(SUBJECT)?;
        envelope.file_name = self.text(FILE_NAME)?;
        envelope.partner_id = self.text(PARTNER_ID)?;
        envelope.process_id = self.text(PROCESS_ID)?;
        let sum = self.get(CHECKSUM).unwrap_or_default();
        envelope.checksum = checksum(sum).map_err(|error| fault(CHECKSUM, &error))?;
        envelope.content_type = content_type(headers)?;
        envelope.compressed = self.flag(COMPRESSED)?;
        envelope.encrypted = self.flag(ENCRYPTED)?;
        Ok(Head { envelope, length: length(headers)?, sum: content_digest(headers)?, trace: trace(headers) })
    }
}

fn fault(name: &str, error: &dyn std::fmt::Display) -> SubmissionProblem {
    bad(format!("{name}: {error}"))
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn decoded(bytes: &[u8]) -> Option<String> {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let whole = |at: usize| bytes[at] != b'%' || digit(at + 1) && digit(at + 2);
    let sound = bytes.is_ascii() && (0..bytes.len()).all(whole);
    sound.then(|| percent_decode(bytes).collect()).and_then(|bytes: Vec<u8>| String::from_utf8(bytes).ok())
}

fn content_type(headers: &HeaderMap) -> Result<Option<HeaderText<100>>, SubmissionProblem> {
    let mut given = headers.get_all(header::CONTENT_TYPE).iter();
    let (first, None) = (given.next(), given.next()) else { return Err(bad("Content-Type is given twice")) };
    let text = first.map_or(Some(String::new()), |value| text(value.as_bytes()));
    let text = text.ok_or_else(|| bad("Content-Type is no UTF-8"))?;
    HeaderText::optional("Content-Type", &text).map_err(|error| bad(error.to_string()))
}

fn length(headers: &HeaderMap) -> Result<u64, SubmissionProblem> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let detail = "the body goes to MESH as it is; leave Content-Encoding out, and say by Mex-Content-Compressed: Y that \
                      a payload is compressed";
        return Err(SubmissionProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-encoding", detail));
    }
    let given = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    match given {
        Some(0) => Err(SubmissionProblem::new(
            StatusCode::BAD_REQUEST,
            "empty",
            "the message has no body, and MESH takes none without",
        )),
        Some(length) => Ok(length),
        None => {
            let detail = "MESH must know how long a message is before its first byte; give Content-Length";
            Err(SubmissionProblem::new(StatusCode::LENGTH_REQUIRED, "no-length", detail))
        }
    }
}

/// The SHA-256 of `Content-Digest` (RFC 9530). One that cannot be verified is not passed over: its caller relies on it.
fn content_digest(headers: &HeaderMap) -> Result<Option<Sum>, SubmissionProblem> {
    let wrong =
        || bad("Content-Digest is not of the form sha-256=:<base64>:, the only digest that is verified");
    let mut sum = None;
    let mut is_given = false;
    for value in headers.get_all(CONTENT_DIGEST) {
        is_given = true;
        for member in value.to_str().map_err(|_| wrong())?.split(',') {
            let Some((name, value)) = member.trim().split_once('=') else { return Err(wrong()) };
            if name != "sha-256" {
                continue;
            }
            let encoded =
                value.strip_prefix(':').and_then(|value| value.strip_suffix(':')).ok_or_else(wrong)?;
            let bytes = Base64::decode_vec(encoded).map_err(|_| wrong())?;
            sum = Some(Sum::try_from(bytes).map_err(|_| wrong())?);
        }
    }
    if is_given && sum.is_none() { Err(wrong()) } else { Ok(sum) }
}

fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let value = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::read(value(TRACE_PARENT)?, value(TRACE_STATE))
}

/// What events say of the request: its key, and where it stands in a trace.
pub(crate) fn reply(key: &str, trace: &Trace) -> String {
    let given = Given { message_id: Some(key.to_owned()), ..Given::default() };
    Reply::of(&given, trace).to_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, axum::http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        headers
    }

    fn read(more: &[(&'static str, &str)]) -> Result<Head, String> {
        let least = [("mex-to", "X26ABC2"), ("mex-workflowid", "FLOW"), ("content-length", "7")];
        let is_given = |name: &str| more.iter().any(|(other, _)| *other == name);
        let all: Vec<_> =
            least.into_iter().filter(|(name, _)| !is_given(name)).chain(more.iter().copied()).collect();
        let headers = headers(&all);
        let fields = Fields::read(&headers).map_err(|problem| format!("{problem:?}"))?;
        let mailbox = "X26ABC1".parse().expect("a mailbox");
        fields.head(&mailbox, "KEY-1", &headers).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn the_key_is_the_local_id_unless_there_is_one() {
        let local_id = |head: Head| head.envelope.local_id.map(|id| id.as_str().to_owned());
        assert_eq!(local_id(read(&[]).expect("it")).as_deref(), Some("KEY-1"));
        assert_eq!(local_id(read(&[("mex-localid", "L1")]).expect("it")).as_deref(), Some("L1"));
    }

    #[test]
    fn text_outside_ascii_comes_as_it_is_or_percent_encoded_where_that_is_said() {
        let subject = |more: &[(&'static str, &str)]| {
            read(more).map(|head| head.envelope.subject.map(|subject| subject.as_str().to_owned()))
        };
        let percent = ("mesh-relay-encoding", "percent");
        assert_eq!(subject(&[("mex-subject", "£ %41")]), Ok(Some("£ %41".to_owned())));
        assert_eq!(subject(&[("mex-subject", "%C2%A3 %41"), percent]), Ok(Some("£ A".to_owned())));
        for bad in ["%", "%4", "%zz", "%C2", "£", "a%0Ab"] {
            let problem = subject(&[("mex-subject", bad), percent]).expect_err(bad);
            assert!(problem.contains("Mex-Subject"), "{problem}");
        }
        assert!(read(&[("mesh-relay-encoding", "base64")]).is_err());
    }

    #[test]
    fn what_can_never_be_sent_names_its_header_and_shows_nothing() {
        let long = "secret".repeat(100);
        for (name, value, told) in [
            ("mex-to", "", "Mex-To"),
            ("mex-to", "http://secret", "Mex-To"),
            ("mex-workflowid", "https://secret", "Mex-WorkflowID"),
            ("mex-subject", &long, "Mex-Subject"),
            ("mex-filename", &long, "Mex-FileName"),
            ("mex-content-checksum", "secret?", "Mex-Content-Checksum"),
            ("mex-content-encrypted", "secret", "Mex-Content-Encrypted"),
            ("mex-chunk-range", "secret", "mex-chunk-range"),
            ("content-digest", "sha-256=:secret:", "Content-Digest"),
            ("content-digest", "sha-512=:AAAA:", "Content-Digest"),
            ("content-digest", "secret", "Content-Digest"),
            ("content-length", "0", "empty"),
            ("content-length", "secret", "no-length"),
            ("content-encoding", "gzip", "content-encoding"),
        ] {
            let problem = read(&[(name, value)]).err().expect(name);
            assert!(problem.contains(told) && !problem.contains("secret"), "{name}: {problem}");
        }
        assert!(read(&[("mex-subject", "a"), ("mex-subject", "b")]).is_err(), "twice");
        assert!(read(&[("mex-statuscode", "00")]).is_ok(), "what MESH wrote is passed over");
    }

    #[test]
    fn a_fingerprint_is_of_all_that_is_said() {
        let of = |more: &[(&'static str, &str)]| read(more).expect("it").fingerprint();
        let digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
        let all = [
            of(&[]),
            of(&[("content-length", "8")]),
            of(&[("mex-subject", "a")]),
            of(&[("content-type", "text/plain")]),
            of(&[("content-digest", digest)]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        let both = format!("sha-512=:AA==:, {digest}");
        assert_eq!(of(&[("content-digest", digest)]), of(&[("content-digest", &both)]));
    }

    #[test]
    fn keys_of_callers_are_told_apart_and_bounded() {
        assert_ne!(key_of("a/b", "c"), key_of("a", "b/c"));
        assert_ne!(key_of("a%2Fb", "c"), key_of("a/b", "c"));
        let long = |end: &str| key_of("lab", &format!("{}{end}", "k".repeat(254)));
        assert!(long("1").len() <= KEY_BYTES_MAX && long("1") != long("2"));
        for bad in ["", " ", "a b", "é"] {
            assert!(idempotency_key(&headers(&[("idempotency-key", bad)])).is_err(), "{bad}");
        }
        let longest = "k".repeat(KEY_CHARS_MAX);
        assert!(idempotency_key(&headers(&[("idempotency-key", &longest)])).is_ok());
        assert!(idempotency_key(&headers(&[("idempotency-key", &format!("{longest}k"))])).is_err());
        assert!(idempotency_key(&headers(&[("idempotency-key", "a"), ("idempotency-key", "a")])).is_err());
    }
}
