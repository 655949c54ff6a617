//! Status records and their times (`dts-file-interface.md` 3.2, 4.1).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::codes;

/// The outcome of a step: `StatusRecord` of a control file. All five parts are always written, because one
/// reader refuses a record that lacks any (`dts-file-interface.md` 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRecord {
    /// `DateTime`: `yyyyMMddHHmmss`, UK local time, 14 digits. As found when read.
    pub date_time: String,
    /// `Event`: the stage.
    pub event: Event,
    /// `Status`: how it went. Code 05 is a SUCCESS although nothing was delivered (4.1).
    pub status: Status,
    /// `StatusCode`: two digits, or a longer code of MESH (section 5).
    pub code: String,
    /// `Description`: for people; may be empty.
    pub description: String,
}

impl StatusRecord {
    /// A record of something that happened at `timestamp`, which is turned into UK local time.
    pub fn at(
        timestamp: Timestamp,
        event: Event,
        status: Status,
        code: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            date_time: uk_local(timestamp),
            event,
            status,
            code: code.into(),
            description: description.into(),
        }
    }

    /// The same record for readers that insist on two digits (`dts-file-interface.md` 5.3, check 31). A
    /// longer code becomes 12 when it is about routing by patient (`EPL-…`), else 14, and moves to the start
    /// of the description; on a success it becomes 00. A code of two digits is left alone.
    #[must_use]
    pub fn with_two_digit_code(mut self) -> Self {
        if codes::is_two_digits(&self.code) {
            return self;
        }
        let short = match self.status {
            Status::Success => codes::SUCCESS,
            _ if self.code.starts_with("EPL-") => codes::NOT_REGISTERED,
            _ => codes::NOT_DELIVERED,
        };
        let long = std::mem::replace(&mut self.code, short.to_owned());
        if !long.is_empty() {
            self.description = match self.description.as_str() {
                "" => long,
                text => format!("{long} {text}"),
            };
        }
        self
    }
}

/// `Event`: the stage that a record speaks of (`dts-file-interface.md` 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `COLLECT`: the client picks files up from OUT.
    Collect,
    /// `TRANSFER`: the client hands data to the server; in a received file, data placed in the mailbox.
    Transfer,
    /// `SEND`: the server accepts, checks and delivers onward.
    Send,
    /// `RECEIVE`: the client polls for mail.
    Receive,
    /// Any other text, passed on as given.
    Other(String),
}

impl Event {
    /// The value as it stands in a file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Collect => "COLLECT",
            Self::Transfer => "TRANSFER",
            Self::Send => "SEND",
            Self::Receive => "RECEIVE",
            Self::Other(text) => text,
        }
    }
}

impl FromStr for Event {
    type Err = std::convert::Infallible;

