//! The list of sections, each with its schema: what is not in it is no section, so that none can be without one. The schema
//! is derived from the very structs that are read; their comments are its descriptions.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::console::{Address, ConsoleRole, PublicUrl};
use crate::environment::Environment;
use crate::proxy::Url;
use crate::quantity::{Interval, Size};
use crate::route::Target;
use crate::secret::SecretRef;
use crate::telemetry::{Endpoint, Share};
use crate::{
    adapter, alerts, console, journal, log, mailbox, mesh, reload, route, send, stop, telemetry, test_section,
};

/// A section of the file.
pub struct SectionSchema {
    /// Its name.
    pub name: &'static str,
    /// Whether it may stand several times, in double brackets.
    pub several: bool,
    /// Whether it must be there.
    pub required: bool,
    /// What it is for, in a sentence.
    pub about: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

/// Every section. Of an `[[adapter]]` only what all kinds have; the rest is the adapter's own.
pub const SECTIONS: [SectionSchema; 13] = [
    one::<mesh::Entries>("mesh", true, "Which MESH, how the relay is known there, and the way to it."),
    one::<journal::Entries>("journal", true, "Where the durable record of every message stands."),
    one::<send::Entries>("send", false, "Bounds of sending, and other ways for some messages."),
    one::<console::Entries>(
        "console",
        false,
        "The HTTP API and the operator page. Without it the relay listens nowhere.",
    ),
    one::<log::Entries>("log", false, "What is written for people and programs that read logs."),
    one::<telemetry::Entries>(
        "telemetry",
        false,
        "Where traces and metrics go by OpenTelemetry's protocol. Without it nothing is sent anywhere.",
    ),
    one::<alerts::Entries>(
        "alerts",
        false,
        "From when on something is an incident, and where people's alerting is told.",
    ),
    one::<reload::Entries>("reload", false, "How a running relay follows its configuration."),
    one::<stop::Entries>("stop", false, "What stops the relay beside the signals of the system."),
    several::<mailbox::Entries>("mailbox", true, "A mailbox that the relay serves. At least one."),
    several::<adapter::Entries>(
        "adapter",
        false,
        "One of the organisation's own systems. What else it says depends on its kind.",
    ),
    several::<route::Entries>(
        "route",
        false,
        "Which adapter takes a message from MESH, where several could. The first that fits holds.",
    ),
    several::<test_section::Entries>(
        "test",
        false,
        "What the routes are meant to do. Tests run whenever the configuration is read; one that fails is a fault.",
    ),
];

const fn one<T: JsonSchema>(name: &'static str, required: bool, about: &'static str) -> SectionSchema {
    SectionSchema { name, several: false, required, about, schema: schema_of::<T> }
}

const fn several<T: JsonSchema>(name: &'static str, required: bool, about: &'static str) -> SectionSchema {
    SectionSchema { name, several: true, required, about, schema: schema_of::<T> }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

impl SectionSchema {
    /// The schema of one such section, as JSON: no other keys, no nulls, nothing by reference.
    pub fn schema(&self) -> Value {
        tidied((self.schema)(&mut generator()))
    }
}

/// The schema of a struct that is read from a section, in the form of [`SectionSchema::schema`].
pub fn schema_for<T: JsonSchema>() -> Value {
    tidied(T::json_schema(&mut generator()))
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator()
}

fn tidied(schema: Schema) -> Value {
    let mut value = schema.to_value();
    tidy(&mut value);
    value
}

/// TOML has no null; what is optional may be left out. A table with known keys takes no others.
fn tidy(value: &mut Value) {
    let Value::Object(schema) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(tidy);
        }
        return;
    };
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let says_nothing = |default: &Value| {
        default.is_null() || default.as_object().is_some_and(|members| members.values().any(Value::is_null))
    };
    if schema.get("default").is_some_and(says_nothing) {
        schema.remove("default");
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = for_readers(description);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(forms)) = schema.get_mut(key) {
            forms.retain(|form| form.get("type") != Some(&json!("null")));
            if let [Value::Object(only)] = &forms[..] {
                let only = only.clone();
                schema.remove(key);
                let own = std::mem::take(schema);
                schema.extend(only);
                // What stands at the key says more than what stands at its type.
                schema.extend(own);
            }
        }
    }
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    schema.values_mut().for_each(tidy);
}

/// A comment as a description: on one line, without what it says to those who have the sources, in brackets.
fn for_readers(comment: &str) -> String {
    let mut text = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    for begin in [" (check", " (`dts-file", " (`queue-", " (2.", " (3.", " (4."] {
        while let Some(start) = text.find(begin)
            && let Some(length) = text[start..].find(')')
        {
            text.replace_range(start..=start + length, "");
        }
    }
    text
}

/// A text of some form, with an example of it.
fn text(description: &str, pattern: Option<&str>, example: &str) -> Schema {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("description".to_owned(), json!(description));
    schema.insert("examples".to_owned(), json!([example]));
    if let Some(pattern) = pattern {
        schema.insert("pattern".to_owned(), json!(pattern));
    }
    schema.into()
}

/// Gives a type that reads itself the schema that it follows.
macro_rules! follows {
    ($($type:ty, $name:literal, $schema:expr;)*) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

follows! {
    Interval, "duration", text("A whole number and `ms`, `s`, `m`, `h` or `d`.", Some("^[0-9]+(ms|s|m|h|d)$"), "30s");
    Size, "size", text(
        "A whole number and `B`, `KB`, `MB`, `GB` (decimal) or `KiB`, `MiB`, `GiB` (binary).",
        Some("^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)$"),
        "20MB"
    );
    SecretRef, "secret", json_schema!({
        "description": "Where a secret stands, which is never in the configuration itself.",
        "type": "object",
        "properties": {
            "file": { "type": "string", "description": "A file that holds it. Relative to the folder of the configuration file." },
            "env": { "type": "string", "description": "An environment variable that holds it." }
        },
        "minProperties": 1,
        "maxProperties": 1,
        "examples": [{ "file": "path" }, { "env": "NAME" }]
    });
    Environment, "environment", json_schema!({
        "description": "A MESH server by its name, or by its address.",
        "oneOf": [
            { "enum": ["sandbox", "integration", "live"] },
            {
                "type": "object",
                "properties": { "url": { "type": "string", "description": "`https://host`, or `http://` on this machine." } },
                "required": ["url"]
            }
        ],
        "examples": ["integration"]
    });
    Address, "address", text("An address and a port.", None, "127.0.0.1:8710");
    PublicUrl, "public url", text("`https://host`, without a path; `http` on loopback alone.", Some("^https?://"), "https://relay.example.nhs.uk");
    Url, "proxy url", text("`http://host:port`.", Some("^[hH][tT][tT][pP]://"), "http://proxy.example.nhs.uk:8080");
    ConsoleRole, "role", json_schema!({
        "description": "What somebody may do: look; look, act, send and fetch by hand; hand in messages and nothing else.",
        "enum": ["viewer", "operator", "sender"],
        "examples": ["operator"]
    });
    Endpoint, "collector", text("`http://host:port` or `https://host:port`, without a path.", Some("^https?://"), "http://127.0.0.1:4318");
    Share, "share", json_schema!({
        "description": "A share from 0 to 1.", "type": "number", "minimum": 0, "maximum": 1, "examples": [0.1]
    });
    Target, "target", json_schema!({
        "description": "The name of one adapter, perhaps as the only element of a list.",
        "oneOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1, "maxItems": 1 }
        ],
        "examples": ["pathology"]
    });
}

/// In the largest unit in which it is whole: defaults are shown so.
impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// In the largest unit in which it is whole: defaults are shown so.
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
