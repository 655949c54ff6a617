//! From a table to a serde struct, with every fault on the way.
//!
//! Serde ends at the first error. So an entry that failed is noted, taken out of a copy of the table, and the
//! rest is read again. What serde then misses because it was taken out is no fault of the file.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::example::example;
use crate::fault::{Faults, advice};
use crate::fields::{Step, known_fields, steps};
use crate::mask::looks_secret;
use crate::source::Source;
use crate::suggest::did_you_mean;

/// Reads `table` into `T`. With entries that failed the answer is what the other entries make, if they make a
/// `T` at all; the flag says whether every entry was sound. Unknown keys are faults but leave it sound.
/// `also` are keys of the section that others read: they are known, and not in `table`.
pub(crate) fn read<T: DeserializeOwned>(
    source: &Source,
    title: &str,
    header: Range<usize>,
    table: &DeTable<'_>,
    also: &[&str],
    faults: &mut Faults,
) -> (Option<T>, bool) {
    let mut rest = table.clone();
    let mut removed = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    let value = loop {
        let whole = Spanned::new(header.clone(), DeValue::Table(rest.clone()));
        let entries = ValueDeserializer::from(whole);
        let note = |path: serde_ignored::Path<'_>| {
            unknown.insert(steps(&path));
        };
        let error = match serde_ignored::deserialize(entries, note) {
            Ok(value) => break Some(value),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(header.clone());
        let path = locate(&rest, &span).unwrap_or_default();
        let missing = missing_key(error.message());
        let taken_out = missing.is_some_and(|key| removed.contains(&child(&path, key)));
        if !taken_out {
            let (message, hint) = explain(error.message(), &path, title, value_at(&rest, &path));
            faults.push(source.fault(span, None, message, hint));
        }
        if path.is_empty() {
            removed.insert(path);
            break None;
        }
        take_out(&mut rest, &path);
        removed.insert(path);
    };
    for path in unknown {
        report_unknown::<T>(source, &header, table, &path, also, faults);
    }
    (value, removed.is_empty())
}

fn child(path: &[String], key: &str) -> Vec<String> {
    path.iter().map(String::as_str).chain([key]).map(str::to_owned).collect()
}

/// The keys that lead to the innermost entry which holds `span`. An array counts as one entry.
fn locate(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    for (key, value) in table {
        let name = key.get_ref().to_string();
        // A table with a header of its own does not span its entries, so they are asked first.
        let inside = match value.get_ref() {
            DeValue::Table(inner) => locate(inner, span),
            DeValue::Array(items) if items.iter().any(|item| element_holds(item, span)) => Some(Vec::new()),
            _ => None,
        };
        if let Some(mut inside) = inside {
            inside.insert(0, name);
            return Some(inside);
        }
        if key.span() == *span || holds(&value.span(), span) {
            return Some(vec![name]);
        }
    }
    None
}