    /// Reads a value in any case, without white space at its ends. Never fails.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let known = [Self::Collect, Self::Transfer, Self::Send, Self::Receive];
        Ok(known
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_else(|| Self::Other(text.to_owned())))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Status`: the result (`dts-file-interface.md` 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// `SUCCESS`.
    Success,
    /// `ERROR`.
    Error,
    /// Any other text, passed on as given.
    Other(String),
}

impl Status {
    /// The value as it stands in a file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Success => "SUCCESS",
            Self::Error => "ERROR",
            Self::Other(text) => text,
        }
    }
}

impl FromStr for Status {
    type Err = std::convert::Infallible;

    /// Reads a value in any case, without white space at its ends. Never fails.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let known = [Self::Success, Self::Error];
        Ok(known
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_else(|| Self::Other(text.to_owned())))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no `yyyyMMddHHmmss` time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the time is not 14 digits that make a date and a time of day; take the time of receipt instead")]
pub struct NotATime;

/// An instant as `yyyyMMddHHmmss` in UK local time, whatever the host's own zone is (`dts-file-interface.md`
/// 3.6, check 37). In the hour that comes twice each October two instants read alike; the format cannot tell
/// them apart.
pub fn uk_local(timestamp: Timestamp) -> String {
    timestamp.to_zoned(london()).strftime("%Y%m%d%H%M%S").to_string()
}

/// Turns MESH's `Mex-StatusTimestamp` (`yyyyMMddHHmmss`, UTC) into the UK local time of a control file.
///
/// # Errors
///
/// [`NotATime`] when the text, without white space at its ends, is anything else.
pub fn from_utc_compact(text: &str) -> Result<String, NotATime> {
    let instant = TimeZone::UTC.to_timestamp(civil(text.trim())?).map_err(|_| NotATime)?;
    Ok(uk_local(instant))
}

/// The instant that a `DateTime` of a control file names. Of the hour that comes twice each October the first is meant,
/// so [`uk_local`] gives the same text back in any case.
///
/// # Errors
///
/// [`NotATime`] when the text, without white space at its ends, is no time that UK clocks ever show.
pub fn from_uk_local(text: &str) -> Result<Timestamp, NotATime> {
    let text = text.trim();
    let instant = london().to_ambiguous_timestamp(civil(text)?).compatible().map_err(|_| NotATime)?;
    // In March an hour is skipped.
    if uk_local(instant) == text { Ok(instant) } else { Err(NotATime) }
}

/// 14 digits as a date and a time of day.
fn civil(text: &str) -> Result<DateTime, NotATime> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotATime);
    }
    DateTime::strptime("%Y%m%d%H%M%S", text).map_err(|_| NotATime)
}

/// The host's rules for London or, where it has none, the bundled ones. The fixed rule after that cannot be
/// needed while the bundle is compiled in; it stands there so that no failure is left.
fn london() -> TimeZone {
    TimeZone::get("Europe/London")
        .or_else(|_| TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0"))
        .unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(utc: &str) -> String {
        uk_local(utc.parse().expect("a timestamp"))
    }

    #[test]
    fn winter_is_utc_and_summer_is_one_hour_ahead() {
        assert_eq!(local("2026-11-22T10:15:00Z"), "20261122101500");
        assert_eq!(local("2018-07-04T16:04:18Z"), "20180704170418");
        assert_eq!(local("2026-12-31T23:59:59.999999Z"), "20261231235959");
        assert_eq!(local("2026-06-30T23:30:00Z"), "20260701003000");
    }

    #[test]
    fn march_skips_an_hour() {
        assert_eq!(local("2026-03-29T00:59:59Z"), "20260329005959");
        assert_eq!(local("2026-03-29T01:00:00Z"), "20260329020000");
    }

    #[test]
    fn october_repeats_an_hour() {
        assert_eq!(local("2026-10-25T00:00:00Z"), "20261025010000");
        assert_eq!(local("2026-10-25T00:59:59Z"), "20261025015959");
        assert_eq!(local("2026-10-25T01:00:00Z"), "20261025010000");
        assert_eq!(local("2026-10-25T02:00:00Z"), "20261025020000");
    }

    #[test]
    fn host_bundle_and_fixed_rule_agree() {
        let bundled = jiff::tz::TimeZoneDatabase::bundled().get("Europe/London").expect("compiled in");
        let fixed = TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").expect("a rule");
        let start: Timestamp = "2026-01-01T00:30:00Z".parse().expect("a timestamp");
        for hours in 0..24 * 366 {
            let at = start + jiff::SignedDuration::from_hours(hours);
            let civil = at.to_zoned(london()).datetime();
            assert_eq!(civil, at.to_zoned(bundled.clone()).datetime());
            assert_eq!(civil, at.to_zoned(fixed.clone()).datetime());
        }
    }

    #[test]
    fn extremes_do_not_panic() {
        assert_eq!(uk_local(Timestamp::UNIX_EPOCH), "19700101010000");
        assert_eq!(uk_local(Timestamp::MAX).len(), 14);
        let _ = uk_local(Timestamp::MIN);
    }

    #[test]
    fn a_utc_header_becomes_local() {
        assert_eq!(from_utc_compact("20260701120000").as_deref(), Ok("20260701130000"));
        assert_eq!(from_utc_compact(" 20261122101500 ").as_deref(), Ok("20261122101500"));
        assert_eq!(from_utc_compact("20261231235959").as_deref(), Ok("20261231235959"));
        for wrong in
            ["", "2026070112000", "202607011200000", "20261301000000", "20260230000000", "2026-7-1 12:00:"]
        {
            assert_eq!(from_utc_compact(wrong), Err(NotATime), "{wrong}");
        }
    }

    #[test]
    fn a_local_time_is_an_instant_again() {
        for utc in ["2026-07-01T12:00:00Z", "2026-11-22T10:15:00Z", "2026-10-25T00:30:00Z"] {
            let instant: Timestamp = utc.parse().expect("a timestamp");
            assert_eq!(from_uk_local(&uk_local(instant)), Ok(instant), "{utc}");
        }
        let second = from_uk_local(&local("2026-10-25T01:30:00Z")).expect("a time");
        assert_eq!(uk_local(second), "20261025013000");
        for wrong in ["", "20260329013000", "20260230000000", "2026070112000", "20261122 10150"] {
            assert_eq!(from_uk_local(wrong), Err(NotATime), "{wrong}");
        }
    }

    #[test]
    fn events_and_results_are_read_in_any_case_and_others_passed_on() {
        assert_eq!("transfer".parse(), Ok(Event::Transfer));
        assert_eq!(" SEND ".parse(), Ok(Event::Send));
        let other: Event = "Transfer to DTS Server".parse().expect("never fails");
        assert_eq!(other.to_string(), "Transfer to DTS Server");
        assert_eq!("Success".parse(), Ok(Status::Success));
        assert_eq!("".parse(), Ok(Status::Other(String::new())));
    }

    #[test]
    fn long_codes_can_be_shortened() {
        let record = |status, code: &str, text: &str| {
            StatusRecord::at(Timestamp::UNIX_EPOCH, Event::Send, status, code, text).with_two_digit_code()
        };
        let short = record(Status::Error, "EPL-152", "Invalid NHS Number");
        assert_eq!((short.code.as_str(), short.description.as_str()), ("12", "EPL-152 Invalid NHS Number"));
        let short = record(Status::Error, "InvalidHeaderChunks", "");
        assert_eq!((short.code.as_str(), short.description.as_str()), ("14", "InvalidHeaderChunks"));
        let same = record(Status::Error, "12", "Unregistered to address");
        assert_eq!((same.code.as_str(), same.description.as_str()), ("12", "Unregistered to address"));
        assert_eq!(record(Status::Success, "", "").code, "00");
    }
}
