//! The reference page, from the schema.

use std::fmt::Write as _;

use relay_config::SECTIONS;
use serde_json::Value;

use super::{Kind, kinds};

/// What stands above all sections.
const HEAD: &str = "\
# Configuration

One file in [TOML](https://toml.io). `mesh-relay check --config FILE` names every fault in it with its line and what to do;
`mesh-relay explain` says which way a message would take. The same is in
[mesh-relay.schema.json](../config/mesh-relay.schema.json) for editors that complete and check while one types, and
[config/](../config) has a sample for each way of deployment.

This page is made of the program's own types: `mesh-relay schema --page` prints it.

**Durations** are a whole number and `ms`, `s`, `m`, `h` or `d`, in quotes: `\"30s\"`. **Sizes** are a whole number and `B`,
`KB`, `MB`, `GB` (decimal) or `KiB`, `MiB`, `GiB` (binary): `\"20MB\"`. **Secrets** are never in the file itself but in
`{ file = \"path\" }` or `{ env = \"NAME\" }`. **Patterns** are the whole value, or its beginning with `*` behind it. Relative
paths start at the folder of the file. A key that is not known is a fault.
";

/// The page.
pub(super) fn text() -> String {
    let mut page = HEAD.to_owned();
    for section in &SECTIONS {
        let title =
            if section.several { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
        let need = if section.required { " Required." } else { "" };
        heading(&mut page, 2, &title, &format!("{}{need}", section.about));
        table(&mut page, &section.schema());
        if section.name == "adapter" {
            for Kind { name, about, sample, schema } in kinds() {
                let about = format!("{about} Sample: [{sample}](../config/{sample}).");
                heading(&mut page, 3, &format!("kind = \"{name}\""), &about);
                table(&mut page, &schema);
            }
        }
    }
    page
}

fn heading(page: &mut String, level: usize, title: &str, about: &str) {
    // Writing to a string does not fail.
    let _ = write!(page, "\n{} `{title}`\n\n{about}\n", "#".repeat(level));
}

/// Every key of a section, those of tables below with their path.
fn table(page: &mut String, schema: &Value) {
    page.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
    rows(page, "", schema);
}

fn rows(page: &mut String, above: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let needed = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, key) in properties {
        let path = format!("{above}{name}");
        let meaning = key["description"].as_str().unwrap_or_default();
        let required = if needed.iter().any(|needed| needed == name) && !meaning.contains("Required") {
            " Required."
        } else {
            ""
        };
        let default = key.get("default").filter(|default| !default.is_object()).map(toml);
        let default = default.map_or_else(String::new, |default| format!("`{default}`"));
        let (value, example) = (value(key), example(name, key));
        let meaning = cell(&format!("{meaning}{required}"));
        let _ =
            writeln!(page, "| `{path}` | {value}, such as `{}` | {default} | {meaning} |", cell(&example));
        // What a secret's place consists of is said once, at the top.
        if key["maxProperties"] == 1 {
            continue;
        }
        rows(page, &format!("{path}."), key);
        if key["items"]["properties"].is_object() {
            rows(page, &format!("{path}[]."), &key["items"]);
        }
    }
}

/// What may stand there, in words.
fn value(key: &Value) -> String {
    let names =
        |values: &[Value]| values.iter().map(|value| format!("`{}`", toml(value))).collect::<Vec<_>>();
    if let Some(values) = key["enum"].as_array() {
        return names(values).join(", ");
    }
    if let Some(forms) = key["oneOf"].as_array() {
        let constants: Vec<Value> = forms.iter().filter_map(|form| form.get("const").cloned()).collect();
        if constants.len() == forms.len() {
            return names(&constants).join(", ");
        }
        return forms.iter().map(value).collect::<Vec<_>>().join(" or ");
    }
    if key["maxProperties"] == 1 {
        return "secret".to_owned();
    }
    let pattern = key["pattern"].as_str().unwrap_or_default();
    match key["type"].as_str() {
        Some("string") if pattern.contains("ms|s") => "duration".to_owned(),
        Some("string") if pattern.contains("KiB") => "size".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") if key["items"]["properties"].is_object() => "sections in double brackets".to_owned(),
        Some("array") => format!("list of {}", value(&key["items"])),
        Some("object") => "table".to_owned(),
        _ => "value".to_owned(),
    }
}

/// A value for it, as one writes it.
fn example(name: &str, key: &Value) -> String {
    if let Some(example) = key["examples"].as_array().and_then(|examples| examples.first()) {
        return toml(example);
    }
    if let Some(known) = relay_config::example_value(name) {
        return known.to_owned();
    }
    if let Some(default) =
        key.get("default").filter(|default| !default.is_object() && **default != Value::Array(Vec::new()))
    {
        return toml(default);
    }
    let first = |values: &Value| values.as_array().and_then(|values| values.first()).cloned();
    if let Some(form) = first(&key["enum"]).or_else(|| first(&key["oneOf"]).map(|form| form["const"].clone()))
    {
        return toml(&form);
    }
    match key["type"].as_str() {
        Some("boolean") => "true".to_owned(),
        Some("integer") => "16".to_owned(),
        Some("array") => format!("[{}]", example(name, &key["items"])),
        Some("object") => "{ … }".to_owned(),
        _ => format!("\"{name}\""),
    }
}

/// JSON's value as TOML writes it.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Fit for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
