//! The API's document: what is committed is what is served.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scene::Scene;

/// Asks for the committed document to be written anew: `write`.
const SNAPSHOT: &str = "MESH_RELAY_SNAPSHOT";

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the document is written for people")]
async fn the_document_that_is_committed_is_the_one_that_is_served() {
    let (_scene, running) = Scene::running().await;
    let answer = running.nobody().get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let served = format!("{:#}\n", answer.json());
    if std::env::var_os(SNAPSHOT).is_some_and(|asked| asked == "write") {
        std::fs::create_dir_all(committed().parent().expect("a folder")).expect("a folder");
        std::fs::write(committed(), &served).expect("the document written");
    }
    let kept = std::fs::read_to_string(committed()).unwrap_or_default();
    let differs = kept.lines().zip(served.lines()).position(|(kept, served)| kept != served);
    assert!(
        kept == served,
        "docs/openapi.json is not what the relay serves, first at line {}; if the change is meant, run this test once more \
         with {SNAPSHOT}=write, and commit the file",
        differs.unwrap_or_else(|| kept.lines().count().min(served.lines().count())) + 1
    );
    running.ends_well().await;
}

#[tokio::test]
async fn everything_that_the_document_refers_to_stands_in_it() {
    let (_scene, running) = Scene::running().await;
    let document = running.nobody().ask("/openapi.json").await;
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a place in the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
