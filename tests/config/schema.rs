//! The schema and the reference page: what is committed is what the program prints, and what is good passes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::{Place, base};

/// Asks for the committed files to be written anew: `write`.
const SNAPSHOT: &str = "MESH_RELAY_SNAPSHOT";
/// The good configurations of `base/`.
const GOOD: [&str; 7] = ["folder", "secure", "amqp", "kafka", "http", "console", "shared"];
/// Files of `config/` that are no configuration of a relay.
const OTHERS: [&str; 1] = ["faults.toml"];

fn committed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn printed(arguments: &[&str]) -> String {
    let place = Place::new(b"");
    let output = place.run(arguments);
    assert!(output.status.success(), "{}", place.told(&output.stderr));
    place.told(&output.stdout)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "both are written for people")]
fn what_is_committed_is_what_the_program_prints() {
    let write = std::env::var_os(SNAPSHOT).is_some_and(|asked| asked == "write");
    for (path, arguments) in
        [("config/mesh-relay.schema.json", &["schema"][..]), ("docs/configuration.md", &["schema", "--page"])]
    {
        let now = printed(arguments);
        if write {
            fs::write(committed(path), &now).expect("written");
        }
        let kept = fs::read_to_string(committed(path)).unwrap_or_default();
        let line = kept.lines().zip(now.lines()).position(|(kept, now)| kept != now);
        assert!(
            kept == now,
            "{path} is not what is printed, first at line {}; if the change is meant, run this test once more with \
             {SNAPSHOT}=write, and commit the file",
            line.unwrap_or_else(|| kept.lines().count().min(now.lines().count())) + 1
        );
    }
}

fn schema() -> Value {
    serde_json::from_str(&printed(&["schema"])).expect("JSON")
}

fn faults(validator: &jsonschema::Validator, text: &str) -> Vec<String> {
    let config: toml::Value = toml::from_str(text).expect("TOML");
    let config = serde_json::to_value(config).expect("JSON");
    validator.iter_errors(&config).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_good_configuration_passes_and_what_is_misspelt_does_not() {
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    let mut samples = 0;
    for entry in fs::read_dir(committed("config")).expect("samples") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.ends_with(".toml") || OTHERS.contains(&name) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a sample");
        assert_eq!(faults(&validator, &text), [""; 0], "{name}");
        samples += 1;
    }
    assert!(samples >= 7, "{samples} samples");
    for name in GOOD {
        assert_eq!(faults(&validator, &base(name)), [""; 0], "{name}");
    }
    let good = base("folder");
    for (line, instead) in [
        ("poll = \"1s\"", "pol = \"1s\""),
        ("poll = \"1s\"", "poll = 1"),
        ("kind = \"dts-folder\"", "kind = \"dts\""),
        ("in_doubt = \"probe\"", "in_doubt = \"two_step\""),
        ("to = [\"discharge\"]", "to = [\"discharge\", \"pathology\"]"),
        ("password = { file = \"mailbox.pass\" }", "password = \"hunter2\""),
        ("[log]", "[logs]"),
        ("environment = \"sandbox\"", ""),
    ] {
        assert!(good.contains(line), "{line}");
        assert_ne!(faults(&validator, &good.replacen(line, instead, 1)), [""; 0], "{instead}");
    }
}

#[test]
fn every_section_and_every_key_says_what_it_is() {
    let schema = schema();
    let sections = schema["properties"].as_object().expect("sections");
    let known: Vec<&str> = relay_config::SECTIONS.iter().map(|section| section.name).collect();
    assert_eq!(sections.len(), known.len(), "{known:?}");
    let mut keys = 0;
    for (name, section) in sections {
        assert!(known.contains(&name.as_str()) && section["description"].is_string(), "{name}");
        described(name, section, &mut keys);
    }
    assert!(keys > 100, "{keys} keys");
}

fn described(path: &str, schema: &Value, keys: &mut usize) {
    for (name, key) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let description = key["description"].as_str().unwrap_or_default();
        assert!(!description.is_empty() && !description.contains("[`"), "{path}: {description:?}");
        *keys += 1;
        described(&path, key, keys);
    }
    described_in(path, &schema["items"], keys);
    for form in schema["oneOf"].as_array().into_iter().flatten() {
        described_in(path, form, keys);
    }
}

fn described_in(path: &str, schema: &Value, keys: &mut usize) {
    if schema.is_object() {
        described(path, schema, keys);
    }
}
