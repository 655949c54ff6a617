//! What an answer that is no success means (`mesh-api.md` 3.4 and section 8; `queue-bridging.md` 4.2).

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use mesh_api::{Effect, ServiceError};
use serde_json::Value;

use crate::error::{Call, ErrorKind};

/// Longest `Retry-After` that is believed. A longer one would let a broken server silence a mailbox.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) kind: ErrorKind,
    pub(crate) effect: Effect,
    pub(crate) service: ServiceError,
}

/// Judges an answer that is no success.
pub(crate) fn judge(call: Call, status: u16, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Verdict {
    let from_mesh = is_mesh_error(body);
    let retry_after = retry_after(headers, now);
    let doubt = if call.changes() { Effect::Unknown } else { Effect::NotApplied };
    let sound = |kind| (kind, Effect::NotApplied);
    let (kind, effect) = match status {
        401 | 403 => sound(ErrorKind::CredentialsRefused),
        // Hosts on HSCN end TLS well and answer 400 without a MESH body to an unknown client certificate (1.2).
        400 if !from_mesh && call != Call::Head => sound(ErrorKind::NotMesh(
            "a bare 400; check that the client certificate is the one issued for this MESH environment",
        )),
        // An answer to HEAD has no body to tell whose it is.
        404 if (from_mesh || call == Call::Head) && call.names_message() => sound(ErrorKind::NoSuchMessage),
        // Some gateways pass no HEAD; the other calls may do without it.
        405 if call == Call::Head => sound(ErrorKind::Unusable("HEAD is not answered there")),
        404 | 405 => sound(ErrorKind::NotMesh("the path is unknown there; check the MESH address")),
        407 => sound(ErrorKind::NotMesh("a proxy asks for a password")),
        410 => sound(ErrorKind::NoLongerAvailable),
        423 => sound(ErrorKind::AlreadyComplete),
        // A gateway's 408 may mean that MESH was slow, after it had the whole request.
        408 if !from_mesh => (ErrorKind::ServerTrouble { retry_after }, doubt),
        408 | 425 | 429 => sound(ErrorKind::Throttled { retry_after }),
        400 | 406 | 413 | 414 | 415 | 422 | 431 => sound(ErrorKind::Refused),
        417 if from_mesh => sound(ErrorKind::Refused),
        400..=499 if from_mesh => sound(ErrorKind::Unusable("the status is none that MESH uses")),
        503 if from_mesh => sound(ErrorKind::Throttled { retry_after }),
        500..=599 => (ErrorKind::ServerTrouble { retry_after }, doubt),
        // These four say that nothing was done yet; another one may follow something that was done.
        301 | 302 | 307 | 308 => {
            sound(ErrorKind::NotMesh("a redirect, which is not followed; check the MESH address"))
        }
        300 if call == Call::TrackByLocalId => {
            sound(ErrorKind::Unusable("several messages have this local id"))
        }
        300..=399 => (ErrorKind::NotMesh("a redirect, which is not followed"), doubt),
        _ => (ErrorKind::Unusable("the status is none that MESH uses"), doubt),
    };
    Verdict { kind, effect, service: ServiceError::read(body) }
}

/// Whether a body is an error in one of MESH's own two forms, or its validation error. Gateways answer with
/// `{"message":…}` too, so that form proves nothing.
fn is_mesh_error(body: &[u8]) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return false;
    };
    let detailed = matches!(fields.get("detail").and_then(|detail| detail.get(0)), Some(Value::Object(_)));
    detailed || fields.contains_key("errorCode") || fields.contains_key("errorDescription")
}

/// Reads `Retry-After`: seconds, or an HTTP date. A date that has passed is no wait.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &[u8] = br#"{"detail":[{"event":"SEND","code":"12","msg":"Unregistered to address"}]}"#;

    fn verdict(call: Call, status: u16, body: &[u8]) -> (ErrorKind, Effect) {
        let Verdict { kind, effect, .. } =
            judge(call, status, &HeaderMap::new(), body, Timestamp::UNIX_EPOCH);
        (kind, effect)
    }

    #[test]
    fn the_table_of_outcomes_holds_for_a_send() {
        let throttled = || ErrorKind::Throttled { retry_after: None };
        let trouble = || ErrorKind::ServerTrouble { retry_after: None };
        let html: &[u8] = b"<html>";
        for (status, body, kind, effect) in [
            (400, V2, ErrorKind::Refused, Effect::NotApplied),
            (417, V2, ErrorKind::Refused, Effect::NotApplied),
            (413, html, ErrorKind::Refused, Effect::NotApplied),
            (422, V2, ErrorKind::Refused, Effect::NotApplied),
            (401, html, ErrorKind::CredentialsRefused, Effect::NotApplied),
            (403, V2, ErrorKind::CredentialsRefused, Effect::NotApplied),
            (408, V2, throttled(), Effect::NotApplied),
            (408, html, trouble(), Effect::Unknown),
            (499, html, ErrorKind::Unusable("the status is none that MESH uses"), Effect::Unknown),
            (425, html, throttled(), Effect::NotApplied),
            (429, html, throttled(), Effect::NotApplied),
            (503, V2, throttled(), Effect::NotApplied),
            (503, html, trouble(), Effect::Unknown),
            (503, &br#"{"message":"Service Unavailable"}"#[..], trouble(), Effect::Unknown),
            (500, V2, trouble(), Effect::Unknown),
            (502, html, trouble(), Effect::Unknown),
            (504, html, trouble(), Effect::Unknown),
        ] {
            assert_eq!(verdict(Call::Send, status, body), (kind, effect), "{status}");
        }
    }

    #[test]
    fn a_404_counts_only_in_meshs_own_form() {
        assert_eq!(verdict(Call::TrackByLocalId, 404, V2).0, ErrorKind::NoSuchMessage);
        for (call, body) in [
            (Call::TrackByLocalId, &b"<html>"[..]),
            (Call::Track, br#"{"detail":"Not Found"}"#),
            (Call::Send, V2),
        ] {
            let (kind, _) = verdict(call, 404, body);
            assert!(matches!(kind, ErrorKind::NotMesh(_)), "{call}");
        }
    }

    #[test]
    fn waits_are_read_and_bounded() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().expect("a time");
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a value"));
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Sun, 06 Nov 1994 08:40:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(read("soon"), None);
    }
}
