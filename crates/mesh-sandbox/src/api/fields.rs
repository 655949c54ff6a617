//! Validation of headers, query and path (`mesh-api.md` 3.4): faults are gathered, then told together.

use hyper::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::answer::{Fault, Place, Refusal};
use crate::text::Text;

/// Reads values and gathers what is wrong with them.
#[derive(Default)]
pub(super) struct Fields {
    faults: Vec<Fault>,
}

impl Fields {
    /// A header that may be absent, which reads as empty.
    pub(super) fn header(&mut self, headers: &HeaderMap, name: &'static str, chars_max: usize) -> Text {
        let text = headers.get(name).map(Text::from).unwrap_or_default();
        if text.read().chars().count() > chars_max {
            self.faults.push(Fault::too_long(Place::Header, name, &text.read(), chars_max));
        }
        text
    }

    /// A header that must be there, be it empty.
    pub(super) fn required_header(
        &mut self,
        headers: &HeaderMap,
        name: &'static str,
        chars_max: usize,
    ) -> Text {
        if !headers.contains_key(name) {
            self.faults.push(Fault::missing(Place::Header, name));
        }
        self.header(headers, name, chars_max)
    }

    /// A text in the query, of so many characters.
    pub(super) fn query(
        &mut self,
        query: &str,
        name: &'static str,
        chars_min: usize,
        chars_max: usize,
    ) -> Option<String> {
        let text = query_value(query, name)?;
        match text.chars().count() {
            chars if chars < chars_min => {
                self.faults.push(Fault::too_short(Place::Query, name, &text, chars_min));
            }
            chars if chars > chars_max => {
                self.faults.push(Fault::too_long(Place::Query, name, &text, chars_max));
            }
            _ => {}
        }
        Some(text)
    }

    /// A text that must be in the query.
    pub(super) fn required_query(&mut self, query: &str, name: &'static str, chars_min: usize) -> String {
        self.query(query, name, chars_min, usize::MAX).unwrap_or_else(|| {
            self.faults.push(Fault::missing(Place::Query, name));
            String::new()
        })
    }

    /// A whole number within bounds. What does not pass reads as the lower bound and is gathered.
    pub(super) fn integer(
        &mut self,
        place: Place,
        name: &'static str,
        text: &str,
        (least, most): (i64, i64),
    ) -> i64 {
        match integer(text) {
            None => self.faults.push(Fault::no_integer(place, name, text)),
            Some(number) if number < least => {
                self.faults.push(Fault::too_small(place, name, text, least));
            }
            Some(number) if number > most => {
                self.faults.push(Fault::too_large(place, name, text, most));
            }
            Some(number) => return number,
        }
        least
    }

    /// Whether everything read so far passed.
    pub(super) fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    /// Refuses the call when something did not pass.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(Refusal::Invalid(self.faults)),
        }
    }
}

/// The last value of this name, as the official emulator takes it.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    let unescape = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    query
        .split('&')
        .rev()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| unescape(key) == name)
        .map(|(_, value)| unescape(value))
}

/// A whole number as the official emulator reads one: blanks around it, a sign, single underscores between digits
/// and a fraction of zero pass. What is too large to count saturates.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let grouped = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    if !digits.split('_').all(grouped) {
        return None;
    }
    let whole = whole.replace('_', "");
    let saturated = if whole.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(whole.parse().unwrap_or(saturated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_the_emulator_reads_them() {
        for (text, number) in [
            ("10", Some(10)),
            (" +10 ", Some(10)),
            ("-1", Some(-1)),
            ("10.0", Some(10)),
            ("1_0", Some(10)),
            ("_10", None),
            ("1__0", None),
            ("99999999999999999999", Some(i64::MAX)),
            ("", None),
            ("-", None),
            ("1e3", None),
            ("10.5", None),
            ("abc", None),
        ] {
            assert_eq!(integer(text), number, "{text:?}");
        }
    }

    #[test]
    fn query_values_are_unescaped_and_the_last_counts() {
        let query = "a=1&workflow_filter=%21A+B%2A&a=2&flag";
        assert_eq!(query_value(query, "workflow_filter").as_deref(), Some("!A B*"));
        assert_eq!(query_value(query, "a").as_deref(), Some("2"));
        assert_eq!(query_value(query, "flag").as_deref(), Some(""));
        assert_eq!(query_value(query, "b"), None);
    }
}
