//! What a search looks in, and what it looks for: words, cut as SQLite's `unicode61` cuts them.
//!
//! A word is a run of letters and digits, in lower case; anything else separates. The id `20260329234512345678_0A1B2C`
//! is two words, one behind the other. What is looked for is cut the same way and found where its words stand in that
//! order, the last one perhaps only begun. PostgreSQL's own parser is not used: it takes numbers, hosts and paths for
//! more than words.

use uuid::Uuid;

/// Longest word in characters that is told apart. PostgreSQL takes 2046 bytes.
const WORD_CHARS_MAX: usize = 500;

/// Highest place that PostgreSQL tells apart.
const PLACE_MAX: usize = 16_383;

/// Places left free between two fields, so that no search finds the end of one with the beginning of the next.
const GAP: usize = 2;

/// The words of a text.
fn cut(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    // A letter's lower case may hold a mark that is no letter, such as that of the dotted capital I.
    words.map(|word| {
        let lower = word.chars().flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric());
        lower.take(WORD_CHARS_MAX).collect()
    })
}

/// The fields' words as PostgreSQL reads a `tsvector`.
pub(crate) fn vector<'a>(fields: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut vector = String::new();
    // Vectors are put one behind the other; this one keeps its distance from what is before it.
    let mut place = GAP;
    for field in fields.into_iter().flatten() {
        for word in cut(field) {
            // Letters and digits alone need no escape.
            vector.push_str(&format!("'{word}':{} ", place.min(PLACE_MAX)));
            place += 1;
        }
        place += GAP;
    }
    vector
}

/// What is looked for as PostgreSQL reads a `tsquery`. `None`: there is no word in it.
pub(crate) fn query(wanted: &[String]) -> Option<String> {
    let phrases = wanted.iter().filter_map(|text| {
        // An id may be written without its hyphens.
        let id = Uuid::parse_str(text).map(|id| id.hyphenated().to_string());
        let words: Vec<String> = cut(id.as_ref().unwrap_or(text)).map(|word| format!("'{word}'")).collect();
        (!words.is_empty()).then(|| format!("({}:*)", words.join(" <-> ")))
    });
    let phrases: Vec<String> = phrases.collect();
    (!phrases.is_empty()).then(|| phrases.join(" & "))
}

/// Whether a query of [`query`]'s making asks for one word.
pub(crate) fn is_single(query: &str) -> bool {
    // Each stands between two quotes, and holds none.
    query.matches('\'').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_cut_at_everything_that_is_no_letter_and_no_digit() {
        let fields = [Some("20260329_0A1B2C"), None, Some("Report-7.dat")];
        assert_eq!(vector(fields), "'20260329':2 '0a1b2c':3 'report':6 '7':7 'dat':8 ");
        assert_eq!(vector([Some("'; \\ --")]), "");
    }

    #[test]
    fn what_is_looked_for_is_cut_the_same_way() {
        let wanted = ["20260329_0A".to_owned(), "X26".to_owned(), "--".to_owned()];
        assert_eq!(query(&wanted).unwrap(), "('20260329' <-> '0a':*) & ('x26':*)");
        assert!(!is_single("('20260329' <-> '0a':*)") && is_single(&query(&["X26".to_owned()]).unwrap()));
        assert_eq!(query(&[]), None);
        assert_eq!(query(&["'".to_owned()]), None);
    }
}
