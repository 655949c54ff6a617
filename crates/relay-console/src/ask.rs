//! What is asked for, read from a request: bounded, and with a clear answer to what cannot be read.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use relay_core::search::SEARCH_LIMIT_MAX;
use relay_core::{Cursor, Direction, MailboxId, MessageQuery, RelayId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::problem::Problem;
use crate::words;

/// Most words of a search.
const WORDS_MAX: usize = 10;
/// Most characters of all words of a search.
const WORDS_CHARS_MAX: usize = 300;
/// Fewest letters and digits of a word: shorter ones begin nearly everything.
const WORD_CHARS_MIN: usize = 3;
/// Most characters of any other value.
const VALUE_CHARS_MAX: usize = 300;
/// Messages that a page of an answer holds unless asked for more.
const LIMIT: u32 = 50;
/// How far back a report looks unless asked otherwise, in days.
const REPORT_DAYS: u32 = 30;
/// How far back a report may look, in days.
const REPORT_DAYS_MAX: u32 = 3_660;

/// A query string.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        // The reason may repeat what was typed.
        read.map(|Query(asked)| Self(asked))
            .map_err(|_| Problem::bad_request("the query string is not as the API's document says"))
    }
}

/// Parts of a path.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        read.map(|Path(named)| Self(named)).map_err(|_| Problem::not_found("there is no such thing"))
    }
}

/// A body of JSON.
pub(crate) struct Given<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read: Result<axum::Json<T>, JsonRejection> = axum::Json::from_request(request, state).await;
        read.map(|axum::Json(given)| Self(given)).map_err(|rejection| {
            let detail = "the body is not the JSON that the API's document says, or has another content type";
            Problem::new(rejection.status(), "bad-request", detail)
        })
    }
}

/// Reads the relay's id of a message.
pub(crate) fn relay_id(text: &str) -> Result<RelayId, Problem> {
    let read = Uuid::try_parse(text).map(RelayId);
    read.map_err(|_| Problem::not_found("there is no message of this id"))
}

/// Reads the id of a mailbox of this relay.
pub(crate) fn mailbox(text: &str) -> Result<MailboxId, Problem> {
    text.parse().map_err(|_| Problem::not_found("there is no mailbox of this id here"))
}

/// What a search asks for. What is left out restricts nothing.
#[derive(Debug, Clone, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct Search {
    /// Words that all stand in the message's ids, local id, file name, mailboxes or workflow, or begin one there. Three
    /// letters or digits at least in each; ten words at most.
    pub(crate) q: String,
    /// `outbound` (to MESH) or `inbound` (from MESH).
    pub(crate) direction: String,
    /// The organisation's own mailbox.
    pub(crate) mailbox: String,
    /// The other side's mailbox.
    pub(crate) partner: String,
    /// Workflow id.
    pub(crate) workflow: String,
    /// Name of a state, such as `accepted`, `parked` or `in_doubt`.
    pub(crate) state: String,
    /// First seen at this time or later: a date (UTC), or a time as RFC 3339 has it.
    pub(crate) from: String,
    /// First seen before this time, or on this date (UTC) or before it.
    pub(crate) until: String,
    /// Where the page before ended: its `next`.
    pub(crate) after: String,
    /// How many at most, 1 to 500; 50 unless asked.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
}

impl Search {
    /// The question as the journal understands it.
    pub(crate) fn query(&self) -> Result<MessageQuery, Problem> {
        let words: Vec<String> = self.q.split_whitespace().map(str::to_owned).collect();
        if words.len() > WORDS_MAX || self.q.chars().count() > WORDS_CHARS_MAX {
            return Err(Problem::bad_request(format!(
                "a search has {WORDS_MAX} words and {WORDS_CHARS_MAX} characters at most"
            )));
        }
        let too_short =
            |word: &&String| word.chars().filter(|c| c.is_alphanumeric()).count() < WORD_CHARS_MIN;
        if words.iter().any(|word| too_short(&word)) {
            return Err(Problem::bad_request(format!(
                "each word of a search has {WORD_CHARS_MIN} letters or digits at least"
            )));
        }
        let limit = self.limit.unwrap_or(LIMIT);
        if limit == 0 || limit > SEARCH_LIMIT_MAX {
            return Err(Problem::bad_request(format!("`limit` is 1 to {SEARCH_LIMIT_MAX}")));
        }
        let query = MessageQuery {
            direction: match self.direction.as_str() {
                "" => None,
                "outbound" => Some(Direction::Outbound),
                "inbound" => Some(Direction::Inbound),
                _ => return Err(Problem::bad_request("`direction` is outbound or inbound")),
            },
            mailbox: match self.mailbox.trim() {
                "" => None,
                id => Some(id.parse().map_err(|_| Problem::bad_request("`mailbox` is no id of a mailbox"))?),
            },
            partner: value("partner", &self.partner)?,
            workflow: value("workflow", &self.workflow)?,
            state: match self.state.as_str() {
                "" => None,
                state if words::searchable().any(|(name, _)| name == state) => Some(state.to_owned()),
                _ => {
                    let names: Vec<&str> = words::searchable().map(|(name, _)| name).collect();
                    return Err(Problem::bad_request(format!("`state` is one of {}", names.join(", "))));
                }
            },
            from: moment("from", &self.from, SignedDuration::ZERO)?,
            until: moment("until", &self.until, SignedDuration::from_hours(24))?,
            words,
            after: match self.after.as_str() {
                "" => None,
                text => Some(
                    cursor(text)
                        .ok_or_else(|| Problem::bad_request("`after` is no `next` of a page before"))?,
                ),
            },
            limit,
        };
        Ok(query)
    }
}

