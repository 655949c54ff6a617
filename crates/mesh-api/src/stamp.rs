//! Times as MESH writes them (`mesh-api.md` 2.1, 4.10, 6.1). All are UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// `yyyyMMddHHmm`, the time in an authorisation token.
pub fn token_minute(at: Timestamp) -> String {
    at.strftime("%Y%m%d%H%M").to_string()
}

/// `yyyyMMddHHmmss`, the time in status headers and in v1 tracking.
pub fn compact(at: Timestamp) -> String {
    at.strftime("%Y%m%d%H%M%S").to_string()
}

/// ISO date and time without a zone, to the microsecond: the time in v2 tracking.
pub fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// Reads any form that MESH writes, as UTC: 12 or 14 digits, or ISO with or without a zone. `None` when it is
/// none of them; the caller decides whether that matters.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let civil = match text.len() {
        12 if text.bytes().all(|b| b.is_ascii_digit()) => DateTime::strptime("%Y%m%d%H%M", text).ok(),
        14 if text.bytes().all(|b| b.is_ascii_digit()) => DateTime::strptime("%Y%m%d%H%M%S", text).ok(),
        _ => match text.parse::<Timestamp>() {
            Ok(at) => return Some(at),
            Err(_) => text.parse::<DateTime>().ok(),
        },
    };
    civil?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_as_the_same_instant() {
        let at = parse("2026-03-29T23:45:12.345000").expect("ISO");
        assert_eq!(parse("2026-03-29T23:45:12.345Z"), Some(at));
        assert_eq!(parse("20260329234512").map(compact), Some("20260329234512".to_owned()));
        assert_eq!(parse("202603292345").map(token_minute), Some("202603292345".to_owned()));
        assert_eq!(iso(at), "2026-03-29T23:45:12.345000");
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("20269999999999"), None);
    }
}
