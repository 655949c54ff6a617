//! `mesh-relay schema`: the configuration as a JSON schema, for editors, and as a page, for people. Both are made of the
//! structs that are read.

mod page;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use relay_config::{SECTIONS, schema_for};
use serde_json::{Map, Value, json};

use crate::cli::{EXIT_FAILED, EXIT_OK};

/// What the command takes.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Print the reference page instead, in Markdown
    #[arg(long)]
    page: bool,
}

/// Prints the schema, or the page.
pub fn run(args: &SchemaArgs) -> ExitCode {
    let text = if args.page { page::text() } else { format!("{:#}\n", schema()) };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => {
            eprintln!("error: stdout cannot be written: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// One kind of adapter.
struct Kind {
    name: &'static str,
    about: &'static str,
    sample: &'static str,
    schema: Value,
}

/// The kinds, in the order of `AdapterConfig`.
fn kinds() -> [Kind; 4] {
    let kind = |name, about, sample, schema| Kind { name, about, sample, schema };
    [
        kind(
            "dts-folder",
            "Pairs of control and data file in folders, as the DTS and Java MESH clients had them.",
            "dts-folder.toml",
            schema_for::<dts_folder::Config>(),
        ),
        kind("amqp", "Queues and exchanges of RabbitMQ.", "amqp.toml", schema_for::<amqp::Config>()),
        kind("kafka", "Topics of Kafka.", "kafka.toml", schema_for::<kafka::Config>()),
        kind(
            "http",
            "Messages handed in over HTTP, and webhooks for those from MESH and for events.",
            "http.toml",
            schema_for::<http_adapter::Config>(),
        ),
    ]
}

/// The whole file as a JSON schema (draft 2020-12).
pub fn schema() -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for section in &SECTIONS {
        let mut schema = section.schema();
        if section.name == "adapter" {
            schema = json!({ "oneOf": kinds().map(|kind| adapter(&schema, kind)) });
        }
        let schema = match section.several {
            true => json!({ "description": section.about, "type": "array", "items": schema }),
            false => with(schema, "description", json!(section.about)),
        };
        if section.required {
            required.push(section.name);
        }
        properties.insert(section.name.to_owned(), schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mesh Relay's configuration",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}

/// A section of one kind: what all have, and what the kind has.
fn adapter(common: &Value, kind: Kind) -> Value {
    let mut schema = kind.schema;
    let shared = common["properties"].as_object().cloned().unwrap_or_default();
    let own = schema["properties"].as_object().cloned().unwrap_or_default();
    schema["properties"] = shared.into_iter().chain(own).collect::<Map<_, _>>().into();
    schema["properties"]["kind"]["const"] = json!(kind.name);
    let needed = schema["required"].as_array().cloned().unwrap_or_default();
    schema["required"] = [json!("name"), json!("kind")].into_iter().chain(needed).collect();
    with(schema, "description", json!(kind.about))
}

fn with(mut schema: Value, key: &str, value: Value) -> Value {
    schema[key] = value;
    schema
}