fn element_holds(item: &Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    let deeper = match item.get_ref() {
        DeValue::Table(inner) => locate(inner, span).is_some(),
        DeValue::Array(items) => items.iter().any(|item| element_holds(item, span)),
        _ => false,
    };
    deeper || holds(&item.span(), span)
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn take_out(table: &mut DeTable<'_>, path: &[String]) {
    match path {
        [] => {}
        [last] => {
            table.remove(last.as_str());
        }
        [first, deeper @ ..] => {
            if let Some(value) = table.get_mut(first.as_str())
                && let DeValue::Table(inner) = value.get_mut()
            {
                take_out(inner, deeper);
            }
        }
    }
}

fn value_at<'t, 'i>(table: &'t DeTable<'i>, path: &[String]) -> Option<&'t DeValue<'i>> {
    let (first, deeper) = path.split_first()?;
    let value = table.get(first.as_str())?.get_ref();
    match (deeper, value) {
        ([], value) => Some(value),
        (deeper, DeValue::Table(inner)) => value_at(inner, deeper),
        _ => None,
    }
}

fn missing_key(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Serde's words in ours, without the value, and what to do. A second line of the message, if there is one, is that.
fn explain(text: &str, path: &[String], title: &str, value: Option<&DeValue<'_>>) -> (String, String) {
    let place = if path.is_empty() { title.to_owned() } else { format!("`{}`", path.join(".")) };
    let (text, own) = match text.split_once('\n') {
        Some((text, hint)) => (text, Some(hint.to_owned())),
        None => (text, None),
    };
    let name = path.last().map_or("", String::as_str);
    let told = |message: String, hint: String| (message, own.clone().unwrap_or(hint));
    if let Some(key) = missing_key(text) {
        return told(format!("missing key `{key}` in {place}"), format!("such as {}", example(key)));
    }
    if let Some((_, expected)) =
        text.strip_prefix("invalid type: ").and_then(|t| t.rsplit_once(", expected "))
    {
        let found = value.map_or_else(String::new, |value| format!(", found {}", with_article(value)));
        let expected = if expected == LIBRARY_DURATION { DURATION } else { expected };
        let message = format!("wrong type for {place}: expected {}{found}", plain(expected));
        return told(message, as_written(name, expected));
    }
    if let Some((_, expected)) =
        text.strip_prefix("invalid value: ").and_then(|t| t.rsplit_once(", expected "))
    {
        let message = format!("{place} does not fit: expected {}", plain(expected));
        return told(message, as_written(name, expected));
    }
    let secret = path.iter().any(|key| looks_secret(key));
    let echoed = value.and_then(DeValue::as_str).is_some_and(|value| text.contains(value));
    if secret && echoed {
        return told(format!("the value of {place} does not fit"), format!("such as {}", example(name)));
    }
    if let Some((word, known)) =
        text.strip_prefix("unknown variant `").and_then(|t| t.split_once("`, expected "))
    {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        return told(format!("{place} has no form `{word}`"), did_you_mean(word, &known));
    }
    // What the library has to say of its grammar helps nobody who meant two seconds.
    if text.starts_with("failed to parse") {
        return told(format!("{place} is no duration"), format!("write {DURATION}"));
    }
    let (message, hint) = advice(text, "");
    let hint = if hint.is_empty() { format!("such as {}", example(name)) } else { hint };
    told(format!("{place}: {message}"), hint)
}

/// How a value of the type that serde expects is written.
fn as_written(key: &str, expected: &str) -> String {
    let key = if key.is_empty() { "key" } else { key };
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => {
            format!("write a whole number without quotes, such as {key} = 16")
        }
        "f32" | "f64" => format!("write a number without quotes, such as {key} = 1.5"),
        "a boolean" => format!("write {key} = true or {key} = false, without quotes"),
        "a string" | "path string" => format!("put it in quotes, such as {}", example(key)),
        "a sequence" => format!("write a list, such as {key} = [\"one\", \"two\"]"),
        "a map" => format!("write a table, such as {key} = {{ name = \"value\" }}"),
        other if other.starts_with("struct ") => format!("write a table, such as {}", example(key)),
        other => format!("write {other}"),
    }
}

/// What an adapter that reads durations by a library expects, in the library's words.
const LIBRARY_DURATION: &str = "a signed duration string";
/// And in ours.
const DURATION: &str = "a duration in quotes, such as \"500ms\", \"30s\", \"5m\" or \"2h\"";

/// What serde calls a type by its Rust name, in plain words.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative and not too large",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, not too large",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list in [ ]",
        // A derived struct gives its Rust name.
        other if other.starts_with("struct ") => "a table in { }",
        other => other,
    }
}

fn with_article(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn report_unknown<T: DeserializeOwned>(
    source: &Source,
    header: &Range<usize>,
    table: &DeTable<'_>,
    path: &[Step],
    also: &[&str],
    faults: &mut Faults,
) {
    let Some((Step::Key(key), parents)) = path.split_last() else {
        return;
    };
    let fields = known_fields::<T>(parents).iter();
    let known: Vec<&str> = match parents {
        [] => also.iter().chain(fields).copied().collect(),
        _ => fields.copied().collect(),
    };
    let hint = did_you_mean(key, &known);
    let message = format!("unknown key `{key}`");
    let (span, hide) = entry_at(table, path).unwrap_or((header.clone(), None));
    faults.push(source.fault(span, hide, message, hint));
}

/// Where the key at the end of `path` stands, and its value if that must not be shown: nobody knows what a value
/// without a known key is, so only a table is.
fn entry_at(table: &DeTable<'_>, path: &[Step]) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let (Step::Key(first), deeper) = path.split_first()? else {
        return None;
    };
    let (key, value) = table.get_key_value(first.as_str())?;
    if deeper.is_empty() {
        let hide = (!value.get_ref().is_table()).then(|| value.span());
        return Some((key.span(), hide));
    }
    let mut value = value.get_ref();
    let mut deeper = deeper;
    while let (DeValue::Array(items), Some((Step::Index(index), rest))) = (value, deeper.split_first()) {
        value = items.get(*index)?.get_ref();
        deeper = rest;
    }
    entry_at(value.as_table()?, deeper)
}
