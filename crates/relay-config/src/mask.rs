//! Which parts of a file must not be shown.
//!
//! People write passwords where only a reference belongs, and in keys that they misspell. So this goes by what a
//! key looks like, not by which keys exist, and rather hides too much.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Keys of this sound hold a secret, spelt so or nearly so.
const SECRET_KEYS: [&str; 5] = ["password", "passphrase", "shared_key", "secret", "token"];

/// Whether a key looks as if its value were a secret.
pub(crate) fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["pass", "pwd", "secret", "token", "credential"].iter().any(|part| key.contains(part))
        || key.ends_with("key")
        || SECRET_KEYS.iter().any(|name| strsim::damerau_levenshtein(&key, name) <= 2)
}

/// The byte ranges of all values in `table` that must not be shown.
pub(crate) fn secret_values(table: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (key, value) in table {
        collect(value.get_ref(), value.span(), looks_secret(key.get_ref()), &mut ranges);
    }
    ranges
}

fn collect(value: &DeValue<'_>, span: Range<usize>, secret: bool, ranges: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => {
            for (key, value) in table {
                let name: &str = key.get_ref();
                // Inside a secret only the two forms of reference are fit to be seen.
                let reference = match name {
                    "file" => true,
                    // With its value behind it, or anything else that names no variable, it may be the secret.
                    "env" => value.get_ref().as_str().is_some_and(names_variable),
                    _ => false,
                };
                let hidden = looks_secret(name) || (secret && !reference);
                collect(value.get_ref(), value.span(), hidden, ranges);
            }
        }
        DeValue::Array(items) => {
            for item in items {
                collect(item.get_ref(), item.span(), secret, ranges);
            }
        }
        DeValue::String(text) if secret || holds_credentials(text) => ranges.push(span),
        _ if secret => ranges.push(span),
        _ => {}
    }
}

/// Whether a text could be the name of an environment variable.
fn names_variable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a text is a web address with a user or a password in it.
fn holds_credentials(text: &str) -> bool {
    text.contains("://") && text.contains('@')
}

/// What to hide of one line in a file that is not TOML, where there are no values to go by. `before` is the file
/// up to the line; the answer counts bytes from the beginning of the line.
pub(crate) fn secret_in_broken_line(before: &str, line: &str) -> Option<Range<usize>> {
    let odd = |quotes: &str| before.matches(quotes).count() % 2 == 1;
    // The inside of a text over several lines, or a line of no known form.
    if odd("\"\"\"") || odd("'''") || (!line.contains('=') && !line.trim_start().starts_with('[')) {
        return Some(0..line.len());
    }
    let looks = line
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .any(|word| !word.is_empty() && looks_secret(word));
    match line.find('=') {
        Some(at) if looks || holds_credentials(line) => Some(at + 1..line.len()),
        _ => None,
    }
}
