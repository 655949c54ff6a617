//! A script as a tree of values that know where they stand, the same for TOML and JSON.
//!
//! Serde could fill the structures itself, but it forgets the places of flattened and tagged values, and whoever
//! writes a script wants to be told the line.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::{FaultProblem, FaultScriptError, ScriptPlace};
use super::fault::shown;

/// How deep lists and tables are looked into: script, list of faults, fault, list of calls. Anything deeper has no
/// meaning in a script, and a hostile text could otherwise go deeper than the stack.
const DEPTH_MAX: usize = 4;

/// A value, and where it or its key stands, in bytes from the start.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Whole(i128),
    Decimal(f64),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    /// What no key of a script takes, such as a date, in words.
    Other(&'static str),
}

impl Node {
    /// Where a key of this table stands; the table itself if it has no such key.
    pub(super) fn place_of(&self, key: Option<&str>) -> usize {
        match (&self.value, key) {
            (Value::Table(entries), Some(key)) => {
                entries.iter().find(|(name, _)| name == key).map_or(self.at, |(_, node)| node.at)
            }
            _ => self.at,
        }
    }

    /// The value as an error shows it.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Text(text) => shown(text),
            Value::Whole(number) => number.to_string(),
            Value::Decimal(number) => number.to_string(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(words) => (*words).to_owned(),
        }
    }
}

fn broken(text: &str, at: usize, format: &'static str, message: String) -> FaultScriptError {
    let place = Some(ScriptPlace::of(text, at));
    FaultScriptError { place, fault: None, problem: FaultProblem::Syntax { format, message } }
}

/// Reads TOML. Keys stand where they are written, tables where their header is.
pub(super) fn from_toml(text: &str) -> Result<Node, FaultScriptError> {
    let table = DeTable::parse(text).map_err(|error| {
        broken(text, error.span().map_or(0, |span| span.start), "TOML", error.message().to_owned())
    })?;
    Ok(Node { at: table.span().start, value: toml_table(table.get_ref(), DEPTH_MAX) })
}

fn toml_table(table: &DeTable<'_>, depth: usize) -> Value {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        (key.get_ref().to_string(), Node { at: key.span().start, value: toml_value(value.get_ref(), depth) })
    };
    Value::Table(table.iter().map(entry).collect())
}

fn toml_value(value: &DeValue<'_>, depth: usize) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a very large number"), Value::Whole),
        DeValue::Float(number) => {
            number.as_str().parse().map_or(Value::Other("an odd number"), Value::Decimal)
        }
        DeValue::Boolean(_) => Value::Other("true or false"),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(_) | DeValue::Table(_) if depth == 0 => Value::Other("deeply nested"),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node { at: item.span().start, value: toml_value(item.get_ref(), depth - 1) })
                .collect(),
        ),
        DeValue::Table(table) => toml_table(table, depth - 1),
    }
}

/// Reads JSON. An entry of an object stands where its value starts; one that is `null` counts as left out.
pub(super) fn from_json(text: &str) -> Result<Node, FaultScriptError> {
    let refuse = |at, message| broken(text, at, "JSON", message);
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| {
        let (at, message) = told(text, &error);
        refuse(at, message)
    })?;
    json_node(text, whole, DEPTH_MAX).map_err(|(at, message)| refuse(at, message))
}

/// Where in `text` an error was found, and its words without that.
fn told(text: &str, error: &serde_json::Error) -> (usize, String) {
    let start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = words.strip_suffix(&place).unwrap_or(&words).to_owned();
    (start + error.column().saturating_sub(1), message)
}

fn json_node(text: &str, raw: &RawValue, depth: usize) -> Result<Node, (usize, String)> {
    let json = raw.get();
    // A raw value is a slice of the text, so its address tells where it starts.
    let at = json.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let inside = |error| {
        let (offset, message) = told(json, &error);
        (at + offset, message)
    };
    let value = match json.as_bytes().first() {
        Some(b'[' | b'{') if depth == 0 => Value::Other("deeply nested"),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(inside)?;
            let nodes: Result<_, _> = items.iter().map(|item| json_node(text, item, depth - 1)).collect();
            Value::List(nodes?)
        }
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(json).map_err(inside)?;
            let mut table = Vec::new();
            let mut seen = HashSet::new();
            for (key, raw) in entries {
                let node = json_node(text, raw, depth - 1)?;
                if !seen.insert(key.clone()) {
                    return Err((node.at, format!("the key {} stands twice", shown(&key))));
                }
                if raw.get() != "null" {
                    table.push((key, node));
                }
            }
            Value::Table(table)
        }
        _ => match serde_json::from_str(json).map_err(inside)? {
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Number(number) => match (number.as_i128(), number.as_f64()) {
                (Some(whole), _) => Value::Whole(whole),
                (None, Some(decimal)) => Value::Decimal(decimal),
                (None, None) => Value::Other("an odd number"),
            },
            serde_json::Value::Bool(_) => Value::Other("true or false"),
            _ => Value::Other("null"),
        },
    };
    Ok(Node { at, value })
}

/// The entries of an object in their order, unread. A map would keep only one of two with the same key.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: Result<Node, FaultScriptError>) -> String {
        error.expect_err("a broken text").to_string()
    }

    #[test]
    fn both_forms_give_the_same_values() {
        let toml = from_toml("t = \"x\"\nn = 0x10\nd = 1.5\nl = [1, \"a\"]\n").expect("TOML");
        let json = from_json("{\"d\": 1.5, \"l\": [1, \"a\"],\n \"n\": 16, \"t\": \"\\u0078\", \"z\": null}");
        let json = json.expect("JSON");
        assert_eq!([toml.place_of(Some("n")), json.place_of(Some("n"))], [8, 32]);
        let bare = |node: Node| match node.value {
            Value::Table(entries) => {
                entries.into_iter().map(|(key, node)| format!("{key} {}", node.shown())).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        };
        let expected = ["d 1.5", "l a list", "n 16", "t \"x\""];
        assert_eq!(bare(toml), expected);
        assert_eq!(bare(json), expected);
    }

    #[test]
    fn broken_texts_are_told_with_their_place() {
        let text = refused(from_toml("seed = 1\nname = \n"));
        assert!(
            text.starts_with("fault script, line 2, column 8: the text cannot be read as TOML: "),
            "{text}"
        );
        let text = refused(from_json("{\"seed\": 1,\n  \"fault\": [}"));
        assert!(
            text.starts_with("fault script, line 2, column 13: the text cannot be read as JSON: "),
            "{text}"
        );
        assert!(text.ends_with("; mend it there") && !text.contains("at line"), "{text}");
        let text = refused(from_json("{\"seed\": 1,\n  \"seed\": 2}"));
        assert!(
            text.contains("line 2, column 11") && text.contains("the key \"seed\" stands twice"),
            "{text}"
        );
        let text = refused(from_json("[\n\"\\ud800\"]"));
        assert!(text.contains("line 2"), "{text}");
    }

    #[test]
    fn a_text_may_nest_as_deep_as_it_likes() {
        let depth = 200_000;
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(from_json(&deep).is_ok());
        assert!(from_toml(&format!("a = {deep}")).is_err());
    }
}