fn value(name: &str, text: &str) -> Result<Option<String>, Problem> {
    let text = text.trim();
    if text.chars().count() > VALUE_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("`{name}` is too long, or holds control characters")));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Reads a time, or a date, to which `behind` is added.
fn moment(name: &str, text: &str, behind: SignedDuration) -> Result<Option<Timestamp>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let on_date = |date: Date| {
        let begin = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        begin.checked_add(behind).ok()
    };
    let read = match text.parse::<Timestamp>() {
        Ok(time) => Some(time),
        Err(_) => text.parse::<Date>().ok().and_then(on_date),
    };
    // The journal's times are microseconds; what is out of their range is no time of a message.
    let read = read.filter(|time| (0..=253_402_300_799).contains(&time.as_second()));
    let wrong = || {
        Problem::bad_request(format!(
            "`{name}` is no date such as 2026-03-29 and no time such as 2026-03-29T23:45:12Z"
        ))
    };
    read.map(Some).ok_or_else(wrong)
}

/// A place in a search's order, as one word.
pub(crate) fn next(place: Cursor) -> String {
    format!("{}-{}", place.received_at.as_microsecond(), place.relay_id.0.simple())
}

fn cursor(text: &str) -> Option<Cursor> {
    let (at, id) = text.split_once('-')?;
    Some(Cursor {
        received_at: Timestamp::from_microsecond(at.parse().ok()?).ok()?,
        relay_id: RelayId(Uuid::try_parse(id).ok()?),
    })
}

/// How far back a report looks.
#[derive(Debug, Clone, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct Back {
    /// Days back, 1 to 3660; 30 unless asked.
    #[param(minimum = 1, maximum = 3660)]
    pub(crate) days: Option<u32>,
    /// `csv` for a file of comma-separated values; JSON otherwise.
    pub(crate) format: String,
}

impl Back {
    /// Since when.
    pub(crate) fn since(&self, now: Timestamp) -> Result<Timestamp, Problem> {
        let days = self.days();
        if days == 0 || days > REPORT_DAYS_MAX {
            return Err(Problem::bad_request(format!("`days` is 1 to {REPORT_DAYS_MAX}")));
        }
        let back = SignedDuration::from_hours(24 * i64::from(days));
        Ok(now.checked_sub(back).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Days back.
    pub(crate) fn days(&self) -> u32 {
        self.days.unwrap_or(REPORT_DAYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(change: impl FnOnce(&mut Search)) -> Result<MessageQuery, Problem> {
        let mut search = Search::default();
        change(&mut search);
        search.query()
    }

    #[test]
    fn a_question_that_cannot_be_meant_is_refused() {
        let long = "a".repeat(400);
        let many = "word ".repeat(11);
        let bad: [fn(&mut Search, &str); 10] = [
            |search, _| search.q = "ab".to_owned(),
            |search, _| search.q = "--- ---".to_owned(),
            |search, long| search.q = long.to_owned(),
            |search, _| search.direction = "up".to_owned(),
            |search, _| search.mailbox = "no mailbox!".to_owned(),
            |search, long| search.partner = long.to_owned(),
            |search, _| search.state = "lost".to_owned(),
            |search, _| search.from = "yesterday".to_owned(),
            |search, _| search.after = "12-x".to_owned(),
            |search, _| search.limit = Some(501),
        ];
        for (index, bad) in bad.iter().enumerate() {
            assert!(search(|search| bad(search, &long)).is_err(), "{index}");
        }
        assert!(search(|search| search.q = many).is_err());
        assert!(search(|_| {}).is_ok());
    }

    #[test]
    fn a_date_is_the_whole_day() {
        let query = search(|search| {
            search.from = "2026-03-29".to_owned();
            search.until = "2026-03-29".to_owned();
        })
        .expect("a question");
        assert_eq!(query.from.map(|at| at.to_string()).as_deref(), Some("2026-03-29T00:00:00Z"));
        assert_eq!(query.until.map(|at| at.to_string()).as_deref(), Some("2026-03-30T00:00:00Z"));
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Cursor {
            received_at: Timestamp::from_microsecond(1_774_000_000_123_456).expect("a time"),
            relay_id: RelayId(Uuid::from_u128(7)),
        };
        assert_eq!(cursor(&next(place)), Some(place));
    }
}
